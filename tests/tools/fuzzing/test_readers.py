"""No file of others ends a reader otherwise than in words: a few damages of each in every run of the tests.

`python -m tools.fuzzing readers` tries as many as there is time for.
"""

import contextlib
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.fuzzing.mutation import mutated
from tools.fuzzing.readers import readers
from vernal.common.problems import InputError

SAMPLES: dict[str, list[bytes]] = {}


def samples_of(name: str) -> list[bytes]:
    if name not in SAMPLES:
        with TemporaryDirectory() as scratch:
            SAMPLES[name] = readers()[name].samples(Path(scratch))
    return SAMPLES[name]


@pytest.mark.parametrize("name", sorted(readers()))
def test_valid_files_are_taken(name):
    assert samples_of(name)
    for content in samples_of(name):
        with TemporaryDirectory() as scratch:
            readers()[name].read(Path(scratch), content)


@pytest.mark.parametrize("name", sorted(readers()))
@given(st.integers(0, 2**32))
@settings(max_examples=15)
def test_damaged_files_are_taken_or_refused_in_words(name, number):
    rng = Random(number)
    content = mutated(rng.choice(samples_of(name)), rng, samples_of(name))
    with TemporaryDirectory() as scratch:
        try:
            readers()[name].read(Path(scratch), content)
        except InputError as error:
            assert str(error)


@pytest.mark.parametrize("name", sorted(readers()))
@pytest.mark.parametrize("content", [b"", b"\0" * 4_096, b"\xff" * 4_096, b"[" * 100_000, b"9" * 100_000])
def test_files_of_one_sign_are_taken_or_refused_in_words(name, content):
    with TemporaryDirectory() as scratch:
        try:
            readers()[name].read(Path(scratch), content)
        except InputError as error:
            assert str(error)


FOUND = Path(__file__).parent / "found"


@pytest.mark.parametrize("file", sorted(FOUND.iterdir()), ids=lambda file: file.name)
def test_what_ended_a_reader_once_is_taken_or_refused_in_words(file):
    """A file of `--keep` that was a fault belongs here, under its reader's name, with what mends it."""
    reader = readers()[file.name.partition("-")[0]]
    with TemporaryDirectory() as scratch, contextlib.suppress(InputError):
        reader.read(Path(scratch), file.read_bytes())
