"""All checks in the order in which a reader wants them, and the run through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vernal.audio.birdnet.results import read_results
from vernal.common.problems import InputError
from vernal.studies.audit import agreement, counts, files, ranking, records, repeats, settings, thresholds
from vernal.studies.audit import truth as labels
from vernal.studies.audit.files import Scored
from vernal.studies.audit.findings import CheckResult, Finding, sorted_findings
from vernal.studies.audit.options import AuditOptions
from vernal.studies.audit.truth import Truth, read_truth
from vernal.studies.published.experiments import Experiments, read_experiments

EXPERIMENT_CHECKS: tuple[tuple[str, str, Callable[[Experiments, AuditOptions], Any]], ...] = (
    (
        "impossible_counts",
        "Can a confusion matrix with the stated totals give the printed metrics?",
        counts.check_impossible,
    ),
    (
        "impossible_auroc",
        "Can a curve through each row's precision and recall have its AUROC?",
        counts.check_auroc,
    ),
    (
        "no_better_than_trivial",
        "Is each row better than calling every clip positive, or none?",
        counts.check_trivial,
    ),
    (
        "threshold_picked_on_test",
        "Is one model used at one threshold on every set?",
        thresholds.check_picked_on_test,
    ),
    (
        "saturated_thresholds",
        "Do best thresholds lie inside the grid they were sought on?",
        thresholds.check_saturated,
    ),
    (
        "ranking_moves_under_monotone_shift",
        "Do ranking metrics stay when all scores move alike?",
        ranking.check_monotone,
    ),
    ("same_settings_disagree", "Do runs that differ in nothing agree?", repeats.check_same_settings),
    (
        "different_settings_agree",
        "Do runs that differ in something differ in their results?",
        agreement.check_different_settings,
    ),
    (
        "counted_more_than_once",
        "Is every listed configuration another one in effect?",
        repeats.check_counted_twice,
    ),
    ("spread_from_one_run", "Is every spread from more than one run?", repeats.check_one_run),
    ("duplicated_rows", "Is every run in the table once, under a name of its own?", repeats.check_duplicates),
    (
        "training_and_analysis_differ",
        "Do training and analysis use the same settings?",
        settings.check_train_and_analysis,
    ),
    ("settings_spelled_two_ways", "Is every value spelled in one way?", settings.check_spelling),
    ("incomplete_grid", "Are grids of settings whole, with no cell run twice?", records.check_grid),
    ("missing_results", "Does every row have its metrics?", records.check_missing),
    ("names_and_seeds", "Do names, numbers and seeds agree?", records.check_names),
    ("provenance", "Are versions, commits, times and seeds recorded?", records.check_provenance),
)
RESULT_CHECKS: tuple[tuple[str, str, Callable[[Scored, AuditOptions], Any]], ...] = (
    ("result_files", "Can every result file be read?", files.check_readable),
    ("target_label", "Do the results know the target?", files.check_label),
    ("result_coverage", "Has every clip a result, and every result a clip?", files.check_coverage),
    ("name_collisions", "Can every result be told to be of one recording?", files.check_collisions),
    ("tied_scores", "Are scores fine enough to rank by?", files.check_ties),
    ("detections", "Are detections single windows with a score, each written once?", files.check_detections),
    (
        "analysis_settings",
        "Were all files analysed alike, and is it recorded with what?",
        files.check_settings,
    ),
)
TRUTH_CHECKS: tuple[tuple[str, str, Callable[[Truth, AuditOptions], Any]], ...] = (
    (
        "truth_table",
        "Does the table of truth agree with itself, with both classes in every test set?",
        labels.check_truth,
    ),
    (
        "split_leak",
        "Are training and test clips from different files, groups and nights?",
        labels.check_leaks,
    ),
)
METADATA_CHECK = ("metadata_separates_classes", "Must one listen to tell the classes apart?")


@dataclass(frozen=True)
class Audit:
    """What was audited and what came of every check.

    Attributes:
        results: one a check, in order.
        subjects: what was read -> a few facts about it.
        roles: column of the results table -> what it was taken for.
    """

    results: tuple[CheckResult, ...]
    subjects: dict[str, str]
    roles: dict[str, str]

    @property
    def findings(self) -> list[Finding]:
        """All findings, gravest first."""
        return sorted_findings(self.results)


def audit(options: AuditOptions, target: str) -> Audit:
    """Read what the options name and make every check that it allows.

    Args:
        target: label of interest in the table of truth and in the result files.
    Raises:
        InputError: nothing to audit, results without truth, or a file that cannot be read.
    """
    if not (options.experiments or options.results or options.truth):
        raise InputError(
            "Nothing to audit: give a results table with --params=audit.experiments=results.csv, or a "
            "folder of BirdNET-Analyzer result files with its table of truth, "
            "--params=audit.results=FOLDER,audit.truth=manifest.csv."
        )
    if options.results and not options.truth:
        raise InputError(
            "audit.results needs audit.truth: a manifest (CSV or Parquet) with file_path and label of "
            "every clip that was analysed."
        )
    truth = read_truth(options.truth, target) if options.truth else None
    experiments = read_experiments(options.experiments) if options.experiments else None
    scored = Scored(truth, read_results(options.results)) if options.results and truth else None
    results: list[CheckResult] = []
    if experiments is not None:
        known = _with_totals(options, experiments, truth)
        results += [
            CheckResult(name, asks, check(experiments, known)) for name, asks, check in EXPERIMENT_CHECKS
        ]
    if scored is not None:
        results += [CheckResult(name, asks, check(scored, options)) for name, asks, check in RESULT_CHECKS]
    if truth is not None:
        results += [CheckResult(name, asks, check(truth, options)) for name, asks, check in TRUTH_CHECKS]
        scores = scored.scores if scored is not None and scored.label[0] is not None else None
        results.append(CheckResult(*METADATA_CHECK, labels.check_metadata(truth, options, scores)))
    return Audit(
        tuple(results), _subjects(experiments, scored, truth), experiments.roles if experiments else {}
    )


def _with_totals(options: AuditOptions, experiments: Experiments, truth: Truth | None) -> AuditOptions:
    """The options with the truth's totals for the sets that none are stated for."""
    if truth is None:
        return options
    found = {name: truth.totals(name) for name in experiments.test_sets}
    stated = {name: list(pair) for name, pair in found.items() if pair and min(pair) > 0}
    return replace(options, totals={**stated, **(options.totals or {})})


def _subjects(experiments: Experiments | None, scored: Scored | None, truth: Truth | None) -> dict[str, str]:
    subjects = {}
    if experiments is not None:
        sets = ", ".join(name or "unnamed" for name in experiments.test_sets)
        subjects[experiments.source] = (
            f"results table: {len(experiments):,} rows, {experiments.configurations.nunique():,} "
            f"configurations, metrics of {sets}"
        )
    if scored is not None:
        files_read = scored.folder.files
        subjects["result files"] = (
            f"{len(files_read):,} read ({', '.join(sorted(files_read.format.unique()))}), "
            f"{len(scored.folder.detections):,} detections"
        )
    if truth is not None:
        clips = truth.clips
        subjects[truth.source] = (
            f"table of truth: {len(clips):,} clips, {int(clips.is_positive.sum()):,} positive"
        )
    return subjects
