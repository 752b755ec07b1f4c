"""What was asked: the recordings, and what a test split is a test of."""

import pandas as pd
import pytest

from vernal.clips.splits import count_splits
from vernal.reports.design import split_meaning


def counted(*clips: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """Split, site and night of each clip, counted."""
    table = pd.DataFrame(clips, columns=["split", "site", "night"])
    text = pd.Series([None] * len(clips), dtype="str")
    block = table.site.fillna("?") + table.night.fillna("?")
    return count_splits(table.assign(recorder_id=text, is_positive=True, block=block))


TRAIN = (("train", "pond", "1"), ("train", "wood", "2"))


@pytest.mark.parametrize(
    ("tests", "meaning"),
    [
        ([("pond", "2"), ("wood", "1")], "test, same places on other nights"),
        ([("pond", "1"), ("wood", "1")], "test, from places that also train, 1 clip from nights that train there too"),
        ([("pond", None)], "test, from places that also train, from nights that may train there too"),
        ([("hill", "1"), ("hill", None)], "test, from places that train nothing"),
        ([("hill", "1"), ("pond", "2")], "test, 1 clip from places that also train, 1 clip from places that train nothing"),
        ([(None, "1")], "test, from places that are not known, from nights that may train there too"),
    ],
)  # fmt: skip
def test_what_a_test_split_tests_is_read_from_the_deal(tests, meaning):
    for split in ("test_iid", "test_ood"):
        counts = counted(*TRAIN, *((split, *place) for place in tests))
        assert split_meaning(split, counts) == meaning
    assert split_meaning("val", counted(*TRAIN)) == "chooses thresholds"
    assert split_meaning("test_ood", counted(*TRAIN)) == "test"


def test_an_undated_training_clip_may_be_of_any_night():
    counts = counted(*TRAIN, ("train", "pond", None), ("test_iid", "pond", "2"), ("test_iid", "wood", "1"))
    assert "same places on other nights" not in split_meaning("test_iid", counts)
    assert split_meaning("test_iid", counts).endswith("1 clip from nights that may train there too")
