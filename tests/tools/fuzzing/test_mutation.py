"""Damage is drawn, bounded, and of kinds that matter."""

import io
import zipfile
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.fuzzing.mutation import MOST_BYTES, mutated


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_any_bytes_can_be_damaged_and_the_same_draw_gives_the_same_damage(content, number):
    made = mutated(content, Random(number), [b"other"])
    assert made == mutated(content, Random(number), [b"other"]) and len(made) <= MOST_BYTES


def test_most_draws_change_something_and_they_differ():
    content = b"file_path,label,start_s\na.wav,RADR,3.5\n" * 3
    made = {mutated(content, Random(number), [content]) for number in range(200)}
    assert len(made) > 150
    assert any(b"9" * 400 in one for one in made) and any(one.startswith(content[:20]) for one in made)


@pytest.mark.parametrize("number", range(5))
def test_what_a_zip_file_holds_is_damaged_behind_checksums_that_hold(number):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", b"abc" * 50)
    draws = [mutated(file.getvalue(), Random(f"{number} {draw}")) for draw in range(40)]
    assert sum(map(is_whole, draws)) > 10


def test_an_archive_of_nothing_is_damaged_as_other_bytes_are():
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    empty = b"PK\x03\x04" + file.getvalue()
    assert len({mutated(empty, Random(number)) for number in range(50)}) > 20


def is_whole(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = archive.namelist()
            return archive.testzip() is None and archive.read(name) != b"abc" * 50
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        return False
