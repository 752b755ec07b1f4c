import copy

import pytest

from vernal.common.problems import InputError, Problems, suggest


def test_all_kinds_are_reported_at_once_with_counts_and_remedy():
    problems = Problems("The manifest m.csv")
    problems.add("unknown quality", [f"row {i}" for i in range(25)], "Use high, medium or low.")
    problems.add("file not found", ["a.wav"], "Check the path.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    message = str(caught.value)
    assert message.startswith("The manifest m.csv: 2 problems")
    assert "unknown quality (25): row 0; " in message
    assert "row 4; and 20 more. Use high, medium or low." in message
    assert "- file not found (1): a.wav. Check the path." in message


def test_the_whole_has_every_case_and_only_where_some_are_left_out():
    problems = Problems("The manifest m.csv")
    problems.add("file not found", [f"{i}.wav" for i in range(5)], "Check the path.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    assert caught.value.whole == ""
    problems.add("unknown quality", [f"row {i}" for i in range(25)], "Use high, medium or low.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    whole = caught.value.whole.splitlines()
    assert whole[0] == "The manifest m.csv: 2 problems"
    assert "    row 24" in whole and "    4.wav" in whole
    # Workers send their mistakes pickled.
    assert copy.copy(caught.value).whole == caught.value.whole


def test_nothing_found_raises_nothing():
    problems = Problems("x")
    problems.add("kind", [], "remedy")
    problems.raise_if_any()


def test_suggest_lists_what_is_known_when_nothing_is_near():
    assert suggest("zzz", ["low", "high"]) == "known: high, low"
    assert suggest("zzz", map(str, range(8))) == "known: 0, 1, 2, 3, 4, and 3 more"
