"""Runs that are stopped, whose workers die, or whose disk is full: nothing lost, nothing half-written, the same bytes."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.field.detection.conftest import Season, make_classifier, make_season, write_noise
from vernal.audio.encoders.base import get_encoder
from vernal.common.problems import InputError
from vernal.field.detection import file_facts, scan, scoring
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.score_store import ScoreStore, StoredScores
from vernal.training.heads import Head

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes even for little work."""
    monkeypatch.setattr(scan, "_WORTH_WORKERS", 0)


@pytest.mark.processes
def test_the_same_bytes_whatever_the_workers(recordings, tmp_path, in_workers):
    own, found = make_classifier(fmin=200.0, overlap=1.0), []
    for workers in (0, 1, 2):
        season = Season(tmp_path / str(workers))
        assert season.scan(recordings, own, workers=workers) == 6
        found.append(season.content())
    assert found[0] == found[1] == found[2] and len(found[0]) == 7


def test_a_stopped_run_goes_on_where_it_was(recordings, tmp_path, season: Season):
    own = make_classifier()
    pieces = season.pieces(recordings, own)
    stored = 0
    while stored < 3:
        stored += len(next(pieces)[1].blocks)
    pieces.close()
    assert season.scan(recordings, own) == 3
    assert season.scan(recordings, own) == 0
    whole = Season(tmp_path / "whole")
    whole.scan(recordings, own)
    assert season.content() == whole.content()


def test_long_files_go_on_within_the_file(tmp_path, monkeypatch, season: Season):
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    write_noise(tmp_path / "in" / "a.wav", 20.0)
    own = make_classifier(fmin=200.0)
    pieces = season.pieces(tmp_path / "in", own)
    for _ in range(3):
        next(pieces)
    pieces.close()
    assert season.scan(tmp_path / "in", own) == 2
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 100)
    whole = Season(tmp_path / "whole")
    whole.scan(tmp_path / "in", own)
    logits = [one.find(tmp_path / "in", dataclasses.replace(own, threshold_logit=-1e9), merge_gap_s=None)
              .detections.logit.tolist() for one in (whole,)]  # fmt: skip
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    own = dataclasses.replace(own, threshold_logit=-1e9)
    assert season.find(tmp_path / "in", own, merge_gap_s=None).detections.logit.tolist() == logits[0]


def test_a_file_of_another_name_is_known_by_its_content(tmp_path, season: Season):
    path = write_noise(tmp_path / "in" / "a.wav", 4.0)
    own = make_classifier()
    assert season.scan(tmp_path / "in", own) == 1
    path.rename(tmp_path / "in" / "b.wav")
    assert season.scan(tmp_path / "in", own) == 0
    assert season.find(tmp_path / "in", own).files.state.tolist() == ["heard"]


def test_a_changed_file_is_listened_to_again(tmp_path, season: Season):
    path = write_noise(tmp_path / "in" / "a.wav", 4.0)
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    before = season.find(tmp_path / "in", own).detections
    write_noise(path, 5.0, seed=9)
    assert season.scan(tmp_path / "in", own) == 1
    assert not season.find(tmp_path / "in", own).detections.equals(before)


def test_an_unchanged_file_is_not_even_opened(recordings, season: Season, monkeypatch):
    own = make_classifier()
    season.scan(recordings, own)
    monkeypatch.setattr(file_facts, "sha256_of_file", None)
    assert season.scan(recordings, own) == 0


def test_a_disk_that_fails_is_told_and_tried_again(tmp_path, season: Season, monkeypatch):
    write_noise(tmp_path / "in" / "a.wav", 4.0)
    own = make_classifier()

    class Unreadable:
        def __init__(self, *_):
            raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "AudioReader", Unreadable)
        season.scan(tmp_path / "in", own)
        files = season.find(tmp_path / "in", own).files
        assert (files.state[0], files.reason[0], files.message[0]) == (
            "not heard",
            "failed",
            "Permission denied",
        )
    assert season.scan(tmp_path / "in", own) == 1
    assert season.find(tmp_path / "in", own).files.state.tolist() == ["heard"]


