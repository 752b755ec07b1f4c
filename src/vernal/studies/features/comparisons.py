"""Questions that two configurations answer together: do beats help, how far ahead is BirdNET, what does a leak hide."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from vernal.evaluation.effects import contrast_of, effects
from vernal.studies.features.folds import BY_SITE, LEAKY
from vernal.studies.features.groups import Groups
from vernal.studies.features.measured_points import MeasuredPoint
from vernal.studies.features.point_settings import PointOptions
from vernal.studies.features.rows import records
from vernal.studies.features.study import NAMED

_NAMES = [name for name in NAMED if name != "split"]
COLUMNS = ("question", *_NAMES, "accuracy", "accuracy_other", "difference", "low", "high")
Configurations = Mapping[str, Mapping[int, MeasuredPoint]]


def compare(board: pd.DataFrame, configurations: Configurations, groups: Groups) -> pd.DataFrame:
    """Differences in accuracy that answer a question, paired by seed, clip and group.

    Args:
        board: the leaderboard, best first.
        configurations: the finished points of each configuration by seed.
    Returns:
        `question`; the names of what is asked about (`feature`, `sync`, `model`, `variant`); its `accuracy` and that
        of the other, over the seeds that both have; `difference` with `low`, `high`, which one seed does not give.
        `beat_synced`: beat-synced less raw. `birdnet`: a configuration less the best head on BirdNET's embeddings.
        `leak`: the shuffled split less the honest one. Beats and leaks are asked of configurations that differ in
        nothing else.
    """
    rows, contrasts = [], []
    points = [point for own in configurations.values() for point in own.values()]
    values = {point.config_hash: point.values["accuracy"] for point in points}
    for number, (question, about, name, other) in enumerate(_questions(board, configurations)):
        own, others = (
            {str(seed): point.config_hash for seed, point in configurations[one].items()}
            for one in (name, other)
        )
        contrast = contrast_of(f"{question} {number}", first=others, second=own)
        if contrast is None:
            continue
        contrasts.append(contrast)
        means = [float(np.mean([values[runs[seed]] for seed in contrast.by_seed])) for runs in (own, others)]
        names = {column: about[column] for column in _NAMES}
        rows.append(
            {"question": question, **names, **dict(zip(("accuracy", "accuracy_other"), means, strict=True))}
        )
    draws = {point.config_hash: point.draws["accuracy"] for point in points}
    sizes = effects(contrasts, values, draws, groups.effective, groups.options.level)
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-3])).assign(
        difference=sizes["effect"], low=sizes["low"], high=sizes["high"]
    )
    return table.sort_values(list(COLUMNS[:5]), ignore_index=True)


def _questions(
    board: pd.DataFrame, configurations: Configurations
) -> Iterator[tuple[str, Mapping, str, str]]:
    """What two configurations answer together: the question, which of both it is about, and both by hash."""
    rows = records(board)
    options = {name: next(iter(points.values())).options for name, points in configurations.items()}
    heads = [
        name for name in board.configuration_hash if _is_honest(options[name]) and options[name].is_birdnet
    ]
    for row in rows:
        for other in rows:
            names = row["configuration_hash"], other["configuration_hash"]
            mine, theirs = (options[name] for name in names)
            if (mine.sync, theirs.sync) == ("beat_synced", "raw") and _agree(
                mine, theirs, "sync", "frames_per_step"
            ):
                # The raw one has one setting more, by which several of them may differ.
                yield "beat_synced", {**row, "variant": other["variant"]}, *names
            if _is_honest(mine) and not mine.is_birdnet and names[1] in heads[:1]:
                yield "birdnet", row, *names
            if (mine.split, theirs.split) == (LEAKY, BY_SITE) and _agree(mine, theirs, "split"):
                yield "leak", other, *names


def _is_honest(options: PointOptions) -> bool:
    return options.split == BY_SITE


def _agree(options: PointOptions, others: PointOptions, *but: str) -> bool:
    """Whether two configurations are the same in all that matters, but for the named settings."""
    left, right = (
        {name: value for name, value in one.configuration.items() if name not in but}
        for one in (options, others)
    )
    return left == right
