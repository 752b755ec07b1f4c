"""Which cells of published tables follow from the experiments behind them, as one HTML page that needs nothing else."""

from typing import Any

import pandas as pd

from vernal.common.formatting import UNDEFINED, count
from vernal.reports.blocks import BAD, GOOD, WARNING, Block, Bullets, Section, Table, Text, Tile, Tiles
from vernal.reports.page import sections_page
from vernal.reports.sentences import sentences_of
from vernal.studies.published.comparison import said

sentence = sentences_of("vernal.studies.published")
MOST_ROWS = 100


def page(cells: pd.DataFrame, labels: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The page as text; the same tables give the same text.

    Args:
        cells, labels, summary: see `vernal.studies.published.comparison`.
    """
    sections = [
        _answer(cells, labels, summary),
        Section("tables", "Tables", [_tables(summary)]),
        Section(
            "cells",
            "Cells that differ",
            _differing(cells, sentence("published.cells_agree"), "cells.csv"),
        ),
        Section(
            "settings",
            "Settings that differ",
            _differing(labels, sentence("published.labels_agree"), "labels.csv"),
        ),
    ]
    about = count(len(summary), "table")
    return sections_page(
        "Published results", "Published tables", about, sentence("published.question"), sections
    )


def _answer(cells: pd.DataFrame, labels: pd.DataFrame, summary: pd.DataFrame) -> Section:
    n_whole, n_agree = int(summary["is_reproduced"].sum()), int(cells["agrees"].sum())
    lead = sentence("published.answer", n_whole=n_whole, n=len(summary))
    said_so = [Text(lead, GOOD if n_whole == len(summary) else BAD)]
    unknown = [str(row) for row in summary["unknown_runs"] if row]
    if unknown:
        said_so.append(Text(sentence("published.lacking", runs=unknown), WARNING))
    n_named = int(labels["agrees"].sum()) if len(labels) else 0
    tiles = [
        Tile(f"{n_whole:,} of {len(summary):,}", "tables reproduced"),
        Tile(f"{n_agree:,} of {len(cells):,}", "cells agree", "at the precision that is printed"),
        Tile(f"{n_named:,} of {len(labels):,}", "settings agree", "as named in the lines of the tables"),
    ]
    differ = summary[~summary["is_reproduced"].astype(bool)]
    each = [Bullets([Text(f"{line}.", BAD) for line in said(differ)])] if len(differ) else []
    return Section("answer", "The answer", [Bullets(said_so, is_lead=True), Tiles(tiles), *each])


def _tables(summary: pd.DataFrame) -> Table:
    rows = [
        [
            f"`{row['table']}`",
            *(f"{row[name]:,}" for name in ("lines", "cells", "agree", "differ")),
            UNDEFINED if pd.isna(row["largest_difference"]) else f"{row['largest_difference']:.4g}",
            {True: "yes", False: "no"}.get(row["is_in_order"], "cannot be told"),
            f"{row['lines_of_one_run']:,}",
            f"{row['lines_of_several_configurations']:,}",
            str(row["not_compared"]) or "none",
        ]
        for row in summary.to_dict("records")
    ]
    columns = ["table", "lines", "cells", "agree", "differ", "largest difference", "lines in order"]
    columns += ["lines of one run", "lines of several configurations", "columns not compared"]
    return Table(columns, rows, sentence("published.tables_note"))


def _differing(compared: pd.DataFrame, none: str, file: str) -> list[Block]:
    """The rows of a comparison that do not agree; `file` has all."""
    wrong = compared[~compared["agrees"].astype(bool)]
    if wrong.empty:
        return [Text(none)]
    columns = ["table", "row", "column", "published", "recomputed"]
    rows = [_cells(list(row)) for row in wrong[columns].head(MOST_ROWS).itertuples(index=False)]
    facts = {"shown": MOST_ROWS, "n": len(wrong), "file": file}
    more = sentence("published.first_rows", **facts) if len(wrong) > MOST_ROWS else ""
    return [Table(columns, rows, more)]


def _cells(row: list[Any]) -> list[str]:
    table, *others = ("not known" if pd.isna(cell) else str(cell) for cell in row)
    return [f"`{table}`", *others]
