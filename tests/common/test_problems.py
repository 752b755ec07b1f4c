import pytest

from vernal.common.problems import InputError, Problems, suggest


def test_all_kinds_are_reported_at_once_with_counts_and_remedy():
    problems = Problems("The manifest m.csv")
    problems.add("unknown quality", [f"row {i}" for i in range(25)], "Use high, medium or low.")
    problems.add("file not found", ["a.wav"], "Check the path.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    message = str(caught.value)
    assert message.startswith("The manifest m.csv has 2 kinds of problem:")
    assert "unknown quality (25): row 0; " in message
    assert "row 19; and 5 more. Use high, medium or low." in message
    assert "- file not found (1): a.wav. Check the path." in message


def test_nothing_found_raises_nothing():
    problems = Problems("x")
    problems.add("kind", [], "remedy")
    problems.raise_if_any()


def test_suggest_lists_what_is_known_when_nothing_is_near():
    assert suggest("zzz", ["low", "high"]) == "known: high, low"
