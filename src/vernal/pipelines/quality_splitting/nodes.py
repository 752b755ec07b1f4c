"""Divide labelled clips into training, validation and test, by blocks that are never shared."""

from __future__ import annotations

import logging

import pandas as pd

from vernal.clips import splits
from vernal.clips.nights import night_words
from vernal.clips.splits import SplitOptions

logger = logging.getLogger(__name__)


def split_clips(clips: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Give every labelled clip its split; say what a split lacks and what would mend it, before anything long."""
    dealt = splits.assign_splits(clips[clips.source == "labelled"], options)
    splits.refuse_unusable(dealt)
    for words in filter(None, [night_words(dealt), *splits.missing_classes(dealt, options)]):
        logger.warning("%s", words)
    return dealt


def count_splits(splits_table: pd.DataFrame) -> pd.DataFrame:
    """Count the splits by label, quality, call type, recorder and site."""
    return splits.count_splits(splits_table)
