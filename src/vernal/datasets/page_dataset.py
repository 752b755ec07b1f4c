"""A page of text on disk, such as a report in HTML, written whole or not at all."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import HTMLPreview

from vernal.common.files import write_text
from vernal.common.storage import as_path
from vernal.datasets.absent import absent


class PageDataset(AbstractDataset[str, str]):
    """Saves and loads a text as UTF-8 with `\\n` line ends.

    >>> import tempfile
    >>> page = PageDataset(filepath=tempfile.mkdtemp() + "/report.html")
    >>> page.save("<p>a</p>")
    >>> page.load()
    '<p>a</p>'
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> str:
        if not self._filepath.is_file():
            raise absent(self._filepath)
        return self._filepath.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        write_text(self._filepath, data)

    def preview(self) -> HTMLPreview:
        """A Markdown page as it is, and where to open any other, for Kedro-Viz."""
        text = self.load()
        if self._filepath.suffix == ".md":
            return HTMLPreview(text)
        return HTMLPreview(
            f"A page of {len(text) // 1000:,} kB. Open {self._filepath.as_posix()} in a browser."
        )

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
