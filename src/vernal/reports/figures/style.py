"""How every figure looks, and how it becomes the same bytes each time.

Figures are drawn in the colours of a light page. In a report each colour is replaced by a variable of the
page, so that one drawing serves light, dark and paper. Series differ in shape or dash as well as in colour,
and the colours are told apart by colour-blind eyes.
"""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, CARD, FAINT = "#22282b", "#5c666b", "#dfe3e1", "#ffffff", "#b9c1c4"
BLUE, ORANGE, GREEN, PURPLE = "#1f6fa8", "#c8501b", "#17795e", "#94528a"
VARIABLES = {
    INK: "ink", SOFT: "soft", LINE: "line", CARD: "card", FAINT: "faint",
    BLUE: "blue", ORANGE: "orange", GREEN: "green", PURPLE: "purple",
}  # fmt: skip
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WIDTH_IN = 9.0
PNG_DPI = 110

_SETTINGS: Any = {
    # Bundled with matplotlib, so that labels are laid out alike everywhere; pages show their own font, which
    # is narrower.
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a site may be called $x$
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": SOFT,
    "axes.titley": 1.0,  # no ticks above a panel: where its title stands need not be searched at each drawing
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "vernal",
    "figure.dpi": PNG_DPI,
    "savefig.dpi": PNG_DPI,
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure: as SVG for pages and papers, as PNG for slides, notebooks and Kedro-Viz."""

    svg: str
    png: bytes

    def _repr_png_(self) -> bytes:
        """The picture in a notebook's cell; IPython looks for a method of this name."""
        return self.png


@contextmanager
def styled() -> Iterator[None]:
    """Within, figures look and are written as they should, whatever the user's own matplotlib settings are."""
    import logging
    import warnings

    import matplotlib

    finder = logging.getLogger("matplotlib.font_manager")
    before = finder.level
    finder.setLevel(logging.ERROR)  # a name in a script that the bundled font lacks is still right in SVG
    try:
        with matplotlib.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_SETTINGS)
            yield
    finally:
        finder.setLevel(before)


def use_style() -> None:
    """From here on, every matplotlib figure of this process looks like those of the reports. For notebooks."""
    import matplotlib

    own: Any = {"figure.facecolor": CARD, "figure.constrained_layout.use": True, "axes.titley": None}
    matplotlib.rcParams.update({**_SETTINGS, **own})


def drawn(draw: "Callable[..., Figure]", *args: Any) -> Drawing:
    """Call a figure function in the common style and write what it draws; the same arguments, the same bytes."""
    with styled():
        figure = draw(*args)
        lay_out(figure)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", facecolor=CARD, metadata={"Software": None})
    return Drawing(_cleaned(svg.getvalue()), png.getvalue())


def lay_out(figure: "Figure") -> None:
    """Settle where everything stands, once; not again for each format that is written."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def shortened(text: str, length: int) -> str:
    """A name that leaves a plot its room."""
    return text if len(text) <= length else text[: length - 1] + "…"


def panels(
    n_columns: int, height_in: float, title: str, n_rows: int = 1, width_in: float = WIDTH_IN, **layout: Any
) -> "tuple[Figure, list[Axes]]":
    """An empty figure with its panels, row by row, and a title on the left."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.05, wspace=0.04, hspace=0.04)
    figure = Figure(figsize=(width_in, height_in), layout=engine)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **layout)
    figure.suptitle(title, x=0.008, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure, list(axes.flat)


def nothing(title: str, reason: str) -> "Figure":
    """A figure that says why there is nothing to see."""
    figure, (axes,) = panels(1, 1.1, title)
    axes.set_axis_off()
    axes.text(0, 0.5, reason, transform=axes.transAxes, color=SOFT, va="center")
    return figure


def width_of(n_panels: int) -> float:
    """A width at which panels are about as wide as high; the title still fits above one alone."""
    return WIDTH_IN if n_panels > 1 else 7.0


def share_axis(axes: "Axes", x: str = "", y: str = "") -> None:
    """Both axes from 0 to 1, with a little room for markers at the ends."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    if x:
        axes.set_xlabel(x)
    if y:
        axes.set_ylabel(y)


def legend_below(figure: "Figure", axes: "Axes", n_columns: int = 4) -> None:
    """One legend for all panels, below them, in as many columns as fit; doubled labels once."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    for columns in range(min(n_columns, len(unique)), 0, -1):
        legend = figure.legend(list(unique.values()), list(unique), loc="outside lower left", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def inline_svg(svg: str, name: str, alt: str) -> str:
    """The drawing as an element of a page: page colours, ids of its own, nothing that leads elsewhere.

    Args:
        svg: from `Drawing`.
        name: unique on the page; begins every id.
        alt: what the picture shows, for people who cannot see it.
    """
    root = ElementTree.fromstring(svg)  # our own drawing, never a file from somewhere else
    width = root.get("viewBox", "0 0 648 0").split()[2]
    for element in root.iter():
        element.tag = _local(element.tag)
        for key in ("id", "clip-path", "href"):
            if key in element.attrib:
                element.set(key, re.sub(r"^(url\(#|#|)", rf"\g<1>{name}-", element.attrib[key]))
        for key in ("style", "fill", "stroke"):
            if key in element.attrib:
                element.set(key, _page_style(element.attrib[key]))
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-label": alt}
    root.set("style", f"width:{float(width) * 4 / 3:.0f}px")
    return ElementTree.tostring(root, encoding="unicode")


def _page_style(style: str) -> str:
    for colour, variable in VARIABLES.items():
        style = style.replace(colour, f"var(--{variable})")
    return re.sub(r"(font: [^;]*?px) [^;]*", r"\1 var(--font)", style)


def _cleaned(svg: str) -> str:
    """SVG without what differs between versions and machines: metadata, doctype, far decimals."""
    root = ElementTree.fromstring(NOT_XML.sub("\ufffd", re.sub(r"<!DOCTYPE[^>]*>", "", svg)))
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) == "metadata":
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _short(value) for key, value in element.attrib.items()}
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _short(value: str) -> str:
    """Numbers of an attribute cut to hundredths of a point, which nobody sees."""
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", value)
