"""The picture of a pipeline as SVG; its colours are classes that the site's style sheet sets, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from vernal.docs_pages.graph import Graph, columns_of, layers_of

_CHARACTER, _PADDING, _HEIGHT, _ROW, _GAP, _MARGIN = 6.9, 24, 26, 36, 46, 10
_LEGEND = 34


def draw_pipeline(graph: Graph, layer_by_dataset: Mapping[str, str], title: str) -> str:
    """An SVG without blank lines, so that Markdown leaves it alone.

    Args:
        graph: what to draw.
        layer_by_dataset: data layer of each dataset, which is its colour.
        title: said to people who hear the page instead of seeing it.
    """
    columns = columns_of(graph)
    widths = [max(_width(graph.label[name]) for name in column) for column in columns]
    tallest = max(map(len, columns), default=0) * _ROW
    x, places = float(_MARGIN), {}
    for column, width in zip(columns, widths, strict=True):
        top = _MARGIN + (tallest - len(column) * _ROW) / 2
        for i, name in enumerate(column):
            own = _width(graph.label[name])
            places[name] = (x + (width - own) / 2, top + i * _ROW + (_ROW - _HEIGHT) / 2, own)
        x += width + _GAP
    width, height = x - _GAP + _MARGIN, tallest + 2 * _MARGIN + _LEGEND
    lines = [
        f'<div class="lineage"><svg role="img" viewBox="0 0 {width:.0f} {height:.0f}"',
        f'width="{width:.0f}" height="{height:.0f}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *(_arrow(places[source], places[target]) for source, target in sorted(graph.arrows)),
        *(_box(graph, name, places[name], layer_by_dataset) for name in sorted(graph.kind)),
        *_legend(layers_of(graph, layer_by_dataset), height - _LEGEND / 2),
        "</svg></div>",
    ]
    return "\n".join(lines)


def _width(label: str) -> float:
    return len(label) * _CHARACTER + _PADDING


def _arrow(source: tuple[float, float, float], target: tuple[float, float, float]) -> str:
    x0, y0 = source[0] + source[2], source[1] + _HEIGHT / 2
    x1, y1 = target[0], target[1] + _HEIGHT / 2
    bend = max(18.0, (x1 - x0) / 2)
    return (
        f'<path class="arrow" d="M{x0:.1f} {y0:.1f} C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} '
        f'{x1:.1f} {y1:.1f}"/>'
    )


def _box(graph: Graph, name: str, place: tuple[float, float, float], layers: Mapping[str, str]) -> str:
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
