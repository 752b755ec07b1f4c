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


def test_levels_that_count_as_one_are_joined():
    assert settings_table.joined_levels(pd.Series(["linear", "mean", "linear"])) == "linear | mean"
