"""The sentences about a checked sample."""

import numpy as np
import pandas as pd
import pytest

from tests.field.detection.test_validation import COUNTS, SAMPLE, STRATA
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.validation import validate
from vernal.field.detection.validation_section import validation_section
from vernal.reports.blocks import Bullets, Text


def words_of(sample: pd.DataFrame, promised: float = np.nan, **options) -> list[str]:
    settings = DetectionOptions(**options)
    told = validate(sample, COUNTS, STRATA, 0.0, settings.wanted_precision, settings.reviewer_error)
    section = validation_section(told, settings, promised, "kedro review sample --params=a=b")
    listed = [block.items if isinstance(block, Bullets) else [block] for block in section.blocks]
    return [block.text for blocks in listed for block in blocks if isinstance(block, Text)]


def test_a_checked_sample_is_told_in_numbers():
    said = "\n".join(words_of(SAMPLE, promised=0.99))
    assert "60 of 60 windows drawn at random are checked; 34 hold the target." in said
    assert "By the checked sample, 72\xa0% of the flagged windows are right (" in said
    assert "On labelled clips it was 99\xa0%, which does not hold in this season." in said
    assert "Of the windows with the target and a confidence of at least 5\xa0%, " in said
    assert "About 1,170 of 110,000 windows heard hold the target" in said
    assert "A precision of 0.9 is reached from a confidence of 0.881 on" in said
    assert "`detection.min_confidence=0.8808`" in said
    assert "more checks would halve the interval of precision (`detection.sample=" in said
    assert "holds the target with a probability of 0." in said and "not for another season" in said


@pytest.mark.parametrize(
    ("promised", "verdict"), [(0.75, "which fits"), (0.2, "which does not hold in this season")]
)
def test_what_validation_promised_stands_beside(promised, verdict):
    assert any(
        f"On labelled clips it was {100 * promised:.0f}\xa0%, {verdict}" in words
        for words in words_of(SAMPLE, promised)
    )


def test_answers_that_are_none_are_said():
    few = SAMPLE.groupby("stratum_low").head(2)
    assert any("cannot be told from so few checks" in words for words in words_of(few))
    wrong = SAMPLE.assign(review_state=np.where(np.arange(len(SAMPLE)) % 4, "rejected", "confirmed"))
    assert any("A precision of 0.9 cannot be reached by any threshold." in words for words in words_of(wrong))


def test_nobody_has_checked_anything_yet():
    (said,) = words_of(SAMPLE.assign(review_state="unchecked"), wanted_precision=0.8)
    assert (
        said.startswith("60 windows were drawn")
        and "`kedro review sample --params=a=b` plays them" in said
        and "precision of 0.8" in said
    )
    assert words_of(SAMPLE.iloc[:0]) == []
