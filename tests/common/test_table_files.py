from pathlib import Path

import pandas as pd
import pytest

from vernal.common.table_files import digest_of_table, read_table, write_table

TABLE = pd.DataFrame({"name": ["a", None], "n": [1, 2], "x": [0.1, 1 / 3]}).astype({"name": "str"})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_comes_back_and_equal_tables_are_equal_bytes(tmp_path: Path, suffix: str):
    for name in ("one", "two"):
        write_table(TABLE, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / f"one{suffix}", ["name"]), TABLE, check_dtype=False)


def test_csv_has_one_kind_of_line_end(tmp_path: Path):
    write_table(TABLE, tmp_path / "t.csv")
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_times_have_their_clock_at_midnight_too(tmp_path: Path):
    moments = pd.Series(["2025-04-04", None], dtype="datetime64[ms]")
    write_table(
        pd.DataFrame({"first_call": moments, "last_call": moments + pd.Timedelta("1.5s")}), tmp_path / "t.csv"
    )
    assert (
        tmp_path / "t.csv"
    ).read_text() == "first_call,last_call\n2025-04-04 00:00:00,2025-04-04 00:00:01\n,\n"


def test_other_endings_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"not '.xlsx'"):
        write_table(TABLE, tmp_path / "t.xlsx")


def test_a_digest_knows_values_names_and_order_but_not_categories():
    assert digest_of_table(TABLE) == digest_of_table(TABLE.copy())
    assert digest_of_table(TABLE.astype({"name": "category"})) == digest_of_table(TABLE)
    for other in (TABLE[::-1], TABLE.rename(columns={"n": "m"}), TABLE.assign(n=[1, 3])):
        assert digest_of_table(other) != digest_of_table(TABLE)


def test_no_cell_of_a_csv_starts_a_formula_and_every_text_comes_back(tmp_path: Path):
    table = pd.DataFrame(
        {"name": ["=1+1", "@x", "-0.5", "'tis", "+a", "-b"], "=column": [-1.5, 2, 3, 4, 5, 6]}
    )
    write_table(table.astype({"name": "str"}), tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["name,'=column", "'=1+1,-1.5", "'@x,2.0", "-0.5,3.0"]
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv", ["name"]), table, check_dtype=False)


def test_parquet_keeps_every_text_as_it_is(tmp_path: Path):
    table = pd.DataFrame({"name": ["=1+1", "'=1"]}).astype({"name": "str"})
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").name.tolist() == ["=1+1", "'=1"]


def test_only_an_empty_cell_of_a_csv_is_missing(tmp_path: Path):
    table = pd.DataFrame({"name": ["None", "NA", "null", None], "x": [1.5, None, 2.5, float("inf")]})
    write_table(table.astype({"name": "str"}), tmp_path / "t.csv")
    found = read_table(tmp_path / "t.csv")
    assert found.name.tolist()[:3] == ["None", "NA", "null"] and found.name.isna().tolist() == [False] * 3 + [
        True
    ]
    pd.testing.assert_series_equal(found.x, table.x)
