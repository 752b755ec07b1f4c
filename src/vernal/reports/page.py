"""From sections to one HTML page: no script, no address, everything that came from a file escaped."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd
from markupsafe import Markup, escape

from vernal.evaluation.stage_results import StageResults
from vernal.reports.answer import answer_section
from vernal.reports.blocks import BAD, WARNING, Section, Text
from vernal.reports.commands import StageCommands
from vernal.reports.design import asked_section
from vernal.reports.error_breakdown import where_section
from vernal.reports.figures import Drawing, figure_title, inline_svg
from vernal.reports.lead import lead_section, question
from vernal.reports.page_templates import page_templates
from vernal.reports.points import failed_points, not_run, points_section
from vernal.reports.recommendation import deploy_section
from vernal.reports.results import found_section
from vernal.reports.sentences import sentence
from vernal.reports.uncertainty import sure_section

_CODE, _COMMAND = "<code>{}</code>", '<code class="command">{}</code>'
DEMO_WORDS = (
    "DEMO SEASON: the recordings are synthetic. These numbers show how the project works; they are no result."
)


def render_report(
    results: StageResults,
    figures: Mapping[str, Drawing],
    split_counts: pd.DataFrame,
    rejects: pd.DataFrame,
    more: Sequence[Section] = (),
    notices: Sequence[Text] = (),
    listen: Section | None = None,
    commands: StageCommands | None = None,
) -> str:
    """The report of a stage as HTML text; the same results give the same text.

    Args:
        figures: every figure of `vernal.reports.figures.FIGURES`, by name.
        split_counts: clips counted by split and other things (see `vernal.clips.splits.count_splits`).
        rejects: listed rows that could not be used.
        more: further sections, put at the end.
        notices: what a reader has to know before any number, beside what the results say themselves.
        listen: clips to hear, put after the answer.
        commands: those that the page tells its reader to type; left out, they are for the usual data folder.
    """
    listed = [
        lead_section(results, split_counts),
        *([listen] if listen else []),
        answer_section(results),
        asked_section(results, split_counts, rejects),
        found_section(results),
        sure_section(results, split_counts),
        deploy_section(results, commands or StageCommands(results.spec.stage)),
        where_section(results),
        points_section(results),
        *more,
    ]
    return sections_page(
        "Stage report",
        results.spec.stage,
        results.target,
        question(results),
        listed,
        {name: (drawing, figure_title(name, results)) for name, drawing in figures.items()},
        [*notices, *_warnings(results)],
        results.is_demo,
    )


def sections_page(
    kind: str,
    heading: str,
    target: str,
    asked: str,
    sections: Sequence[Section],
    figures: Mapping[str, tuple[Drawing, str]] = MappingProxyType({}),
    warnings: Sequence[Text] = (),
    is_demo: bool = False,
) -> str:
    """A page of sections; those without a block are left out.

    Args:
        kind, heading, target, asked: what stands above it: the kind of page, its title, what it is about, the question.
        figures: each drawing with what is to be seen in it, by the names of the sections' pictures.
        warnings: what a reader has to know before anything else.
    """
    environment = page_templates()
    environment.filters["code"] = code
    return environment.get_template("sections.html.j2").render(
        kind=kind,
        heading=heading,
        target=target,
        question=asked,
        demo=DEMO_WORDS if is_demo else "",
        warnings=warnings,
        sections=[section for section in sections if section.blocks],
        figures={name: Markup(inline_svg(one.svg, name, seen)) for name, (one, seen) in figures.items()},
    )


def _warnings(results: StageResults) -> list[Text]:
    """What a reader has to know before any number."""
    failed, waiting, whole = len(failed_points(results)), len(not_run(results)), len(results.plan)
    found = []
    if failed:
        found.append(Text(sentence("design.failed", n=failed), BAD))
    if waiting:
        found.append(Text(sentence("design.waiting", n=waiting, whole=whole), WARNING))
    named = results.points.get("empty_subsets", pd.Series(dtype="str")).dropna().astype(str)
    if len(named):  # such points are trained without them
        subsets = sorted({f"`{name}`" for text in named for name in text.split(";")})
        said = sentence("design.empty_subsets", subsets=subsets, n=len(named), whole=len(results.points))
        found.append(Text(said, WARNING))
    return found


def code(text: str) -> Markup:
    """Escaped text in which `backticks` become code; one that is never closed stays as it is.

    Code with a space in it may be divided between lines in a table, as a command.

    >>> str(code("`a<b` & `kedro run`"))
    '<code>a&lt;b</code> &amp; <code class="command">kedro run</code>'
    """
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup(_COMMAND if " " in part else _CODE).format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )
