"""What stands in the tables of result pages: rows as text, ready for a template."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

import pandas as pd

from vernal.common.formatting import between, share
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults, short_levels
from vernal.sweeps.settings_table import SEED
from vernal.web.results import board, comparing, pictures
from vernal.web.results.board import BoardQuery, BoardRow


def sound_address(clip_id: str) -> str:
    """Where the review serves the sound of a labelled clip."""
    return f"/review/api/clip/clips/{quote(clip_id, safe='')}/sound"


def settings_shown(results: StageResults, query: BoardQuery) -> list[str]:
    varying = list(board.choices(results))
    return [name for name in varying if name != SEED or query.rows == board.POINTS]


def number_columns(results: StageResults, query: BoardQuery) -> list[dict[str, str]]:
    """Columns of numbers beside the deciding one."""
    primary, split = results.primary, query.split
    listed = [f"{split}_{metric}" for metric in board.SHOWN_METRICS]
    listed += [f"{name}_{results.primary_metric}" for name in results.measured_splits]
    known = set(board.sortable(results))
    return [
        {
            "key": key,
            "split": _split_of(results, key),
            "name": METRIC_NAMES[key[len(_split_of(results, key)) + 1 :]],
        }
        for key in dict.fromkeys(listed)
        if key != primary and key in known
    ]


def _split_of(results: StageResults, column: str) -> str:
    return next(name for name in results.measured_splits if column.startswith(f"{name}_"))


def board_cells(
    results: StageResults, query: BoardQuery, made: board.Board, shown: tuple[BoardRow, ...]
) -> list[dict[str, Any]]:
    primary = results.primary
    beside = [
        results.baseline(name, results.primary_split, results.primary_metric)
        for name in (ALL_POSITIVE, METADATA)
    ]
    ends = [row.number(f"{primary}{end}") for row in made.rows for end in ("", "_low", "_high")]
    limits = pictures.bar_limits([*ends, *beside])
    columns, settings = number_columns(results, query), settings_shown(results, query)
    short = {name: _short(levels) for name, levels in board.choices(results).items()}
    cells = []
    for row in shown:
        value, low, high = (row.number(f"{primary}{end}") for end in ("", "_low", "_high"))
        cells.append(
            {
                "row": row,
                "levels": [_levels(row, name, short[name]) for name in settings],
                "value": share(value, 3),
                "interval": between(low, high, 3),
                "bar": pictures.bar((value, low, high), limits, beside),
                "std": share(row.number(f"{primary}_std"), 3),
                "numbers": [_with_interval(row, column["key"]) for column in columns],
                "is_first": row is made.first_on_validation,
                "can_open": math.isfinite(value) or math.isfinite(row.number("threshold_logit")),
            }
        )
    return cells


def _short(levels: list[str]) -> dict[str, str]:
    return dict(zip(levels, short_levels(levels), strict=True))


def _levels(row: BoardRow, name: str, short: dict[str, str]) -> tuple[str, str]:
    """The levels of a setting as they stand in a narrow column, and in full."""
    levels = row.levels.get(name, ())
    return " | ".join(short[level] for level in levels), " | ".join(levels)


def _with_interval(row: BoardRow, column: str) -> tuple[str, str]:
    low, high = row.number(f"{column}_low"), row.number(f"{column}_high")
    return share(row.number(column), 3), between(low, high, 2) if math.isfinite(low) else ""


def metric_cells(rows: list[comparing.MetricRow]) -> dict[str, list[dict[str, Any]]]:
    """Rows by split, as text, with a bar for the difference."""
    found: dict[str, list[dict[str, Any]]] = {}
    reach = max([abs(end) for row in rows for end in row.difference if math.isfinite(end)], default=0.05)
    for row in rows:
        difference, low, high = row.difference
        found.setdefault(row.split, []).append(
            {
                "name": METRIC_NAMES[row.metric],
                "a": (share(row.a[0], 3), between(row.a[1], row.a[2], 2)),
                "b": (share(row.b[0], 3), between(row.b[1], row.b[2], 2)),
                "difference": share(difference, 3),
                "interval": between(low, high, 3),
                "bar": pictures.bar(row.difference, (-reach, reach), [0.0]),
                "verdict": row.verdict,
                "is_shown": row.verdict in ("B higher", "B lower"),
            }
        )
    return found


def clip_cells(table: pd.DataFrame) -> list[dict[str, Any]]:
    facts = [
        name for name in ("recorder_id", "site", "date", "time", "quality", "call_type") if name in table
    ]
    return [
        {
            "clip_id": str(row["clip_id"]),
            "split": row["split"],
            "is_positive": bool(row["is_positive"]),
            "kind": row["kind"],
            "place": " · ".join(str(row[name]) for name in facts if pd.notna(row[name])),
            "file": str(row.get("file_path", "")),
            "sides": [
                {
                    "score": share(row[f"score_{side}"], 3),
                    "logit": share(row[f"logit_{side}"], 2),
                    "is_flagged": bool(row[f"is_flagged_{side}"]),
                    "is_right": bool(row[f"is_flagged_{side}"]) == bool(row["is_positive"]),
                }
                for side in "ab"
            ],
            "sound": sound_address(str(row["clip_id"])),
        }
        for row in table.to_dict("records")
    ]


def night_cells(table: pd.DataFrame) -> list[dict[str, Any]]:
    if table.empty:
        return []
    tones = {"is_missed": "bad", "is_false_presence": "warning"}
    return [
        {
            **{name: row[name] for name in ("recorder_id", "date", "outcome")},
            "counts": [int(row[f"n_{name}"]) for name in ("clips", "positive", "flagged", "true", "false")],
            "max_logit": share(row["max_logit"], 2),
            "tone": next((tone for name, tone in tones.items() if row[name]), ""),
        }
        for row in table.sort_values(["recorder_id", "date"]).to_dict("records")
    ]


def total_cells(table: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "quantity": str(row["quantity"]),
            "total": f"{row['total']:,.0f}",
            "interval": f"{row['low']:,.0f} to {row['high']:,.0f}" if math.isfinite(row["low"]) else "–",
            "per_night": f"{row['per_night']:.2f}",
        }
        for row in table.to_dict("records")
    ]
