import numpy as np
import pandas as pd
import pytest

from tests.small_stage import (
    csv_text,
    made_counts,
    made_plan,
    made_scores,
    made_stage,
    split_table,
    with_configurations,
)
from vernal.common.problems import InputError
from vernal.evaluation import metrics
from vernal.evaluation.evaluate import EvaluationOptions, evaluate_stage

QUICK = EvaluationOptions(n_draws=100)


@pytest.fixture(scope="module")
def stage():
    return made_stage()


@pytest.fixture(scope="module")
def result(stage):
    return evaluate_stage(*stage, QUICK)


def test_one_row_a_point_with_its_settings_counts_threshold_and_metrics(stage, result):
    plan, scores, _, _ = stage
    assert result.points.point.tolist() == plan.point.tolist()
    row = result.points.iloc[3]
    assert (row.balance, row.negative_subsets, row.n_train_positive) == ("false", "hard", 30)
    own = scores[(scores.point == row.point) & (scores.split == "test_ood")]
    expected = metrics.metrics_at(own.logit, own.is_positive.to_numpy(), row.threshold_logit)
    for name in ("f1", "precision", "recall", "fpr"):
        assert row[f"test_ood_{name}"] == pytest.approx(expected[name], abs=1e-6)
    assert row.test_ood_tp + row.test_ood_fn == row.test_ood_n_positive == own.is_positive.sum()
    assert row.test_ood_auroc == pytest.approx(metrics.auroc(own.logit, own.is_positive.to_numpy()), abs=1e-6)
    assert row.test_ood_f1_low < row.test_ood_f1 < row.test_ood_f1_high


def test_the_threshold_comes_from_validation_alone(stage, result):
    plan, scores, splits, counts = stage
    turned = scores.assign(logit=np.where(scores.split == "val", scores.logit, -scores.logit))
    other = evaluate_stage(plan, turned, splits, counts, QUICK)
    assert (other.points.threshold_logit == result.points.threshold_logit).all()
    assert (other.points.val_f1 == result.points.val_f1).all()
    assert (result.points.test_ood_f1_optimism >= 0).all()
    assert (result.points.val_f1_optimism == 0).all()


def test_nothing_is_claimed_about_other_nights_from_validation(result):
    assert not [
        name for name in result.points if name.startswith("val_") and name.endswith(("_low", "_high"))
    ]


def test_baselines_stand_beside_the_metrics(result):
    row = result.points.iloc[0]
    share = row.test_ood_n_positive / (row.test_ood_n_positive + row.test_ood_n_negative)
    assert row.test_ood_all_positive_f1 == pytest.approx(2 * share / (1 + share), abs=1e-6)
    assert row.test_ood_prevalence_average_precision == pytest.approx(share, abs=1e-6)
    assert 0 < row.test_ood_metadata_auroc < 1
    assert set(result.baselines.baseline) == {"all_positive", "prevalence", "metadata"}


def test_the_order_of_every_tables_rows_changes_no_byte(stage, result):
    plan, *rest = stage
    shuffled = [table.sample(frac=1, random_state=at).reset_index(drop=True) for at, table in enumerate(rest)]
    other = evaluate_stage(plan, *shuffled, QUICK)
    for name, table in result.tables().items():
        assert csv_text(table) == csv_text(other.tables()[name]), name


def test_ranking_metrics_and_verdicts_do_not_change_under_a_monotone_shift(stage, result):
    plan, scores, splits, counts = stage
    other = evaluate_stage(plan, scores.assign(logit=scores.logit * 2 + 5), splits, counts, QUICK)
    same = [name for name in result.points if name.startswith(("val_", "test_")) and name in other.points]
    assert csv_text(result.points[same]) == csv_text(other.points[same])
    assert csv_text(result.effects) == csv_text(other.effects)
    assert other.points.threshold_logit.to_numpy() == pytest.approx(result.points.threshold_logit * 2 + 5)


