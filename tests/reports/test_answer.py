import re
from dataclasses import replace

import numpy as np
import pandas as pd

from vernal.clips.manifest import SPLIT_NAMES
from vernal.clips.problem_card import PerformanceTarget, ProblemCard
from vernal.clips.splits import count_splits
from vernal.common.formatting import percent
from vernal.evaluation.proportions import exact_interval
from vernal.reports.answer import answer_section, shown_effects
from vernal.reports.blocks import Bullets, Table
from vernal.reports.commands import StageCommands
from vernal.reports.points import points_section
from vernal.reports.recommendation import deploy_section
from vernal.reports.uncertainty import limits

AXES = {"seed": [1, 2, 3], "hidden_units": [0, 64]}


def said(results) -> dict[str, str]:
    """Sentences of the answer with their tones."""
    (bullets,) = (block for block in answer_section(results).blocks if isinstance(block, Bullets))
    return {item.text: item.tone for item in bullets.items}


def one(results, words: str) -> tuple[str, str]:
    found = [(text, tone) for text, tone in said(results).items() if words in text]
    assert len(found) == 1, said(results)
    return found[0]


def test_a_planted_difference_is_named_with_its_direction(make_stage):
    results = make_stage(AXES, gain={64: 3.0}, separation=0.5).results
    assert set(shown_effects(results)["verdict"]) == {"higher"}
    text, _ = one(results, "Of 1 comparison")
    assert "1 shows a difference. `hidden_units` 64 instead of 0: higher by" in text
    assert "`hidden_units` 64" in one(results, "First of 2 configurations")[0]


CARD = ProblemCard(
    "t", "RADR", "multi", "open", "clip", PerformanceTarget("average precision", "test_ood", 0.8), "u", "u"
)


def asked(results, **target) -> tuple[str, str]:
    """The sentence about the target, with the stage's results and a target of its own."""
    card = replace(CARD, performance=replace(CARD.performance, **target))
    return one(replace(results, card=card), "target (")


def test_the_answer_says_whether_the_problem_cards_target_is_met(make_stage):
    good = make_stage(AXES, separation=6.0).results
    text, tone = asked(good, at_least=0.7)
    low, high = (good.number(good.deployed, f"test_ood_average_precision_{end}") for end in ("low", "high"))
    assert "(average precision of at least 0.7 at a new site (test)) is met" in text
    assert f"interval {low:.3g} to {high:.3g}. That is the recommended detector, `{good.deployed}`." in text
    assert tone == "good"
    assert asked(make_stage(AXES, separation=-2.0).results)[1] == "bad"
    between = (low + good.number(good.deployed, "test_ood_average_precision")) / 2
    if low < between:
        assert asked(good, at_least=between)[1] == "warning"


def test_a_target_that_a_stage_cannot_measure_is_not_passed_over(make_stage):
    results = make_stage(AXES).results
    text, _ = asked(results, metric="kappa")
    assert "is not something a stage measures (metrics F1, precision" in text
    assert "splits train, val" in asked(results, split="adversarial")[0]
    assert "was not measured: train holds no clips" in asked(results, split="train")[0]
    assert asked(results, metric="AUROC")[0] != asked(results, metric="auroc")[0]  # the card's own spelling


def test_a_card_about_another_target_sets_none_here(make_stage):
    results = replace(make_stage(AXES, target="rooster").results, card=CARD)
    assert one(results, "problem card")[0].startswith(
        "The problem card is about RADR; it sets no target for rooster."
    )
    assert not any("recommended detector" in text for text in said(results))
    assert not any("problem card" in text for text in said(make_stage(AXES).results))


def test_no_difference_is_said_with_what_could_have_been_found(make_stage):
    text, _ = one(make_stage(AXES).results, "Of 1 comparison")
    assert "none shows a difference in F1 at a new site (test). That is not the same as no difference" in text


def test_an_order_that_nothing_shows_is_called_so(make_stage):
    assert one(make_stage(AXES).results, "do not read the order")[1] == "warning"
    separated = make_stage(AXES, gain={64: 8.0}, separation=0.0).results
    assert one(separated, "The means of all others lie below its interval.")[1] == "good"


