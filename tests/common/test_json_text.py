"""JSON of others ends in one sentence that names the file, whatever it holds."""

import json

import pytest

from vernal.common.json_text import MAX_DEPTH, MOST_BYTES, parse_json, read_json
from vernal.common.problems import InputError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[" * 100_000, "it nests more than 100 deep"),
        (b'{"a":' * 100_000, "it nests more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "it nests more than 100 deep"),
        (b'{"a": ' * 150 + b"1" + b"}" * 150, "it nests more than 100 deep"),
        (b"1" * 400, "a number of 400 digits"),
        (b'{"a": [-' + b"9" * 5_000 + b"]}", "a number of 5,001 digits"),
        (b'{"a": 1e400}', "a number that is too large: 1e400"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path, text, words):
    file = tmp_path / "a.json"
    file.write_bytes(text)
    with pytest.raises(InputError, match=rf"^.*a\.json cannot be read as JSON: .*{words}.*$"):
        read_json(file)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5, None, True, "ä"]},
        [[]] * 5_000,
        [{"a": n} for n in range(500)],
        9_223_372_036_854_775_807,
    ],
)
def test_what_json_holds_comes_back(value):
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(json.dumps(value).encode(), "x") == value


def test_the_bound_of_nesting_is_met_exactly():
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")


def test_a_file_larger_than_any_record_is_not_read(tmp_path):
    file = tmp_path / "a.json"
    with file.open("wb") as empty:
        empty.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="it has more than 67,108,864 bytes"):
        read_json(file)
