"""Text of other people never starts a formula; numbers stay as they are."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.common.tables import guard, read_cells, safe_csv_text, unguard


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-cmd", "@x", "\t=1", "\r=1", "\n=1", "=", "-"])
def test_formulas_become_text(text: str) -> None:
    assert safe_csv_text(pd.DataFrame({"a": [text]})).a[0] == "'" + text


@pytest.mark.parametrize("text", ["-0.5", "+1e-3", "1", "a=b", "", "-.5", "stage-1"])
def test_other_text_stays(text: str) -> None:
    assert safe_csv_text(pd.DataFrame({"a": [text]})).a[0] == text


def test_numbers_missing_cells_and_the_original_stay() -> None:
    frame = pd.DataFrame(
        {"n": [-1.5, None], "t": ["=x", None], "d": pd.to_datetime(["2025-01-01", None]), "b": [True, False]}
    )
    safe = safe_csv_text(frame)
    pd.testing.assert_frame_equal(safe.drop(columns="t"), frame.drop(columns="t"))
    assert safe.t.isna().tolist() == [False, True]
    assert frame.t[0] == "=x"


def test_column_names_are_text_too() -> None:
    assert list(safe_csv_text(pd.DataFrame({"=a": [1], "b": [2]})).columns) == ["'=a", "b"]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5))
def test_no_cell_of_any_text_starts_a_formula(cells: list[str]) -> None:
    safe = safe_csv_text(pd.DataFrame({"a": cells}, dtype="str"))
    for before, after in zip(cells, safe.a, strict=True):
        assert after in (before, "'" + before)
        assert not after.startswith(("=", "@"))


@given(st.text("'=-@+1a\n\t", max_size=6) | st.text(max_size=6))
def test_what_is_guarded_comes_back_as_it_was(text: str) -> None:
    assert unguard(guard(text)) == text


def test_the_written_file_reads_back() -> None:
    text = safe_csv_text(pd.DataFrame({"a": ["=1,2", 'x"y']})).to_csv(index=False)
    assert pd.read_csv(io.StringIO(text)).a.tolist() == ["'=1,2", 'x"y']


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x85", "\u2028"])
def test_a_sign_that_ends_lines_elsewhere_stays_in_its_cell(tmp_path, sign: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"file_path,label,note\na.wav,positive,two{sign}words\n", encoding="utf-8")
    assert read_cells(path, "The manifest", "source.manifest").note.tolist() == [f"two{sign}words"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(tmp_path, end: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(end.join(["file_path,label", 'a.wav,"two', 'lines"', ""]).encode())
    cells = read_cells(path, "The manifest", "source.manifest")
    assert cells.label.tolist() == ["two\nlines"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_save_as_unicode_is_read(tmp_path, encoding: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("file_path\tlabel\r\nHöhle.wav\tKäuzchen\r\n".encode(encoding))
    assert read_cells(path, "The manifest", "source.manifest").values.tolist() == [["Höhle.wav", "Käuzchen"]]


def test_another_encoding_is_refused_with_the_line_that_shows_it(tmp_path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("file_path;label\r\na.wav;Uhu\r\nb.wav;Käuzchen\r\n".encode("cp1252"))
    with pytest.raises(
        InputError, match=r"line 3 is not UTF-8 text: 'b\.wav;K\ufffduzchen'\. Save it as CSV in UTF-8"
    ):
        read_cells(path, "The manifest", "source.manifest")


def test_blank_rows_move_no_row_number(tmp_path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(";;\na;b;c\n1;2;3\n;;\n\n4;5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row of another width \(1\): row 4 has 2 cells"):
        read_cells(path, "The manifest", "source.manifest")
