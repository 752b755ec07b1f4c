"""Columns find their part by name, and one value has one spelling."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.studies.published.cells import canonical, decimals
from vernal.studies.published.experiments import read_experiments, understand


@pytest.mark.parametrize(
    ("column", "test_set", "point", "name"),
    [
        ("metrics.near.best_f1.f1", "near", "best_f1", "f1"),
        ("metrics.near.auroc", "near", "", "auroc"),
        ("test_ood_f1", "test_ood", "", "f1"),
        ("val_average_precision", "val", "", "auprc"),
        ("ood.f1__mean", "ood", "", "f1"),
        ("Test ROC-AUC", "test", "", "auroc"),
        ("metrics.near.odd_score", "near", "", "odd_score"),
    ],
)
def test_metric_columns_are_understood(column: str, test_set: str, point: str, name: str) -> None:
    metric = understand(pd.DataFrame({column: ["0.5"]}, dtype="str")).metrics[0]
    assert (metric.test_set, metric.point, metric.name) == (test_set, point, name)


@pytest.mark.parametrize(
    ("column", "role"),
    [
        ("experiment.name", "name"),
        ("experiment.seed", "seed"),
        ("data.random_state", "seed"),
        ("training.threads", "machine"),
        ("training.dropout", "setting"),
        ("training.threshold", "setting"),
        ("min_precision", "setting"),
        ("analyzer_args.sensitivity", "setting"),
        ("dataset.manifest", "path"),
        ("metadata.anything", "metadata"),
        ("config_hash", "metadata"),
        ("n_train_positive", "count"),
        ("x.f1__std", "spread"),
        ("Experiments", "names"),
        ("threshold", "outcome"),
        ("far_n_windows", "outcome"),
        ("column 7", "setting"),
    ],
)
def test_other_columns_are_understood(column: str, role: str) -> None:
    frame = pd.DataFrame({"far_f1": ["0.5"], column: ["0.25"]}, dtype="str")
    assert understand(frame).roles[column] == role


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("[]", ""),
        ("None", ""),
        (r"['a\\b']", "['a/b']"),
        ("['x', 'y']", "['y', 'x']"),
        ("TRUE", "true"),
        ("5e-4", "0.0005"),
        ("data\\x", "data/x"),
    ],
)
def test_spellings_of_one_value_agree(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@given(st.text(max_size=20))
@example("00\\")
@example("none/")
def test_a_canonical_spelling_is_its_own(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once or once.startswith("[")


def test_details_of_what_is_off_do_not_count() -> None:
    rows = {
        "f1": ["0.5"] * 4,
        "a.focal": ["False", "False", "True", ""],
        "a.focal-gamma": ["1", "2", "2", "2"],
    }
    experiments = understand(pd.DataFrame(rows, dtype="str"))
    assert experiments.effective["a.focal-gamma"].tolist() == ["", "", "2", "2"]
    assert experiments.configurations.nunique() == 3


def test_percent_and_decimals_are_seen() -> None:
    metric = understand(pd.DataFrame({"test_f1": ["71.5", "80", "66.25"]}, dtype="str")).metrics[0]
    assert metric.is_percent
    assert metric.decimals == 4
    assert decimals(pd.Series(["1e-7", "0.5"], dtype="str")) == 12


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_of_spreadsheets_are_read(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "my runs.csv"
    lines = [["name", "x,y" if delimiter != "," else "x", "f1"], ["a", "1", "0.5"], ["", "", ""]]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(delimiter.join(line) for line in lines).encode())
    experiments = read_experiments(path)
    assert experiments.names.tolist() == ["a"]
    assert experiments.source == "my runs.csv"


def test_shared_and_missing_names_get_their_row() -> None:
    experiments = understand(
        pd.DataFrame({"name": ["a", "a", "", "b"], "f1": ["1", "1", "1", "1"]}, dtype="str")
    )
    assert experiments.names.tolist() == ["a (row 1)", "a (row 2)", "row 3", "b"]


def test_a_table_without_metrics_says_what_it_looked_for() -> None:
    with pytest.raises(InputError, match=r"metrics\.<set>\.<metric>"):
        understand(pd.DataFrame({"a": ["1"]}, dtype="str"))
