"""YAML from strangers: plain data, of bounded size, or one clear message."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.common.safe_yaml import MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml

BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)
MERGE_BOMB = "a: &a {k: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 20)}], {new}{new}: 1}}\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED = {
    "alias bomb": (BILLION_LAUGHS, "more than 50,000 values once its aliases"),
    "merge bomb": (MERGE_BOMB, "more than 50,000 values once its aliases"),
    "alias of itself": ("a: &a [1, *a]", "alias that contains itself"),
    "deep lists": ("a: " + "[" * 100_000, "nests more than 20 levels"),
    "deep mappings": ("{a: " * 50_000, "nests more than 20 levels"),
    "deep block": ("".join("  " * i + "a:\n" for i in range(100)), "nests more than 20 levels"),
    "deep through aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 40)),
        "nests more than 20 levels",
    ),
    "python object": ("a: !!python/object/apply:os.system ['echo']", "uses the tag '!!python/object/apply"),
    "python name": ("a: !!python/name:os.system", "uses the tag"),
    "own tag": ("a: !thing 1", "uses the tag '!thing' .line 1."),
    "binary": ("a: !!binary aGk=", "uses the tag '!!binary'"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML: expected a single document"),
    "repeated key": ("stage: 1\naxes: {}\nstage: 2\n", r"gives 'stage' twice \(lines 1 and 3\)"),
    "repeated inner key": ("axes:\n  seed: [1]\n  seed: [2]\n", r"gives 'seed' twice \(lines 2 and 3\)"),
    "list as key": ("? [1, 2]\n: 3", "list or mapping as a key"),
    "impossible date": ("a: 2025-13-45", "not valid YAML: month must be in 1..12"),
    "endless number": ("a: " + "9" * 10_000, "not valid YAML: Exceeds the limit"),
    "broken syntax": (
        b"axes: [1, 2",
        r"while parsing a flow sequence, did not find expected .* \(line \d, column \d+\)\. Mend",
    ),
    "tab": ("a:\n\t- 1", "not valid YAML"),
    "control characters": ("a: \x00", "not valid YAML"),
    "not text": (b"a: \xff\xfa\x80", "not valid YAML"),
    "too large": ("# " + "x" * MAX_BYTES, "larger than 262,144 bytes"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_hostile_or_broken_yaml_is_refused_with_a_message_that_names_the_file(content, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(content, "season.yml")
    assert str(caught.value).startswith("season.yml ")
    assert len(str(caught.value)) < 600


def test_anchors_merges_and_ordinary_nesting_are_read():
    content = "base: &base {epochs: 50}\nother:\n  <<: *base\n  dropout: 0.5\nlist: [*base, *base]\n"
    assert parse_yaml(content) == {
        "base": {"epochs": 50},
        "other": {"epochs": 50, "dropout": 0.5},
        "list": [{"epochs": 50}, {"epochs": 50}],
    }


def test_the_deepest_allowed_nesting_is_read():
    parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(InputError, match="nests more"):
        parse_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_an_empty_file_is_none_and_a_missing_one_is_named(tmp_path: Path):
    empty = tmp_path / "empty file.yml"
    empty.write_text("# nothing\n")
    assert read_yaml(empty) is None
    with pytest.raises(InputError, match=r"no\.yml cannot be read \(No such file or directory\)"):
        read_yaml(tmp_path / "no.yml")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=100, deadline=None)
def test_plain_data_is_read_as_safe_yaml_reads_it(data):
    text = yaml.safe_dump(data, allow_unicode=True)
    assert parse_yaml(text) == yaml.safe_load(text)


@given(st.binary(max_size=300) | st.text(alphabet="[]{}:,-&*!<>?|#'\"\n\t %@`~ ab01.", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_but_never_crash(content):
    try:
        parse_yaml(content)
    except InputError as error:
        assert "this text" in str(error)


def test_text_stays_as_it_is_written_and_within_the_same_bounds(tmp_path):
    file = tmp_path / "parameters.yml"
    file.write_text("\ufeffsite: 007\nheard: yes\nfrom: 2025-04-03\nlist: [1.0]\n", encoding="utf-8")
    assert read_yaml(file, as_text=True) == {
        "site": "007",
        "heard": "yes",
        "from": "2025-04-03",
        "list": ["1.0"],
    }
    with pytest.raises(InputError, match="levels deep"):
        parse_yaml("[" * 30 + "]" * 30, as_text=True)