def test_a_detector_that_hears_nothing_is_called_so(make_stage):
    text, tone = one(make_stage(AXES, separation=-2.0).results, "Without listening")
    assert "no sign of having learnt the call" in text
    assert tone == "bad"
    assert one(make_stage(AXES, separation=6.0).results, "Without listening")[1] == "good"


def test_a_shortcut_by_place_is_pointed_at(make_stage, clips):
    table = clips()
    place = table["is_positive"].map({True: "wet", False: "dry"})
    text, tone = one(
        make_stage(AXES, splits=table.assign(recorder_id=place, site=place)).results, "AUROC, the chance"
    )
    assert "look for a shortcut" in text
    assert tone == "bad"


def with_board(results, **columns):
    """The results with other columns of the leaderboard."""
    return type(results)(**{**_fields(results), "leaderboard": results.leaderboard.assign(**columns)})


def test_the_answer_says_how_many_were_compared_how_often_the_test_was_asked_and_what_it_would_have_flattered(
    make_stage,
):
    results = make_stage(AXES).results
    said_so = one(results, "2 configurations were compared: configurations were compared on validation.")[0]
    assert "Not otherwise, since no configuration was trained on folds." in said_so
    swapped = with_board(results, test_ood_f1_mean=[0.7, 0.9])
    text, _ = one(swapped, "played no part in")
    assert "New site (test) was measured once for each of 6 classifiers" in text
    assert (
        "Had it been used to choose, this page would report 0.900, too high by 0.200: that is how much"
        in text
    )
    assert (
        one(with_board(results, test_ood_f1_mean=[0.9, 0.7]), "would not have flattered the result")[1]
        == "good"
    )


def test_configurations_that_share_the_first_place_are_called_so(make_stage):
    tied = with_board(make_stage(AXES).results, rank=pd.array([1, 1], dtype="Int64"))
    assert one(tied, "One of 2 that share the first place of 2 configurations by F1 on validation")


def test_where_nothing_could_choose_no_place_is_named(make_stage):
    results = with_board(
        make_stage(AXES).results, chosen_by="nothing", rank=pd.array([None, None], dtype="Int64")
    )
    assert one(results, "Nothing could choose among the 2 configurations. The first in the plan: ")


def test_a_setting_that_changes_nothing_promises_no_least_difference(make_stage):
    results = make_stage({"seed": [1, 2, 3], "sensitivity": [1.0, 1.25]}).results
    table = results.effects.assign(effect=0.0, low=0.0, high=0.0, verdict="no difference shown")
    table = table.assign(n_identical=table.n_pairs, minimum_detectable_effect=np.nan)
    same = type(results)(**{**_fields(results), "effects": table})
    text, _ = one(same, "between levels of a setting")
    assert (
        "none shows a difference in F1 at a new site (test). In 1 of them all runs are equal in pairs" in text
    )
    assert "probability" not in text


def test_few_clips_of_validation_are_said_to_choose_little(make_stage, clips):
    table = clips()
    kept = (table["split"] != "val") | (table.groupby(["split", "is_positive"]).cumcount() < 4)
    stage = make_stage(AXES, splits=table[kept].reset_index(drop=True))
    (first, *_) = limits(stage.results, count_splits(stage.splits))
    assert first.text.startswith("Thresholds were chosen on 4 positives and 4 negatives of val")
    (other, *_) = limits(make_stage(AXES).results, count_splits(make_stage(AXES).splits))
    assert "Thresholds were chosen" not in other.text


def _fields(results) -> dict:
    from dataclasses import fields

    return {part.name: getattr(results, part.name) for part in fields(results)}


def test_the_point_to_use_is_chosen_on_validation(make_stage):
    results = make_stage(AXES).results
    values = {point: results.number(point, "val_average_precision") for point in results.leading_points}
    assert results.deployed == max(values, key=lambda point: values[point])
    assert len(values) == 3
    assert results.deployed in one(results, "To use:")[0]


