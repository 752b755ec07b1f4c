import numpy as np
import pandas as pd

from tests.small_stage import csv_text
from vernal.evaluation.rounding import settled


def test_metrics_are_rounded_and_logits_are_not():
    frame = pd.DataFrame({"f1": [1 / 3, np.nan, -1e-9], "threshold_logit": [1 / 3] * 3, "n": [1, 2, 3]})
    assert csv_text(frame) == (
        "f1,threshold_logit,n\n0.333333,0.3333333333333333,1\n,0.3333333333333333,2\n0.0,0.3333333333333333,3\n"
    )


def test_settling_twice_changes_nothing():
    frame = pd.DataFrame({"f1": np.random.default_rng(0).random(50)})
    assert csv_text(settled(frame)) == csv_text(frame)


def test_a_logit_written_is_the_logit_read():
    values = np.random.default_rng(0).normal(size=100)
    read = pd.Series([float(line) for line in csv_text(pd.DataFrame({"a_logit": values})).split()[1:]])
    assert (read == values).all()
