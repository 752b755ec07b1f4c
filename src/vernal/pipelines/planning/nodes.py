"""Settle what a stage will run, before any long work starts."""

from typing import Any

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.encoders.base import ENCODERS
from vernal.clips.mining import MiningOptions
from vernal.common.problems import Problems, suggest
from vernal.sweeps import plans
from vernal.sweeps.setting_problems import subsets_made
from vernal.sweeps.spec import Spec
from vernal.training import fitting


def plan_stage(
    spec: Spec,
    point_files: dict[str, Any],
    selection: Any,
    mining_options: MiningOptions,
    embedding: EmbeddingOptions,
) -> pd.DataFrame:
    """One row per point: its settings and hashes, whether it was edited, and whether it is to run now.

    Raises:
        InputError: a point's encoder is unknown, or does not go with its band or overlap.
    """
    subsets = subsets_made(mining_options.best_low_quality, mining_options.negative_names)
    plan = plans.resolve_points(spec, point_files, subsets)
    plan = with_encoders(plan, embedding, f"conf/sweeps/{spec.stage}")
    chosen = plans.select_points(plan, selection)
    return plan.assign(is_selected=plan.point.isin(chosen.point))


def with_encoders(plan: pd.DataFrame, embedding: EmbeddingOptions, where: str) -> pd.DataFrame:
    """The plan with each point's encoder by its name, where any point has one of its own.

    Raises:
        InputError: see `plan_stage`; `where` names the stage.
    """
    if "encoder" not in plan:
        return plan
    plan = plan.assign(encoder=plan.encoder.replace("", embedding.encoder).fillna(embedding.encoder))
    known = [*ENCODERS, *(one.name for one in embedding.encoders)]
    problems = Problems(where)
    problems.add(
        "unknown encoder",
        [f"{name!r} ({suggest(name, known)})" for name in plan.encoder.unique() if name not in known],
        "Name a built-in encoder, or one that `encoders` in the parameters describes.",
    )
    problems.raise_if_any()
    fitting.audio_settings_of(plan, embedding)
    return plan
