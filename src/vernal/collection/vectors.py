"""Embeddings of clips as a table, reduced to what a quick model needs, joined with what is known of the clips."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.clips.problem_card import ProblemCard
from vernal.collection.linear_model import reduce_dims


@dataclass(frozen=True, eq=False)
class ClassData:
    """Clips with a sure label of one class: their table, embeddings `x` (n, n_dims) and labels `y` (n,)."""

    clips: pd.DataFrame
    x: NDArray
    y: NDArray[np.bool_]


def reduce_windows(windows: pd.DataFrame, matrix: NDArray) -> pd.DataFrame:
    """One reduced vector a clip, the mean over its windows.

    Args:
        windows: `clip_id`, one row a window.
        matrix: (n_windows, n_dims) in that order.
    Returns:
        `clip_id` and `v00`, `v01`, ...: standardised components, sorted by clip.
    """
    names, code = np.unique(windows.clip_id.to_numpy(dtype=str), return_inverse=True)
    sums = np.zeros((len(names), matrix.shape[1]))
    np.add.at(sums, code, matrix)
    reduced = reduce_dims(sums / np.bincount(code)[:, None]) if len(names) else np.empty((0, 0))
    table = pd.DataFrame(reduced, columns=[f"v{place:02d}" for place in range(reduced.shape[1])])
    table.insert(0, "clip_id", pd.Series(names, dtype="str"))
    return table


def x_of(vectors: pd.DataFrame, clip_ids: pd.Series) -> NDArray[np.float64]:
    """Rows of the vectors' table for these clips, in order."""
    return vectors.set_index("clip_id").reindex(clip_ids).to_numpy(dtype=float)


def data_of(
    vectors: pd.DataFrame, clips: pd.DataFrame, consensus: pd.DataFrame, label: str, role: str
) -> ClassData:
    """The clips of one role whose label of one class is sure and whose recording may be used, sorted by clip."""
    sure = consensus[(consensus.label == label) & consensus.is_sure][["clip_id", "value"]]
    usable = clips[(clips.role == role) & clips.held_back.isna() & clips.clip_id.isin(vectors.clip_id)]
    known = usable.merge(sure, on="clip_id").sort_values("clip_id", ignore_index=True)
    return ClassData(known, x_of(vectors, known.clip_id), known.value.to_numpy(dtype=bool))


def top_classes(card: ProblemCard) -> list[str]:
    """The classes that belong to no other, the target first."""
    return [card.target, *(name for name in card.tops if name != card.target)]
