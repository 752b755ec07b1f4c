"""Blocks together are the whole file, bit for bit, however they are cut, filtered, resampled or known before."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.field.detection.conftest import Season, make_classifier, write_noise
from tests.fresh_python import loaded_by
from tests.onnx_encoders import write_encoder
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.windows import embed_windows, plan_windows
from vernal.audio.reading import probe_audio
from vernal.common.files import sha256_of_file
from vernal.field.detection import scoring
from vernal.field.detection.file_facts import identify
from vernal.field.detection.running import do_task
from vernal.field.detection.scoring import BlockTask, Scorer, n_blocks_of, score_block
from vernal.training.heads import Head


def scorer(keep: bool = True, **audio) -> Scorer:
    classifier = make_classifier(**audio)
    return Scorer(classifier.head, classifier.audio, keep)


def score_file(path: Path, own: Scorer) -> list:
    """All blocks of a file, one after the other, as a schedule gives them out."""
    facts, blocks, state = identify(str(path)), [], ()
    for number in range(n_blocks_of(facts, own.audio)):
        blocks.append(do_task(BlockTask(str(path), facts, number, state), own))
        state = blocks[-1].traces.next_state
    return blocks


def embedded(path: Path, own: Scorer) -> tuple[np.ndarray, list[str]]:
    """Vectors and keys of a whole file as training makes them."""
    clips = pd.DataFrame(
        {"clip_id": ["a"], "source": ["x"], "file_path": [path.name], "content_hash": [sha256_of_file(path)]}
    ).assign(duration_s=probe_audio(path).duration_s)
    windows = plan_windows(clips, own.audio)
    (part,) = embed_windows(windows, {"x": str(path.parent)}, own.audio, workers=1)
    return part.vectors, part.keys


@pytest.mark.parametrize(
    "audio", [{}, {"overlap": 1.5}, {"fmin": 300, "fmax": 9_000}, {"fmin": 300, "overlap": 2.0}], ids=str
)
@pytest.mark.parametrize("rate", [48_000, 22_000])
def test_blocks_are_the_whole_file_and_as_training_hears_it(tmp_path, monkeypatch, audio, rate):
    path, own = write_noise(tmp_path / "a.wav", 13.2, rate=rate), scorer(**audio)
    (whole,) = score_file(path, own)
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    blocks = score_file(path, own)
    assert len(blocks) == -(-len(whole.logits) // 2) > 1
    for name in ("start_s", "end_s", "logits", "vectors"):
        assert np.array_equal(
            np.concatenate([getattr(block, name) for block in blocks]), getattr(whole, name)
        ), name
    assert (
        sum(block.heard_s for block in blocks)
        == pytest.approx(whole.heard_s)
        == pytest.approx(13.2, abs=1e-4)
    )
    vectors, keys = embedded(path, own)
    assert keys == [key for block in blocks for key in block.keys]
    assert np.array_equal(vectors, whole.vectors)
    assert np.array_equal(whole.logits, own.head.logits(vectors))


@pytest.mark.parametrize(
    ("rate", "window_s", "hop_s"), [(16_000, 0.5, 0.0), (32_000, 5.0, 0.0), (16_000, 0.5, 0.3)]
)
def test_an_encoder_of_another_rate_and_window_is_heard_as_in_training(
    tmp_path, monkeypatch, rate, window_s, hop_s
):
    file = write_encoder(tmp_path / "own.onnx", round(rate * window_s), n_dims=6, has_rows=False)
    said = {"file": str(file), "sample_rate_hz": rate, "window_s": window_s, "hop_s": hop_s, "n_dims": 6}
    audio = EmbeddingOptions(encoder="own", encoders={"own": said})
    rng = np.random.default_rng(3)
    own = Scorer(Head(((rng.normal(size=(6, 1)), rng.normal(size=1)),)), audio, True)
    path = write_noise(tmp_path / "a.wav", 13.2, rate=22_000)
    (whole,) = score_file(path, own)
    lengths = np.round(whole.end_s - whole.start_s, 6)
    assert (lengths[:-1] == window_s).all() and lengths[-1] >= min(1.0, window_s / 3)
    assert np.allclose(np.diff(whole.start_s), hop_s or window_s) and whole.end_s[-1] <= 13.2 + 1e-4
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    blocks = score_file(path, own)
    assert np.array_equal(np.concatenate([block.vectors for block in blocks]), whole.vectors)
    vectors, keys = embedded(path, own)
    assert keys == list(whole.keys) and np.array_equal(vectors, whole.vectors)


def test_formats_without_places_are_one_block_of_their_true_length(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    for name in ("a.ogg", "a.mp3"):
        path = write_noise(tmp_path / name, 10.0)
        facts = identify(str(path))
        assert not facts.can_seek and facts.duration_s == pytest.approx(10.0, abs=0.1)
        (block,) = score_file(path, scorer())
        assert len(block.logits) == 4 and not block.reason


def test_no_window_starts_in_the_last_second(tmp_path):
    (block,) = score_file(write_noise(tmp_path / "a.wav", 6.9), scorer())
    assert block.start_s.tolist() == [0.0, 3.0] and block.heard_s == 6.0


def test_stored_vectors_and_traces_stand_for_the_file(tmp_path, monkeypatch, season: Season):
    """With all of a block known, nothing is opened; with a part of it, the result is the same."""
    folder = tmp_path / "in"
    write_noise(folder / "R1_20250403_210000.wav", 13.0)
    first = make_classifier(0, fmin=200.0, overlap=1.0)
    assert season.scan(folder, first, keep=True) == 1
    second = make_classifier(1, fmin=200.0, overlap=1.0)
    plain = Season(tmp_path / "other")
    plain.scan(folder, second)
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "AudioReader", None)
        assert season.scan(folder, second) == 1
    for name, content in plain.content().items():
        assert season.content()[name] == content


def test_vectors_of_other_pipelines_are_used_but_the_level_is_still_measured(
    tmp_path, monkeypatch, season: Season
):
    path = write_noise(tmp_path / "in" / "R1_20250403_210000.wav", 7.0)
    own = make_classifier()
    plain = Season(tmp_path / "other")
    plain.scan(path.parent, own)
    clips = pd.DataFrame(
        {"clip_id": ["a"], "source": ["x"], "file_path": [path.name], "content_hash": [sha256_of_file(path)],
         "duration_s": [7.0]}
    )  # fmt: skip
    for part in embed_windows(plan_windows(clips, own.audio), {"x": str(path.parent)}, own.audio, workers=1):
        season.store.append(part)
    monkeypatch.setattr(scoring, "get_encoder", None)
    season.scan(path.parent, own)
    assert season.content() == plain.content()


# What cannot be heard -------------------------------------------------------------------------------


def cut_off(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    return path


def test_a_flac_that_breaks_off_is_heard_until_there(tmp_path):
    whole = score_file(write_noise(tmp_path / "a.flac", 30.0), scorer())[0]
    facts = identify(str(cut_off(tmp_path / "a.flac", 0.6)))
    assert facts.reason == "truncated" and facts.message.startswith("the header announces 30 s; 18")
    (block,) = score_file(tmp_path / "a.flac", scorer())
    assert 3 <= len(block.logits) < len(whole.logits)
    assert np.array_equal(block.logits, whole.logits[: len(block.logits)])
    assert block.heard_s == 3.0 * len(block.logits) and block.is_final


def test_a_wav_that_breaks_off_is_heard_until_there(tmp_path):
    path = cut_off(write_noise(tmp_path / "a.wav", 30.0), 0.5)
    facts = identify(str(path))
    assert facts.reason == "truncated" and "bytes more than the file has; 15 s are there" in facts.message
    (block,) = score_file(path, scorer())
    assert len(block.logits) == 5 and block.heard_s == pytest.approx(15.0, abs=0.1)


def test_a_band_pass_stops_where_the_sound_does(tmp_path, monkeypatch, season: Season):
    """Nobody knows how the filter would have gone on, so later blocks are not tried."""
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 2)
    cut_off(write_noise(tmp_path / "in" / "a.flac", 60.0), 0.5)
    season.scan(tmp_path / "in", make_classifier(fmin=200.0))
    found = season.find(tmp_path / "in", make_classifier(fmin=200.0))
    assert found.files.state.tolist() == ["partly heard"]
    assert season.scan(tmp_path / "in", make_classifier(fmin=200.0)) == 0


def test_values_that_are_no_numbers_end_a_block(tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000 * 12).astype("float32")
    sound[48_000 * 7] = np.nan
    soundfile.write(tmp_path / "a.wav", sound, 48_000, subtype="FLOAT")
    (block,) = score_file(tmp_path / "a.wav", scorer())
    assert (block.reason, len(block.logits)) == ("not_finite", 2)
    assert np.isfinite(block.traces.level).all()


def test_an_ogg_without_its_last_page_is_heard_until_there(tmp_path):
    path = cut_off(write_noise(tmp_path / "a.ogg", 30.0), 0.6)
    facts = identify(str(path))
    assert facts.reason == "truncated" and 5 < facts.duration_s < 29
    (block,) = score_file(path, scorer())
    assert len(block.logits) == pytest.approx(facts.duration_s / 3, abs=1)


@pytest.mark.parametrize(
    ("name", "content", "reason", "words"),
    [
        ("a.wav", b"", "empty", "0 bytes"),
        ("a.wav", b"RIFF no sound at all" * 9, "unreadable", "not readable as audio"),
        ("a.m4a", b"x", "unreadable", "convert it to WAV or FLAC"),
    ],
)
def test_files_that_are_no_sound_are_facts(tmp_path, name, content, reason, words):
    (tmp_path / name).write_bytes(content)
    facts = identify(str(tmp_path / name))
    assert facts.reason == reason and words in facts.message and not facts.is_readable
    assert facts.content_hash and n_blocks_of(facts, scorer().audio) == 0


def test_a_file_that_is_not_there_or_too_short_is_a_fact(tmp_path, write_tone):
    gone = identify(str(tmp_path / "gone.wav"))
    assert (gone.reason, gone.content_hash) == ("unreadable", "")
    short = identify(str(write_tone(tmp_path / "short.wav", 0.4)))
    assert short.reason == "too_short" and not short.is_readable


def test_a_header_that_claims_years_is_not_believed(tmp_path):
    path = write_noise(tmp_path / "a.flac", 7.0)
    content = bytearray(path.read_bytes())
    # STREAMINFO: 36 bits that count samples, here set to all ones.
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    path.write_bytes(bytes(content))
    facts = identify(str(path))
    assert facts.duration_s == pytest.approx(7.0, abs=0.1) and facts.reason == "truncated"
    (block,) = score_file(path, scorer())
    assert len(block.logits) == 2


def test_a_worker_loads_no_tables():
    """Every worker would wait for pandas and hold its 80 MB."""
    heavy = {"pandas", "pyarrow", "scipy", "tensorflow", "kedro"}
    assert loaded_by("import vernal.field.detection.running", heavy) == []


@pytest.mark.processes
def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    """One minute and ten: the peak of a block is the same."""
    monkeypatch.setattr(scoring, "BLOCK_WINDOWS", 10)
    own, peaks = scorer(keep=False), []
    for seconds in (60, 600):
        path = write_noise(tmp_path / f"{seconds}.wav", seconds)
        facts = identify(str(path))
        last = n_blocks_of(facts, own.audio) - 1
        score_block(BlockTask(str(path), facts, last), own)
        tracemalloc.start()
        score_block(BlockTask(str(path), facts, last), own)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 60e6
