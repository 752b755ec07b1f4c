"""What the lake holds: each sound once, with all that is known, and with what speaks against using it."""

import struct

import numpy as np
import pandas as pd
import pytest
import soundfile

from vernal.collection.inventory import LakeOptions, describe_recordings, list_doubles, take_stock
from vernal.collection.lake import Lake, list_inbox
from vernal.collection.schemas import RECORDINGS

RATE = 8_000


def sound(seed, seconds=1.0):
    return np.random.default_rng(seed).integers(-20_000, 20_000, int(RATE * seconds)).astype("int16")


class Inbox:
    """A folder under construction, and what the lake says of it."""

    def __init__(self, root):
        self.root, self.lake = root / "inbox", Lake(root / "zone")

    def add(self, path, seed=0, licence=None, said="", chunk=None):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, sound(seed), RATE, format="FLAC" if file.suffix == ".flac" else "WAV")
        if chunk:
            raw = (
                file.read_bytes()
                + chunk[0]
                + struct.pack("<I", len(chunk[1]))
                + chunk[1]
                + b"\0" * (len(chunk[1]) % 2)
            )
            file.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])
        text = said + (f"licence: {licence}\n" if licence else "")
        if text:
            (file.parent / "source.yml").write_text(text, encoding="utf-8")
        return file

    def describe(self, **options):
        self.lake.add(list_inbox(self.root)[0])
        statements = self.lake.statements()
        sounds = statements[(statements.kind == "recording") & ~statements.is_superseded]
        sounds = sounds.assign(object_path=sounds.content_hash.map(self.lake.object_path).astype("str"))
        facts = self.lake.facts(sorted(sounds.content_hash.unique()))
        recordings, differences = describe_recordings(sounds, facts, LakeOptions(**options))
        RECORDINGS.validate(recordings)
        return statements, recordings.set_index("recording"), differences


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path)


def test_without_a_licence_a_recording_is_held_back_unless_asked_otherwise(inbox):
    inbox.add("a/x.wav", 1)
    inbox.add("b/y.wav", 2, licence="unknown")
    inbox.add("c/z.wav", 3, licence="CC BY 4.0")
    _, recordings, _ = inbox.describe()
    assert recordings.held_back.fillna("").to_dict() == {
        "a/x.wav": "no licence",
        "b/y.wav": "no licence",
        "c/z.wav": "",
    }
    _, recordings, _ = inbox.describe(require_licence=False)
    assert recordings.held_back.isna().all()


def test_licences_that_contradict_each_other_hold_a_recording_back(inbox):
    inbox.add("a/x.wav", 1, licence="CC0")
    inbox.add("b/x.wav", 1, licence="CC BY-NC 4.0")
    _, recordings, differences = inbox.describe()
    assert "contradict" in recordings.held_back.iloc[0] and recordings.n_names.iloc[0] == 2
    assert "licence" in set(differences.about)


def test_a_header_may_give_the_licence_where_nobody_else_did(inbox):
    body = b"INFOICOP" + struct.pack("<I", 10) + b"CC BY 4.0\0"
    inbox.add("a/x.wav", 1, chunk=(b"LIST", body))
    inbox.add("b/y.wav", 2, chunk=(b"LIST", b"INFOICOP" + struct.pack("<I", 8) + b"(c) Ben\0"))
    _, recordings, _ = inbox.describe()
    assert recordings.licence.fillna("").to_dict() == {"a/x.wav": "CC-BY-4.0", "b/y.wav": ""}


def test_recorders_that_name_files_by_time_alone_are_told_apart_by_their_folders(inbox):
    for number, name in enumerate(("Moth08/Week 1/20250403_210000.WAV", "Moth09/Week 1/20250403_210000.WAV")):
        inbox.add(name, number, licence="CC0", said="site: Cole creek\n" if number else "site: Cole Creek\n")
    inbox.add("ana/Voice 20250403 211500.wav", 4, licence="CC0", said="collector: Ana\n")
    _, recordings, _ = inbox.describe()
    assert recordings.recorder_id.tolist() == ["Moth08", "Moth09", "device of Ana"]
    assert recordings.recorder_from.tolist() == ["folder", "folder", "collector"]
    assert recordings.site.dropna().nunique() == 1


