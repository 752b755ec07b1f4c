"""Made embeddings with the structure of the original study, and the tables that a run of its stage 5 starts from.

Recorders shift every embedding a little, calls shift it along a few directions, the weaker the lower their quality.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart, plan_windows
from vernal.common.hashing import digest, rng_for
from vernal.common.table_files import write_table

Array = NDArray[Any]

N_DIMS = 1_024
# Clips of the original study: split, positives by quality (high, medium, low), negatives.
PUBLISHED_SPLITS = (
    ("train", (245, 1_772, 1_568), 8_525),
    ("val", (2, 101, 544), 2_602),
    ("test_iid", (270, 473, 1_221), 979),
    ("test_ood", (109, 625, 957), 1_894),
)
PUBLISHED_HARD_NEGATIVES = (0, 1_401, 475, 981)
PUBLISHED_LOW_QUALITY = (0, 309, 154, 51, 515)
_STRENGTH = {"high": 1.0, "medium": 0.7, "low": 0.35, "negative": 0.0}
_N_RECORDERS = 12
# Curated subsets of the study's stage 5, in the order of their counts.
LOW_QUALITY = ("large", "medium", "small", "top50")
HARD_NEGATIVES = ("hardneg_conf_min_50", "hardneg_conf_min_99", "hardneg_conf_min_85")
_RECORDERS, _SITES, _NIGHTS, _HELD_OUT_NIGHTS = 12, 4, 10, 4
_PART = 2_048


def make_embeddings(kinds: Array, rng: np.random.Generator) -> Array:
    """Made embeddings, (n, 1024) float32 and not negative, of clips of a kind: a quality or `negative`."""
    strength = np.array([_STRENGTH[kind] for kind in kinds])
    calls, recorders = rng.normal(0, 0.16, (3, N_DIMS)), rng.normal(0, 0.25, (_N_RECORDERS, N_DIMS))
    x = rng.standard_normal((len(kinds), N_DIMS), dtype=np.float32) * np.float32(0.5)
    x += recorders[rng.integers(0, _N_RECORDERS, len(kinds))].astype(np.float32)
    x += (strength * rng.lognormal(0, 0.4, len(kinds)))[:, None].astype(np.float32) * calls[
        rng.integers(0, len(calls), len(kinds))
    ].astype(np.float32)
    return np.maximum(x + np.float32(0.2), 0, out=x)


def make_calls(kinds: Array, rng: np.random.Generator) -> Array:
    """What calls of another class add to embeddings, (n, 1024) float32."""
    calls = rng.normal(0, 0.16, (3, N_DIMS)).astype(np.float32)
    loudness = np.array([_STRENGTH[kind] for kind in kinds]) * rng.lognormal(0, 0.4, len(kinds))
    return loudness[:, None].astype(np.float32) * calls[rng.integers(0, len(calls), len(kinds))]


@dataclass(frozen=True)
class PublishedStage:
    """Made embeddings of the study's 24,744 clips; rows by split, and curated rows by subset.

    `splits`: rows of each split. `kinds`: quality or `negative`, a row each. `low_quality`, `hard_negatives`:
    rows that each subset of stage 5 adds, in the order of its axis.
    """

    x: Array
    kinds: Array
    splits: dict[str, Array]
    low_quality: tuple[Array, ...]
    hard_negatives: tuple[Array, ...]


def published_stage(scale: float = 1.0) -> PublishedStage:
    """Clips with the published counts, times `scale`."""
    rng = rng_for(5, "bench", "stage")
    kinds: list[str] = []
    splits: dict[str, Array] = {}
    for split, positives, negatives in PUBLISHED_SPLITS:
        start = len(kinds)
        for kind, count in zip(("high", "medium", "low", "negative"), (*positives, negatives), strict=True):
            kinds += [kind] * max(1, int(count * scale))
        splits[split] = np.arange(start, len(kinds))
    hard = []
    for count in PUBLISHED_HARD_NEGATIVES:
        start = len(kinds)
        kinds += ["negative"] * int(count * scale)
        hard.append(np.arange(start, len(kinds)))
    names = np.array(kinds)
    pool = splits["train"][names[splits["train"]] == "low"]
    low = tuple(pool[: int(count * scale)] for count in PUBLISHED_LOW_QUALITY)
    return PublishedStage(make_embeddings(names, rng), names, splits, low, tuple(hard))


def prepare(folder: Path, scale: float = 1.0, n_targets: int = 1) -> dict[str, Any]:
    """Write tables of each target, and a store, as a run has them when its audio is embedded.

    Every target has the published counts; which clips of a split hold it is drawn for each, and its calls are added.
    """
    stage = published_stage(scale)
    clips, x = _clips(stage), stage.x
    for number in range(n_targets):
        alike = np.arange(len(clips))
        if number:
            rng = rng_for(5, "bench", "target", number)
            alike = _shuffled(clips.split, rng)
            x = np.maximum(x + make_calls(stage.kinds[alike], rng), 0)
        _write_target(target_folder(folder, number), clips, subsets_of(stage), alike)
    options, store = EmbeddingOptions(), EmbeddingStore(folder / "store")
    windows = plan_windows(clips, options)
    row_of = dict(zip(clips.clip_id, range(len(clips)), strict=True))
    vectors = x[[row_of[clip] for clip in windows.clip_id]]
    for start in range(0, len(windows), _PART):
        stop = start + _PART
        rows = windows.iloc[start:stop][["key", "content_hash", "start_s", "end_s"]].reset_index(drop=True)
        store.append(EmbeddingPart(options, rows, vectors[start:stop], pd.DataFrame()))
    return {"clips": len(clips)}


def target_folder(folder: Path, number: int) -> Path:
    """Where a target's tables lie."""
    return folder / f"target_{number:02d}"


