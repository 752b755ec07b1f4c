"""The answer says what points trained on, and whether they were trained enough."""

from dataclasses import replace

import pandas as pd

from vernal.clips.splits import count_splits
from vernal.reports.blocks import Table
from vernal.reports.design import asked_section
from vernal.reports.training import training_words

AXES = {"seed": [1, 2, 3], "hidden_units": [0, 64]}


def said(results) -> list[tuple[str, str]]:
    return [(text.text, text.tone) for text in training_words(results)]


def one(results, words: str) -> tuple[str, str]:
    (found,) = [(text, tone) for text, tone in said(results) if words in text]
    return found


def test_nothing_is_said_of_what_is_not_known(make_stage):
    assert said(make_stage(AXES).results) == []


def test_points_that_still_improved_are_under_trained_in_red_with_what_to_set(make_stage):
    still = {"is_still_improving": [True] + [False] * 5}
    results = make_stage(AXES, training=still).results
    text, tone = one(results, "Under-trained")
    assert (
        tone == "bad" and "1 of 6 points (`made_001`" in text and "1 still improved at the last epoch" in text
    )
    # Nobody fixed the number of epochs here.
    assert text.endswith("Set a higher `learning_rate`, or a lower `dropout`.")
    fixed = make_stage({"seed": [1], "epochs": [20]}, training={"is_still_improving": True}).results
    text, _ = one(fixed, "Under-trained")
    assert "1 of 1 point (`made_001`, the point to use)" in text
    assert text.endswith("Set `epochs: 0`, which trains until it has converged.")


def test_a_reference_that_is_better_beyond_its_interval_is_said_in_red(make_stage):
    results = make_stage(AXES, separation=0.5, reference=4.0).results
    text, tone = one(results, "Under-trained")
    assert (
        tone == "bad"
        and "6 of 6 points" in text
        and "ranks clips at a new site (test) better than 6, by more than its interval" in text
    )
    text, tone = one(results, "A logistic regression, solved to its optimum on the same clips, reaches")
    assert tone == "bad" and "does worse than this simple classifier" in text


def test_a_few_that_chance_explains_are_no_red_line(make_stage):
    results = make_stage({"seed": list(range(1, 13))}, separation=2.0, reference=2.0).results
    split = f"{results.primary_split}_reference_gain"
    low = pd.Series(-0.1, index=results.points.index)
    other = results.points.index[results.points["point"] != results.deployed][0]
    low[other] = 0.01
    marked = replace(results, points=results.points.assign(**{f"{split}_low": low, split: low + 0.01}))
    text, tone = one(marked, "Under-trained: 1 of 12")
    assert tone == "warning" and text.endswith("So few are to be expected by chance.")
    low[results.points["point"] == results.deployed] = 0.01
    marked = replace(results, points=results.points.assign(**{f"{split}_low": low, split: low + 0.01}))
    assert one(marked, "Under-trained: 2 of 12")[1] == "bad"


def test_a_point_beside_a_reference_that_it_reaches(make_stage):
    results = make_stage({"seed": [1]}, separation=4.0, reference=1.0).results
    ((text, tone),) = said(results)
    value = results.number("made_001", "test_ood_reference_average_precision")
    assert tone == "good" and f"average precision of {value:.2f} at a new site (test)" in text


def test_a_hidden_layer_has_that_floor_to_beat(make_stage):
    results = make_stage({"seed": [1], "hidden_units": [64]}, separation=0.5, reference=4.0).results
    text, tone = one(results, "A logistic regression")
    assert tone == "bad" and text.endswith("and its hidden layer gains nothing.")
    results = make_stage({"seed": [1], "hidden_units": [64]}, separation=4.0, reference=1.0).results
    assert one(results, "A logistic regression")[0].endswith("it does no worse than this simple classifier.")


LEFT_OUT = {
    f"n_left_out_{name}": 0 for name in ("quality", "call_type", "recorders", "sites", "caps", "balance")
}


def test_what_points_train_on_and_what_was_left_out_by_which_filter(make_stage):
    training = LEFT_OUT | {
        "n_train_positive": [26, 30], "n_stop_positive": [7, 8], "n_positive_at_hand": 49,
        "n_left_out_quality": [16, 11],
    }  # fmt: skip
    text, tone = one(make_stage({"seed": [1, 2]}, training=training).results, "positives")
    assert not tone
    assert text == (
        "The 2 points train on 26 to 30 of the 49 positives of the train split, and 7 to 8 decide when it stops; "
        "left out by `quality` 11 to 16."
    )


def test_the_validation_split_takes_no_clips_from_training_where_it_can_end_it(make_stage):
    training = LEFT_OUT | {"n_train_positive": 49, "n_stop_positive": 8, "n_positive_at_hand": 49}
    axes = {"seed": [1], "use_validation": [True]}
    stage = make_stage(axes, training=training)
    text, _ = one(stage.results, "positives")
    assert text == "The point trains on 49 of the 49 positives of the train split."
    assert "ends training, chooses thresholds" in split_meanings(stage)
    lacking = stage.splits[(stage.splits.split != "val") | stage.splits.is_positive]
    stage = make_stage(axes, splits=lacking, training=training | {"n_train_positive": 41})
    assert (
        "41 of the 49 positives of the train split, and 8 decide when it stops"
        in one(stage.results, "positives")[0]
    )
    assert "to choose thresholds, which it cannot" in split_meanings(stage)


def split_meanings(stage) -> list[str]:
    """What the table of splits says that each is for."""
    blocks = asked_section(stage.results, count_splits(stage.splits), pd.DataFrame({"reason": []})).blocks
    (table,) = (block for block in blocks if isinstance(block, Table) and block.columns[0] == "split")
    return [row[1] for row in table.rows]


def test_fewer_than_a_tenth_of_the_positives_is_a_red_line(make_stage):
    training = LEFT_OUT | {"n_train_positive": 4, "n_positive_at_hand": 49, "n_left_out_quality": 41}
    text, tone = one(make_stage(training=training).results, "positives")
    assert tone == "bad" and "trains on 4 of the 49 positives" in text and "by `quality` 41" in text
    assert "1 point (`made_001`, the point to use) trains on fewer than a tenth" in text
    enough = LEFT_OUT | {"n_train_positive": 5, "n_positive_at_hand": 49}
    assert not one(make_stage(training=enough).results, "positives")[1]