def test_time_is_a_persons_word_then_the_headers_then_the_names(inbox):
    guano = (b"guan", b"GUANO|Version: 1.0\nSerial: G7\nTimestamp: 2025-04-04T04:00:00Z\n")
    inbox.add("a/SMM1_20250403_210000.wav", 1, licence="CC0", said='utc_offset: "-07:00"\n', chunk=guano)
    inbox.add("b/SMM1_20250403_220000.wav", 2, licence="CC0")
    inbox.add("c/SMM1_20250403_230000.wav", 3, licence="CC0", said='date: "2020-01-01"\n')
    inbox.add("d/hello.wav", 4, licence="CC0", said="collector: Ben\ndevice: phone\n")
    _, recordings, differences = inbox.describe()
    assert recordings.date.fillna("").tolist() == ["2025-04-03", "2025-04-03", "2020-01-01", ""]
    assert recordings.time.fillna("").tolist()[:2] == ["21:00:00", "22:00:00"]
    assert recordings.time_from.fillna("").tolist() == ["header", "name", "statement", ""]
    assert recordings.recorder_id.tolist() == ["G7", "SMM1", "SMM1", "phone of Ben"]
    assert recordings.recorder_from.tolist() == ["header", "name", "name", "collector"]
    assert differences.words.tolist() == [
        "name 2025-04-03 23:00:00, a person 2020-01-01; the person's word is used"
    ]


def test_a_clock_that_was_never_set_gives_no_date(inbox):
    guano = (b"guan", b"GUANO|Version: 1.0\nTimestamp: 1970-01-01T00:07:00Z\n")
    inbox.add("a/SMM1_19700101_000700.wav", 1, licence="CC0", chunk=guano)
    inbox.add("b/SMM1_19700102_000700.wav", 2, licence="CC0", said='date: "2025-04-03"\n')
    _, recordings, differences = inbox.describe()
    assert recordings.recorder_id.tolist() == ["SMM1", "SMM1"]
    assert recordings.date.fillna("").tolist() == ["", "2025-04-03"]
    assert recordings.time.isna().all() and differences.empty


def test_a_clock_that_is_wrong_is_noticed(inbox):
    guano = (b"guan", b"GUANO|Version: 1.0\nTimestamp: 2025-04-03T21:07:00Z\n")
    inbox.add("a/SMM1_20250403_210000.wav", 1, licence="CC0", chunk=guano)
    _, _, differences = inbox.describe()
    assert differences.about.tolist() == ["time"] and "21:07" in differences.words[0]


def test_the_same_sound_is_kept_once_the_one_that_most_is_known_of(inbox):
    inbox.add("copies/first night.flac", 1, licence="CC0")
    inbox.add("pond/SMM1_20250403_210000.wav", 1, licence="CC0", said="site: pond\n")
    inbox.add("pond/backup of it.wav", 1)
    statements, recordings, _ = inbox.describe()
    assert recordings.is_heard.sum() == 1
    assert (
        recordings.held_back["copies/first night.flac"] == "the same sound as pond/SMM1_20250403_210000.wav"
    )
    recordings = recordings.reset_index()
    doubles = list_doubles(statements, recordings).set_index("file_path").kind
    assert doubles.to_dict() == {
        "copies/first night.flac": "same sound",
        "pond/backup of it.wav": "same bytes",
    }
    stock = take_stock(statements, recordings).set_index("file_path")
    assert stock.state.to_dict() == {
        "copies/first night.flac": "double", "pond/SMM1_20250403_210000.wav": "used", "pond/backup of it.wav": "double",
    }  # fmt: skip


