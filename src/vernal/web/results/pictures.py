"""Drawings of the pages, in the house style, as markup that a strict page accepts.

The pages allow no inline style, so what matplotlib writes as `style` becomes attributes; colours become variables
of the page, and one drawing serves dark and light.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from vernal.clips.manifest import split_name
from vernal.evaluation import metrics
from vernal.evaluation.stage_results import StageResults
from vernal.reports.figures.curves import interpolated
from vernal.reports.figures.style import (
    BLUE,
    CARD,
    FAINT,
    ORANGE,
    drawn,
    inline_svg,
    legend_below,
    nothing,
    panels,
    share_axis,
    width_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vernal.web.results.comparing import ScoredPair

SIDES = ((BLUE, "-", "A"), (ORANGE, (0, (5, 1.6)), "B"))
_INHERITED = {"stroke-linejoin": "round", "stroke-linecap": "butt"}


def page_picture(name: str, alt: str, draw: "Callable[..., Figure]", *arguments: Any) -> Markup:
    """Draw and make markup of it; `name` is unique on the page, `alt` says what is to be seen."""
    return Markup(without_styles(inline_svg(drawn(draw, *arguments).svg, name, alt)))  # our own drawing


def without_styles(svg: str) -> str:
    """The drawing with every `style` turned into attributes, and its style sheet into what it says.

    >>> without_styles('<svg><path style="fill: none; stroke: var(--blue)" /></svg>')
    '<svg stroke-linejoin="round" stroke-linecap="butt"><path fill="none" stroke="var(--blue)" /></svg>'
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "style":  # matplotlib's own: how lines join, for everything
                parent.remove(child)
    for element in root.iter():
        for name, value in _declarations(element.attrib.pop("style", "")):
            element.set(name, value)
    for name, value in _INHERITED.items():
        root.attrib.setdefault(name, value)
    return ElementTree.tostring(root, encoding="unicode")


def _declarations(style: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in filter(None, (part.strip() for part in style.split(";"))):
        name, _, value = (text.strip() for text in part.partition(":"))
        if name == "font":  # a shorthand, which is no attribute: `[weight] size family`
            size = re.search(r"([\d.]+)px", value)
            if size:
                found.append(("font-size", size[1]))
            if weight := re.match(r"(bold|\d{3}) ", value):
                found.append(("font-weight", weight[1]))
        else:
            found.append((name, value))
    return found


def precision_recall(results: StageResults, pair: "ScoredPair", title: str) -> "Figure":
    """Precision against recall of two points over each other, with their thresholds from validation marked."""
    splits = [name for name in results.measured_splits if _has_both(pair.units[name])]
    if not splits:
        return nothing(title, "No split holds both classes.")
    figure, listed = panels(len(splits), 4.1, title, width_in=width_of(len(splits)))
    for axes, split in zip(listed, splits, strict=True):
        truth = pair.units[split]["is_positive"].to_numpy(dtype=bool)
        axes.axhline(float(truth.mean()), color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, label="chance")
        for (colour, dashes, side), point, row in zip(SIDES, pair.points, pair.logits[split], strict=True):
            curve = metrics.threshold_counts(row, truth)
            axes.plot(*interpolated(curve), color=colour, linestyle=dashes, linewidth=1.5, drawstyle="steps-pre",
                      label=f"{side}: {point}")  # fmt: skip
            if results.no_threshold:
                continue
            at = metrics.metrics_at(row, truth, results.number(point, "threshold_logit"))
            axes.plot([at["recall"]], [at["precision"]], "o" if side == "A" else "D", color=colour,
                      markeredgecolor=CARD, markersize=8, label=f"{side} at its threshold")  # fmt: skip
        _labelled(axes, split, truth, axes is listed[0])
    legend_below(figure, listed[0], 3)
    return figure


def _has_both(units: pd.DataFrame) -> bool:
    truth = units["is_positive"].to_numpy(dtype=bool)
    return bool(len(truth)) and bool(truth.any()) and not bool(truth.all())


def _labelled(axes: "Axes", split: str, truth: Any, is_first: bool) -> None:
    share_axis(
        axes, "recall: share of positives found", "precision: share of flagged right" if is_first else ""
    )
    axes.set_title(f"{split_name(split)}\n{int(truth.sum()):,} positive, {int((~truth).sum()):,} negative")


def bar(
    values: tuple[float, float, float], limits: tuple[float, float], beside: Sequence[float] = ()
) -> Markup:
    """A number with its interval as a small drawing, `value, low, high` on an axis from `limits`.

    Args:
        beside: numbers to mark with an upright dashed line.
    """
    low, high = limits
    span = (high - low) or 1.0

    def x(number: float) -> float:
        return round(4 + 132 * min(max((number - low) / span, 0.0), 1.0), 1)

    value, start, end = values
    parts = [
        f'<line class="beside" x1="{x(one)}" x2="{x(one)}" y1="1" y2="15"/>' for one in beside if one == one
    ]
    if start == start and end == end:
        parts.append(f'<line class="reach" x1="{x(start)}" x2="{x(end)}" y1="8" y2="8"/>')
    if value == value:
        parts.append(f'<circle class="mean" cx="{x(value)}" cy="8" r="3.4"/>')
    return Markup(
        f'<svg class="bar" viewBox="0 0 140 16" aria-hidden="true">{"".join(parts)}</svg>'
    )  # numbers


def bar_limits(numbers: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis of bars: what is finite with a margin, within 0 and 1.

    >>> bar_limits([0.5, float("nan"), 0.7])
    (0.48, 0.72)
    """
    finite = [number for number in numbers if number == number and abs(number) != float("inf")]
    if not finite:
        return 0.0, 1.0
    margin = max(0.02, 0.06 * (max(finite) - min(finite)))
    return max(0.0, round(min(finite) - margin, 4)), min(1.0, round(max(finite) + margin, 4))