def test_tables_hold_no_path_and_no_time(result):
    for name, table in result.tables().items():
        text = csv_text(table)
        assert "/" not in text.split("\n")[0] and "file_path" not in text, name
        assert not [column for column in table.columns if "time" in str(column)]


def test_configurations_seeds_and_effects_are_told_apart(result):
    board = result.leaderboard
    assert len(board) == 4 and board.n_runs.tolist() == [3] * 4 and board["rank"].tolist() == [1, 2, 3, 4]
    # Nothing was trained on folds here, so that validation chooses.
    assert (board.score - (board.val_f1_mean - 0.2 * board.val_f1_std)).abs().max() < 2e-6
    assert (board.interval_covers == "nights and seeds").all()
    assert set(result.effects.split) == {"test_iid", "test_ood"}
    assert set(result.effects.metric) == {"f1", "average_precision", "auroc"}
    columns = [
        "split", "metric", "axis", "level_a", "level_b", "within", "n_pairs", "effect", "low", "high", "p",
        "p_adjusted", "verdict", "minimum_detectable_effect",
    ]  # fmt: skip
    assert not set(columns) - set(result.effects.columns)


def test_a_planted_effect_is_found():
    splits = split_table({"train": 4, "val": 12, "test_ood": 24}, clips_per_night=20)
    plan = made_plan(range(4), negative_subsets=["none", "hard"])
    scores = made_scores(plan, splits)
    helped = scores.point.isin(plan.point[plan.negative_subsets == "hard"])
    scores = scores.assign(logit=scores.logit + helped * scores.is_positive * 1.5)
    effects = evaluate_stage(plan, scores, splits, made_counts(plan), QUICK).effects
    main = effects[(effects.within == "") & (effects.metric == "auroc")]
    assert main.verdict.tolist() == ["higher"] and main.low.iloc[0] > 0


def test_points_of_one_run_share_everything_and_count_once():
    splits, plan = split_table(), made_plan(mode=["linear", "mean"], ratio=[0.0, 0.5])
    plan["config_hash"] = np.where(plan.ratio == 0, plan.seed.astype(str) * 4, plan.config_hash)
    plan = with_configurations(plan)
    scores = made_scores(plan.assign(config_hash=plan.config_hash.str[:12]), splits)
    first = plan.drop_duplicates("config_hash").point
    result = evaluate_stage(plan, scores[scores.point.isin(first)], splits, made_counts(plan), QUICK)
    same = result.points[result.points.config_hash == "123123123123"]
    assert len(same) == 2 and same.test_ood_f1.nunique() == 1 and same.error.isna().all()
    assert sorted(result.leaderboard.n_runs) == [3, 3, 3] and sorted(result.leaderboard.n_points) == [3, 3, 6]
    assert result.effects[(result.effects.axis == "mode")].within.isin(["", "ratio=0.5"]).all()


def test_a_failed_point_is_listed_and_the_others_go_on(stage, result):
    plan, scores, splits, counts = stage
    left = scores[scores.point != "made_002"]
    other = evaluate_stage(plan, left, splits, counts, QUICK, {"made_002": "no negatives left"})
    row = other.points.iloc[1]
    assert row.error == "no negatives left" and pd.isna(row.test_ood_f1) and pd.isna(row.threshold_logit)
    assert other.points.error.notna().sum() == 1
    assert ("made_002", "failed: no negatives left") in other.notes.itertuples(index=False, name=None)
    assert csv_text(other.points.iloc[[0]]) == csv_text(result.points.iloc[[0]])
    with pytest.raises(InputError, match=r"point without any score \(1\): made_002"):
        evaluate_stage(plan, left, splits, counts, QUICK)


def test_nothing_to_evaluate_is_an_error_with_the_reasons(stage):
    plan, scores, splits, counts = stage
    with pytest.raises(InputError, match=r"none of the 12 points has scores.*\(made_001: broke; "):
        evaluate_stage(plan, scores.iloc[:0], splits, counts, QUICK, dict.fromkeys(plan.point, "broke"))


