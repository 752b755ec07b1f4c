"""Measured tables on the documentation's page of features, written from stored results and never typed.

`docs/results/features_<name>.csv` is a copy of a study's `leaderboard.csv`; between the marks of that name the page
shows it. After a new measurement: `python -m vernal.features.documentation docs`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from vernal.features.lab_tables import lab_tables
from vernal.features.pictures import described
from vernal.features.rows import records
from vernal.files import write_text
from vernal.spelling import between

PAGE = "features.md"
RESULTS = ("features_esc10", "features_companion")
LAB = "Mel raw"
_MARKS = re.compile(r"<!-- (\w+) -->\n.*?<!-- end of \1 -->", re.DOTALL)


def standings_markdown(board: pd.DataFrame) -> str:
    """A study's leaderboard as a Markdown table: accuracy, macro F1 and their intervals, size of a clip.

    Args:
        board: columns of a study's `leaderboard.csv`.
    """
    lines = [
        "| | accuracy | interval | macro F1 | interval | bytes a clip |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in records(board):
        numbers = [
            cell
            for metric in ("accuracy", "macro_f1")
            for cell in (f"{row[f'{metric}_mean']:.2f}", between(row[f"{metric}_low"], row[f"{metric}_high"]))
        ]
        lines.append(f"| {' | '.join([described(row), *numbers, format(row['bytes_per_clip'], ',.0f')])} |")
    return "\n".join(lines)


def with_results(page: str, results: Path) -> str:
    """The page's text with every marked part made anew.

    Raises:
        KeyError: a mark that nothing is known for.
    """
    parts = {name: standings_markdown(_board(results / f"{name}.csv")) for name in RESULTS}
    parts["lab_table"] = f"```\n{lab_tables()[LAB].text()}```"
    return _MARKS.sub(
        lambda found: f"<!-- {found[1]} -->\n{parts[found[1]]}\n<!-- end of {found[1]} -->", page
    )


def _board(file: Path) -> pd.DataFrame:
    return pd.read_csv(
        file, dtype={"sync": "str", "variant": "str"}, keep_default_na=False, na_values={"rank": [""]}
    )


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    write_text(docs / PAGE, with_results((docs / PAGE).read_text(encoding="utf-8"), docs / "results"))
