"""The picture of a pipeline as SVG; its colours are classes that the site's style sheet sets, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tools.docs_site.graph import Graph, columns_of, layers_of

_CHARACTER, _PADDING, _HEIGHT, _ROW, _GAP, _MARGIN = 6.9, 22, 26, 34, 40, 10
_LEGEND = 34
_WIDEST = 686.0  # of a page's text column; what is wider goes from top to bottom
_BESIDE = 14
Place = tuple[float, float, float]  # left, top, width


def draw_pipeline(
    graph: Graph, layer_by_dataset: Mapping[str, str], title: str, widest: float = _WIDEST
) -> str:
    """An SVG without blank lines, so that Markdown leaves it alone.

    It goes from left to right where that fits, else from top to bottom.

    Args:
        graph: what to draw.
        layer_by_dataset: data layer of each dataset, which is its colour.
        title: said to people who hear the page instead of seeing it.
        widest: px.
    """
    columns = columns_of(graph)
    column_of = {name: at for at, column in enumerate(columns) for name in column}
    places, width, height = _to_the_right(graph, columns)
    arrow = _arrow_to_the_right
    if width > widest:
        places, width, height = _downwards(graph, columns, widest)
        arrow = _arrow_downwards
    height += _LEGEND
    lines = [
        f'<div class="lineage"><svg role="img" viewBox="0 0 {width:.0f} {height:.0f}"',
        f'width="{width:.0f}" height="{height:.0f}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *(
            arrow(places[source], places[target], column_of[target] - column_of[source] > 1)
            for source, target in sorted(graph.arrows)
        ),
        *(_box(graph, name, places[name], layer_by_dataset) for name in sorted(graph.kind)),
        *_legend(layers_of(graph, layer_by_dataset), height - _LEGEND / 2),
        "</svg></div>",
    ]
    return "\n".join(lines)


def _to_the_right(graph: Graph, columns: list[list[str]]) -> tuple[dict[str, Place], float, float]:
    """Boxes' places in columns; the width and height of all."""
    tallest = max(map(len, columns), default=0) * _ROW
    x, places = float(_MARGIN), {}
    for column in columns:
        width = max(_width(graph.label[name]) for name in column)
        top = _MARGIN + (tallest - len(column) * _ROW) / 2
        for i, name in enumerate(column):
            own = _width(graph.label[name])
            places[name] = (x + (width - own) / 2, top + i * _ROW + (_ROW - _HEIGHT) / 2, own)
        x += width + _GAP
    return places, x - _GAP + _MARGIN, tallest + 2 * _MARGIN


def _downwards(
    graph: Graph, columns: list[list[str]], widest: float
) -> tuple[dict[str, Place], float, float]:
    """The same columns as rows, one below the other; a row that is too long goes on in the next line."""
    y, places = float(_MARGIN), {}
    for column in columns:
        for line in _lines(graph, column, widest - 2 * _MARGIN):
            widths = [_width(graph.label[name]) for name in line]
            x = (widest - sum(widths) - _BESIDE * (len(line) - 1)) / 2
            for name, width in zip(line, widths, strict=True):
                places[name] = (x, y, width)
                x += width + _BESIDE
            y += _ROW
        y += _GAP - (_ROW - _HEIGHT)
    return places, widest, y - _GAP + _MARGIN


def _lines(graph: Graph, names: Sequence[str], widest: float) -> list[list[str]]:
    """A row's boxes in as few lines as there must be, about equally long."""
    widths = [_width(graph.label[name]) + _BESIDE for name in names]
    n_lines = max(1, -int(-sum(widths) // (widest + _BESIDE)))
    while True:
        lines: list[list[str]] = [[]]
        filled, share = 0.0, sum(widths) / n_lines
        for name, width in zip(names, widths, strict=True):
            if lines[-1] and filled + width / 2 > share * len(lines):
                lines.append([])
            lines[-1].append(name)
            filled += width
        if all(len(line) == 1 or _line_width(graph, line) <= widest for line in lines):
            return lines
        n_lines += 1


def _line_width(graph: Graph, line: Sequence[str]) -> float:
    return sum(_width(graph.label[name]) + _BESIDE for name in line) - _BESIDE


def _width(label: str) -> float:
    return len(label) * _CHARACTER + _PADDING


def _arrow_to_the_right(source: Place, target: Place, is_far: bool) -> str:
    x0, y0 = source[0] + source[2], source[1] + _HEIGHT / 2
    x1, y1 = target[0], target[1] + _HEIGHT / 2
    bend = max(18.0, (x1 - x0) / 2)
    return _curve(is_far, (x0, y0), (x0 + bend, y0), (x1 - bend, y1), (x1, y1))


def _arrow_downwards(source: Place, target: Place, is_far: bool) -> str:
    x0, y0 = source[0] + source[2] / 2, source[1] + _HEIGHT
    x1, y1 = target[0] + target[2] / 2, target[1]
    bend = max(14.0, (y1 - y0) / 2)
    return _curve(is_far, (x0, y0), (x0, y0 + bend), (x1, y1 - bend), (x1, y1))


def _curve(is_far: bool, *points: tuple[float, float]) -> str:
    start, *others = (f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="arrow{" far" if is_far else ""}" d="M{start} C{" ".join(others)}"/>'


def _box(graph: Graph, name: str, place: Place, layers: Mapping[str, str]) -> str:
    x, y, width = place
    kind = graph.kind[name]
    layer = f" {layers[name]}" if name in layers else ""
    radius = _HEIGHT / 2 if kind == "data" else 3
    return (
        f'<g class="{kind}{layer}"><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT}" '
        f'rx="{radius:g}"/><text x="{x + width / 2:.1f}" y="{y + _HEIGHT / 2 + 4:.1f}">{escape(graph.label[name])}'
        "</text></g>"
    )


def _legend(layers: list[str], y: float) -> list[str]:
    x, lines = float(_MARGIN), []
    for layer in layers:
        lines.append(
            f'<g class="data {layer}"><rect x="{x:.1f}" y="{y - 6:.1f}" width="18" height="12" rx="6"/></g>'
            f'<text class="legend" x="{x + 24:.1f}" y="{y + 4:.1f}">{layer}</text>'
        )
        x += len(layer) * _CHARACTER + 48
    return lines
