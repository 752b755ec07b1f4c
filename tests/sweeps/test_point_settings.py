"""One point's settings: canonical values, identity by meaning, and the table that documents them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.sweeps.point_settings import (
    SETTINGS,
    PointSettings,
    config_hash,
    configuration_hash,
    fit_hash,
)
from vernal.sweeps.setting import canonical_subset
from vernal.sweeps.setting_problems import settings_from


def values_of(name: str) -> st.SearchStrategy:
    """Allowed values of one setting, as plain data."""
    one = SETTINGS[name]
    if one.kind == "boolean":
        return st.booleans()
    if one.kind == "choice":
        return st.sampled_from(one.choices)
    if one.kind == "name":
        return st.sampled_from(["", "birdnet_v2.4", "mine"])
    if one.kind == "names" and one.choices:
        return st.lists(st.sampled_from(one.choices), unique=True)
    if one.kind == "names":
        return st.lists(st.sampled_from(["Moth01", "Moth 02", "grünt", "12", "true"]), unique=True)
    if one.kind == "subsets":
        return st.lists(st.sampled_from(["bestLowQuality/small", "hardNeg/hardneg_conf_min_50"]), unique=True)
    if one.kind == "integer":
        return st.integers(int(one.minimum), int(one.maximum))
    return st.floats(
        one.minimum, one.maximum, exclude_min=one.open_end == "minimum", exclude_max=one.open_end == "maximum"
    )


@st.composite
def any_settings(draw) -> dict:
    """Settings that fit together, as plain data; some are left out."""
    names = draw(st.lists(st.sampled_from(list(SETTINGS)), unique=True))
    given_values = {name: draw(values_of(name)) for name in names}
    if given_values.get("fmin", 0) >= given_values.get("fmax", 15_000):
        given_values["fmin"], given_values["fmax"] = 0, 15_000
    if given_values.get("focal_loss") and given_values.get("focal_loss_alpha") in (0, 1):
        given_values["focal_loss_alpha"] = 0.5
    return given_values


def test_defaults_are_those_of_the_design():
    point = PointSettings()
    assert (point.hidden_units, point.epochs, point.batch_size) == (0, 0, 32)
    assert (point.dropout, point.learning_rate, point.use_validation) == (0.25, 0.0005, False)
    assert (point.quality, point.balance, point.fmax) == (("high", "medium", "low"), False, 15_000)


def test_identities_stay_what_they_were():
    # Finished results are found again by these; a change here makes every result stale.
    hashes = {
        epochs: tuple(
            identity(PointSettings(epochs=epochs)) for identity in (config_hash, configuration_hash, fit_hash)
        )
        for epochs in (50, 0)
    }
    assert hashes == {
        50: (
            "feb7caa1dcb836d5",
            "201801c250c15a5c",
            "55dce4a651e7bc84",
        ),  # the defaults, when 50 was one of them
        0: ("db41288a7dc4e8fe", "6a796b9fc05c1430", "53ba505e63b9e3d2"),
    }


SAME_MEANING = {
    "hyphens": ({"focal-loss": True, "focal-loss-gamma": 3}, {"focal_loss": True, "focal_loss_gamma": 3.0}),
    "backslashes and folder": (
        {"negative_subsets": [r"AudioData\curated\hardNeg\hardneg_conf_min_50"]},
        {"negative_subsets": ["hardNeg/hardneg_conf_min_50"]},
    ),
    "absolute folder": (
        {"positive_subsets": ["C:\\Users\\x\\AudioData\\curated\\bestLowQuality\\small\\"]},
        {"positive_subsets": ["./bestLowQuality/small"]},
    ),
    "misspelt subset": (
        {"negative_subsets": [r"AudioData\curated\hardNeg\hardnet_conf_min_85"]},
        {"negative_subsets": ["hardNeg/hardneg_conf_min_85"]},
    ),
    "empty list": ({"positive_subsets": []}, {}),
    "null": ({"positive_subsets": None, "call_type": None, "max_per_class": None, "dropout": None}, {}),
    "one name for a list": ({"quality": "high"}, {"quality": ["high"]}),
    "order of a set": ({"quality": ["low", "high"]}, {"quality": ["high", "low", "high"]}),
    "every tier": ({"quality": ["Low", "medium", "High"]}, {"quality": []}),
    "whole floats": ({"epochs": 50.0, "fmax": 15000.0, "seed": 123.0}, {"epochs": 50, "overlap": 0}),
    "text numbers": ({"learning_rate": "5e-4", "batch_size": "32"}, {}),
    "text booleans": ({"balance": "True"}, {"balance": 1}),
    "mode at ratio 0": ({"upsampling_mode": "smote", "upsampling_ratio": 0}, {"upsampling_mode": "mean"}),
    "gamma without focal loss": ({"focal_loss_gamma": 5, "focal_loss_alpha": 0}, {}),
    "regularisation of nothing": ({"regularisation": "birdnet"}, {"regularization": "corrected"}),
}


@pytest.mark.parametrize(("one", "other"), SAME_MEANING.values(), ids=SAME_MEANING.keys())
def test_spelling_without_change_of_meaning_does_not_change_identity(one, other):
    first, second = settings_from(one), settings_from(other)
    assert config_hash(first) == config_hash(second)
    assert configuration_hash(first) == configuration_hash(second)
    assert fit_hash(first) == fit_hash(second)


def test_names_are_sorted_and_given_once():
    names = [f"Moth{number:02d}" for number in (7, 3, 11, 1, 9, 4, 8, 2, 3)]
    assert PointSettings(recorders=names).recorders == tuple(sorted(set(names)))


DIFFERENT_MEANING = {
    "mode at ratio 0.5": (
        {"upsampling_mode": "mean", "upsampling_ratio": 0.5},
        {"upsampling_mode": "birdnet_mean", "upsampling_ratio": 0.5},
    ),
    "gamma with focal loss": ({"focal_loss": True}, {"focal_loss": True, "focal_loss_gamma": 1}),
    "regularisation of mixup": ({"mixup": True}, {"mixup": True, "regularisation": "birdnet"}),
    "subset": ({"positive_subsets": ["bestLowQuality/small"]}, {}),
    "zero and false": ({"hidden_units": 1}, {"balance": True}),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT_MEANING.values(), ids=DIFFERENT_MEANING.keys())
def test_a_change_of_meaning_changes_identity(one, other):
    assert config_hash(settings_from(one)) != config_hash(settings_from(other))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_that_acts_changes_identity(name):
    active = {"upsampling_ratio": 0.5, "mixup": True, "focal_loss": True, "max_per_class": 7}
    one = SETTINGS[name]
    base = settings_from(active)
    other = {
        "integer": getattr(base, name) if one.kind != "integer" else (1 if one.default != 1 else 2),
        "number": 0.75,
        "boolean": not getattr(base, name),
        "choice": one.choices[-1] if one.choices else "",
        "name": "logmel",
        "names": ["high"],
        "subsets": ["bestLowQuality/small"],
    }[one.kind]
    assert config_hash(settings_from({**active, name: other})) != config_hash(base)


def test_seed_and_sensitivity_are_left_out_of_the_identities_that_ignore_them():
    base, seed, scores = PointSettings(), PointSettings(seed=7), PointSettings(sensitivity=1.25)
    assert configuration_hash(base) == configuration_hash(seed) != configuration_hash(scores)
    assert fit_hash(base) == fit_hash(scores) != fit_hash(seed)
    assert len({config_hash(point) for point in (base, seed, scores)}) == 3


@given(any_settings())
@settings(max_examples=150, deadline=None)
def test_settings_survive_every_form_they_are_kept_in(raw):
    point = settings_from(raw)
    assert PointSettings(**point.as_dict()) == point
    assert PointSettings.from_row(point.as_row()) == point
    assert config_hash(point.neutral()) == config_hash(point)
    assert point.neutral().neutral() == point.neutral()


@given(st.lists(any_settings(), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_rows_of_a_table_give_the_settings_back(tmp_path_factory, listed):
    points = [settings_from(raw) for raw in listed]
    file = tmp_path_factory.mktemp("rows") / "points.csv"
    pd.DataFrame([point.as_row() for point in points]).to_csv(file, index=False)
    table = pd.read_csv(
        file, dtype={name: str for name, one in SETTINGS.items() if one.kind in ("name", "names", "subsets")}
    )
    assert [PointSettings.from_row(row) for row in table.to_dict("records")] == points
    assert [PointSettings.from_row(row) for _, row in table.iterrows()] == points


def test_a_setting_that_came_later_is_written_and_counts_only_where_it_is_set():
    assert "encoder" not in PointSettings().as_dict() | PointSettings(encoder="").as_row()
    own = PointSettings(encoder="logmel")
    assert (own.as_dict()["encoder"], own.as_row()["encoder"]) == ("logmel", "logmel")
    for identity in (config_hash, configuration_hash, fit_hash):
        assert identity(PointSettings(encoder="")) == identity(PointSettings()) != identity(own)


def test_values_from_tables_are_plain_again():
    point = PointSettings(epochs=np.int64(5), dropout=np.float64(0.5), balance=np.bool_(True))
    assert [type(value) for value in (point.epochs, point.dropout, point.balance)] == [int, float, bool]


REFUSED = {
    "out of range": ({"dropout": 1}, r"dropout: 1 \(a number from 0 to below 1\)"),
    "rate of 0": ({"learning_rate": 0}, r"learning_rate: 0 \(a number above 0 to 1\)"),
    "not a number": ({"learning_rate": "fast"}, r"learning_rate: 'fast' \(a number above"),
    "not finite": ({"overlap": float("nan")}, r"overlap: nan"),
    "huge": ({"overlap": 10**400}, r"overlap: 1000"),
    "half an epoch": ({"epochs": 2.5}, r"epochs: 2.5 \(a whole number from 0 to 10000\)"),
    "a list for a number": ({"epochs": [5]}, r"epochs: \[5\]"),
    "true for a number": ({"epochs": True}, r"epochs: True"),
    "text for a boolean": ({"balance": "maybe"}, r"balance: 'maybe' \(true or false\)"),
    "unknown tier": ({"quality": ["meduim"]}, r"quality: \['meduim'\] \(did you mean 'medium'\?\)"),
    "unknown mode": ({"upsampling_mode": "smoté"}, r"upsampling_mode: 'smoté' \(did you mean 'smote'\?\)"),
    "unquoted no": ({"sites": [False]}, r"False is not text; put the name in quotes"),
    "unquoted number": ({"recorders": [7]}, r"7 is not text"),
    "separator in a name": ({"sites": ["a;b"]}, r"'a;b' cannot be a name"),
    "reserved word": ({"sites": ["all"]}, r"'all' cannot be a name"),
    "path out": ({"positive_subsets": ["../../etc/passwd"]}, r"is not the name of a subset"),
    "mapping": ({"quality": {"high": 1}}, r"quality: \{'high': 1\} \(a list of high, medium, low\)"),
    "unknown": ({"drpout": 0.1}, r"unknown setting \(1\): 'drpout' \(did you mean 'dropout'\?\)"),
    "far from any": ({"xyzzy": 1}, r"'xyzzy'. Settings are seed, quality, "),
    "number for a name": ({3: 1}, r"unknown setting \(1\): '3'"),
    "twice": ({"focal-loss": True, "focal_loss": True}, r"setting given twice \(1\): focal_loss"),
    "band upside down": ({"fmin": 5000, "fmax": 4000}, r"fmin 5000 is not below fmax 4000"),
    "silent positives": ({"focal_loss": True, "focal_loss_alpha": 0}, r"gives positives no weight at all"),
    "silent negatives": ({"focal_loss": True, "focal_loss_alpha": 1}, r"gives negatives no weight at all"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_in_words(raw, message):
    with pytest.raises(InputError, match=message):
        settings_from(raw)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(InputError) as caught:
        settings_from({"drpout": 1, "epocs": 1, "dropout": 2, "epochs": -1, "focal-loss": 1, "focal_loss": 0})
    for expected in (
        "3 problems",
        "did you mean 'dropout'",
        "did you mean 'epochs'",
        "dropout: 2",
        "epochs: -1",
    ):
        assert expected in str(caught.value)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_subset_name_is_canonical_once_and_for_all_or_refused(name):
    try:
        once = canonical_subset(name)
    except ValueError:
        return
    assert canonical_subset(once) == once
    assert canonical_subset(once.replace("/", "\\")) == once
    assert canonical_subset("AudioData\\curated\\" + once) == once
    assert ".." not in once.split("/")


def test_the_page_on_settings_holds_each_of_them(project: Path):
    page = (project / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert "| setting | default | allowed | what it does | has an effect with |" in page
    for one in SETTINGS.values():
        default = one.as_text(one.default)
        assert f"| `{one.name}` | `{default}` | {one.allowed} | {one.help} | {one.effect} |\n" in page
