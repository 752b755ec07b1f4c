"""The detection benchmark searches the same files on both sides, and compares what they say."""

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

from tools.benchmarks.page import SECTIONS
from vernal.commands.bench import bench
from vernal.commands.benchmarks import detect as bench_detect
from vernal.common.problems import InputError


def test_our_side_alone(tmp_path):
    bench_detect.make_recordings(tmp_path / "night", 2, seconds=9)
    report = bench_detect.bench_detect(tmp_path / "night", workers=1, sides="ours")
    assert report["n_windows"] == 6 and report["hours"] == pytest.approx(18 / 3_600, abs=1e-4)
    assert report["ours_s"] > 0 and report["ours_hours_a_minute"] > 0
    assert report["peer_s"] is report["ratio"] is report["max_abs_difference"] is None


def test_made_recordings_are_the_same_every_time_and_named_by_minute(tmp_path):
    for name in ("a", "b"):
        bench_detect.make_recordings(tmp_path / name, 2, seconds=2, sample_rate_hz=8_000)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes() != first[1].read_bytes()
    assert [path.name for path in first] == ["R1_20250403_180000.wav", "R1_20250403_180100.wav"]


def test_a_long_recording_has_its_length(tmp_path):
    bench_detect.make_long_recording(tmp_path / "x" / "a.wav", 10.5, sample_rate_hz=8_000)
    found = soundfile.info(tmp_path / "x" / "a.wav")
    assert found.duration == 630 and found.format == "RF64"


def test_a_folder_without_audio_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no audio"):
        bench_detect.bench_detect(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    found = []
    values = {"ours_s": 2.0, "peer_s": 12.0, "ratio": 6.0, "hours": 2.0}

    def detect(folder, n_files, workers, sides="both", sample_rate_hz=48_000):
        found.append((folder, n_files, workers, sample_rate_hz))
        return values

    def memory(minutes):
        found.append(minutes)
        return {**values, "peer_s": None, "ratio": None}

    monkeypatch.setattr(bench_detect, "bench_detect", detect)
    monkeypatch.setattr(bench_detect, "bench_memory", memory)
    return found


def call(*arguments: str) -> str:
    done = CliRunner().invoke(bench, ["detect", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_measures_what_was_asked(asked, tmp_path: Path):
    said = json.loads(call("--json", "--files", "432", "--other-rates", "--large"))
    assert list(said) == [
        "48_kHz",
        "44.1_kHz",
        "24_kHz",
        "one_file_of_10_minutes",
        "one_file_of_24_hours",
    ]
    assert all({"ours_s", "peer_s", "ratio"} <= set(values) for values in said.values())
    assert asked == [
        (None, 432, 2, 48_000),
        (None, 432, 2, 44_100),
        (None, 432, 2, 24_000),
        10,
        1_440,
    ]
    assert set(said) <= {*SECTIONS["detect"].asked, "44.1_kHz", "24_kHz"}
    call("--folder", str(tmp_path), "--workers", "1")
    assert asked[-1] == (tmp_path, 120, 1, 48_000)


def test_the_table_says_hours_a_minute(asked):
    assert "BirdNET-Analyzer, hours a minute" in call()


@pytest.mark.slow
def test_both_sides_give_the_same_scores():
    report = bench_detect.bench_detect(n_files=4, workers=2)
    assert report["n_windows"] == 80
    assert report["max_abs_difference"] < 1e-4
    assert report["ratio"] > 0


@pytest.mark.slow
def test_memory_is_flat():
    """Ten minutes and two hours; the command's --large goes to a day."""
    short, long = (bench_detect.bench_memory(minutes) for minutes in (10, 120))
    assert long["n_windows"] == 12 * short["n_windows"]
    for name in ("ours_worker_memory_mb", "ours_all_memory_mb"):
        assert long[name] < 1.05 * short[name] + 20