def test_a_stage_without_a_threshold_says_so_wherever_one_would_be_named(make_stage, clips):
    table = clips()
    stage = make_stage(AXES, splits=table[(table["split"] != "val") | ~table["is_positive"]])
    text, tone = one(stage.results, "To use")
    assert "has no threshold: val has no positive." in text and tone == "bad"
    assert "detection.min_confidence" in text
    page = " ".join(re.sub(r"<[^>]+>", " ", stage.page()).split())
    assert "No threshold could be chosen: val has no positive" not in page  # figures were not drawn here
    assert "no threshold could be chosen: val has no positive." in page
    assert "threshold none could be chosen: val has no positive" in page
    assert "to choose thresholds, which it cannot" in page
    for claim in (
        "chosen on validation for",
        "at the threshold from validation",
        "Other goals",
        "picked on",
        "nan",
    ):
        assert claim not in page, claim
    assert "Nothing could choose" in page


def goals_table(results):
    (table,) = (
        block
        for block in deploy_section(results, StageCommands("made")).blocks
        if isinstance(block, Table) and block.columns[0] == "goal"
    )
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows], table


def test_each_goal_is_met_or_missed_on_each_split_or_cannot_be_told(make_stage):
    results = make_stage(separation=4.0).results
    rows, table = goals_table(results)
    assert [row["goal"] for row in rows] == [goal.text for goal in results.options.goals]
    points = results.table("operating_points", results.deployed).set_index(["goal", "split"])
    for row, goal in zip(rows, results.options.goals, strict=True):
        for split in ("val", "test_iid", "test_ood"):
            met = goal.is_reached(points.loc[(goal.text, split)])
            word = {True: "met", False: "missed", None: "cannot be told"}[met]
            cells = {kind: row[f"{SPLIT_NAMES[split]} {name}"] for kind, name in COLUMN_OF.items()}
            said = {kind for kind, cell in cells.items() if ": " in cell}
            assert said == ({goal.kind} if goal.kind in COLUMN_OF else set())
            assert not said or cells[goal.kind].endswith(f": {word}")
    budget = rows[-1]
    assert budget["validation review, min"] == "0: cannot be told" and table.tones[-1] == "warning"
    assert "the test would then have chosen" in table.caption


COLUMN_OF = {"precision": "precision", "recall": "recall", "review_minutes": "review, min"}


def test_a_row_whose_goal_another_serves_better_says_so(make_stage):
    results = make_stage(separation=4.0).results
    rows, _ = goals_table(results)
    remark = {row["goal"]: row["remark"] for row in rows}
    best = results.table("operating_points", results.deployed, "test_iid").set_index("goal").f1
    assert best["best F1"] < best.max()
    assert f"at the same sites (test) the threshold for {best.idxmax()} serves it better" in remark["best F1"]
    assert remark["recall >= 0.9"] == ""
    for row in rows:
        better = row["remark"].count("serves it better")
        assert better == row["remark"].count("(test)") and "on val" not in row["remark"]


def test_the_answer_says_where_the_goal_cannot_be_told(make_stage):
    results = make_stage(separation=9.0, goal="review_minutes", goal_value=1.0, more_goals={}).results
    text, _ = one(results, "To use")
    assert (
        "for review <= 1 min a night (whether review <= 1 min a night is reached cannot be told: none of"
        in text
    )
    assert "cannot be told" in repr(points_section(results))


def test_a_target_at_a_threshold_that_is_not_there_is_not_measured(make_stage, clips):
    table = clips()
    results = make_stage(splits=table[(table["split"] != "val") | ~table["is_positive"]]).results
    text, tone = asked(results, metric="recall", at_least=0.7)
    assert "was not measured: no threshold could be chosen, as val has no positive." in text and tone == ""
    assert "was not measured" not in asked(results, at_least=0.7)[0]


def test_a_figure_that_needs_a_threshold_says_that_there_is_none(make_stage, clips):
    table = clips()
    stage = make_stage(splits=table[(table["split"] != "val") | ~table["is_positive"]])
    drawn = stage.draw()
    for name in ("confusion", "nights"):
        assert "No threshold could be chosen: val has no positive." in drawn[name].svg
    for name in ("precision_recall", "roc", "thresholds", "scores", "review"):
        assert (
            "threshold from validation" not in drawn[name].svg
            and "chosen on validation" not in drawn[name].svg
        )
    assert "flagged" not in drawn["scores"].svg


