"""What all stores of parts share: names by content, settings in words, and clear words about damage."""

import os
import time

import pyarrow as pa
import pytest

from vernal.common.files import abandoned
from vernal.common.hashing import digest
from vernal.common.part_store import PartStore, as_parquet, part_name, read_part
from vernal.common.problems import InputError

SETTINGS = {"band": [0, 15_000], "name": "ä"}
GROUP = digest(SETTINGS)
CONTENT = as_parquet(pa.table({"key": ["a", "b"]}), compression="none")


class Things(PartStore):
    cannot_write = "No place for {store}, {folder}: {reason}."


@pytest.fixture
def store(tmp_path) -> Things:
    store = Things(tmp_path / "things")
    store._append(GROUP, SETTINGS, CONTENT)
    return store


def test_a_part_is_named_by_its_content_and_written_once(store):
    assert store._append(GROUP, SETTINGS, CONTENT) == store.folder / GROUP / part_name(CONTENT)
    assert [file.read_bytes() for file in store._parts(GROUP)] == [CONTENT]
    assert store._settings(store.folder / GROUP) == SETTINGS
    assert repr(store) == f"Things({str(store.folder)!r})"


def test_settings_that_are_damaged_are_written_again_and_others_are_not_taken(store):
    file = store.folder / GROUP / "settings.json"
    for content in ('{"band', '{"band": 1}'):
        file.write_text(content, encoding="utf-8")
        assert store.verify().state.tolist() == ["damaged", "ok"]
        store._append(GROUP, SETTINGS, CONTENT)
        assert store.verify().state.tolist() == ["ok", "ok"]


def test_a_part_that_changed_is_seen_and_named(store):
    part = store._parts(GROUP)[0]
    assert read_part(part, ["key"], "").to_pydict() == {"key": ["a", "b"]}
    part.write_bytes(CONTENT[:-9])
    assert store.verify().set_index("file").state[part.name] == "damaged"
    with pytest.raises(InputError, match=r"is damaged or cannot be read.* Delete it\.$"):
        read_part(part, None, "Delete it.")


def test_a_folder_that_cannot_be_written_is_named_in_the_stores_words(tmp_path):
    (tmp_path / "things").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match=r"^No place for .*things, .*: \w"):
        Things(tmp_path / "things")._append(GROUP, SETTINGS, CONTENT)


def test_only_old_files_of_writers_are_abandoned(tmp_path):
    for name in (".partial-old", "deep/.partial-old", ".partial-young", "whole"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        if "old" in name:
            os.utime(tmp_path / name, (time.time() - 4_000,) * 2)
    assert abandoned(tmp_path) == [tmp_path / ".partial-old", tmp_path / "deep" / ".partial-old"]
    assert abandoned(tmp_path / "nowhere") == []
