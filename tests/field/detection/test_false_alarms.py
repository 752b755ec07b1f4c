"""The measured rate of false alarms: whose it is, and what it leaves open."""

import dataclasses

import numpy as np
import pytest

from tests.field.detection.conftest import make_classifier
from vernal.field.detection.classifier import LabelThreshold
from vernal.field.detection.false_alarms import (
    FalseAlarmRate,
    measured_precision,
    measured_rate,
    measured_rates,
)

COUNTS = {f"{split}_{name}": value for split, value in (("val", 50), ("test_iid", 60), ("test_ood", 70))
          for name, value in (("fp", value // 10), ("n_negative", value))}  # fmt: skip


def test_the_rate_is_that_of_the_clips_most_like_a_new_season():
    own = dataclasses.replace(make_classifier(), results=COUNTS)
    assert measured_rate(own) == FalseAlarmRate("test_ood", 7, 70)
    no_new_site = COUNTS | {"test_ood_n_negative": 0}
    assert measured_rate(dataclasses.replace(own, results=no_new_site)) == FalseAlarmRate("test_iid", 6, 60)
    assert measured_rate(dataclasses.replace(own, results={"test_ood_fpr": 0.1})) is None
    assert measured_rate(dataclasses.replace(own, has_own_threshold=False)) is None
    assert measured_rate(dataclasses.replace(own, labels=("frog", "toad"))) is None


def test_precision_is_that_of_test_clips_before_that_of_the_clips_which_chose_the_threshold():
    own = dataclasses.replace(make_classifier(), results={"val_precision": 1.0, "test_iid_precision": 0.5})
    assert measured_precision(own) == 0.5
    assert measured_precision(dataclasses.replace(own, results={"val_precision": 1.0})) == 1.0
    assert np.isnan(measured_precision(dataclasses.replace(own, has_own_threshold=False)))


def test_each_label_of_several_points_has_the_rate_of_its_own():
    alone = dataclasses.replace(make_classifier(), results=COUNTS)
    assert measured_rates(alone) == {alone.labels[0]: FalseAlarmRate("test_ood", 7, 70)}
    parts = (
        LabelThreshold(0.0, "a", COUNTS),
        LabelThreshold(1.0, "b", {}),
        LabelThreshold(2.0, "c", COUNTS | {"test_ood_fp": 0}),
    )
    several = dataclasses.replace(alone, labels=("frog", "toad", "newt"), of_labels=parts, results={})
    assert measured_rates(several) == {
        "frog": FalseAlarmRate("test_ood", 7, 70), "newt": FalseAlarmRate("test_ood", 0, 70)
    }  # fmt: skip
    assert measured_rates(dataclasses.replace(several, has_own_threshold=False)) == {}
    assert measured_rates(dataclasses.replace(several, of_labels=())) == {}


def test_what_is_plausible_without_the_target_holds_the_rates_interval_and_chance():
    rate = FalseAlarmRate("val", 0, 88)
    assert rate.rates == pytest.approx((0, 0, 1 - 0.05 ** (1 / 88)))
    assert rate.most_flagged(10_000) > 10_000 * rate.rates[2] > 330
    assert FalseAlarmRate("val", 88, 88).most_flagged(12) == 12
