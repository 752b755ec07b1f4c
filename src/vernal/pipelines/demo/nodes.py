"""Make the demo season: a table of sounds first, then the sounds."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from vernal import __version__
from vernal.clips import synthesis
from vernal.clips.synthesis import SeasonOptions
from vernal.common.progress import progress_bar
from vernal.pipelines.ingest.nodes import SourceOptions

_FILES_AT_ONCE = 32


def plan_season(
    options: SeasonOptions, source: SourceOptions
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """List the season's clips, field and unlabelled recordings; without rows when a manifest is given.

    `file_path` starts with the recipe's hash, so that a finished file is known by its name; `sound` is the
    path without it, which the sound is drawn from.
    """
    season = synthesis.plan_season(options)
    recipe = synthesis.recipe(options, __version__)
    tables = [season.clips, season.field, season.unlabelled]
    if not source.is_demo:
        tables = [table.iloc[:0] for table in tables]
    clips, field, unlabelled = (
        table.assign(sound=table.file_path, file_path=recipe + "/" + table.file_path) for table in tables
    )
    return clips, field, unlabelled


def render_season(
    options: SeasonOptions, clips: pd.DataFrame, field: pd.DataFrame, unlabelled: pd.DataFrame
) -> Iterator[dict[str, Callable[[], np.ndarray]]]:
    """Render every sound of the season, some files at a time; finished files are left as they are."""
    rows = pd.concat([clips, field, unlabelled], ignore_index=True).to_dict("records")
    with progress_bar(len(rows), "rendering the demo season", "file") as progress:
        for first in range(0, max(1, len(rows)), _FILES_AT_ONCE):
            some = rows[first : first + _FILES_AT_ONCE]
            yield {row["file_path"]: partial(_render, row, options) for row in some}
            progress(len(some))


def _render(row: dict, options: SeasonOptions) -> np.ndarray:
    return synthesis.render(row | {"file_path": row["sound"]}, options)
