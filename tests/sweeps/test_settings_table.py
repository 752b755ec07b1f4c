import numpy as np
import pandas as pd
import pytest

from tests.small_stage import made_plan
from vernal.sweeps import settings_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["high", "medium"], "high, medium"),
        ('["high", "medium"]', "high, medium"),
        (np.array(["a"]), "a"),
        ([], "none"),
        (None, "none"),
        (np.nan, "none"),
        (0.0, "0"),
        (5e-4, "0.0005"),
        (np.int64(32), "32"),
        (np.True_, "true"),
        ("[not json", "[not json"),
        ("linear", "linear"),
    ],
)
def test_a_level_has_one_spelling(value, text):
    assert settings_table.level_text(value) == text


def test_identity_columns_are_no_settings():
    plan = made_plan().assign(fit_hash="x", is_selected=True, shares_with="made_001", error="")
    assert settings_table.settings_of(plan).columns.tolist() == [
        "seed",
        "balance",
        "negative_subsets",
        "epochs",
    ]


def test_axes_are_what_varies_but_the_seed():
    assert settings_table.axes_of(made_plan()) == ["balance", "negative_subsets"]
    assert settings_table.axes_of(made_plan(), ["seed", "negative_subsets", "epochs"]) == ["negative_subsets"]


def imbalance():
    """Ratio 0 makes the three modes one run."""
    plan = made_plan(mode=["linear", "mean", "smote"], ratio=[0.0, 0.5, 1.0])
    same = [f"{r.seed}" if r.ratio == 0 else f"{r.seed} {r.mode} {r.ratio}" for r in plan.itertuples()]
    return plan.assign(config_hash=same)


def test_configurations_that_share_a_run_are_one():
    plan = imbalance()
    found = settings_table.configurations(plan)
    assert found.nunique() == 7 and plan.config_hash.nunique() == 21
    assert found[plan.ratio == 0].nunique() == 1


def test_a_configuration_keeps_its_name_when_seeds_are_added_or_rows_move():
    plan = imbalance()
    named = dict(zip(plan.point, settings_table.configurations(plan), strict=True))
    fewer = plan[plan.seed == 123].sample(frac=1, random_state=0)
    assert all(named[p] == c for p, c in zip(fewer.point, settings_table.configurations(fewer), strict=True))


def test_a_plans_own_configuration_is_kept():
    plan = made_plan().assign(configuration_hash="abc")
    assert (settings_table.configurations(plan) == "abc").all()


def test_levels_that_count_as_one_are_joined():
    assert settings_table.joined_levels(pd.Series(["linear", "mean", "linear"])) == "linear | mean"
