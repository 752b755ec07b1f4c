"""Names for what a target is confused with: the highest clips without it, each with BirdNET's most confident class."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from vernal.audio.birdnet.species import species_logits, species_names
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.field.confusers import COLUMNS, highest_negatives, with_species


class MadeStore:
    """Embeddings by window, as the store gives them."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def load(self, audio: EmbeddingOptions, keys: pd.Series) -> np.ndarray:
        return np.stack([self.vectors[key] for key in keys])


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
        [species_logits(store.vectors[key][None]) for key in windows.key[windows.clip_id == "c"]]
    )
    assert len(logits) == 3
    at = np.unravel_index(logits.argmax(), logits.shape)
    assert named.birdnet_species.iloc[0] == species_names()[at[1]]
    assert named.birdnet_confidence.iloc[0] == pytest.approx(expit(float(logits.max())), rel=1e-4)
    assert with_species(found.iloc[:0], audio, store).empty
