"""Which point is deployed: never chosen on a test split."""

import numpy as np
import pandas as pd

from vernal.evaluation.deployment import AVERAGE_PRECISION, deployed_point, leading_points


def points(**columns) -> pd.DataFrame:
    table = {
        "point": ["s_1", "s_2", "s_3"],
        "error": [None, None, None],
        AVERAGE_PRECISION: [0.5, 0.9, 0.7],
    }
    return pd.DataFrame(table | columns)


def test_the_best_on_validation_of_the_leading_configuration_is_deployed():
    assert deployed_point(points(test_ood_f1=[0.1, 0.2, 0.9]), ["s_1", "s_3"]) == "s_3"


def test_equal_or_unknown_average_precision_leaves_the_first():
    assert deployed_point(points(**{AVERAGE_PRECISION: [0.7, 0.9, 0.9]}), ["s_1", "s_2", "s_3"]) == "s_2"
    assert deployed_point(points(**{AVERAGE_PRECISION: [np.nan] * 3})) == "s_1"
    assert deployed_point(points().drop(columns=AVERAGE_PRECISION)) == "s_1"


def test_a_point_without_results_is_never_deployed():
    assert deployed_point(points(error=[None, "no negatives left", None])) == "s_3"
    assert deployed_point(points(error=["not run"] * 3)) is None


def test_a_point_needs_no_threshold_to_be_deployed():
    assert deployed_point(points(threshold_logit=[np.nan] * 3)) == "s_2"


def test_where_no_configuration_leads_all_points_count():
    assert deployed_point(points(), leading_points(pd.DataFrame({"points": []}))) == "s_2"
    assert leading_points(pd.DataFrame({"points": ["s_1, s_3", "s_2"]})) == ["s_1", "s_3"]