# Workers and clients that die ------------------------------------------------------------------------


@pytest.mark.processes
def test_a_killed_worker_costs_nothing(tmp_path, season: Season, in_workers):
    folder = tmp_path / "in"
    for number in range(12):
        write_noise(folder / f"R1_20250403_21{number:02d}00.wav", 7.0, number)
    own, killed = make_classifier(), []
    # Other tests of this process keep workers of their own, which must live.
    others = set(psutil.Process().children())
    for _ in season.pieces(folder, own, workers=2):
        if not killed:
            children = set(psutil.Process().children()) - others
            killed = [one for one in children if "spawn_main" in " ".join(one.cmdline())][:1]
            os.kill(killed[0].pid, signal.SIGKILL)
    assert killed
    assert season.find(folder, own).files.state.tolist() == ["heard"] * 12
    plain = Season(tmp_path / "plain")
    plain.scan(folder, own)
    assert season.content() == plain.content()


def pure_tone(seconds: float) -> np.ndarray:
    """1 kHz at 48 kHz; every window of it is the same."""
    return (0.25 * np.sin(2 * np.pi * (np.arange(round(seconds * 48_000)) % 48) / 48)).astype(np.float32)


def write_tone(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pure_tone(seconds), 48_000, subtype="FLOAT")


class DeadlyHead(Head):
    """Ends the process that scores a pure tone with it, as a decoder does that crashes."""

    def logits(self, x):
        tone = get_encoder("birdnet_v2.4").embed(pure_tone(3.0)[np.newaxis])[0]
        if (np.asarray(x) == tone).all(axis=1).any():
            os._exit(11)
        return super().logits(x)


@pytest.mark.processes
def test_a_file_that_kills_its_worker_is_named_and_the_others_are_heard(tmp_path, season: Season, in_workers):
    folder = tmp_path / "in"
    for number in range(6):
        write_noise(folder / f"{number}.wav", 4.0, number)
    write_tone(folder / "2.wav", 4.0)
    own = make_classifier()
    deadly = dataclasses.replace(own, head=DeadlyHead(own.head.layers))
    season.scan(folder, deadly, workers=2)
    files = season.find(folder, deadly).files.set_index("file_path")
    assert files.state["2.wav"] == "not heard" and files.reason["2.wav"] == "failed"
    assert "a decoder crashed on it, or memory ran out" in files.message["2.wav"]
    assert (files.state.drop("2.wav") == "heard").all()
    assert season.scan(folder, own) == 1  # tried again, and by now it can be heard


@pytest.mark.processes
def test_workers_that_die_at_everything_end_the_run(tmp_path, season: Season, in_workers):
    folder = tmp_path / "in"
    for number in range(5):
        write_tone(folder / f"{number}.wav", 4.0 + number)
    own = make_classifier()
    deadly = dataclasses.replace(own, head=DeadlyHead(own.head.layers))
    with pytest.raises(InputError, match=r"Worker processes ended 3 times in a row.*run again to continue"):
        season.scan(folder, deadly, workers=2)


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.field.detection.conftest import Season, make_classifier
from vernal.field.detection import scan
if __name__ == "__main__":
    scan._WORTH_WORKERS = 0
    Season(Path(sys.argv[3])).scan(Path(sys.argv[2]), make_classifier(), keep=True, workers=2)
