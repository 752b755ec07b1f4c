"""The collection's report: one page that needs nothing else, for the group that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.problem_card import ProblemCard
from vernal.collection.label_files import UNKNOWN_ANNOTATOR
from vernal.common.formatting import count, listed
from vernal.reports.figures.style import Drawing, inline_svg
from vernal.reports.page_templates import page_templates

SHOWN_ROWS = 12
DEMO_WORDS = "Demo group: synthesised, no result. Its numbers say nothing about any animal."


def page(
    card: ProblemCard,
    tables: Mapping[str, pd.DataFrame],
    drawings: Mapping[str, tuple[Drawing, str]],
    facts: Mapping[str, Any],
) -> str:
    """The page as HTML text; everything that people wrote is escaped.

    Args:
        card: the problem card.
        tables: by name, as the pipeline's nodes give them.
        drawings: by name, each with words for those who cannot see it.
        facts: single values: `is_demo`, `command`, `strategy`, `data_root`.
    """
    environment = page_templates("vernal.collection")
    environment.filters["number"] = spell
    environment.filters["interval"] = interval
    pictures = {name: inline_svg(drawing.svg, name, alt) for name, (drawing, alt) in drawings.items()}
    shown = {**tables, "disagreements": _target_first(tables["disagreements"], card)}
    words = tables["suspects"].is_positive.map({True: "there", False: "not there"})
    shown["suspects"] = tables["suspects"].assign(labelled=words)
    shown["agreement"], same = comparable(tables["agreement"], card)
    return environment.get_template("collection.html.j2").render(
        card=card,
        target=card.performance.spell(),
        tables={name: rows(table) for name, table in shown.items()},
        same=listed(same),
        shown=SHOWN_ROWS,
        pictures=pictures,
        demo_words=DEMO_WORDS if facts["is_demo"] else "",
        steps=next_steps(tables, card),
        tally=tally(tables),
        n_others=int(tables["label_files"].n_others.sum()),
        n_superseded=int((tables["inventory"].state == "superseded").sum()),
        has_deployment=bool((tables["recordings"].role == "deployment").any()),
        uncut_s=float(tables["uncut"].uncut_s.sum()),
        reasons=count_reasons(tables["held_back"]),
        **facts,
    )


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows with missing values as empty text."""
    return [
        {str(key): "" if _is_missing(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def spell(value: Any, digits: int = 2) -> str:
    """A number for readers: whole ones with thousands marked, others rounded; empty when missing.

    >>> spell(1234), spell(0.12345), spell("")
    ('1,234', '0.12', '')
    """
    if value == "" or _is_missing(value):
        return ""
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return f"{value:.{digits}f}"


def interval(
    row: Mapping[str, Any], value: str = "value", low: str = "low", high: str = "high", digits: int = 2
) -> str:
    """A value with its interval, as in `0.81 (0.74 to 0.88)`; a dash when there is none."""
    if row[value] == "" or _is_missing(row[value]):
        return "–"
    text = spell(row[value], digits)
    return text if row[low] == "" else f"{text} ({spell(row[low], digits)} to {spell(row[high], digits)})"


def _target_first(table: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(dict.fromkeys([card.target, *card.names]))}
    rank = table.label.map(order).fillna(-1)
    return table.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def comparable(agreement: pd.DataFrame, card: ProblemCard) -> tuple[pd.DataFrame, list[str]]:
    """The coefficients that say something, the target's first, and the classes on which everybody said the same.

    Where all votes are equal, chance agrees as well, and no coefficient is defined.
    """
    defined = agreement[agreement.value.notna() & (agreement.coefficient != "agreement")]
    same = [name for name in card.names if name in set(agreement.label) - set(defined.label)]
    shown = agreement[agreement.label.isin(defined.label) & (agreement.n_clips > 0)]
    return _target_first(shown, card), same


def tally(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """The numbers at the top of the page."""
    stock, manifest = tables["inventory"], tables["manifest"]
    sounds = tables["recordings"]
    used = sounds[sounds.held_back.isna()]
    return [
        (spell(int((stock.kind == "recording").sum())), "recordings added"),
        (spell(len(used)), f"used, {used.duration_s.sum() / 60:.0f} minutes"),
        (spell(len(manifest)), "labelled clips in the manifest"),
        (spell(int(manifest.quality.notna().sum())), "of them with the target"),
        (spell(len(tables["held_back"])), "clips held back"),
        (spell(len(tables["adversarial"])), "clips of outsiders"),
    ]


def count_reasons(held_back: pd.DataFrame) -> list[tuple[str, int]]:
    """Why clips are held back, the most frequent first; numbers in the reasons are left out."""
    short = held_back.reason.str.replace(r" \(.*\)| as .*$", "", regex=True)
    return [(str(reason), int(count)) for reason, count in short.value_counts().items()]


def next_steps(tables: Mapping[str, pd.DataFrame], card: ProblemCard) -> list[str]:
    """What the group could do next, from what was found; the most useful first."""
    steps = []
    stock = tables["inventory"]
    without = stock[stock.reason.fillna("") == "no licence"]
    if len(without):
        who = ", ".join(sorted(without.collector.dropna().unique())) or "their givers"
        steps.append(
            f"Ask {who} for a licence, write it into the source.yml, and run again: "
            f"{count(len(without), 'recording waits', 'recordings wait')} for one."
        )
    n_labels = int(tables["label_problems"].line_label.notna().sum())
    n_files = len(tables["label_problems"]) - n_labels
    if n_labels or n_files:
        refused = [count(n, word) for n, word in ((n_labels, "label"), (n_files, "label file")) if n]
        steps.append(f"Correct what was refused: {listed(refused)}, each listed with its reason.")
    labels = pd.concat([tables["strong"], tables["weak"]])
    nameless = labels.label_file[labels.annotator == UNKNOWN_ANNOTATOR].nunique()
    if nameless:
        n_nameless = count(nameless, "label file")
        steps.append(f"Say who wrote {n_nameless}: give an annotator in a source.yml or a column.")
    n_divided = len(tables["disagreements"][tables["disagreements"].label == card.target])
    if n_divided:
        steps.append(
            f"Listen together to the {count(n_divided, 'clip')} on which you disagree about {card.target}."
        )
    n_suspect = len(tables["suspects"][tables["suspects"].label == card.target])
    if n_suspect:
        steps.append(f"Review {count(n_suspect, 'suspect label')} of {card.target}.")
    lacking = tables["coverage"][tables["coverage"].state == "missing"]
    if len(lacking):
        named = ", ".join(
            f"{row.by} {row.value}"
            for row in lacking[lacking.by.isin(["site", "hour", "month"])].itertuples()
        )
        steps.append(
            f"Collect where and when the detector will be used but nothing was trained: {named or 'see coverage'}."
        )
    gains = tables["gains"]
    gain = gains[gains.label == card.target]
    if len(gain) and np.isfinite(gain.gain.iloc[0]):
        row = gain.iloc[0]
        steps.append(
            f"Label {int(row.more)} more clips, from the queue: expected to bring {row.gain:+.3f} in "
            f"{row.metric.replace('_', ' ')} "
            f"({row.gain_low:+.3f} to {row.gain_high:+.3f})."
        )
    return steps
