"""Names for what a target is confused with: false alarms, detections and clips, each with what BirdNET hears in it."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from vernal.audio.birdnet.own_classes import all_own_logits, own_classes
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.field import confusers
from vernal.field.confusers import (
    COLUMNS,
    SPECIES_COLUMNS,
    can_be_read,
    clips_that_hold,
    highest_negatives,
    named_detections,
    peak_windows,
    strongest_classes,
    with_species,
)


class MadeStore:
    """Embeddings by window, as the store gives them."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def load(self, audio: EmbeddingOptions, keys: pd.Series) -> np.ndarray:
        return np.array([self.vectors[key] for key in keys], dtype=np.float32).reshape(-1, 1_024)

    def known_keys(self, audio: EmbeddingOptions) -> set[str]:
        return set(self.vectors)


def vectors(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.5, 0.7, (n, 1_024)).astype(np.float32)


@pytest.fixture
def clips() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": ["a", "b", "c", "d"], "source": "labelled", "file_path": [f"{name}.wav" for name in "abcd"],
            "label": ["owl", "negative", "rain", "rain"], "split": "val", "content_hash": [4 * name for name in "abcd"],
            "duration_s": [3.0, 3.0, 9.0, 3.0], "sample_rate_hz": 48_000, "start_s": np.nan, "end_s": np.nan,
        }
    )  # fmt: skip


def test_the_highest_negatives_are_kept_and_every_one_that_is_flagged(clips):
    scores = pd.DataFrame(
        {
            "clip_id": ["d", "c", "b", "a"],
            "logit": [0.5, 2.0, -1.0, 9.0],
            "is_positive": [False, False, False, True],
        }
    )
    found = highest_negatives(scores, clips, threshold=0.0, n=1)
    assert found.clip_id.tolist() == ["c", "d"] and found.is_flagged.all()
    assert highest_negatives(scores, clips, threshold=float("nan"), n=1).is_flagged.tolist() == [False]
    assert len(highest_negatives(scores, clips, threshold=9.0)) == 3


def test_each_clip_has_the_class_that_birdnet_is_most_confident_in(clips):
    rng = np.random.default_rng(0)
    audio, found = EmbeddingOptions(), clips.assign(logit=1.0, is_flagged=True).iloc[[2, 1]]
    windows = plan_windows(clips, audio)
    store = MadeStore({key: rng.gamma(0.5, 0.7, 1_024).astype(np.float32) for key in windows.key})
    named = with_species(found, audio, store)
    assert named.columns.tolist() == list(COLUMNS) and named.clip_id.tolist() == ["c", "b"]
    logits = np.vstack(
        [all_own_logits(store.vectors[key][None]) for key in windows.key[windows.clip_id == "c"]]
    )
    assert len(logits) == 3
    at = np.unravel_index(logits.argmax(), logits.shape)
    assert named.birdnet_species.iloc[0] == own_classes()[at[1]]
    assert named.birdnet_confidence.iloc[0] == pytest.approx(expit(float(logits.max())), rel=1e-4)
    assert with_species(found.iloc[:0], audio, store).empty


def test_the_class_of_the_label_itself_does_not_count(monkeypatch):
    monkeypatch.setattr(confusers, "_ROWS", 2)
    x = vectors(5)
    logits = all_own_logits(x)
    first = [own_classes()[number] for number in logits.argmax(axis=1)]
    assert strongest_classes(x).birdnet_species.tolist() == first
    # By its common name in capitals, by its scientific name, by both, and twice by a name of no class.
    labels = [first[0].split("_")[1].upper(), first[1].split("_")[0], first[2], "", "RADR"]
    found = strongest_classes(x, labels)
    second = np.argsort(-logits, axis=1)[:, 1]
    assert found.birdnet_species.tolist() == [*(own_classes()[number] for number in second[:3]), *first[3:]]
    assert found.birdnet_confidence[0] == pytest.approx(expit(float(logits[0, second[0]])), rel=1e-4)
    assert strongest_classes(x[:0]).columns.tolist() == list(SPECIES_COLUMNS)


