"""A season that is listened to file by file gives the clips, and the scores, that listing every clip gives."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.clips.mining import MiningOptions, logit_of, reaches
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.recording_names import RecorderOptions
from vernal.clips.recordings import IngestOptions, accept, inspect_files, list_recordings
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.score_store import ScoreStore
from vernal.field.season_mining import SEASON, miner_as_classifier
from vernal.pipelines.ingest.nodes import SourceOptions
from vernal.pipelines.mining import season_nodes
from vernal.training.heads import Head
from vernal.training.scoring import clip_logits

AUDIO = EmbeddingOptions(encoder="logmel")
LEVELS = MiningOptions(hard_negatives={"low": 0.4, "high": 0.9})


@pytest.fixture
def season(tmp_path, write_tone):
    """Three nights of two recorders, one file broken, one there twice."""
    folder = tmp_path / "a season"
    for number, (recorder, night, rate) in enumerate(
        [
            ("M1", "20250401", 48_000),
            ("M1", "20250402", 44_100),
            ("M2", "20250401", 22_050),
            ("M2", "20250403", 48_000),
        ]
    ):
        name = f"{recorder}/{recorder}_{night}_2100{number:02d}.wav"
        write_tone(
            folder / name, seconds=10.0 + number, hz=300.0 + 700 * number, rate=rate, level=0.1 + 0.2 * number
        )
    (folder / "M1" / "M1_20250405_210000.wav").write_bytes(b"RIFF, but no more")
    (folder / "copy.wav").write_bytes((folder / "M1" / "M1_20250401_210000.wav").read_bytes())
    return folder


@pytest.fixture
def head(season, tmp_path) -> Head:
    """A miner that flags about half of what it hears."""
    weights = np.random.default_rng(3).normal(size=(AUDIO.n_dims, 1)).astype(np.float32) * 0.05
    raw = Head(((weights, np.zeros(1, dtype=np.float32)),))
    clips = listed_clips(season)
    store = embedded(clips, {"field": str(season)}, EmbeddingStore(tmp_path / "to set the head"))
    middle = np.median(clip_logits([raw], clips, AUDIO, store))
    return Head(((weights, np.array([logit_of(0.4) - middle], dtype=np.float32)),))


def listed_clips(folder) -> pd.DataFrame:
    """The clips of the folder as `source.field` would give them."""
    listed = list_recordings(folder).assign(source="field", label="negative", is_positive=False)
    for name in ("start_s", "end_s", "manifest_row"):
        listed[name] = np.nan
    for name in ("quality", "call_type", "site", "group", "split"):
        listed[name] = pd.Series(np.nan, index=listed.index, dtype="str")
    facts = inspect_files({folder / path for path in listed.file_path}, IngestOptions())
    clips, _ = accept(listed, {"field": str(folder)}, facts)
    return with_nights(clips, NightOptions())


def embedded(clips: pd.DataFrame, roots: dict[str, str], store: EmbeddingStore) -> EmbeddingStore:
    for part in embed_windows(plan_windows(clips, AUDIO), roots, AUDIO, set(), 0):
        store.append(part)
    return store


def scan(folder, head, tmp_path, clips, splits, name="scan"):
    miner = miner_as_classifier(head, "RADR", AUDIO, LEVELS)
    recordings = season_nodes.list_season(
        SourceOptions(season=str(folder)), RecorderOptions(), str(tmp_path / "out")
    )
    files, scores = KnownFiles(tmp_path / name / "files.jsonl"), ScoreStore(tmp_path / name / "scores")
    store = EmbeddingStore(tmp_path / name / "store")
    for _, found, facts in season_nodes.scan_season(recordings, miner, files, scores, store, LEVELS, 0):
        scores.append(found)
        files.append(facts)
    return season_nodes.take_season_clips(recordings, miner, files, scores, clips, splits, NightOptions())


@pytest.fixture
def nothing_held_out(season) -> pd.DataFrame:
    return listed_clips(season).head(0)


def test_listening_gives_what_listing_gives(season, head, tmp_path, nothing_held_out):
    clips = listed_clips(season)
    logits = clip_logits(
        [head], clips, AUDIO, embedded(clips, {"field": str(season)}, EmbeddingStore(tmp_path / "s"))
    )[0]
    wanted = reaches(logits, 0.4)
    assert 0 < wanted.sum() < len(clips)
    found, excluded, files = scan(season, head, tmp_path, clips.head(0), nothing_held_out)
    assert found.clip_id.tolist() == clips.clip_id[wanted].tolist()
    np.testing.assert_array_equal(found.logit, logits[wanted])
    columns = [
        name for name in clips.columns if name not in ("source", "file_path", "recorder_id", "date", "time")
    ]
    assert_frame_equal(found[columns], clips[wanted].reset_index(drop=True)[columns])
    assert set(found.source) == {SEASON} and excluded.empty
    assert files.state.value_counts().to_dict() == {"heard": 4, "copy": 1, "not heard": 1}


def test_a_recording_that_is_in_the_manifest_gives_no_candidate(season, head, tmp_path, nothing_held_out):
    clips = listed_clips(season)
    all_of, _, _ = scan(season, head, tmp_path, clips.head(0), nothing_held_out)
    known = clips[clips.content_hash == all_of.content_hash[0]]
    others, _, _ = scan(season, head, tmp_path, known, nothing_held_out, "again")
    assert set(others.clip_id) == set(all_of.clip_id[all_of.content_hash != all_of.content_hash[0]])


def test_the_night_of_a_test_clip_is_set_aside_with_its_reason(season, head, tmp_path, nothing_held_out):
    clips = listed_clips(season)
    before, _, _ = scan(season, head, tmp_path, clips.head(0), nothing_held_out)
    test_clip = before.drop(columns="logit").head(1)
    elsewhere = test_clip.assign(source="labelled", split="test_ood", content_hash="0" * 64, clip_id="0" * 16)
    found, excluded, _ = scan(season, head, tmp_path, clips.head(0), elsewhere)
    of_night = (before.recorder_id == test_clip.recorder_id[0]) & (before.night == test_clip.night[0])
    assert excluded.clip_id.tolist() == before.clip_id[of_night].tolist()
    assert found.clip_id.tolist() == before.clip_id[~of_night].tolist()
    assert excluded.reason.notna().all() and set(excluded.source) == {SEASON}


def test_no_season_is_no_work_and_no_clips(head, tmp_path, season, nothing_held_out):
    clips = listed_clips(season)
    recordings = season_nodes.list_season(SourceOptions(), RecorderOptions(), "out")
    miner = miner_as_classifier(head, "RADR", AUDIO, LEVELS)
    files, scores = KnownFiles(tmp_path / "files.jsonl"), ScoreStore(tmp_path / "scores")
    pieces = list(
        season_nodes.scan_season(recordings, miner, files, scores, EmbeddingStore(tmp_path / "s"), LEVELS, 0)
    )
    assert len(pieces) == 1 and not pieces[0][1].blocks
    found, excluded, listed = season_nodes.take_season_clips(
        recordings, miner, files, scores, clips, nothing_held_out, NightOptions()
    )
    assert found.empty and excluded.empty and listed.empty
    assert_frame_equal(season_nodes.join_clips(clips, found), clips)


def test_all_clips_hold_the_season_in_order(season, head, tmp_path, nothing_held_out):
    clips = listed_clips(season)
    found, _, _ = scan(season, head, tmp_path, clips.head(0), nothing_held_out)
    kept = clips[~clips.clip_id.isin(found.clip_id)]
    joined = season_nodes.join_clips(kept, found)
    assert joined.clip_id.tolist() == clips.clip_id.tolist()
    assert list(joined.columns) == list(clips.columns)


def test_the_miner_flags_from_the_lowest_level_on(head):
    miner = miner_as_classifier(head, "RADR", AUDIO, LEVELS)
    assert miner.threshold_logit == pytest.approx(logit_of(0.4)) and miner.threshold_logit < logit_of(0.4)
    assert (
        miner_as_classifier(head, "RADR", AUDIO, MiningOptions(hard_negatives={})).threshold_logit == np.inf
    )