"""


@pytest.mark.processes
def test_a_killed_client_leaves_what_was_finished_and_no_workers(tmp_path, season: Season):
    folder, root = tmp_path / "in", tmp_path / "data ü"
    for number in range(40):
        write_noise(folder / f"R1_20250403_21{number:02d}00.wav", 7.0, number)
    (tmp_path / "run.py").write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    client = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(PROJECT), str(folder), str(root)], env=environment
    )
    own = make_classifier()
    until = time.monotonic() + 120
    while len(season.scores.finished(own.run_key)) < 5 and time.monotonic() < until:
        time.sleep(0.02)
    workers = psutil.Process(client.pid).children(recursive=True)
    client.kill()
    client.wait()
    done = len(season.scores.finished(own.run_key))
    assert 5 <= done < 40
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert season.scan(folder, own, keep=True) == 40 - done
    plain = Season(tmp_path / "plain")
    plain.scan(folder, own, keep=True)
    content = {name: content for name, content in season.content().items() if ".partial-" not in name}
    assert content == plain.content()
    assert len(season.store.known_keys(own.audio)) >= 3 * 40 - 3


# Keeping ---------------------------------------------------------------------------------------------


def test_a_full_disk_is_one_clear_message_and_nothing_half_written(recordings, season: Season, monkeypatch):
    own = make_classifier()
    pieces = season.pieces(recordings, own)
    while not next(pieces)[1].blocks:
        pass

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vernal.common.files.os.fsync", full)
        with pytest.raises(
            InputError, match=r"Scores cannot be written to .*No space left.*run again to continue"
        ):
            for _ in pieces:
                pass
    assert len(season.content()) == 2  # the settings and the one block before
    assert season.scan(recordings, own) == 5


def test_a_folder_that_cannot_be_written_is_named(recordings, season: Season, tmp_path):
    (tmp_path / "data ü").mkdir()
    (tmp_path / "data ü" / "scores").write_text("a file in the way")
    with pytest.raises(InputError, match="Scores cannot be written to"):
        season.scan(recordings, make_classifier())


def test_the_journal_passes_over_what_is_torn(tmp_path):
    journal = KnownFiles(tmp_path / "deep" / "known.jsonl")
    assert journal.load() == {}
    one = file_facts.FileFacts(1, 2, "ab", 3, 4, 5)
    journal.append({"/x/ä.wav": one})
    with journal.file.open("a", encoding="utf-8") as file:
        file.write('{"path": "/x/b.wav", "si')
    other = dataclasses.replace(one, failure="again")
    journal.append({"/x/c.wav": one, "/x/ä.wav": other})
    assert journal.load() == {"/x/ä.wav": other, "/x/c.wav": one}


@pytest.fixture(scope="module")
def made_scan(recordings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scanned") / "data ü"
    Season(folder).scan(recordings, make_classifier())
    return folder


@pytest.fixture
def scanned(made_scan: Path, tmp_path: Path) -> Season:
    """A season whose `recordings` were searched with `make_classifier()`."""
    shutil.copytree(made_scan, tmp_path / "scanned ü")
    return Season(tmp_path / "scanned ü")


def test_damaged_scores_are_named_with_what_to_do(recordings, scanned: Season):
    file = next(scanned.scores.folder.rglob("*-0.parquet"))
    content = bytearray(file.read_bytes())
    content[20] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"damaged.*Delete that file and run again"):
        scanned.find(recordings, make_classifier())


def _with_meta(table: pa.Table, **changes: object) -> pa.Table:
    meta = json.loads(table.schema.metadata[b"vernal"]) | changes
    return table.replace_schema_metadata({b"vernal": json.dumps(meta)})


def _with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: _with_column(table, "logit_0", [np.nan] * len(table)), "not finite"),
        (lambda table: _with_column(table, "logit_0", [None] * (len(table) - 1) + [1.0]), "not finite"),
        (lambda table: _with_column(table, "logit_0", ["text"] * len(table)), "logit_0 is string"),
        (lambda table: _with_column(table, "end_s", [1] * len(table)), "end_s is int64"),
        (lambda table: table.drop_columns(["start_s"]), "start_s is missing"),
        (lambda table: table.append_column("more", pa.array([1.0] * len(table))), "more is double"),
        (lambda table: table.replace_schema_metadata({}), "vernal"),
        (lambda table: table.replace_schema_metadata({b"vernal": "[" * 100_000}), "nests more than 100 deep"),
        (lambda table: _with_meta(table, n_blocks="two"), "no n_blocks"),
        (lambda table: _with_meta(table, level=[0.0]), "not enough values"),
        (lambda table: _with_meta(table, next_state=3), "not iterable"),
        (lambda table: _with_meta(table, heard_s=10**400), "a number of 401 digits"),
    ],
)
def test_scores_of_somebody_else_are_named(recordings, scanned: Season, change, words):
    file = next(scanned.scores.folder.rglob("*-0.parquet"))
    pq.write_table(change(pq.read_table(file)), file)
    with pytest.raises(
        InputError, match=rf"{file.name} is damaged or cannot be read \(.*{words}.*Delete that file"
    ):
        scanned.find(recordings, make_classifier())


def test_abandoned_files_go_and_young_ones_stay(recordings, season: Season):
    own = make_classifier()
    folder = season.scores.folder / own.run_key / "ab"
    folder.mkdir(parents=True)
    for name, age_s in ((".partial-old.parquet", 7_200), (".partial-young.parquet", 10)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    season.scan(recordings, own)
    assert sorted(path.name for path in folder.glob(".partial*")) == [".partial-young.parquet"]
    assert len(season.scores.finished(own.run_key)) == 6


def test_scores_survive_the_disk(tmp_path, recordings, season: Season):
    own = make_classifier(labels=("a", "b"), fmin=100.0)
    blocks = [block for _, scores, _ in season.pieces(recordings, own) for block in scores.blocks]
    store = ScoreStore(season.scores.folder)
    for block in blocks:
        read = store.load(own.run_key, block.content_hash, block.block)
        assert np.array_equal(read.logits, block.logits) and np.array_equal(read.end_s, block.end_s)
        assert read.traces == block.traces and read.heard_s == block.heard_s
    assert (season.scores.folder / own.run_key / "settings.json").is_file()
    store.append(StoredScores("nothing", own.score_settings, ()))
    assert not (season.scores.folder / "nothing").exists()


def test_a_season_of_one_minute_and_broken_files_is_heard(tmp_path, season: Season):
    folder = make_season(tmp_path / "in")
    (folder / "east" / "SMA01_20250403_230000.wav").write_bytes(b"not sound")
    (folder / "east" / "SMA01_20250403_231000.wav").write_bytes(b"")
    own = make_classifier(threshold=-1e9)
    assert season.scan(folder, own) == 6
    found = season.find(folder, own)
    assert found.files.state.value_counts().to_dict() == {"heard": 6, "not heard": 2}


@pytest.mark.parametrize("fmin", [0.0, 200.0])
def test_a_file_of_absurd_samples_is_named_and_the_others_are_heard(tmp_path, season: Season, fmin: float):
    folder = make_season(tmp_path / "in")
    loud = np.full(7 * 48_000, 3e38, dtype=np.float32)
    soundfile.write(folder / "east" / "SMA01_20250403_230000.wav", loud, 48_000, subtype="FLOAT")
    own = make_classifier(threshold=-1e9, fmin=fmin)
    season.scan(folder, own)
    files = season.find(folder, own).files.set_index("file_path")
    assert files.state.value_counts().to_dict() == {"heard": 6, "not heard": 1}
    (absurd,) = files.index[files.state == "not heard"]
    assert absurd.endswith("SMA01_20250403_230000.wav")
    assert "no sound (up to " in " ".join(map(str, files.loc[absurd].dropna()))


@pytest.mark.processes
def test_object_storage_keeps_the_same_bytes(recordings, tmp_path):
    from tests.object_storage import s3_server

    own = make_classifier(threshold=-1e9)
    plain = Season(tmp_path / "plain")
    plain.scan(recordings, own)
    with s3_server() as bucket:
        remote = Season(tmp_path / "unused")
        remote.files, remote.scores = KnownFiles(f"{bucket}/known.jsonl"), ScoreStore(f"{bucket}/scores")
        pieces = remote.pieces(recordings, own)
        for _ in range(6):
            next(pieces)
        pieces.close()
        assert 0 < remote.scan(recordings, own) < 6
        assert remote.find(recordings, own).detections.equals(plain.find(recordings, own).detections)
        files = {file.name: file.read_bytes() for file in remote.scores.folder.rglob("*.parquet")}
        assert files == {
            Path(name).name: content for name, content in plain.content().items() if ".parquet" in name
        }
