import numpy as np
import pandas as pd
import pytest

from tests.small_stage import split_table
from vernal.evaluation import baselines, metrics
from vernal.evaluation.operating_points import Goal


def places(recorders, positives, split="train", site="creek"):
    return pd.DataFrame(
        {
            "clip_id": [f"{split}{at:04d}" for at in range(len(recorders))],
            "recorder_id": recorders,
            "site": site,
            "is_positive": positives,
        }
    )


def shortcut():
    """Positives on one recorder, negatives on the other; then a season in which that no longer holds."""
    train = places(["a"] * 40 + ["b"] * 40, [True] * 38 + [False] * 2 + [True] * 2 + [False] * 38)
    same = places(["a"] * 20 + ["b"] * 20, [True] * 20 + [False] * 20, "val")
    elsewhere = places(["x"] * 20, [True] * 10 + [False] * 10, "test_ood", "pond")
    return train, {"val": same, "test_ood": elsewhere}


def test_a_shortcut_through_the_recorder_is_seen():
    table = baselines.baseline_table(*shortcut(), Goal()).set_index(["split", "baseline"])
    found = table.loc[("val", "metadata")]
    assert found.auroc == 1.0 and found.f1 == 1.0 and np.isnan(found.auroc_within_recorder)


def test_places_never_seen_tell_nothing():
    table = baselines.baseline_table(*shortcut(), Goal()).set_index(["split", "baseline"])
    found = table.loc[("test_ood", "metadata")]
    assert found.auroc == 0.5 and found.is_constant


def test_the_trivial_baselines():
    train, units = shortcut()
    table = baselines.baseline_table(train, units, Goal()).set_index(["split", "baseline"])
    everything = table.loc[("test_ood", "all_positive")]
    assert [everything[name] for name in ("precision", "recall", "fpr", "auroc", "average_precision")] == [
        0.5,
        1,
        1,
        0.5,
        0.5,
    ]
    assert everything.f1 == pytest.approx(2 / 3) and everything.is_constant
    guessed = table.loc[("test_ood", "prevalence")]
    assert [guessed[name] for name in ("precision", "recall", "fpr", "f1")] == [0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("has_negatives", [False, True])
def test_a_guess_has_no_threshold_where_validation_lacks_a_class(has_negatives):
    train, units = shortcut()
    validation = units.pop("val")
    units |= {"test_iid": validation} | (
        {"val": validation[~validation.is_positive]} if has_negatives else {}
    )
    table = baselines.baseline_table(train, units, Goal()).set_index(["split", "baseline"])
    guess = table.loc[("test_iid", baselines.METADATA)]
    assert guess[["f1", "precision", "recall", "fpr"]].isna().all() and guess.auroc == 1
    assert table.loc[("test_iid", baselines.ALL_POSITIVE)].f1 > 0


@pytest.mark.parametrize(
    ("changes", "uses"),
    [
        ({}, "place and hour"),
        ({"recorder_id": "x", "site": "pond"}, "hour"),
        ({"time": "04:00"}, "place"),
        ({"recorder_id": "x", "site": "pond", "time": None}, ""),
        ({"recorder_id": "x"}, "hour"),  # training knows one site only, which tells nothing
    ],
)
def test_what_a_split_lets_the_guess_use_is_named(changes, uses):
    hours = ["21:00", "23:00"] * 40
    train, units = shortcut()
    train = train.assign(time=hours)
    clips = units["val"].assign(time="21:30").assign(**changes)
    table = baselines.baseline_table(train, {"test_ood": clips}, Goal()).set_index("baseline").uses
    assert table.to_dict() == {"all_positive": "", "prevalence": "", "metadata": uses}


def test_hour_alone_can_be_a_shortcut():
    rng = np.random.default_rng(0)
    is_positive = rng.random(200) < 0.5
    clips = pd.DataFrame(
        {
            "clip_id": [f"{at:03d}" for at in range(200)],
            "is_positive": is_positive,
            "time": np.where(is_positive, "23:10", "05:10"),
        }
    )
    assert metrics.auroc(baselines.metadata_scores(clips, clips), is_positive) == 1.0


def test_the_order_of_rows_changes_no_score():
    splits = split_table()
    train, asked = splits[splits.split == "train"], splits[splits.split == "val"]
    one = baselines.metadata_scores(train, asked)
    other = baselines.metadata_scores(train.sample(frac=1, random_state=1), asked)
    assert (one == other).all()


def test_scores_of_one_clip_do_not_depend_on_its_label_or_its_neighbours():
    splits = split_table()
    train, asked = splits[splits.split == "train"], splits[splits.split == "val"]
    whole = baselines.metadata_scores(train, asked)
    part = baselines.metadata_scores(train, asked.iloc[:5].assign(is_positive=False))
    assert (whole[:5] == part).all()


@pytest.mark.parametrize(
    "train",
    [
        places([], np.array([], dtype=bool)),
        places(["a", "b"], [True, True]),
        places(["a", "b"], [True, False]).drop(columns=["recorder_id", "site"]),
    ],
    ids=["empty", "one class", "no metadata"],
)
def test_nothing_to_learn_from_is_a_constant(train):
    assert (baselines.metadata_scores(train, split_table()) == 0).all()


def test_hours_in_all_their_spellings():
    table = pd.DataFrame(
        {"time": ["21:30", "4:05:00", "2025-03-01T04:10:00", "2025-03-01 23:59", "noon", None]}
    )
    assert (
        baselines.hours(table).tolist()[:4] == ["21", "04", "04", "23"]
        and baselines.hours(table)[4:].isna().all()
    )
    assert baselines.hours(pd.DataFrame({"hour": [0, 23.5, 24, -1]})).tolist()[:2] == ["00", "23"]
    assert baselines.hours(pd.DataFrame({"hour": [24, -1]})).isna().all()
    assert baselines.hours(pd.DataFrame({"x": [1]})).isna().all()


def test_the_metadata_baselines_threshold_is_chosen_on_validation():
    # Positives are rare at every recorder, so all its logits are below 0 and a threshold of 0 would flag nothing.
    train = places(["a"] * 50 + ["b"] * 50, [True] * 20 + [False] * 30 + [True] * 2 + [False] * 48)
    val = places(["a"] * 10 + ["b"] * 10, [True] * 6 + [False] * 14, "val")
    found = baselines.baseline_table(train, {"val": val}, Goal()).set_index("baseline").loc["metadata"]
    assert (found.recall, found.precision) == (1.0, 0.6)
