"""In the published results of a real study, the audit finds what is known to have gone wrong there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.report_pages import without_own_script
from vernal.studies.audit import Audit, AuditOptions, audit, findings_table, page

EXPERIMENTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "published" / "all_experiments.csv"
pytestmark = pytest.mark.skipif(
    not EXPERIMENTS.is_file(), reason=f"needs the published results, {EXPERIMENTS}"
)
# Known from outside the file: what the two test sets hold.
TOTALS = {"iid": [1964, 979], "ood": [1691, 1894]}


@pytest.fixture(scope="module")
def done() -> Audit:
    return audit(AuditOptions(experiments=str(EXPERIMENTS)), "RADR")


def rows_of(done: Audit, check: str, word: str = "") -> set[str]:
    return {row for f in done.findings if f.check == check and word in f.message for row in f.rows}


def test_swapped_matrix_and_other_clips_are_found_without_stated_totals(done: Audit) -> None:
    assert rows_of(done, "impossible_counts", "classes swapped") == {
        "000_OldModel2024_baseline_mc25_sens50_seed01"
    }
    others = {"01_baseline", "000_OldModel2024_baseline_mc25_sens100_seed01"}
    assert others <= rows_of(done, "impossible_counts", "another selection")


def test_all_other_rows_fit_the_stated_totals() -> None:
    done = audit(AuditOptions(experiments=str(EXPERIMENTS), totals=TOTALS), "RADR")
    odd = {"01_baseline", *(f"000_OldModel2024_baseline_mc25_sens{s}_seed01" for s in ("50", "100"))}
    assert rows_of(done, "impossible_counts") == odd


def test_threshold_is_picked_on_test_and_its_grid_is_saturated(done: Audit) -> None:
    assert len(rows_of(done, "threshold_picked_on_test")) == 400
    assert len(rows_of(done, "saturated_thresholds", "iid")) == 638
    assert len(rows_of(done, "saturated_thresholds", "ood")) == 613


def test_auroc_moves_with_sensitivity(done: Audit) -> None:
    assert {"stage22_001", "stage18_100", "000_OldModel2024_baseline_mc25_sens15_seed01"} <= rows_of(
        done, "ranking_moves_under_monotone_shift"
    )


def test_same_seed_spreads_as_much_as_other_seeds(done: Audit) -> None:
    message = next(f.message for f in done.findings if f.check == "same_settings_disagree")
    assert "SD of metrics.ood.best_f1.f1 with the same seed: 0.048" in message
    assert "across seeds of one configuration: 0.050" in message
    assert "must exceed about 0.11" in message


def test_resuming_by_number_is_found(done: Audit) -> None:
    message = next(f.message for f in done.findings if f.check == "incomplete_grid" and f.severity == "error")
    assert "138 of the 180 cells" in message
    assert all(row.startswith("stage13_") for row in rows_of(done, "incomplete_grid"))


def test_the_rest_of_what_went_wrong_is_found(done: Audit) -> None:
    assert {"01_baseline", "000_OldModel2024_baseline_mc25_sens15_seed01"} <= rows_of(
        done, "spread_from_one_run"
    )
    assert rows_of(done, "training_and_analysis_differ") == {"stage19_004", "stage19_005", "stage19_006"}
    assert len(rows_of(done, "counted_more_than_once")) == 36
    assert {"stage22_001", "stage22_002"} <= rows_of(done, "different_settings_agree")
    assert len(rows_of(done, "settings_spelled_two_ways", "one letter apart")) == 39
    assert len(rows_of(done, "no_better_than_trivial", "'iid'")) == 181
    assert any("No column holds the version" in f.message for f in done.findings)


def test_nothing_is_found_where_nothing_is_wrong(done: Audit) -> None:
    clear = {result.check for result in done.results if result.state == "clear"}
    assert {"impossible_auroc", "duplicated_rows", "missing_results", "names_and_seeds"} <= clear


def test_findings_name_rows_of_the_file(done: Audit) -> None:
    table = findings_table(done.results, rows_named=1000)
    assert table.columns.tolist() == ["check", "severity", "rows", "message"]
    names = set(pd.read_csv(EXPERIMENTS)["experiment.name"])
    assert {name for cell in table.rows for name in cell.split(", ") if name} <= names


def test_the_page_tells_it_all_and_needs_nothing_else(done: Audit) -> None:
    text = page(done)
    assert "stage19_004" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in without_own_script(text)


def test_no_name_of_the_study_is_written_in_the_code() -> None:
    source = Path(__file__).resolve().parents[3] / "src" / "vernal"
    files = [
        *(source / "studies" / "audit").glob("*.py"),
        *(source / "studies" / "published").glob("*.py"),
        source / "audio" / "birdnet" / "results.py",
    ]
    for path in files:
        text = path.read_text(encoding="utf-8").lower()
        for word in (
            "stage",
            "oldmodel",
            "hardne",
            "radr",
            "moth",
            "bestlowquality",
            "all_experiments",
            "1964",
            "1691",
        ):
            assert word not in text, f"{word} in {path.name}"