def evaluated(splits, options=QUICK, **more):
    plan = made_plan((1, 2), balance=[True, False])
    return evaluate_stage(plan, made_scores(plan, splits, **more), splits, made_counts(plan), options)


def notes_of(result, scope):
    return result.notes[result.notes.scope == scope].note.str.cat(sep="\n")


@pytest.mark.parametrize("absent", ["test_iid", "test_ood", "val"])
def test_an_absent_split_is_a_note(absent):
    splits = split_table()
    result = evaluated(splits[splits.split != absent])
    assert notes_of(result, absent) == "holds no clips: its metrics are undefined"
    assert not [name for name in result.points if name.startswith(absent)]
    assert result.points.threshold_logit.isna().all() == (absent == "val")
    if absent == "test_ood":
        assert "test_ood cannot measure f1; test_iid stands in" in notes_of(result, "stage")


@pytest.mark.parametrize("kept", [True, False])
def test_a_split_of_one_class_is_nan_and_a_note(kept):
    splits = split_table()
    result = evaluated(splits[(splits.split != "test_iid") | (splits.is_positive == kept)])
    assert result.points.test_iid_auroc.isna().all() and result.points.test_iid_average_precision.isna().all()
    assert (
        result.points.test_iid_recall.isna().all() != kept and result.points.test_iid_fpr.isna().all() == kept
    )
    assert (
        "no negatives" in notes_of(result, "test_iid")
        if kept
        else "no positives" in notes_of(result, "test_iid")
    )
    assert result.points.test_ood_auroc.notna().all()


AT_THRESHOLD = ("f1", "precision", "recall", "fpr", "tp", "fp", "fn", "tn", "accuracy", "f1_optimism")


@pytest.mark.parametrize(("kept", "lacking"), [(True, "negative"), (False, "positive")])
def test_validation_of_one_class_chooses_no_threshold(kept, lacking):
    splits = split_table()
    result = evaluated(splits[(splits.split != "val") | (splits.is_positive == kept)])
    points = result.points
    for name in ("threshold_logit", "threshold_confidence", "is_goal_met"):
        assert points[name].isna().all()
    for split in ("val", "test_iid", "test_ood"):
        for name in (*AT_THRESHOLD, "review_minutes", "missed_nights", "false_absences", "metadata_f1"):
            assert points[f"{split}_{name}"].isna().all(), name
    assert points[["test_ood_auroc", "test_ood_auroc_low", "test_ood_n_present"]].notna().all(axis=None)
    assert points.test_ood_f1_low.isna().all() and points.test_ood_all_positive_f1.notna().all()
    assert (
        f"no threshold can be chosen: val has no {lacking}; F1, precision, recall and false positive rate are "
        "undefined on every split" in notes_of(result, "stage")
    )
    assert result.operating_points.drop(columns=["point", "goal", "split", "note"]).isna().all(axis=None)
    assert result.nights.empty and result.seasons.empty and len(result.review)
    assert result.groups.auroc.notna().any() and result.groups.recall.isna().all()


def test_average_precision_orders_where_no_threshold_can_be_chosen():
    splits = split_table()
    splits = splits[(splits.split != "val") | ~splits.is_positive]
    board = evaluated(splits).leaderboard
    assert board.test_ood_average_precision_low.notna().all() and "test_ood_f1_low" not in board
    by_auroc = evaluated(splits, EvaluationOptions(n_draws=100, primary_metric="auroc")).leaderboard
    assert by_auroc.test_ood_auroc_low.notna().all()


def test_without_metadata_blocks_are_groups_and_there_is_no_night():
    splits = split_table().drop(
        columns=["recorder_id", "site", "date", "night", "time", "quality", "call_type"]
    )
    result = evaluated(splits)
    assert "blocks of group" in notes_of(result, "test_ood") and "no table of nights" in notes_of(
        result, "test_ood"
    )
    assert result.points.test_ood_f1_low.notna().all() and result.nights.empty and result.groups.empty
    assert result.points.test_ood_auroc_within_recorder.isna().all()
    assert result.points.test_ood_metadata_auroc.eq(0.5).all()


