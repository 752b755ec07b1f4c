"""Each check of a results table fires on a table broken in its way, and on no other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.studies.audit.made_studies import SETS, make_study, measured, told
from vernal.studies.audit import AuditOptions, CheckResult, NotChecked
from vernal.studies.audit.inspection import EXPERIMENT_CHECKS
from vernal.studies.published.experiments import Experiments

CHECKS = {check.name: check for check in EXPERIMENT_CHECKS}


def findings(name: str, frame: pd.DataFrame, options: AuditOptions | None = None):
    outcome = CHECKS[name](told(frame), options or AuditOptions())
    return CheckResult(name, "", outcome).findings


def all_findings(frame: pd.DataFrame) -> dict[str, list]:
    experiments = told(frame)
    results = [CheckResult(name, "", check(experiments, AuditOptions())) for name, check in CHECKS.items()]
    return {result.check: result.findings for result in results if result.findings}


def names(found) -> set[str]:
    return {row for finding in found for row in finding.rows}


def test_study_without_faults_raises_no_alarm(study: pd.DataFrame) -> None:
    assert all_findings(study) == {}


def test_every_check_was_made_on_the_study_but_those_it_has_no_case_for(study: pd.DataFrame) -> None:
    experiments = told(study)
    outcomes = {name: check(experiments, AuditOptions()) for name, check in CHECKS.items()}
    not_made = {name for name, outcome in outcomes.items() if isinstance(outcome, NotChecked)}
    assert not_made == {"same_settings_disagree", "all_rows_swapped"}


def test_false_alarms_stay_out_of_other_good_tables() -> None:
    # Our own column names, whole numbers of clips, full precision, and no names at all.
    frame = make_study().drop(columns=["run.name"])
    for old, new in (
        ("metrics.", ""),
        (".best_f1.", "_"),
        (".auroc", "_auroc"),
        (".auprc", "_average_precision"),
    ):
        frame.columns = frame.columns.str.replace(old, new, regex=False)
    assert all_findings(frame) == {}


def test_a_table_of_our_own_form_raises_no_alarm(study: pd.DataFrame) -> None:
    frame = pd.DataFrame(
        {"point": study["run.name"], "seed": study["run.seed"], "dropout": study["training.dropout"]}
    )
    frame = frame.assign(quality=study["data.quality"], configuration_hash="ab", error="", goal="best_f1")
    frame = frame.assign(n_train_positive=50 + frame.index, is_goal_met=frame.index % 2 == 0)
    frame = frame.assign(threshold_logit=frame.index / 7, threshold_confidence=frame.index / 100)
    for old, new in (("near", "val"), ("far", "test_ood")):
        for metric in ("precision", "recall", "f1"):
            frame[f"{new}_{metric}"] = study[f"metrics.{old}.best_f1.{metric}"]
        frame = frame.assign(**{f"{new}_auroc": study[f"metrics.{old}.auroc"]})
        frame = frame.assign(
            **{f"{new}_all_positive_f1": 0.6, f"{new}_optimism_f1": -0.01, f"{new}_n_nights": 12}
        )
    # Of each two rows that only the sensitivity told apart, one.
    assert set(all_findings(frame.iloc[::2])) == {"provenance"}
    assert {f.severity for found in all_findings(frame.iloc[::2]).values() for f in found} == {"note"}


def test_a_blank_precision_of_a_row_that_flags_nothing_is_not_missing(study: pd.DataFrame) -> None:
    study.loc[0, ["metrics.near.best_f1.precision", "metrics.near.best_f1.f1"]] = np.nan
    study.loc[0, "metrics.near.best_f1.recall"] = 0.0
    assert findings("missing_results", study) == []


def swap_classes(frame: pd.DataFrame) -> pd.DataFrame:
    """Metrics of the negative class in row 4."""
    p, n = SETS["far"]
    r, prec = frame.loc[4, "metrics.far.best_f1.recall"], frame.loc[4, "metrics.far.best_f1.precision"]
    tp = round(r * p)
    fp = round(tp / prec - tp)
    tn, fn = n - fp, p - tp
    new_p, new_r = tn / (tn + fn), tn / n
    values = {"precision": new_p, "recall": new_r, "f1": 2 * new_p * new_r / (new_p + new_r)}
    for name, value in values.items():
        frame.loc[4, f"metrics.far.best_f1.{name}"] = round(value, 3)
    return frame


def test_swapped_classes_are_told(study: pd.DataFrame) -> None:
    found = findings("impossible_counts", swap_classes(study))
    assert [(finding.severity, finding.rows) for finding in found] == [("error", ("alpha_005",))]
    assert "classes swapped" in found[0].message


def test_swapped_classes_are_told_with_stated_totals(study: pd.DataFrame) -> None:
    options = AuditOptions(totals={name: list(totals) for name, totals in SETS.items()})
    found = findings("impossible_counts", swap_classes(study), options)
    assert [finding.rows for finding in found] == [("alpha_005",)]
    assert "classes swapped (stated: 150 positives, 230 negatives)" in found[0].message


def test_a_whole_table_of_swapped_classes_is_told_when_totals_are_stated(study: pd.DataFrame) -> None:
    options = AuditOptions(totals={"near": [180, 260]})
    found = findings("impossible_counts", study, options)
    assert len(found) == 1
    assert len(found[0].rows) == len(study)
    assert "classes swapped" in found[0].message


def test_the_totals_that_were_inferred_are_said_and_only_true_ones_tell_a_whole_swapped_table(study) -> None:
    outcome = CHECKS["all_rows_swapped"](told(study), AuditOptions())
    n_positive, n_negative = SETS["near"]
    share = n_positive / (n_positive + n_negative)
    assert isinstance(outcome, NotChecked) and "audit.positives and audit.negatives" in outcome.reason
    assert f"{share:.1%} positives and {1 - share:.1%} negatives" in outcome.reason
    assert CHECKS["all_rows_swapped"](told(study), AuditOptions(positives=9, negatives=8)) == []


def test_totals_of_all_sets_at_once(study: pd.DataFrame) -> None:
    n_positive, n_negative = SETS["near"]
    right = AuditOptions(positives=n_positive, negatives=n_negative, totals={"far": list(SETS["far"])})
    assert findings("impossible_counts", study, right) == []
    swapped = AuditOptions(positives=n_negative, negatives=n_positive, totals={"far": list(SETS["far"])})
    assert [len(finding.rows) for finding in findings("impossible_counts", study, swapped)] == [len(study)]
    with pytest.raises(ValueError, match="both or neither"):
        AuditOptions(positives=3)


def test_row_of_other_clips_is_told(study: pd.DataFrame) -> None:
    for name, value in measured("elsewhere", 1.7, (200, 90), 0.4).items():
        study.loc[7, f"metrics.near.{name}"] = value
    found = findings("impossible_counts", study)
    assert names(found) == {"alpha_008"}
    assert "another selection of clips" in found[0].message


def test_numbers_that_no_matrix_gives_are_told(study: pd.DataFrame) -> None:
    study.loc[2, "metrics.near.best_f1.f1"] += 0.02
    found = findings("impossible_counts", study)
    assert [finding.rows for finding in found] == [("alpha_003",)]
    assert "whatever the totals" in found[0].message


def test_whole_numbers_matter_when_totals_are_stated() -> None:
    # 10 positives: recall moves in tenths, so 0.85 cannot be; without the totals nothing speaks against it.
    metrics = {"test_precision": [0.8, 0.773], "test_recall": [0.8, 0.85], "test_f1": [0.8, 0.81]}
    frame = pd.DataFrame({"name": ["a", "b"], **metrics})
    assert findings("impossible_counts", frame) == []
    found = findings("impossible_counts", frame, AuditOptions(totals={"test": [10, 10]}))
    assert names(found) == {"b"}


def test_totals_in_count_columns_are_used() -> None:
    counts = [(8, 2, 2, 8), (6, 1, 4, 9), (7, 3, 3, 7), (2, 8, 8, 2), (9, 1, 1, 9), (5, 5, 5, 4)]
    frame = pd.DataFrame(counts, columns=["test_tp", "test_fp", "test_fn", "test_tn"])
    frame["test_precision"] = (frame.test_tp / (frame.test_tp + frame.test_fp)).round(3)
    frame["test_recall"] = (frame.test_tp / (frame.test_tp + frame.test_fn)).round(3)
    frame.loc[1, "test_precision"] = 0.7
    found = findings("impossible_counts", frame)
    assert {"row 2", "row 6"} == names(found)
    assert any("own tp, fp and fn" in finding.message for finding in found)
    assert any("other totals" in finding.message for finding in found)


def test_rates_outside_their_range_are_told(study: pd.DataFrame) -> None:
    study.loc[0, "metrics.near.auroc"] = 1.2
    assert names(findings("impossible_counts", study)) == {"alpha_001"}


def test_percent_is_read_as_percent(study: pd.DataFrame) -> None:
    rates = [c for c in study if c.startswith("metrics.") and not c.endswith("threshold")]
    study[rates] = (study[rates] * 100).round(1)
    assert all_findings(study) == {}


def test_auroc_of_other_scores_is_told(study: pd.DataFrame) -> None:
    study.loc[6, "metrics.near.auroc"] = 0.41
    found = findings("impossible_auroc", study)
    assert [(f.check, f.rows) for f in found] == [("impossible_auroc", ("alpha_007",))]


def flag_everything(frame: pd.DataFrame) -> pd.DataFrame:
    p, n = SETS["near"]
    share = p / (p + n)
    values = {"precision": share, "recall": 1.0, "f1": 2 * share / (1 + share), "accuracy": share}
    for name, value in values.items():
        frame.loc[3, f"metrics.near.best_f1.{name}"] = round(value, 3)
    return frame


def test_rows_that_flag_everything_are_told(study: pd.DataFrame) -> None:
    found = findings("no_better_than_trivial", flag_everything(study))
    assert [(f.severity, f.rows) for f in found] == [("warning", ("alpha_004",))]
    assert "(F1 0.74" in found[0].message


def test_a_perfect_row_is_not_trivial(study: pd.DataFrame) -> None:
    for name in ("precision", "recall", "f1", "accuracy"):
        study.loc[3, f"metrics.near.best_f1.{name}"] = 1.0
    assert findings("no_better_than_trivial", study) == []
    assert findings("impossible_counts", study) == []


def test_rows_that_flag_nothing_are_told(study: pd.DataFrame) -> None:
    for name in ("precision", "recall", "f1"):
        study.loc[3, f"metrics.near.best_f1.{name}"] = 0.0
    study.loc[3, "metrics.near.best_f1.accuracy"] = round(180 / 440, 3)
    found = findings("no_better_than_trivial", study)
    assert [(f.severity, f.rows) for f in found] == [("warning", ("alpha_004",))]


def test_threshold_picked_on_each_test_set_is_told(study: pd.DataFrame) -> None:
    study.loc[[1, 5], "metrics.far.best_f1.threshold"] += 0.1
    found = findings("threshold_picked_on_test", study)
    assert [(f.severity, f.rows) for f in found] == [("error", ("alpha_002", "alpha_006"))]


@pytest.mark.parametrize("ends", [(0.05, 1.0), (0.0, 0.95)])
def test_saturated_thresholds_are_told(study: pd.DataFrame, ends: tuple[float, float]) -> None:
    values = np.tile([*ends, ends[1], 0.5], len(study) // 4)
    study["metrics.far.best_f1.threshold"] = values
    found = [f for f in findings("saturated_thresholds", study) if "far" in f.message]
    assert len(found) == 1
    assert len(found[0].rows) == 18


def test_a_fixed_threshold_is_not_saturated(study: pd.DataFrame) -> None:
    study[["metrics.near.best_f1.threshold", "metrics.far.best_f1.threshold"]] = 0.05
    assert findings("saturated_thresholds", study) == []


def test_ranking_that_moves_with_sensitivity_is_told(study: pd.DataFrame) -> None:
    study.loc[0, "metrics.near.auroc"] -= 0.02
    found = findings("ranking_moves_under_monotone_shift", study)
    assert [(f.severity, f.rows) for f in found] == [("error", ("alpha_001", "alpha_002"))]
    assert "analysis.sensitivity" in found[0].message


def test_rounding_alone_does_not_move_a_ranking(study: pd.DataFrame) -> None:
    study.loc[0, "metrics.near.auroc"] = round(study.loc[1, "metrics.near.auroc"] + 0.001, 3)
    assert findings("ranking_moves_under_monotone_shift", study) == []


def test_same_settings_that_disagree_are_told(study: pd.DataFrame) -> None:
    again = study.iloc[[4, 5]].assign(**{"run.name": ["beta_001", "beta_002"]})
    again["metrics.near.best_f1.f1"] += 0.004
    found = findings("same_settings_disagree", pd.concat([study, again], ignore_index=True))
    assert [f.rows for f in found] == [("alpha_005", "alpha_006", "beta_001", "beta_002")]
    assert "SD of metrics.near.best_f1.f1 with the same seed: 0.003 (2 degrees" in found[0].message
    assert "to be more than chance" in found[0].message


def test_same_settings_that_agree_are_only_doubles(study: pd.DataFrame) -> None:
    again = study.iloc[[4]].assign(**{"run.name": ["beta_001"]})
    table = pd.concat([study, again], ignore_index=True)
    assert findings("same_settings_disagree", table) == []
    assert [f.rows for f in findings("duplicated_rows", table)] == [("alpha_005", "beta_001")]


def test_details_of_what_is_off_do_not_make_another_run(study: pd.DataFrame) -> None:
    again = study.iloc[[4]].assign(**{"run.name": ["beta_001"], "training.focal-gamma": 3.0})
    again["metrics.near.auroc"] += 0.01
    assert names(findings("same_settings_disagree", pd.concat([study, again]))) == {"alpha_005", "beta_001"}


def copy_metrics(frame: pd.DataFrame, source: int, to: int) -> pd.DataFrame:
    metrics = [c for c in frame if c.startswith("metrics.")]
    frame.loc[to, metrics] = frame.loc[source, metrics]
    return frame


def test_different_settings_that_agree_exactly_are_told(study: pd.DataFrame) -> None:
    # Rows 1 and 3 differ in dropout alone.
    found = findings("different_settings_agree", copy_metrics(study, 0, 2))
    assert [(f.severity, f.rows) for f in found] == [("warning", ("alpha_001", "alpha_003"))]
    assert "training.dropout" in found[0].message


def test_seeds_that_agree_exactly_are_told(study: pd.DataFrame) -> None:
    found = findings("different_settings_agree", copy_metrics(study, 0, 8))
    assert [f.rows for f in found] == [("alpha_001", "alpha_009")]
    assert "seed" in found[0].message


def test_a_setting_that_is_recorded_for_one_only_is_not_a_difference(study: pd.DataFrame) -> None:
    study["training.cache"] = "on"
    twin = study.iloc[[0]].assign(**{"run.name": "beta", "training.cache": ""})
    found = findings("different_settings_agree", pd.concat([study, twin], ignore_index=True))
    assert "not recorded" in found[0].message


def test_results_of_few_clips_agree_by_chance() -> None:
    rows = []
    for number in range(80):
        row: dict[str, object] = {"name": f"p{number}", "training.dropout": number / 100}
        rows.append(
            row | {f"metrics.near.{k}": v for k, v in measured(f"few {number}", 1.5, (6, 6), 0.7).items()}
        )
    found = findings("different_settings_agree", pd.DataFrame(rows))
    assert {finding.severity for finding in found} == {"note"}


def test_a_shift_that_leaves_the_best_f1_is_as_it_should_be(study: pd.DataFrame) -> None:
    study = study.drop(columns=[c for c in study if c.endswith("threshold")])
    assert findings("different_settings_agree", study) == []


def test_trivial_results_that_agree_say_nothing() -> None:
    values = {"test_precision": 0.5, "test_recall": 1.0, "test_f1": 0.667, "test_accuracy": 0.5}
    frame = pd.DataFrame([{"name": f"p{i}", "training.dropout": i / 10, **values} for i in range(6)])
    assert findings("different_settings_agree", frame) == []


def test_configurations_counted_twice_are_told(study: pd.DataFrame) -> None:
    study["training.upsampling_mode"] = np.where(study["training.dropout"] == 0.25, "smote", "mean")
    study["training.upsampling_ratio"] = 0.0
    twin = study.iloc[[0]].assign(**{"run.name": "alpha_025", "training.upsampling_mode": "linear"})
    twin["metrics.near.auroc"] += 0.004
    found = findings("counted_more_than_once", pd.concat([study, twin], ignore_index=True))
    assert len(found) == 1
    assert {"alpha_001", "alpha_025"} <= set(found[0].rows)
    assert "training.upsampling_mode" in found[0].message


def test_modes_that_are_on_are_configurations_of_their_own(study: pd.DataFrame) -> None:
    twin = study.assign(**{"training.upsampling_mode": "linear", "training.upsampling_ratio": 0.5})
    study = study.assign(**{"training.upsampling_mode": "smote", "training.upsampling_ratio": 0.5})
    assert findings("counted_more_than_once", pd.concat([study, twin], ignore_index=True)) == []


def test_single_runs_beside_repeated_ones_are_told(study: pd.DataFrame) -> None:
    alone = study.iloc[[0]].assign(**{"run.name": "beta", "training.dropout": 0.9})
    found = findings("spread_from_one_run", pd.concat([study, alone], ignore_index=True))
    assert [(f.severity, f.rows) for f in found] == [("warning", ("beta",))]


def test_spread_printed_for_one_run_is_an_error() -> None:
    frame = pd.DataFrame(
        {
            "Signature": ["x", "y", "z"],
            "Experiments": ["a, b", "c", "d"],
            "far.f1__mean": [0.8, 0.9, 0.7],
            "far.f1__std": [0.01, 0.0, np.nan],
        }
    )
    found = findings("spread_from_one_run", frame)
    assert [(f.severity, f.rows) for f in found] == [("error", ("y",))]


def test_double_names_are_told(study: pd.DataFrame) -> None:
    study.loc[1, "run.name"] = "alpha_001"
    found = findings("duplicated_rows", study)
    assert [(f.severity, f.rows) for f in found] == [("error", ("alpha_001 (row 1)", "alpha_001 (row 2)"))]


def test_training_and_analysis_that_differ_are_told(study: pd.DataFrame) -> None:
    study.loc[[3, 9], "analysis.fmax"] = 4000
    found = findings("training_and_analysis_differ", study)
    assert [(f.severity, f.rows) for f in found] == [("error", ("alpha_004", "alpha_010"))]
    assert "15000 and 4000" in found[0].message


def test_spellings_of_one_value_are_told(study: pd.DataFrame) -> None:
    study["data.subsets"] = "['curated/top']"
    study.loc[[0, 1], "data.subsets"] = r"['curated\\top']"
    study.loc[[2], "data.subsets"] = ""
    found = findings("settings_spelled_two_ways", study)
    assert [(f.severity, f.rows) for f in found] == [("note", ("alpha_001", "alpha_002"))]
    assert findings("spread_from_one_run", study.drop(index=2)) == []


def test_slips_of_one_letter_are_told(study: pd.DataFrame) -> None:
    study["data.subsets"] = "['curated/confusers_50']"
    study.loc[[0, 1], "data.subsets"] = "['curated/confuzers_50']"
    found = findings("settings_spelled_two_ways", study)
    assert [(f.severity, f.rows) for f in found] == [("warning", ("alpha_001", "alpha_002"))]


PAIRS = [
    ("site_a", "site_b"),
    ("modelA", "modelB"),
    ("top_50", "top_30"),
    ("repeat", "repeats"),
    ("linear", "smote"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_other_words_are_no_slips(study: pd.DataFrame, pair: tuple[str, str]) -> None:
    study["data.kind"] = np.where(study["training.dropout"] == 0.25, *pair)
    assert findings("settings_spelled_two_ways", study) == []


def test_grid_with_cells_left_out_and_run_twice_is_told(study: pd.DataFrame) -> None:
    settings = ["data.quality", "training.dropout", "analysis.sensitivity", "run.seed"]
    study.loc[20, settings] = study.loc[4, settings]
    found = findings("incomplete_grid", study)
    assert [(f.severity, f.rows) for f in found] == [("error", ("alpha_005", "alpha_021"))]
    assert "1 cell missing" in found[0].message


def test_grid_with_cells_left_out_is_noted(study: pd.DataFrame) -> None:
    found = findings("incomplete_grid", study.drop(index=[3]))
    assert [f.severity for f in found] == ["note"]
    assert "1 cell missing (such as quality [high], dropout 0.5, sensitivity 1.25, seed" in found[0].message


def test_missing_results_are_told(study: pd.DataFrame) -> None:
    study["metrics.near.auroc"] = study["metrics.near.auroc"].astype(object)
    study.loc[2, "metrics.near.auroc"] = "failed"
    assert names(findings("missing_results", study)) == {"alpha_003"}


def test_seed_in_the_name_that_is_not_the_seed_is_told(study: pd.DataFrame) -> None:
    study["run.name"] = [f"run{i}_seed{seed:02d}" for i, seed in enumerate(study["run.seed"])]
    assert findings("names_and_seeds", study) == []
    study.loc[5, "run.seed"] = 9
    assert names(findings("names_and_seeds", study)) == {"run5_seed01"}


def test_seeds_that_disagree_in_a_row_are_told(study: pd.DataFrame) -> None:
    study["data.seed"] = study["run.seed"]
    assert findings("names_and_seeds", study) == []
    study.loc[5, "data.seed"] = 9
    assert names(findings("names_and_seeds", study)) == {"alpha_006"}


def test_numbers_left_out_are_noted(study: pd.DataFrame) -> None:
    found = findings("names_and_seeds", study.drop(index=[3, 7]))
    assert [f.severity for f in found] == ["note"]
    assert "alpha: 4, 8" in found[0].message


def test_missing_provenance_is_told(study: pd.DataFrame) -> None:
    study.loc[[0, 1], "metadata.git_commit"] = "ffffff"
    mixed = findings("provenance", study)
    assert [(f.severity, f.rows) for f in mixed] == [("warning", ("alpha_001", "alpha_002"))]
    bare = findings("provenance", study.drop(columns=["metadata.version", "metadata.git_commit", "run.seed"]))
    assert ["version" in bare[0].message, "seed" in bare[1].message] == [True, True]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_answers_on_tiny_tables(name: str) -> None:
    odd = {"name": ["a", "a"], "seed": ["", ""], "x_f1": ["", "0.5"], "metrics.{a}.p.recall": ["0", "1"]}
    for frame in (pd.DataFrame({"f1": [0.5]}), pd.DataFrame(odd), make_study().iloc[:1]):
        outcome = CHECKS[name](told(frame), AuditOptions())
        assert isinstance(outcome, list | NotChecked)


def test_row_order_changes_no_finding(study: pd.DataFrame) -> None:
    study = swap_classes(copy_metrics(study, 0, 8))
    study.loc[[3, 9], "analysis.fmax"] = 4000

    def key(frame: pd.DataFrame):
        found = all_findings(frame).items()
        return {name: sorted((f.severity, sorted(f.rows)) for f in list_) for name, list_ in found}

    assert key(study.sample(frac=1, random_state=3)) == key(study)


def test_names_of_columns_do_not_matter_beyond_their_form(study: pd.DataFrame) -> None:
    study = swap_classes(study)
    other = study.rename(columns=lambda c: c.replace("far", "reserve").replace("run.", "experiment."))
    counts = [{name: len(found) for name, found in all_findings(frame).items()} for frame in (study, other)]
    assert counts[0] == counts[1]


def test_experiments_know_their_columns(study: pd.DataFrame) -> None:
    experiments = told(study)
    assert isinstance(experiments, Experiments)
    assert experiments.columns("name") == ["run.name"]
    assert experiments.columns("seed") == ["run.seed"]
    assert experiments.test_sets == ["near", "far"]
    assert "training.focal-gamma" in experiments.columns("setting")