def test_doubles_are_of_the_recording_that_is_kept_even_when_it_is_held_back_too(inbox):
    inbox.add("a/copy.flac", 1)
    inbox.add("b/SMM1_20250403_210000.wav", 1)
    statements, recordings, _ = inbox.describe()
    kept = "b/SMM1_20250403_210000.wav"
    assert recordings.held_back.to_dict() == {"a/copy.flac": f"the same sound as {kept}", kept: "no licence"}
    doubles = list_doubles(statements, recordings.reset_index())
    assert doubles.to_dict("records") == [
        {"recording": kept, "file_path": "a/copy.flac", "kind": "same sound"}
    ]


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_copy_never_carries_a_test_sound_into_training(inbox, suffix):
    inbox.add("outsiders/x.wav", 1, licence="CC0", said="role: adversarial\n")
    inbox.add(f"ours/20250403_210000{suffix}", 1, licence="CC0", said="site: pond\n")
    _, recordings, _ = inbox.describe()
    assert set(recordings.role[recordings.is_heard]) == {"adversarial"}


def test_everything_added_is_in_the_inventory_once(inbox):
    inbox.add("a/x.wav", 1, licence="CC0")
    (inbox.root / "a" / "x.txt").write_text("", encoding="utf-8")
    (inbox.root / "a" / "photo.jpg").write_bytes(b"jpg")
    (inbox.root / "a" / "phone.m4a").write_bytes(b"m4a")
    statements, recordings, _ = inbox.describe()
    stock = take_stock(statements, recordings.reset_index())
    assert stock.set_index("file_path").state.to_dict() == {
        "a/phone.m4a": "held back",
        "a/photo.jpg": "not sound",
        "a/x.txt": "labels",
        "a/x.wav": "used",
    }
    (inbox.root / "a" / "x.txt").write_text("0.1\t0.2\tRADR\n", encoding="utf-8")
    statements, recordings, _ = inbox.describe()
    states = take_stock(statements, recordings.reset_index())
    assert sorted(states.state[states.file_path == "a/x.txt"]) == ["labels", "superseded"]
    assert isinstance(states, pd.DataFrame)


@pytest.mark.parametrize(
    ("said", "date", "time", "differs"),
    [
        ('date: "2025-04-03"\n', "2025-04-03", "21:00:00", False),
        ('time: "21:00"\n', "2025-04-03", "21:00:00", False),
        ('time: "22:30"\n', "2025-04-03", "22:30:00", True),
        ('date: "2025-04-04"\n', "2025-04-04", None, True),
        ('date: "2025-04-04"\ntime: "01:02:03"\n', "2025-04-04", "01:02:03", True),
    ],
)
def test_a_persons_date_and_time_are_completed_by_the_name_and_compared_with_it(
    inbox, said, date, time, differs
):
    inbox.add("a/SMM1_20250403_210000.wav", 1, licence="CC0", said=said)
    _, recordings, differences = inbox.describe()
    (row,) = recordings.to_dict("records")
    assert row["date"] == date and (row["time"] == time or (time is None and pd.isna(row["time"])))
    assert row["time_from"] == "statement" and (len(differences) == 1) == differs


def test_a_time_alone_says_nothing_without_a_day(inbox):
    inbox.add("a/song.wav", 1, licence="CC0", said='time: "21:00"\n')
    _, recordings, _ = inbox.describe()
    assert recordings[["date", "time", "time_from"]].isna().all(axis=None)


def test_a_recording_that_was_replaced_is_listed_and_not_used(inbox):
    inbox.add("a/x.wav", 1, licence="CC0")
    inbox.describe()
    inbox.add("a/x.wav", 2)
    statements, recordings, _ = inbox.describe()
    stock = take_stock(statements, recordings.reset_index())
    assert len(recordings) == 1
    assert stock.state.tolist() == ["superseded", "used"]
    assert stock.reason.fillna("").tolist() == ["a later file was added under this path", ""]


def test_what_was_withdrawn_is_listed_and_not_used(inbox):
    inbox.add("a/x.wav", 1, licence="CC0")
    inbox.add("b/y.wav", 2, licence="CC0", said="withdrawn: yes\n")
    statements, recordings, _ = inbox.describe()
    stock = take_stock(statements, recordings.reset_index()).set_index("file_path")
    assert recordings.index.tolist() == ["a/x.wav"]
    assert stock.state["b/y.wav"] == "superseded" and stock.reason["b/y.wav"] == "withdrawn"
