"""A finished figure on disk: SVG for pages and papers, PNG for slides and for Kedro-Viz."""

from __future__ import annotations

import base64
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview

from vernal.common.files import write_bytes, write_text
from vernal.common.storage import as_path
from vernal.datasets.absent import absent
from vernal.reports.figures import Drawing


class DrawingDataset(AbstractDataset[Drawing, Drawing]):
    """Saves and loads a drawing as `<path>.svg` and `<path>.png`; Kedro-Viz shows the PNG in place.

    Kedro's own matplotlib dataset writes in place and cannot be loaded again, as a report must.

    >>> import tempfile
    >>> dataset = DrawingDataset(path=tempfile.mkdtemp() + "/roc")
    >>> dataset.save(Drawing("<svg/>", b"png"))
    >>> dataset.load().svg
    '<svg/>'
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._svg, self._png = (as_path(f"{path}.{ending}") for ending in ("svg", "png"))
        self.metadata = metadata

    def load(self) -> Drawing:
        if not self._exists():
            raise absent(self._svg)
        return Drawing(self._svg.read_text(encoding="utf-8"), self._png.read_bytes())

    def save(self, data: Drawing) -> None:
        write_bytes(self._png, data.png)
        write_text(self._svg, data.svg)

    def preview(self) -> ImagePreview:
        """The picture as Kedro-Viz takes it."""
        return ImagePreview(base64.b64encode(self._png.read_bytes()).decode("ascii"))

    def _exists(self) -> bool:
        return self._svg.is_file() and self._png.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._svg.with_suffix("")}
