"""Questions that two configurations answer together: do beats help, how far ahead is BirdNET, what does a leak hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.features.folds import BY_SITE, LEAKY
from vernal.features.groups import Groups
from vernal.features.rows import records
from vernal.features.runs import Run
from vernal.features.study import BIRDNET

NAMED = ("feature", "sync", "model", "split")


def compare(board: pd.DataFrame, runs: Mapping[str, Run], groups: Groups) -> pd.DataFrame:
    """Differences in accuracy that answer a question, paired by clip and group.

    Returns:
        `question` (`beat_synced`, `birdnet`, `leak`), `feature`, `sync`, `model` of what is compared, `difference`,
        `low`, `high`: beat-synced less raw; a configuration less BirdNET's head; the leaky split less the honest one.
    """
    listed: dict[tuple[str, ...], list[Run]] = {}
    for row in records(board):
        listed[tuple(row[name] for name in NAMED)] = [
            run for run in runs.values() if run.configuration == row["configuration_hash"]
        ]
    birdnet = next((name for name in listed if name[0] == BIRDNET and name[3] == BY_SITE), None)
    rows = []
    for name, own in listed.items():
        for question, other in _questions(name, birdnet).items():
            if other in listed:
                about = dict(zip(NAMED, name, strict=True))
                rows.append({"question": question, **about, **_difference(own, listed[other], groups)})
    columns = ["question", "feature", "sync", "model", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values(columns[:4], ignore_index=True)


def _questions(name: tuple[str, ...], birdnet: tuple[str, ...] | None) -> dict[str, tuple[str, ...]]:
    """What a configuration is to be compared with, by the question that this answers."""
    feature, sync, model, split = name
    found: dict[str, tuple[str, ...]] = {}
    if sync == "beat_synced":
        found["beat_synced"] = (feature, "raw", model, split)
    if split == BY_SITE and feature != BIRDNET and birdnet is not None:
        found["birdnet"] = birdnet
    if split == LEAKY:
        found["leak"] = (feature, sync, model, BY_SITE)
    return found


def _difference(own: Sequence[Run], others: Sequence[Run], groups: Groups) -> dict[str, float]:
    """Mean difference in accuracy, seeds paired in order where there are as many."""
    if len(own) == len(others):
        values = [a.values["accuracy"] - b.values["accuracy"] for a, b in zip(own, others, strict=True)]
        draws = np.array(
            [a.draws["accuracy"] - b.draws["accuracy"] for a, b in zip(own, others, strict=True)]
        )
    else:
        mean, other_mean = (np.mean([run.values["accuracy"] for run in some]) for some in (own, others))
        drawn, other_drawn = (
            np.mean([run.draws["accuracy"] for run in some], axis=0) for some in (own, others)
        )
        values, draws = [float(mean - other_mean)], (drawn - other_drawn)[None]
    low, high = groups.difference_interval(values, draws)
    return {"difference": float(np.mean(values)), "low": low, "high": high}
