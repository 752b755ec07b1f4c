"""A finished figure on disk: SVG for pages and papers, PNG for slides and for Kedro-Viz."""

import base64
from pathlib import Path
from typing import Any

from vernal.common.files import write_bytes, write_text
from vernal.common.storage import as_path
from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import ImagePreview
from vernal.reports.figures import Drawing


class DrawingDataset(AtomicFile[Drawing, Drawing]):
    """Saves and loads a drawing as `<path>.svg` and `<path>.png`; Kedro-Viz shows the PNG in place.

    Kedro's own matplotlib dataset writes in place and cannot be loaded again, as a report must.

    >>> import tempfile
    >>> dataset = DrawingDataset(path=tempfile.mkdtemp() + "/roc")
    >>> dataset.save(Drawing("<svg/>", b"png"))
    >>> dataset.load().svg
    '<svg/>'
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(f"{path}.svg", metadata)
        self._png = as_path(f"{path}.png")

    def _is_there(self) -> bool:
        return super()._is_there() and self._png.is_file()

    def contents(self) -> list[Path]:
        return [self._png, self._filepath]

    def _read(self) -> Drawing:
        return read_drawing(self._filepath)

    def _write(self, data: Drawing) -> None:
        write_drawing(self._filepath, data)

    def preview(self) -> ImagePreview:
        """The picture as Kedro-Viz takes it."""
        return ImagePreview(base64.b64encode(self._png.read_bytes()).decode("ascii"))

    def _describe(self) -> dict[str, Any]:
        return {"path": self._filepath.with_suffix("")}


def read_drawing(svg: Path) -> Drawing:
    """The drawing of an SVG file and the PNG file beside it."""
    return Drawing(svg.read_text(encoding="utf-8"), _png_of(svg).read_bytes())


def write_drawing(svg: Path, drawing: Drawing) -> None:
    """Write both files of a drawing, the SVG last: where it is, the other is too."""
    write_bytes(_png_of(svg), drawing.png)
    write_text(svg, drawing.svg)


def _png_of(svg: Path) -> Path:
    return svg.with_suffix(".png")
