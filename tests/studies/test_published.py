"""Leaderboards are recomputed cell by cell; what does not follow is named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vernal.common.problems import InputError
from vernal.studies.published.comparison import compare_cells, compare_labels, readable, said, summarise
from vernal.studies.published.leaderboards import PublishedOptions, read_published

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "published"
RUNS = "\n".join(
    [
        "run.name,run.seed,data.balance,data.subsets,model.sensitivity,metrics.ood.f1,metrics.ood.precision",
        r"a_1,1,True,['x\\top'],1.0,0.886,0.9",
        "a_2,2,True,['x/top'],1.0,0.864,0.8",
        "a_3,3,True,['x/top'],1.0,0.859,0.85",
        "b_1,1,False,[],1.0,0.900,0.7",
        "c_1,1,False,['x/top'],0.5,0.7005,0.6",
        "c_2,2,False,['x/top'],0.5,0.7004,0.6",
        "",
    ]
)
BOARD = "\n".join(
    [
        "Id,Experiments,Balance,Subsets,Sensitivity,ood.f1__mean,ood.f1__std,ood.precision__mean,ood.precision__std",
        "s1,b_1,No,none,1.0,0.9,0.0,0.7,0.0",
        's2,"a_1, a_2, a_3",Yes,top,1.0,0.87,0.014,0.85,0.05',
        's3,"c_1, c_2",No,top,0.5,0.7,0.0,0.6,0.0',
        "",
    ]
)


@pytest.fixture
def options(tmp_path: Path) -> PublishedOptions:
    (tmp_path / "runs.csv").write_text(RUNS)
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "one.csv").write_bytes(BOARD.replace("\n", "\r\n").encode())
    return PublishedOptions(str(tmp_path / "runs.csv"), str(tmp_path / "boards"))


def change(options: PublishedOptions, old: str, new: str) -> None:
    path = Path(str(options.leaderboards)) / "one.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def compared(options: PublishedOptions) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    experiments, boards = read_published(options)
    cells, labels = compare_cells(experiments, boards), compare_labels(experiments, boards)
    return cells, labels, summarise(experiments, boards, cells, labels, options)


def test_a_leaderboard_that_follows_agrees_in_every_cell(options: PublishedOptions) -> None:
    cells, labels, summary = compared(options)
    assert cells.columns.tolist()[:5] == ["table", "row", "column", "published", "recomputed"]
    assert len(cells) == 12
    assert cells.agrees.all()
    assert labels.agrees.all()
    assert labels.shape[0] == 9
    row = summary.iloc[0]
    assert (row.table, row.lines, row.agree, row.differ, row.is_reproduced, row.is_in_order) == (
        "one.csv",
        3,
        12,
        0,
        True,
        True,
    )
    assert (row.lines_of_one_run, row.lines_of_several_configurations, row.not_compared) == (
        1,
        0,
        "Id",
    )
    assert said(summary) == ["one.csv: reproduced"]


def test_the_worked_example_of_the_study() -> None:
    values = pd.Series([0.886, 0.864, 0.859])
    assert round(values.mean(), 3) == 0.870
    assert round(values.std(ddof=1), 3) == 0.014


def test_a_wrong_cell_is_named(options: PublishedOptions) -> None:
    change(options, "0.87,0.014", "0.875,0.014")
    cells, _, summary = compared(options)
    wrong = cells[~cells.agrees]
    assert wrong[["row", "column", "published", "recomputed"]].values.tolist() == [
        [2, "ood.f1__mean", 0.875, 0.87]
    ]
    assert wrong.difference.tolist() == [0.005333]
    assert said(summary) == ["one.csv: 1 of 12 cells differs, by up to 0.005"]


@pytest.mark.parametrize("printed", ["0.7004", "0.7005"])
def test_a_half_may_be_rounded_either_way(options: PublishedOptions, printed: str) -> None:
    # The mean of 0.7005 and 0.7004 is 0.70045; printed to four decimals, either is right.
    change(options, '"c_1, c_2",No,top,0.5,0.7', f'"c_1, c_2",No,top,0.5,{printed}')
    cells, _, _ = compared(options)
    cell = cells[(cells.row == 3) & (cells.column == "ood.f1__mean")]
    assert cell.agrees.tolist() == [True]
    assert cell.recomputed.tolist() == [float(printed)]


def test_a_wrong_label_is_named(options: PublishedOptions) -> None:
    change(options, '"a_1, a_2, a_3",Yes', '"a_1, a_2, a_3",No')
    _, labels, summary = compared(options)
    wrong = labels[~labels.agrees]
    assert wrong[["row", "column", "published", "recomputed"]].values.tolist() == [
        [2, "Balance", "No", "yes"]
    ]
    assert summary.labels_differ[0] == 1


def test_runs_that_are_not_there_are_named(options: PublishedOptions) -> None:
    change(options, "a_2, a_3", "a_2, z_9")
    cells, _, summary = compared(options)
    line = cells[cells.row == 2]
    assert line.recomputed.isna().all()
    assert not line.agrees.any()
    assert summary.unknown_runs[0] == "z_9"
    assert "runs that are not in the experiments: z_9" in said(summary)[0]


def test_lines_out_of_order_and_of_several_configurations_are_told(options: PublishedOptions) -> None:
    change(options, "s1,b_1,No,none,1.0,0.9,0.0,0.7,0.0\n", "")
    change(options, '"c_1, c_2",No', '"c_1, b_1",No')
    path = Path(str(options.leaderboards)) / "one.csv"
    header, first, second = path.read_text().splitlines()
    path.write_text("\n".join([header, second, first]))
    _, _, summary = compared(options)
    assert summary.is_in_order.tolist() == [False]
    assert summary.lines_of_several_configurations[0] == 1


def test_everything_that_is_wrong_is_said_at_once(options: PublishedOptions) -> None:
    folder = Path(str(options.leaderboards))
    (folder / "no_runs.csv").write_text("Experimets,ood.f1__mean\nx,1\n")
    (folder / "no_means.csv").write_text("Experiments,other\nx,1\n")
    (folder / "broken.csv").write_bytes(b"\xff\xfe")
    Path(str(options.experiments)).write_text("a,b\n1,2\n")
    with pytest.raises(InputError) as error:
        read_published(options)
    for word in ("no column of metrics", "did you mean 'Experimets'", "no column of means", "broken.csv"):
        assert word in str(error.value)


def test_what_is_not_given_is_said() -> None:
    with pytest.raises(InputError, match=r"published\.experiments; published\.leaderboards"):
        read_published(PublishedOptions())


def test_a_folder_that_is_not_there_or_empty_is_said(options: PublishedOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of leaderboards not found"):
        read_published(PublishedOptions(options.experiments, str(tmp_path / "no")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no leaderboard"):
        read_published(PublishedOptions(options.experiments, str(tmp_path / "empty")))


def test_runs_without_or_with_shared_names_are_said(options: PublishedOptions) -> None:
    path = Path(str(options.experiments))
    path.write_text(RUNS.replace("a_2,", "a_1,"))
    with pytest.raises(InputError, match=r"name of several runs \(1\): a_1"):
        read_published(options)
    path.write_text(RUNS.replace("run.name", "run.label"))
    with pytest.raises(InputError, match="results table without names"):
        read_published(options)


def test_a_weight_below_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="std_weight"):
        PublishedOptions(std_weight=-1)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("Yes", "yes"),
        ("True", "yes"),
        ("none", "none"),
        ("[]", "none"),
        (r"['a\\top', 'b/x']", "top, x"),
        ("x, top", "top, x"),
    ],
)
def test_settings_read_as_leaderboards_print_them(cell: str, label: str) -> None:
    assert readable(cell) == label


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"needs the published tables, {PUBLISHED}")
def test_the_published_leaderboards_reproduce_but_the_earlier_one() -> None:
    options = PublishedOptions(str(PUBLISHED / "all_experiments.csv"), str(PUBLISHED / "leaderboards"))
    cells, labels, summary = compared(options)
    by_table = summary.set_index("table")
    earlier = "Stage_6_leaderboard_table.earlier.csv"
    assert by_table.is_reproduced.drop(earlier).all()
    assert len(by_table) == 12
    assert by_table.loc[earlier, "differ"] == 134
    assert round(by_table.loc[earlier, "largest_difference"], 3) == 0.296
    assert len(cells) == 804
    assert labels.agrees.all()
    assert by_table.is_in_order.all()
    assert (by_table.unknown_runs == "").all()
