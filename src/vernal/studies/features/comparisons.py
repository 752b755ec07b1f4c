"""Questions that two configurations answer together: do beats help, how far ahead is BirdNET, what does a leak hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.studies.features.folds import BY_SITE, LEAKY
from vernal.studies.features.groups import Groups
from vernal.studies.features.rows import records
from vernal.studies.features.runs import Run
from vernal.studies.features.study import NAMED, PointOptions

_NAMES = [name for name in NAMED if name != "split"]
COLUMNS = ("question", *_NAMES, "accuracy", "accuracy_other", "difference", "low", "high")


def compare(board: pd.DataFrame, runs: Mapping[str, Run], groups: Groups) -> pd.DataFrame:
    """Differences in accuracy that answer a question, paired by clip and group.

    Args:
        board: the leaderboard, best first.
        runs: finished points by config hash.
    Returns:
        `question`; the names of what is asked about (`feature`, `sync`, `model`, `variant`); its `accuracy` and that
        of the other; `difference` with `low`, `high`. `beat_synced`: beat-synced less raw. `birdnet`: a configuration
        less the best head on BirdNET's embeddings. `leak`: the shuffled split less the honest one. Beats and leaks
        are asked of configurations that differ in nothing else.
    """
    rows = records(board)
    own = {
        row["configuration_hash"]: [
            run for run in runs.values() if run.configuration == row["configuration_hash"]
        ]
        for row in rows
    }
    heads = [
        row["configuration_hash"] for row in rows if row["split"] == BY_SITE and _options(own, row).is_birdnet
    ]
    found = [
        {"question": question, **{name: about[name] for name in _NAMES}}
        | _difference(own[row["configuration_hash"]], own[other["configuration_hash"]], groups)
        for row in rows
        for other in rows
        for question, about in _questions(row, other, own, heads[:1])
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).sort_values(list(COLUMNS[:5]), ignore_index=True)


def _options(own: Mapping[str, Sequence[Run]], row: Mapping) -> PointOptions:
    return own[row["configuration_hash"]][0].options


def _questions(
    row: Mapping, other: Mapping, own: Mapping[str, Sequence[Run]], best_head: Sequence[str]
) -> list[tuple[str, Mapping]]:
    """What a configuration answers together with another one: the question, and which of both it is about."""
    options, others = _options(own, row), _options(own, other)
    found: list[tuple[str, Mapping]] = []
    if (options.sync, others.sync) == ("beat_synced", "raw") and _agree(
        options, others, "sync", "frames_per_step"
    ):
        # The raw one has one setting more, by which several of them may differ.
        found.append(("beat_synced", {**row, "variant": other["variant"]}))
    if row["split"] == BY_SITE and not options.is_birdnet and other["configuration_hash"] in best_head:
        found.append(("birdnet", row))
    if (options.split, others.split) == (LEAKY, BY_SITE) and _agree(options, others, "split"):
        found.append(("leak", other))
    return found


def _agree(options: PointOptions, others: PointOptions, *but: str) -> bool:
    """Whether two configurations are the same in all that matters, but for the named settings."""
    left, right = (
        {name: value for name, value in one.effective.items() if name not in (*but, "seed")}
        for one in (options, others)
    )
    return left == right


def _difference(own: Sequence[Run], others: Sequence[Run], groups: Groups) -> dict[str, float]:
    """Mean accuracies and their difference, seeds paired in order where there are as many."""
    values, other_values = (np.array([run.values["accuracy"] for run in some]) for some in (own, others))
    draws, other_draws = (np.array([run.draws["accuracy"] for run in some]) for some in (own, others))
    accuracy, accuracy_other = float(values.mean()), float(other_values.mean())
    if len(own) == len(others):
        low, high = groups.difference_interval(values - other_values, draws - other_draws)
    else:
        drawn = draws.mean(axis=0) - other_draws.mean(axis=0)
        low, high = groups.difference_interval([accuracy - accuracy_other], drawn[None])
    return {
        "accuracy": accuracy,
        "accuracy_other": accuracy_other,
        "difference": accuracy - accuracy_other,
        "low": low,
        "high": high,
    }
