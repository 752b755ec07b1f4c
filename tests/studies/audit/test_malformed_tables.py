"""Whatever somebody hands in, the audit answers with findings or with an error that can be mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.studies.audit import AuditOptions, audit, findings_table, page

SET = "metrics.a.p.{}"
COLUMNS = st.sampled_from(
    [
        *(SET.format(name) for name in ("f1", "precision", "recall", "accuracy", "threshold")),
        *(
            "name",
            "seed",
            "dataset.seed",
            "f1",
            "metrics.a.auroc",
            "metrics.b.p.threshold",
            "metrics.{}.f1",
            "test_f1",
        ),
        *(
            "test_tp",
            "test_fp",
            "test_fn",
            "test_tn",
            "train.fmax",
            "infer.fmax",
            "x.sensitivity",
            "upsampling_mode",
        ),
        *(
            "upsampling_ratio",
            "metadata.version",
            "Experiments",
            "far.f1__std",
            "far.f1__mean",
            "column",
            "=cmd",
        ),
    ]
)
NUMBERS = ["0", "1", "0.5", "0.667", "1.0", "-1", "nan", "inf", "1e308", "1e-5"]
CELLS = st.one_of(
    st.sampled_from(["", "True", "[]", "['a', 'b']", "a_001", "a_002", *NUMBERS]),
    st.floats(width=16).map(str),
    st.text(max_size=6).filter(lambda text: not set(text) & set('",\r\n')),
    st.just("(" * 300),
)
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def answers(path: Path) -> None:
    try:
        done = audit(AuditOptions(experiments=str(path)), "toad")
    except InputError as error:
        assert str(error)
        return
    table = findings_table(done.results, 10)
    assert not table.message.str.startswith(("=", "+", "-", "@")).any()
    assert page(done)


def test_absurd_metrics_are_answered(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("name,metrics.a.p.f1\na_001,1e308\na_002,1e308\n", encoding="utf-8")
    answers(path)


@QUICK
@given(
    columns=st.lists(COLUMNS, min_size=1, max_size=12, unique=True),
    rows=st.lists(st.lists(CELLS, min_size=12, max_size=12), max_size=9),
)
@example(columns=["metrics.a.p.f1"], rows=[["1e308"] * 12, ["1e308"] * 12])
@example(columns=["metrics.a.p.f1"], rows=[["-1e308"] * 12, ["-1e308"] * 12])
def test_any_cells_are_answered(tmp_path: Path, columns: list[str], rows: list[list[str]]) -> None:
    path = tmp_path / "table.csv"
    lines = [columns, *(row[: len(columns)] for row in rows)]
    path.write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")
    answers(path)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    answers(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("name,f1\n", "has no rows"),
        ("name,f1\na,0.5,7\nb\n", r"row of another width \(2\): row 1 has 3 cells; row 2 has 1 cells"),
        ("f1,f1\n1,2\n", "column name used twice"),
        ("a,b\n1,2\n", "has no column of metrics"),
        ("name,f1\na,high\n", "has no column of metrics"),
        ('name,f1\n"a,0.5\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        audit(AuditOptions(experiments=str(path)), "toad")


def test_a_table_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        audit(AuditOptions(experiments=str(tmp_path / "no.csv")), "toad")
    (tmp_path / "x.csv").write_bytes(b"\xfff1\n1")
    with pytest.raises(InputError, match="in UTF-8"):
        audit(AuditOptions(experiments=str(tmp_path / "x.csv")), "toad")


@QUICK
@given(
    header=st.sampled_from(["", "file_path,label\n", "file_path,label,site,date,start_s,end_s,split\n"]),
    body=st.one_of(st.binary(max_size=200), st.text("ab,/1.\n", max_size=120).map(str.encode)),
)
def test_any_truth_is_answered(tmp_path: Path, header: str, body: bytes) -> None:
    path = tmp_path / "truth.csv"
    path.write_bytes(header.encode() + b"x.wav,positive,a,2025-01-01,,,test\n" * bool(header) + body)
    try:
        done = audit(AuditOptions(truth=str(path)), "toad")
    except InputError as error:
        assert str(error)
        return
    assert page(done)
