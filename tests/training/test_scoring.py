import numpy as np
import pandas as pd
import pytest

from vernal.training.scoring import score_table, shift_of


def test_sensitivity_moves_logits_as_birdnet_does():
    assert shift_of(1.0) == 0.0
    assert shift_of(1.25) == pytest.approx(2.5)
    assert shift_of(0.5) == pytest.approx(-5.0)


def test_the_score_table_keeps_points_in_order_and_clips_by_id():
    clips = pd.DataFrame({"clip_id": ["b", "a"], "split": ["val", "test_iid"], "is_positive": [True, False]})
    table = score_table(["p2", "p1"], np.array([[1.0, 2.0], [3.0, 4.0]]), clips)
    assert table.point.tolist() == ["p2", "p2", "p1", "p1"]
    assert table.clip_id.tolist() == ["a", "b", "a", "b"]
    assert table.split.tolist() == ["test_iid", "val"] * 2
    assert table.logit.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert table.is_positive.tolist() == [False, True] * 2


def test_no_points_give_an_empty_table_with_all_columns():
    clips = pd.DataFrame({"clip_id": ["a"], "split": ["val"], "is_positive": [True]})
    table = score_table([], np.empty((0, 1)), clips)
    assert table.columns.tolist() == ["point", "clip_id", "split", "logit", "is_positive"]
    assert table.empty