def test_review_and_missed_nights_follow_from_the_points_table(make_stage):
    results = make_stage(AXES).results
    text, _ = one(results, "checking its false alarms")
    minutes = results.number(results.deployed, "test_ood_review_minutes")
    assert f"about {minutes:,.0f} minutes" in text or f"about {minutes:.1f} minutes" in text
    missed = int(results.number(results.deployed, "test_ood_missed_nights"))
    low, high = (percent(end) for end in exact_interval(missed, 16))
    was = "was" if missed == 1 else "were"
    assert f"of 16 nights with RADR {was} missed after that review (exact interval {low} to {high})." in text
    assert "No night without RADR was tested, so how often it would be reported on one is not known." in text


def test_nights_without_the_target_are_counted_with_their_interval(make_stage, clips):
    table = clips()
    silent = table["is_positive"] & table["night"].isin(sorted(table["night"].unique())[:3])
    results = make_stage(AXES, splits=table[~silent].reset_index(drop=True), separation=12.0).results
    text, _ = one(results, "checking its false alarms")
    high = percent(1 - 0.05 ** (1 / 3))
    assert f"0 of 3 nights without it were reported all the same (exact interval 0\xa0% to {high})." in text


def test_each_sentence_has_one_subject(make_stage):
    results = make_stage(AXES).results
    assert "the mean of this configuration reaches" in one(results, "AUROC, the chance")[0]
    assert "of a positive and a negative)" in one(results, "AUROC, the chance")[0]
    alone = make_stage().results
    assert "the detector reaches" in one(alone, "AUROC, the chance")[0]
    assert "configuration" not in one(alone, "Without listening")[0]


def test_the_guess_without_audio_says_what_it_goes_by(make_stage, clips):
    # No site or recorder of the test splits trains, and nothing says the hour.
    nothing = make_stage(AXES).results
    assert nothing.guessed_from("test_ood") == "" and "guess" not in one(nothing, "Without listening")[0]
    table = clips()
    hours = table.assign(time=np.where(np.arange(len(table)) % 3, "21:10", "23:10"))
    by_hour = make_stage(AXES, splits=hours).results
    assert "guessing from the hour alone" in one(by_hour, "Without listening")[0]
    assert "A guess from the hour alone reaches" in one(by_hour, "AUROC, the chance")[0]


def test_no_false_alarm_among_few_negatives_is_not_called_none_at_night(make_stage):
    stage = make_stage(AXES, separation=12.0)
    assert stage.results.number(stage.results.deployed, "test_ood_fpr") == 0
    text, _ = one(stage.results, "checking its false alarms")
    assert "takes up to" in text
    assert (
        "none of the 32 clips without RADR at a new site (test) was flagged, but that is too few to show"
        in text
    )
    (first, *_) = limits(stage.results, count_splits(stage.splits))
    assert "precision cannot be told: no false alarm was seen, and 32 negatives are few" in first.text


def test_groups_are_not_called_nights(make_stage, clips):
    table = clips().assign(night=pd.Series(np.nan, dtype="str"), group=clips()["block"])
    text, _ = one(make_stage(AXES, splits=table).results, "First of 2 configurations")
    assert "over groups and seeds" in text


def test_commands_on_the_point_to_use_find_the_data_folder(make_stage):
    results = make_stage().results
    for place, end in (("", " --out DIR`"), ("data_root=/x/out", " --out DIR --params=data_root=/x/out`")):
        (card,) = (
            block
            for block in deploy_section(results, StageCommands(results.spec.stage, place)).blocks
            if isinstance(block, Table) and block.columns == ["what", "value"]
        )
        rows = dict(card.rows)
        assert rows["to use it in other programs"] == f"`kedro export made {results.deployed}{end}"
        searched = f"detection.recordings=/path/to/recordings,detection.model=made/{results.deployed}"
        params = ",".join(filter(None, (searched, place)))
        assert rows["to search recordings with it"] == f'`kedro run --pipeline=detection --params="{params}"`'
        assert rows["then to check a sample of them"].startswith("`kedro review sample --params=")
        assert place in rows["then to check a sample of them"]
