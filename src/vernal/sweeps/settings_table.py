"""The settings of a stage's points as text: which vary, how levels are called, what is one configuration.

A plan has one row per point: `point`, `config_hash` and every setting as a column. Points of equal
`config_hash` are one run, whatever their settings say (an upsampling mode has no effect at ratio 0). A
configuration is everything but the seed; configurations that share a run are the same configuration.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.json_text import parse_json

SEED = "seed"
CONFIGURATION = "configuration_hash"
NOT_SETTINGS = ("point", "name", "stage", "number", "shares_with", "error")
NOT_SETTING_FORMS = re.compile(r"is_.*|.*_hash")
NONE = "none"


def level_text(value: Any) -> str:
    """A setting's value as tables spell it: lists joined, nothing as `none`, numbers without a trailing `.0`.

    >>> level_text(["high", "medium"]), level_text([]), level_text(0.50), level_text(True)
    ('high, medium', 'none', '0.5', 'true')
    """
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse_json(value, "A list of settings")
        except ValueError:
            return value
    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(level_text(item) for item in value) or NONE
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA or value == "":
        return NONE
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{float(value):.10g}"
    return str(value)


def settings_of(plan: pd.DataFrame) -> pd.DataFrame:
    """Every setting of every point as text; same rows, only the columns that are settings."""
    candidates = [str(name) for name in plan.columns if name not in NOT_SETTINGS]
    names = [name for name in candidates if not NOT_SETTING_FORMS.fullmatch(name)]
    return pd.DataFrame(
        {
            name: pd.Series([level_text(value) for value in plan[name]], index=plan.index, dtype="str")
            for name in names
        },
        index=plan.index,
    )


def axes_of(plan: pd.DataFrame, axes: Sequence[str] | None = None) -> list[str]:
    """The settings that vary within a stage, without the seed, in the plan's column order.

    Args:
        axes: the stage's declared axes; those that do not vary are left out. None: every column that varies.
    """
    settings = settings_of(plan)
    wanted = [name for name in (settings.columns if axes is None else axes) if name in settings.columns]
    return [name for name in wanted if name != SEED and settings[name].nunique() > 1]


def joined_levels(levels: Iterable[str]) -> str:
    """The levels of one setting over rows that count as one, in order of first use.

    >>> joined_levels(["linear", "mean", "linear"])
    'linear | mean'
    """
    return " | ".join(dict.fromkeys(levels))
