"""From clips to windows to vectors: nothing lost, nothing done twice, the same whatever does the work."""

import multiprocessing
import os
import shutil
import signal
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.onnx_encoders import write_encoder
from vernal.audio.embedding import jobs as embedding_jobs
from vernal.audio.embedding import windows as embedding
from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.audio.encoders import base, get_encoder
from vernal.audio.reading import AudioReader, load_clip, n_samples_of
from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError

LOGMEL = EmbeddingOptions(encoder="logmel")


def noise(seconds: float, rate: int, seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate))


def table(root: Path, *parts: tuple) -> pd.DataFrame:
    """Clips of files: (name, start_s, end_s)."""
    rows = []
    for number, (name, start_s, end_s) in enumerate(parts):
        info = soundfile.info(root / name)
        rows.append(
            {
                "clip_id": f"{number:04d}",
                "source": "labelled",
                "file_path": name,
                "content_hash": sha256_of_file(root / name),
                "duration_s": info.frames / info.samplerate,
                "start_s": start_s,
                "end_s": end_s,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def made_season(tmp_path_factory) -> tuple[pd.DataFrame, Path]:
    root = tmp_path_factory.mktemp("made") / "a season"
    (root / "night 1").mkdir(parents=True)
    soundfile.write(root / "a.wav", noise(3, 48_000, 0), 48_000)
    soundfile.write(root / "night 1" / "b.flac", noise(7.5, 22_000, 1), 22_000)
    soundfile.write(root / "c.ogg", noise(4.2, 44_100, 2), 44_100)
    soundfile.write(root / "d.mp3", np.stack([noise(10, 48_000, 3), noise(10, 48_000, 4)], axis=1), 48_000)
    clips = table(
        root,
        ("a.wav", np.nan, np.nan),
        ("night 1/b.flac", np.nan, np.nan),
        ("c.ogg", np.nan, np.nan),
        ("d.mp3", 0.0, 3.0),
        ("d.mp3", 3.0, 9.5),
    )
    return clips, root


@pytest.fixture
def season(made_season, tmp_path) -> tuple[pd.DataFrame, dict[str, str]]:
    """A few files of all formats, some long, one in a subfolder with a space, one used in parts."""
    clips, made = made_season
    root = tmp_path / "a season"
    shutil.copytree(made, root)
    return clips.copy(), {"labelled": str(root)}


def embedded(windows, roots, options=LOGMEL, **arguments) -> pd.Series:
    """All vectors, by key."""
    parts = list(embed_windows(windows, roots, options, **arguments))
    keys = [key for part in parts for key in part.keys]
    assert len(keys) == len(set(keys))
    assert all(part.options == options for part in parts)
    return pd.Series([vector for part in parts for vector in part.vectors], index=keys, dtype=object)


def same(one: pd.Series, other: pd.Series) -> bool:
    return set(one.index) == set(other.index) and all(
        np.array_equal(one[key], other[key]) for key in one.index
    )


# Windows -------------------------------------------------------------------------------------------


def test_sound_that_an_encoder_in_a_file_fails_on_is_listed_and_the_rest_embedded(tmp_path):
    file = write_encoder(tmp_path / "own.onnx", 24_000, n_dims=6, nan_above=1.0, has_rows=False)
    own = {"file": str(file), "sample_rate_hz": 48_000, "window_s": 0.5, "n_dims": 6}
    options = EmbeddingOptions(encoder="own", encoders={"own": own})
    for name, level in (("loud.wav", 100.0), ("soft.wav", 1.0)):
        soundfile.write(tmp_path / name, level * noise(1.0, 48_000, 0), 48_000, subtype="FLOAT")
    windows = plan_windows(
        table(tmp_path, ("loud.wav", np.nan, np.nan), ("soft.wav", np.nan, np.nan)), options
    )
    assert windows.groupby("file_path").start_s.apply(list).tolist() == [[0.0, 0.5]] * 2
    found: list = []
    with pytest.raises(
        InputError, match=r"now not_finite \(1\): labelled: loud\.wav \(the encoder own gives values"
    ):
        found.extend(embed_windows(windows, {"labelled": str(tmp_path)}, options, workers=1))
    assert sum(len(part.keys) for part in found) == 2


def test_windows_of_whole_files_and_parts(season):
    clips, _ = season
    windows = plan_windows(clips, LOGMEL)
    found = windows.groupby("clip_id").start_s.apply(list).tolist()
    assert found == [[0.0], [0.0, 3.0, 6.0], [0.0, 3.0], [0.0], [3.0, 6.0]]
    assert windows.groupby("clip_id").end_s.max().round(3).tolist() == [3.0, 7.5, 4.2, 3.0, 9.0]
    assert windows.key.is_unique


def test_plan_does_not_depend_on_row_order_and_changes_nothing(season):
    clips, _ = season
    before = clips.copy()
    shuffled = clips.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(plan_windows(clips, LOGMEL), plan_windows(shuffled, LOGMEL))
    pd.testing.assert_frame_equal(clips, before)


def test_a_path_is_not_part_of_the_key_but_content_place_and_settings_are(season):
    clips, _ = season
    keys = plan_windows(clips, LOGMEL).key
    assert plan_windows(clips.assign(file_path="elsewhere.wav"), LOGMEL).key.equals(keys)
    for other in (
        plan_windows(clips.assign(content_hash="0" * 64), LOGMEL),
        plan_windows(clips, EmbeddingOptions(encoder="logmel", fmin=100)),
        plan_windows(clips, EmbeddingOptions(encoder="logmel", fmax=12_000)),
        plan_windows(clips, EmbeddingOptions(encoder="logmel", overlap=1)),
        plan_windows(clips, EmbeddingOptions()),
    ):
        assert not set(other.key) & set(keys)


def test_a_filters_start_is_part_of_the_key_only_where_there_is_a_filter(season):
    clips, _ = season
    part = clips[clips.file_path == "d.mp3"].iloc[:1]
    whole, later = part.assign(start_s=0.0, end_s=9.0), part.assign(start_s=3.0, end_s=9.0)
    filtered = EmbeddingOptions(encoder="logmel", fmin=200)
    assert set(plan_windows(later, LOGMEL).key) < set(plan_windows(whole, LOGMEL).key)
    assert not set(plan_windows(later, filtered).key) & set(plan_windows(whole, filtered).key)


def test_parts_outside_their_recording_are_listed_together(season):
    clips, _ = season
    wrong = clips.assign(start_s=[0.0, 8.0, -1.0, 2.0, 3.0], end_s=[3.0, 9.0, 2.0, 2.0, 30.0])
    with pytest.raises(
        InputError, match=r"part outside its recording \(4\): night 1/b.flac from 8.0 to 9.0 s; c.ogg"
    ):
        plan_windows(wrong, LOGMEL)


def test_no_clips_no_windows(season):
    clips, roots = season
    windows = plan_windows(clips.iloc[:0], LOGMEL)
    assert list(windows.columns[:7]) == list(embedding.WINDOW_COLUMNS)
    assert list(embed_windows(windows, roots, LOGMEL)) == []


@given(
    duration_s=st.floats(0.5, 60),
    overlap=st.sampled_from([0, 0.5, 1.5, 2.5]),
    start=st.floats(0, 0.9),
    length=st.floats(0.05, 1),
)
def test_windows_stay_inside_their_clip(duration_s, overlap, start, length):
    start_s = start * duration_s
    end_s = start_s + length * (duration_s - start_s)
    clip = {"clip_id": "a", "source": "s", "file_path": "f", "content_hash": "h"}
    clips = pd.DataFrame([{**clip, "duration_s": duration_s, "start_s": start_s, "end_s": end_s}])
    windows = plan_windows(clips, EmbeddingOptions(encoder="logmel", overlap=overlap))
    assert len(windows) >= 1
    assert windows.start_s.iloc[0] == pytest.approx(start_s, abs=1e-4)
    assert (windows.end_s > windows.start_s).all()
    assert (windows.end_s - windows.start_s <= 3 + 1e-9).all()
    assert windows.stop.max() <= n_samples_of(duration_s)
    assert windows.end_s.max() <= end_s + 1e-4


def test_options_are_checked():
    with pytest.raises(InputError, match=r"embedding.encoder is 'brdnet'; did you mean 'birdnet_v2\.4'"):
        EmbeddingOptions(encoder="brdnet")
    with pytest.raises(InputError, match="give 0 <= fmin < fmax <= 15000 Hz"):
        EmbeddingOptions(fmin=9_000, fmax=8_000)
    with pytest.raises(InputError, match=r"give seconds from 0 to 2\.9"):
        EmbeddingOptions(overlap=3)


def test_equal_settings_have_one_id():
    assert (
        EmbeddingOptions(fmin=0.0, overlap=1).settings_id == EmbeddingOptions(fmin=0, overlap=1.0).settings_id
    )
    assert EmbeddingOptions().settings_id != LOGMEL.settings_id
    assert EmbeddingOptions().settings["encoder_version"].startswith("2.4-")


# Vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [LOGMEL, EmbeddingOptions(encoder="logmel", fmin=300, fmax=9_000, overlap=1)]
)
def test_vectors_are_of_the_windows_as_loaded_alone(season, options):
    from vernal.audio.bandpass import bandpass

    clips, roots = season
    windows = plan_windows(clips, options)
    vectors = embedded(windows, roots, options)
    parts = clips.set_index("clip_id")
    for window in windows.itertuples():
        clip = parts.loc[window.clip_id]
        path = Path(roots["labelled"]) / clip.file_path
        loaded = load_clip(path, clip.start_s, clip.end_s)
        with AudioReader(path) as reader:
            more = reader.n_silent_more if np.isnan(clip.end_s) else 0
        samples = bandpass(np.append(loaded, np.zeros(more, np.float32)), options.fmin, options.fmax)
        piece = np.zeros((1, 144_000), dtype=np.float32)
        is_last = window.stop - window.clip_start == len(loaded)
        heard = samples[window.start - window.clip_start :][: window.stop - window.start + more * is_last]
        piece[0, : len(heard)] = heard
        assert np.abs(get_encoder("logmel").embed(piece)[0] - vectors[window.key]).max() < 1e-5


@pytest.mark.processes
def test_two_workers_give_the_same_bits_as_one_process(season, monkeypatch):
    clips, roots = season
    monkeypatch.setattr(embedding, "_WORTH_A_WORKER", 1)
    monkeypatch.setattr(embedding, "_JOB_WINDOWS", 2)
    for options in (EmbeddingOptions(), EmbeddingOptions(fmin=200)):
        windows = plan_windows(clips, options)
        here = embedded(windows, roots, options, workers=1)
        assert len(here) == len(windows)
        assert same(
            here, embedded(windows.sample(frac=1, random_state=0), roots, options, workers=2, part_size=3)
        )


def test_known_windows_are_left_out_and_the_rest_is_the_same(season):
    clips, roots = season
    windows = plan_windows(clips, LOGMEL)
    everything = embedded(windows, roots)
    known = set(windows.key[::2])
    rest = embedded(windows, roots, known_keys=known)
    assert set(rest.index) == set(windows.key) - known
    assert same(rest, everything[rest.index])
    # A filtered window does not depend on whether those before it were needed.
    filtered = EmbeddingOptions(encoder="logmel", fmin=200, overlap=1)
    windows = plan_windows(clips, filtered)
    everything = embedded(windows, roots, filtered)
    rest = embedded(windows, roots, filtered, known_keys=set(windows.key[1::3]))
    assert same(rest, everything[rest.index])


def test_the_same_audio_under_two_names_is_embedded_once(season):
    clips, roots = season
    twice = pd.concat([clips.iloc[:1], clips.iloc[:1].assign(clip_id="9999")])
    windows = plan_windows(twice, LOGMEL)
    assert len(windows) == 2
    assert len(embedded(windows, roots)) == 1


def test_parts_have_the_asked_size_and_progress_counts_every_window(season):
    clips, roots = season
    windows = plan_windows(clips, LOGMEL)
    counted: list[int] = []
    parts = list(embed_windows(windows, roots, LOGMEL, part_size=2, progress=counted.append))
    assert sum(counted) == len(windows)
    assert len(parts) >= 3
    assert list(parts[0].rows.columns) == ["key", "content_hash", "start_s", "end_s"]


def test_a_file_is_decoded_once(season, monkeypatch):
    clips, roots = season
    opened: list[str] = []
    reader = embedding_jobs.AudioReader
    monkeypatch.setattr(
        embedding_jobs, "AudioReader", lambda path, rate: opened.append(Path(path).name) or reader(path, rate)
    )
    embedded(plan_windows(clips, LOGMEL), roots)
    assert sorted(opened) == ["a.wav", "b.flac", "c.ogg", "d.mp3"]


@pytest.mark.parametrize("options", [LOGMEL, EmbeddingOptions(encoder="logmel", fmin=200, overlap=1)])
def test_a_long_file_is_never_in_memory_as_a_whole(tmp_path, monkeypatch, options):
    class Nothing:
        n_dims, n_samples, sample_rate_hz = options.n_dims, 144_000, 48_000

        def embed(self, windows):
            return np.zeros((len(windows), self.n_dims), dtype=np.float32)

    monkeypatch.setattr(base, "get_encoder", lambda name: Nothing())
    soundfile.write(tmp_path / "night.flac", noise(400, 8_000, 0), 8_000)  # 77 MB at 48 kHz
    windows = plan_windows(table(tmp_path, ("night.flac", np.nan, np.nan)), options)
    embedded(windows.iloc[:1], {"labelled": str(tmp_path)}, options)  # what is loaded once
    tracemalloc.start()
    parts = embed_windows(windows, {"labelled": str(tmp_path)}, options, part_size=20, workers=1)
    assert sum(len(part.rows) for part in parts) == len(windows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 35e6


# Failures ------------------------------------------------------------------------------------------


def broken(season) -> tuple[pd.DataFrame, dict[str, str]]:
    clips, roots = season
    root = Path(roots["labelled"])
    (root / "a.wav").unlink()
    flac = root / "night 1" / "b.flac"
    flac.write_bytes(flac.read_bytes()[:-20_000])
    return clips, roots


def test_failures_come_out_as_rows_and_the_rest_is_embedded(season):
    clips, roots = broken(season)
    windows = plan_windows(clips, LOGMEL)
    parts = list(embed_windows(windows, roots, LOGMEL, on_failure="report"))
    failures = pd.concat([part.failures for part in parts])
    assert sum(len(part.rows) for part in parts) + len(failures) == len(windows)
    assert dict(zip(failures.file_path, failures.reason, strict=True)) == {
        "a.wav": "not_found",
        "night 1/b.flac": "changed",
    }
    assert list(failures.columns) == list(embedding.FAILURE_COLUMNS)


def test_failures_end_in_one_error_after_everything_else(season):
    clips, roots = broken(season)
    got = []
    with pytest.raises(InputError, match="Embedding: 2 problems") as caught:
        for part in embed_windows(plan_windows(clips, LOGMEL), roots, LOGMEL):
            got += part.keys
    assert len(got) == 5
    assert (
        "is now changed (1): labelled: night 1/b.flac (its content is not what was ingested). Run ingest"
        in str(caught.value)
    )
    assert "is now not_found (1): labelled: a.wav" in str(caught.value)


@pytest.mark.parametrize("fmin", [0, 200])
def test_a_file_of_absurd_samples_is_named_and_the_others_are_embedded(season, fmin):
    clips, roots = season
    file = Path(roots["labelled"]) / "a.wav"
    soundfile.write(file, np.full(3 * 48_000, 3e38, np.float32), 48_000, subtype="FLOAT")
    clips.loc[clips.file_path == "a.wav", "content_hash"] = sha256_of_file(file)
    options = EmbeddingOptions(encoder="logmel", fmin=fmin)
    windows = plan_windows(clips, options)
    got = []
    with pytest.raises(
        InputError, match=r"not_finite \(1\): labelled: a\.wav \(holds values that are no sound"
    ) as caught:
        for part in embed_windows(windows, roots, options):
            got += part.keys
    assert set(got) == set(windows.key[windows.file_path != "a.wav"]) and "b.flac" not in str(caught.value)


@pytest.mark.processes
def test_audio_broken_from_the_start_is_a_failure_in_workers_too(season, monkeypatch):
    clips, roots = broken(season)
    root = Path(roots["labelled"])
    clips.loc[clips.file_path == "night 1/b.flac", "content_hash"] = sha256_of_file(
        root / "night 1" / "b.flac"
    )
    samples = noise(3, 48_000, 9)
    samples[5] = np.nan
    soundfile.write(root / "a.wav", samples, 48_000, subtype="FLOAT")
    clips.loc[clips.file_path == "a.wav", "content_hash"] = sha256_of_file(root / "a.wav")
    monkeypatch.setattr(embedding, "_WORTH_A_WORKER", 1)
    monkeypatch.setattr(embedding, "_JOB_WINDOWS", 2)
    options = EmbeddingOptions()
    parts = list(embed_windows(plan_windows(clips, options), roots, options, workers=2, on_failure="report"))
    failures = pd.concat([part.failures for part in parts])
    assert dict(zip(failures.file_path, failures.reason, strict=True)) == {
        "a.wav": "not_finite",
        "night 1/b.flac": "truncated",
    }


def test_a_source_without_a_folder_is_named(season):
    clips, _ = season
    with pytest.raises(InputError, match=r"No audio folder is known for the source\(s\) labelled"):
        list(embed_windows(plan_windows(clips, LOGMEL), {}, LOGMEL))


def die(*_, **__) -> None:
    """In place of what a worker does."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_worker_that_dies_names_what_it_was_reading(season, monkeypatch):
    clips, roots = season
    jobs = embedding._jobs(plan_windows(clips, LOGMEL), roots, LOGMEL)
    monkeypatch.setattr(embedding_jobs, "_embed_job", die)
    with pytest.raises(InputError, match=r"exit code -9\) at a\.wav or b\.flac"):
        list(embedding_jobs.run_in_workers(jobs, LOGMEL, 2))


def test_what_was_embedded_before_a_worker_died_is_given_out(season, monkeypatch):
    clips, roots = season
    windows = plan_windows(clips, LOGMEL)
    outcomes = embedding._outcomes

    def dying(*arguments):
        yield next(outcomes(*arguments))
        raise InputError("An embedding worker stopped")

    monkeypatch.setattr(embedding, "_outcomes", dying)
    parts = embed_windows(windows, roots, LOGMEL)
    kept = next(parts)
    assert 0 < len(kept.rows) < len(windows)
    with pytest.raises(InputError, match="An embedding worker stopped"):
        next(parts)


def test_workers_end_when_their_results_are_no_longer_wanted(season, monkeypatch):
    clips, roots = season
    monkeypatch.setattr(embedding, "_WORTH_A_WORKER", 1)
    monkeypatch.setattr(embedding, "_JOB_WINDOWS", 1)
    options = EmbeddingOptions()
    before = set(multiprocessing.active_children())
    parts = embed_windows(plan_windows(clips, options), roots, options, workers=2, part_size=1)
    next(parts)
    processes = set(multiprocessing.active_children()) - before
    parts.close()
    assert len(processes) == 2
    assert not any(process.is_alive() for process in processes)
