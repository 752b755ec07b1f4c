"""Divide labelled clips into training, validation and test, by blocks that are never shared."""

from __future__ import annotations

import pandas as pd

from vernal.clips import splits
from vernal.clips.splits import SplitOptions


def split_clips(clips: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Give every labelled clip its split."""
    return splits.assign_splits(clips[clips.source == "labelled"], options)


def count_splits(splits_table: pd.DataFrame) -> pd.DataFrame:
    """Count the splits by label, quality, call type, recorder and site."""
    return splits.count_splits(splits_table)