def test_few_nights_have_no_interval_and_say_so():
    result = evaluated(split_table({"train": 3, "val": 6, "test_iid": 2, "test_ood": 8}))
    assert result.points.test_iid_f1_low.isna().all() and result.points.test_ood_f1_low.notna().all()
    assert "too few for intervals over nights" in notes_of(result, "test_iid")
    assert (result.effects[result.effects.split == "test_iid"].verdict == "not tested").all()


def test_constant_and_all_or_nothing_detectors_are_flagged():
    splits, plan = split_table(), made_plan((1, 2), balance=[True, False])
    scores = made_scores(plan, splits)
    scores.loc[scores.point == "made_001", "logit"] = 0.25
    low = (scores.point == "made_002") & (scores.split == "test_ood")
    scores.loc[low, "logit"] -= 100
    result = evaluate_stage(plan, scores, splits, made_counts(plan), QUICK)
    assert result.points.test_ood_is_constant.tolist() == [True, False, False, False]
    assert "scores of test_ood are all the same" in notes_of(result, "made_001")
    assert "flags no clip of test_ood at its threshold" in notes_of(result, "made_002")
    assert np.isnan(result.points.test_ood_precision[1]) and result.points.test_ood_f1[1] == 0


def test_one_seed_claims_no_spread():
    splits, plan = split_table(), made_plan((1,), balance=[True, False])
    board = evaluate_stage(plan, made_scores(plan, splits), splits, made_counts(plan), QUICK).leaderboard
    assert board.test_ood_f1_std.isna().all() and board["rank"].isna().all()
    assert (board.interval_covers == "nights only").all()


def test_further_goals_stand_beside_and_change_no_metric(stage, result):
    alone = evaluate_stage(*stage, EvaluationOptions(n_draws=100, more_goals={}))
    assert csv_text(alone.points) == csv_text(result.points)
    goals = result.operating_points.goal.unique().tolist()
    assert goals == ["best F1", "precision >= 0.9", "recall >= 0.9", "review <= 10 min a night"]
    floor = result.operating_points.query("goal == 'recall >= 0.9' and split == 'val'")
    assert (floor.recall >= 0.9).all()


def test_each_split_has_its_own_answer_to_whether_a_goal_is_met(result):
    goals = {goal.text: goal for goal in QUICK.goals}
    table = result.operating_points
    for row in table.to_dict("records"):
        met = goals[row["goal"]].is_reached(row)
        assert pd.isna(row["is_met_here"]) if met is None else row["is_met_here"] == met
    floor = table[(table.goal == "recall >= 0.9") & (table.split == "val")]
    assert floor.is_met_here.all() and floor.is_goal_met.all()
    assert table.is_met_here.isna().any() and (table.is_met_here == False).any()  # noqa: E712


def test_a_goal_that_validation_cannot_tell_is_empty():
    splits = split_table()
    finest = EvaluationOptions(n_draws=100, goal="review_minutes", goal_value=0.0, more_goals={})
    result = evaluated(splits, finest, gain=9.0)
    assert result.points.is_goal_met.isna().all() and result.points.threshold_logit.notna().all()
    assert "cannot be told: none of the" in notes_of(result, "made_001")


def test_a_goal_out_of_reach_is_shown():
    splits = split_table()
    result = evaluated(
        splits, EvaluationOptions(n_draws=100, goal="precision", goal_value=1.0, more_goals={}), gain=-3.0
    )
    assert not result.points.is_goal_met.any()
    assert "no threshold reaches precision >= 1" in notes_of(result, "made_001")


def test_units_of_nights_are_scored_by_their_highest_clip(stage):
    result = evaluate_stage(*stage, EvaluationOptions(n_draws=100, unit="night"))
    assert (result.points.test_ood_n_positive + result.points.test_ood_n_negative).tolist() == [8] * 12