def _shuffled(split: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """The number of a clip for each clip, of the same split."""
    rows = np.arange(len(split))
    for own in split.fillna("").groupby(split.fillna("")).indices.values():
        rows[own] = rng.permutation(own)
    return rows


def _write_target(
    folder: Path, clips: pd.DataFrame, subsets: dict[str, np.ndarray], alike: np.ndarray
) -> None:
    """Tables of a target: each clip is to it what the clip of `alike` is to the first."""
    named = ["label", "is_positive", "quality", "call_type"]
    own = clips.assign(**{name: clips[name].take(alike).to_numpy() for name in named})
    own = own.astype(clips.dtypes.to_dict())
    write_table(own.drop(columns="origin"), folder / "clips.parquet")
    write_table(own[own.split.notna()].drop(columns="origin"), folder / "splits.parquet")
    for name, members in subsets.items():
        chosen = own[np.isin(alike, members)].assign(subset=name, split=np.nan)
        write_table(chosen, folder / "curated" / f"{name}.parquet")


def _clips(stage: PublishedStage) -> pd.DataFrame:
    """Every clip as ingest and splitting leave it; curated negatives are field clips without a split."""
    n = len(stage.x)
    rng = rng_for(5, "bench", "clips")
    split = pd.Series([None] * n, dtype="str")
    for name, rows in stage.splits.items():
        split[rows] = name
    is_positive = pd.Series(stage.kinds != "negative")
    # Sites of test_ood are held out whole.
    recorder = rng.integers(0, _RECORDERS - 2, n) + 2
    recorder[split == "test_ood"] = rng.integers(0, 2, int((split == "test_ood").sum()))
    # No night of a recorder is in two splits; curated clips are of nights that train.
    first = split.map({"val": _NIGHTS, "test_iid": _NIGHTS + _HELD_OUT_NIGHTS}).fillna(0).astype(int)
    night = first + rng.integers(0, np.where(first > 0, _HELD_OUT_NIGHTS, _NIGHTS))
    ids = [digest("bench clip", number) for number in range(n)]
    source = np.where(split.isna(), "field", "labelled")
    return pd.DataFrame(
        {
            "clip_id": ids,
            "content_hash": [digest("bench content", number, length=64) for number in range(n)],
            "source": source,
            "file_path": [f"{name}.wav" for name in ids],
            "label": np.where(is_positive, "positive", "negative"),
            "is_positive": is_positive,
            "quality": pd.Series(stage.kinds, dtype="str").where(is_positive),
            "call_type": pd.Series(rng.choice(["grunt", "growl", "both"], n), dtype="str").where(is_positive),
            # The first two recorders are alone at their site.
            "site": [f"site{0 if value < 2 else 1 + (value - 2) % (_SITES - 1)}" for value in recorder],
            "recorder_id": [f"R{value:02d}" for value in recorder],
            "date": [f"2025-03-{value + 1:02d}" for value in night],
            "night": [f"2025-03-{value + 1:02d}" for value in night],
            "group": pd.Series([None] * n, dtype="str"),
            "split": split,
            "block": [f"R{value:02d} {one}" for value, one in zip(recorder, night, strict=True)],
            "start_s": np.nan,
            "end_s": np.nan,
            "duration_s": 3.0,
            "sample_rate_hz": 48_000,
            "channels": 1,
            "origin": "mined",
        }
    )


def subsets_of(stage: PublishedStage) -> dict[str, np.ndarray]:
    """Rows of each curated subset, by the names that stage 5 has for them."""
    low = {
        f"bestLowQuality/{name}": rows for name, rows in zip(LOW_QUALITY, stage.low_quality[1:], strict=True)
    }
    hard = {
        f"hardNeg/{name}": rows for name, rows in zip(HARD_NEGATIVES, stage.hard_negatives[1:], strict=True)
    }
    return low | hard
