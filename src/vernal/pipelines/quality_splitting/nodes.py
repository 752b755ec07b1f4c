"""Divide labelled clips into training, validation and test, by blocks that are never shared."""

import logging

import pandas as pd

from vernal.clips import labels, splits
from vernal.clips.labels import LabelOptions
from vernal.clips.nights import night_words
from vernal.clips.splits import SplitOptions
from vernal.common.problems import InputError
from vernal.pipelines.ingest.nodes import SourceOptions

logger = logging.getLogger(__name__)


def split_clips(
    clips: pd.DataFrame,
    options: SplitOptions,
    target: str,
    label_options: LabelOptions,
    source: SourceOptions,
) -> pd.DataFrame:
    """Give every labelled clip its split; say what a split lacks and what would mend it, before anything long.

    Several classes share one deal, and clips of which the target is unknown leave it afterwards.
    """
    labelled = clips[clips.source == "labelled"]
    if labelled.empty:
        raise InputError(
            "No clip is labelled, so there is nothing to train on: listen first. `kedro run --pipeline=listening`, "
            f"then `kedro review --loop` with an example of {target}, each with the same parameters."
        )
    reading = source.reading(label_options, labelled.label, target)
    if reading.is_set:
        states = labels.state_table(labelled.label, target, reading)
        dealt = splits.assign_splits(labelled, options, states)
        is_known = labels.states(dealt.label, target, reading).notna()
        dealt = dealt[is_known].reset_index(drop=True)
    else:
        dealt = splits.assign_splits(labelled, options)
    splits.refuse_unusable(dealt)
    for words in filter(None, [night_words(dealt), *splits.missing_classes(dealt, options)]):
        logger.warning("%s", words)
    return dealt


def count_splits(splits_table: pd.DataFrame) -> pd.DataFrame:
    """Count the splits by label, quality, call type, recorder and site."""
    return splits.count_splits(splits_table)