def test_curves_nights_and_reliability_are_of_the_leading_configuration(result):
    leading = result.leaderboard.points[0].split(", ")
    for name in ("curves", "bands", "reliability", "nights", "review", "seasons"):
        assert set(getattr(result, name).point) == set(leading), name
    assert set(result.calibration.method) == {"none", "platt", "isotonic"}
    assert len(result.nights) == 3 * (6 + 7 + 8)


def test_nights_in_the_points_agree_with_the_table_of_nights(result):
    leading = result.leaderboard.points[0].split(", ")[0]
    nights = result.nights.query("point == @leading and split == 'test_ood'")
    row = result.points.set_index("point").loc[leading]
    assert (row.test_ood_n_nights, row.test_ood_missed_nights) == (len(nights), nights.is_missed.sum())
    assert row.test_ood_review_minutes == pytest.approx(row.test_ood_fpr * 14_400 * 3 / 60, abs=1e-3)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"goal": "best"}, "goal is 'best'; did you mean 'best_f1'"),
        ({"goal": "precision"}, "'precision' has value None"),
        ({"more_goals": {"recall": 2}}, "'recall' has value 2"),
        ({"unit": "clips"}, "evaluation.unit is 'clips'; did you mean 'clip'"),
        ({"primary_metric": "auc"}, "evaluation.primary_metric is 'auc'; did you mean 'auroc'"),
        ({"primary_metric": "fpr"}, "evaluation.primary_metric is 'fpr'"),
        ({"effect_metrics": ["f1", "auc"]}, "evaluation.effect_metrics is 'auc'; did you mean 'auroc'"),
        ({"primary_split": "test"}, "evaluation.primary_split is 'test'"),
        ({"field_prevalence": 0}, "evaluation.field_prevalence is 0; give a share"),
        ({"n_draws": 10}, "evaluation.n_draws is 10; give a whole number, 100 or more"),
        ({"penalty": -1}, "evaluation.penalty is -1"),
    ],
)
def test_impossible_settings_are_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        EvaluationOptions(**setting)


@pytest.mark.slow
def test_a_stage_at_published_scale_takes_less_than_two_minutes():
    import time

    splits = split_table({"train": 30, "val": 60, "test_iid": 59, "test_ood": 72}, clips_per_night=50)
    axes = {"balance": [True, False], "positive_subsets": list("nabcd"), "negative_subsets": list("nxyz")}
    plan = made_plan(**axes)
    scores = made_scores(plan, splits)
    started = time.process_time()
    evaluate_stage(plan, scores, splits, made_counts(plan))
    assert len(plan) == 120 and time.process_time() - started < 120


def test_a_configuration_with_an_empty_subset_is_listed_without_a_rank(stage):
    plan, scores, splits, counts = stage
    # The best by far names a subset that holds no clip, and so trains as the one that does not name it.
    is_hard = (plan.negative_subsets == "hard").to_numpy()
    named = pd.Series(np.where(is_hard, "hardNeg/hard", ""), index=counts.index, dtype="str")
    lifted = scores.assign(
        logit=scores.logit + np.where(scores.point.isin(plan.point[is_hard]) & scores.is_positive, 9.0, 0.0)
    )
    before = evaluate_stage(plan, lifted, splits, counts, QUICK).leaderboard
    assert before.negative_subsets[0] == "hard"
    found = evaluate_stage(plan, lifted, splits, counts.assign(empty_subsets=named), QUICK)
    board = found.leaderboard
    assert board.negative_subsets.tolist() == ["none", "none", "hard", "hard"]
    assert board["rank"].isna().tolist() == [False, False, True, True]
    assert board.empty_subsets.fillna("").tolist() == ["", "", "hardNeg/hard", "hardNeg/hard"]
    assert set(found.curves.point) <= set(plan.point[~is_hard])
    # Where every configuration names one, they are all that there is.
    everywhere = evaluate_stage(plan, lifted, splits, counts.assign(empty_subsets="hardNeg/hard"), QUICK)
    assert csv_text(everywhere.leaderboard) == csv_text(before)
