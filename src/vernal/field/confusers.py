"""What BirdNET takes sounds for: names for what a detector confuses with its target.

BirdNET's own classes are read from embeddings that are at hand: of the held-out clips that a target's detector takes,
or nearly takes, for its target; of detections; and of clips known to hold no target, among which those with named
species become hard negatives. The names are a fact beside a score; nothing is labelled by them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.audio.birdnet.own_classes import all_own_logits, own_classes, own_classes_of
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import plan_windows
from vernal.clips.mining import lowest_logit
from vernal.field.export.trained_point import ENCODER

logger = logging.getLogger(__name__)
N_CLIPS = 20
SPECIES_COLUMNS = ("birdnet_species", "birdnet_confidence")
COLUMNS = ("split", "clip_id", "file_path", "label", "logit", "is_flagged", *SPECIES_COLUMNS)
DETECTIONS = "detections"  # the source of windows of detections
_ROWS = 2_048  # 53 MB of logits


def can_be_read(audio: EmbeddingOptions, setting: str) -> bool:
    """Whether embeddings are BirdNET's, so that its classes can be read from them; told where they are not.

    Args:
        setting: what was asked for, as people write it.
    """
    if audio.encoder == ENCODER:
        return True
    logger.warning(
        "%s is passed over: BirdNET's classes are read from BirdNET's embeddings, and these are of %s.",
        setting, audio.encoder,
    )  # fmt: skip
    return False


# False alarms of held-out clips ---------------------------------------------------------------------


def highest_negatives(
    scores: pd.DataFrame, splits: pd.DataFrame, threshold: float, n: int = N_CLIPS
) -> pd.DataFrame:
    """The held-out clips without the target that score highest, and all that are flagged.

    Args:
        scores: of one point: `clip_id`, `logit`, `is_positive`.
        splits: labelled clips with their split.
        threshold: a logit; NaN flags nothing.
    Returns:
        Rows of `splits` with `logit` and `is_flagged`, highest first, then by clip.
    """
    negatives = scores.loc[~scores.is_positive, ["clip_id", "logit"]].astype({"clip_id": "str"})
    ordered = negatives.sort_values(["logit", "clip_id"], ascending=[False, True], ignore_index=True)
    ordered = ordered.assign(is_flagged=ordered.logit >= threshold)
    return ordered[ordered.is_flagged | (ordered.index < n)].merge(splits, on="clip_id", how="inner")


def with_species(clips: pd.DataFrame, audio: EmbeddingOptions, store: EmbeddingStore) -> pd.DataFrame:
    """The same clips with what BirdNET hears in them: `COLUMNS`.

    Of a clip's windows the one that BirdNET is most confident in counts. `birdnet_confidence` is the sigmoid of its
    logit, which nobody has calibrated for these recordings.

    Args:
        audio: how the clips were read; BirdNET's encoder.
        store: holds their embeddings.
    """
    if clips.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    windows = plan_windows(clips, audio)
    heard = strongest_classes(store.load(audio, windows.key)).assign(clip_id=windows.clip_id.to_numpy())
    best = heard.sort_values("birdnet_confidence", ascending=False, kind="stable").drop_duplicates("clip_id")
    own = best.set_index("clip_id")[list(SPECIES_COLUMNS)]
    return clips.join(own, on="clip_id")[list(COLUMNS)]


def strongest_classes(x: np.ndarray, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """The class that BirdNET is most confident in, and its confidence: `SPECIES_COLUMNS`, a row each of `x`.

    Args:
        x: (n, 1,024) embeddings of BirdNET.
        labels: (n,) what else each is called: a class of that name, scientific or common, does not count.
    """
    from scipy.special import expit

    names = np.array(own_classes(), dtype=object)
    called = np.array([""] * len(x) if labels is None else labels, dtype=object)
    own = {label: np.array(own_classes_of(label), dtype=np.int64) for label in dict.fromkeys(called) if label}
    numbers, highest = np.empty(len(x), dtype=np.int64), np.empty(len(x))
    for rows, logits in _logits(x):
        for label, classes in own.items():
            logits[np.ix_(np.flatnonzero(called[rows] == label), classes)] = -np.inf
        numbers[rows], highest[rows] = logits.argmax(axis=1), logits.max(axis=1)
    return pd.DataFrame({"birdnet_species": names[numbers].astype(str), "birdnet_confidence": expit(highest)})


def _logits(x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Logits of all classes, some rows at a time."""
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        yield rows, all_own_logits(x[rows])


# Detections -----------------------------------------------------------------------------------------


def peak_windows(detections: pd.DataFrame, files: pd.DataFrame, audio: EmbeddingOptions) -> pd.DataFrame:
    """The window of each detection that scores highest, once each, as `plan_windows` gives them; `clip_id` tells which.

    Args:
        detections, files: as `find_detections` gives them.
    """
    facts = files.set_index("file_path")[["content_hash", "duration_s"]]
    places = detections.assign(clip_id=_places(detections)).drop_duplicates("clip_id")
    clips = places[["clip_id", "file_path"]].join(facts, on="file_path")
    ends = np.minimum(places.peak_start_s + audio.facts.window_s, clips.duration_s)
    clips = clips.assign(source=DETECTIONS, start_s=places.peak_start_s, end_s=ends)
    return plan_windows(clips[clips.end_s > clips.start_s], audio)


def _places(detections: pd.DataFrame) -> pd.Series:
    return detections.peak_start_s.map("{:.3f} ".format) + detections.file_path


def named_detections(
    detections: pd.DataFrame, files: pd.DataFrame, audio: EmbeddingOptions, store: EmbeddingStore
) -> pd.DataFrame:
    """Detections with `SPECIES_COLUMNS` at the end: what BirdNET takes their highest window for, beside their label.

    Both are missing where the store does not have the window, since its sound could not be read again.
    """
    windows = peak_windows(detections, files, audio)
    windows = windows[windows.key.isin(store.known_keys(audio))]
    key_of = windows.drop_duplicates("clip_id").set_index("clip_id").key
    keys = _places(detections).map(key_of)
    known = keys.notna().to_numpy()
    heard = strongest_classes(store.load(audio, keys[known]), detections.label[known].tolist())
    heard = heard.set_axis(detections.index[known]).reindex(detections.index)
    return detections.assign(
        birdnet_species=heard.birdnet_species.astype("str"), birdnet_confidence=heard.birdnet_confidence
    )


# Hard negatives -------------------------------------------------------------------------------------


def clips_that_hold(
    clips: pd.DataFrame,
    wanted: Mapping[str, Sequence[str]],
    confidence: float,
    audio: EmbeddingOptions,
    store: EmbeddingStore,
) -> dict[str, set[str]]:
    """Which clips BirdNET hears named species in, by the names of `wanted`.

    Args:
        clips: as `plan_windows` takes them, all embedded.
        wanted: names of species, scientific or common, by a name for them all.
        confidence: of BirdNET in one of them, in one window, from which on a clip counts, in [0, 1).
    """
    classes = {name: [n for one in species for n in own_classes_of(one)] for name, species in wanted.items()}
    if clips.empty or not classes:
        return {name: set() for name in classes}
    windows = plan_windows(clips, audio)
    found: dict[str, set[str]] = {name: set() for name in classes}
    for rows, logits in _logits(store.load(audio, windows.key)):
        for name, numbers in classes.items():
            is_heard = logits[:, numbers].max(axis=1) >= lowest_logit(confidence)
            found[name] |= set(windows.clip_id.to_numpy()[rows][is_heard])
    return found
