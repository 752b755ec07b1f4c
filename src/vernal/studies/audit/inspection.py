"""All checks in the order in which a reader wants them, and the run through them."""

from dataclasses import dataclass, replace

from vernal.audio.birdnet.results import read_results
from vernal.common.problems import InputError
from vernal.studies.audit import agreement, counts, files, ranking, records, repeats, settings, thresholds
from vernal.studies.audit import truth as labels
from vernal.studies.audit.files import Scored
from vernal.studies.audit.findings import Check, CheckResult, Finding, sorted_findings
from vernal.studies.audit.options import AuditOptions
from vernal.studies.audit.truth import Truth, read_truth
from vernal.studies.published.experiments import Experiments, read_experiments

EXPERIMENT_CHECKS: tuple[Check, ...] = (
    counts.check_impossible,
    counts.check_all_swapped,
    counts.check_auroc,
    counts.check_trivial,
    thresholds.check_picked_on_test,
    thresholds.check_saturated,
    ranking.check_monotone,
    repeats.check_same_settings,
    agreement.check_different_settings,
    repeats.check_counted_twice,
    repeats.check_one_run,
    repeats.check_duplicates,
    settings.check_train_and_analysis,
    settings.check_spelling,
    records.check_grid,
    records.check_missing,
    records.check_names,
    records.check_provenance,
)
RESULT_CHECKS: tuple[Check, ...] = (
    files.check_readable,
    files.check_label,
    files.check_coverage,
    files.check_collisions,
    files.check_ties,
    files.check_detections,
    files.check_settings,
)
TRUTH_CHECKS: tuple[Check, ...] = (labels.check_truth, labels.check_leaks)


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
        results += [check.result(experiments, known) for check in EXPERIMENT_CHECKS]
    if scored is not None:
        results += [check.result(scored, options) for check in RESULT_CHECKS]
    if truth is not None:
        results += [check.result(truth, options) for check in TRUTH_CHECKS]
        scores = scored.scores if scored is not None and scored.label[0] is not None else None
        results.append(labels.check_metadata.result(truth, options, scores))
    return Audit(
        tuple(results), _subjects(experiments, scored, truth), experiments.roles if experiments else {}
    )


def _with_totals(options: AuditOptions, experiments: Experiments, truth: Truth | None) -> AuditOptions:
    """The options with the truth's totals for the sets that none are stated for."""
    if truth is None:
        return options
    found = {name: truth.totals(name) for name in experiments.test_sets}
    stated = {name: list(pair) for name, pair in found.items() if pair and min(pair) > 0}
    if options.positives and options.negatives:
        stated = {}  # what a person states goes before a table
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
