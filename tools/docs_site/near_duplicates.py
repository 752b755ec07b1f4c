"""How alike copies and other clips are, on real recordings: what the limits of `vernal.proof` rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.clips.recordings import IngestOptions, inspect_files
from vernal.common.problems import InputError
from vernal.proof.near_duplicates import find_pairs
from vernal.proof.options import ProofOptions

# Below this cosine nothing is listened to here; well below the shipped limit, so that both sides of it are seen.
_FLOOR = 0.9
SHIFTED = "one recording, shifted by some samples"
TWO_NUMBERS = "one recording under two source numbers"
ONE_SOURCE = "other cuts of one recording"
ONE_NIGHT = "other recordings of one recorder's night"
OTHERS = "different recordings"
_TWICE = {"28314", "30322"}


def measure(folder: Path, workers: int = 1) -> pd.DataFrame:
    """Close pairs of clips by what is known of them.

    Args:
        folder: with `odd/aru_*.wav` (one recording, shifted), `field/*.flac` (one recorder's night) and `esc10`
            (`metadata.csv` and a folder of each class).
    Returns:
        One row a kind: `kind`, `is_copy`, `pairs` (of clips with windows of cosine 0.9 or more), and the
        lowest and highest `cosine_*` and `correlation_*` of a pair's most alike windows.
    """
    clips = _clips(folder)
    windows = plan_windows(clips, EmbeddingOptions())
    parts = list(embed_windows(windows, {"labelled": str(folder)}, EmbeddingOptions(), workers=workers))
    keys = pd.Index(pd.concat([part.rows for part in parts], ignore_index=True).key)
    x = np.concatenate([part.vectors for part in parts])[keys.get_indexer(windows.key)]
    own_split = {clip: clip for clip in windows.clip_id}
    # With a limit next to nothing, every pair is compared in full.
    options = ProofOptions(
        near_duplicate_cosine=_FLOOR, listened_pairs=1_000_000, near_duplicate_correlation=1e-6
    )
    found, _ = find_pairs(windows, x, own_split, {"labelled": str(folder)}, options, workers)
    return summary(found, clips.set_index("clip_id").source_id)


def summary(found: pd.DataFrame, source_id: pd.Series) -> pd.DataFrame:
    """Pairs of windows as one row a kind of pair, copies first."""
    best = found.sort_values("correlation", ascending=False).drop_duplicates(["clip_id", "other_clip_id"])
    kinds = [
        kind(source_id[one], source_id[other])
        for one, other in zip(best.clip_id, best.other_clip_id, strict=True)
    ]
    rows = []
    for name in (SHIFTED, TWO_NUMBERS, ONE_SOURCE, ONE_NIGHT, OTHERS):
        of_kind = best[np.array(kinds) == name]
        if len(of_kind):
            low, high = of_kind[["cosine", "correlation"]].min(), of_kind[["cosine", "correlation"]].max()
            ends = [low.cosine, high.cosine, low.correlation, high.correlation]
            rows.append((name, name in (SHIFTED, TWO_NUMBERS), len(of_kind), *ends))
    ends = ["cosine_low", "cosine_high", "correlation_low", "correlation_high"]
    return pd.DataFrame(rows, columns=["kind", "is_copy", "pairs", *ends])


def kind(one: str, other: str) -> str:
    """What two clips have to do with each other, by the sources that they were cut from.

    >>> kind("28314", "30322"), kind("1", "1"), kind("1", "2")
    ('one recording under two source numbers', 'other cuts of one recording', 'different recordings')
    """
    if {one, other} == _TWICE:
        return TWO_NUMBERS
    if one == other:
        return {"aru": SHIFTED, "field": ONE_NIGHT}.get(one, ONE_SOURCE)
    return OTHERS


def _clips(folder: Path) -> pd.DataFrame:
    table = folder / "esc10" / "metadata.csv"
    if not table.is_file():
        raise InputError(f"{table} is not there; give the folder that holds esc10, field and odd.")
    names = pd.read_csv(table, dtype="str")
    source_of = dict(zip("esc10/" + names.filename, names.source_id, strict=True))
    for name, pattern in (("aru", "odd/aru_*.wav"), ("field", "field/*.flac")):
        source_of |= {path.relative_to(folder).as_posix(): name for path in sorted(folder.glob(pattern))}
    paths = list(source_of)
    facts = inspect_files([folder / path for path in paths], IngestOptions())
    clips = pd.DataFrame({"file_path": paths}).join(pd.DataFrame([facts[folder / path] for path in paths]))
    return clips.assign(
        clip_id=paths, source="labelled", start_s=np.nan, end_s=np.nan, source_id=list(source_of.values())
    )