def detections() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two labels in one window, a window at the end of its recording, and one whose sound is gone."""
    rows = [("a.wav", "owl", 0.0), ("a.wav", "frog", 0.0), ("a.wav", "owl", 6.0), ("b.wav", "owl", 3.0)]
    found = pd.DataFrame(rows, columns=["file_path", "label", "peak_start_s"], index=[7, 3, 9, 1])
    files = pd.DataFrame(
        {"file_path": ["b.wav", "a.wav"], "content_hash": ["bbbb", "aaaa"], "duration_s": [6.0, 7.5]}
    )
    return found.assign(start_s=0.0, end_s=9.0), files


def test_each_detection_says_what_birdnet_hears_in_its_highest_window():
    audio, (found, files) = EmbeddingOptions(), detections()
    windows = peak_windows(found, files, audio)
    assert sorted(zip(windows.content_hash, windows.start_s, windows.end_s, strict=True)) == [
        ("aaaa", 0.0, 3.0), ("aaaa", 6.0, 7.5), ("bbbb", 3.0, 6.0),
    ]  # fmt: skip
    known = windows[windows.content_hash == "aaaa"].sort_values("start_s")
    store = MadeStore(dict(zip(known.key, vectors(2), strict=True)))
    named = named_detections(found, files, audio, store)
    assert named.columns.tolist() == [*found.columns, *SPECIES_COLUMNS] and named.index.equals(found.index)
    pd.testing.assert_frame_equal(named[found.columns.tolist()], found)
    expected = strongest_classes(vectors(2)).birdnet_species.tolist()
    assert named.birdnet_species.iloc[:3].tolist() == [expected[0], expected[0], expected[1]]
    assert named.loc[1, list(SPECIES_COLUMNS)].isna().all()


def test_windows_are_those_that_were_listened_to(tmp_path):
    """So that a run that kept its embeddings embeds nothing again."""
    from tests.field.detection.conftest import Season, make_classifier, write_noise

    folder, season = tmp_path / "recordings", Season(tmp_path / "data")
    write_noise(folder / "SMA01_20250403_210000.wav", 7.0)
    classifier = make_classifier(threshold=-1e6)
    season.scan(folder, classifier, keep=True)
    found = season.find(folder, classifier, merge_gap_s=None)
    assert len(found.detections) == 3
    windows = peak_windows(found.detections, found.files, classifier.audio)
    assert set(windows.key) <= season.store.known_keys(classifier.audio)
    named = named_detections(found.detections, found.files, classifier.audio, season.store)
    assert named.birdnet_confidence.between(0, 1).all() and named.birdnet_species.str.contains("_").all()


def test_clips_with_named_species_are_found_by_either_name(clips):
    audio = EmbeddingOptions()
    windows = plan_windows(clips, audio)
    store = MadeStore(dict(zip(windows.key, vectors(len(windows)), strict=True)))
    logits = all_own_logits(store.load(audio, windows.key))
    # The highest class of one window of clip c, at exactly its confidence, and a class that is nowhere.
    at = windows.index[windows.clip_id == "c"][1]
    number = int(logits[at].argmax())
    level = float(expit(np.float64(logits[at, number])))
    scientific, common = own_classes()[number].split("_")
    expected = set(windows.clip_id[logits[:, number] >= logits[at, number]])
    for names in ([scientific], [common.lower(), "Barn Owl"]):
        held = clips_that_hold(clips, {"it": names, "rare": ["Barn Owl"]}, level, audio, store)
        assert expected <= held["it"]
    assert clips_that_hold(clips, {"it": [scientific]}, level, audio, store)["it"] == expected
    assert clips_that_hold(clips, {"it": [scientific]}, 0.0, audio, store)["it"] == set("abcd")
    assert clips_that_hold(clips.iloc[:0], {"it": [scientific]}, 0.0, audio, store) == {"it": set()}
    assert clips_that_hold(clips, {}, 0.0, audio, store) == {}


def test_another_encoder_is_told_once(caplog):
    with caplog.at_level(logging.WARNING):
        assert can_be_read(EmbeddingOptions(), "detection.confusers") and not caplog.records
        assert not can_be_read(EmbeddingOptions(encoder="speech_embedding"), "detection.confusers")
    (said,) = caplog.messages
    assert said.startswith("detection.confusers is passed over: ") and said.endswith(
        "are of speech_embedding."
    )
