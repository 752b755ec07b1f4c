"""A page of text on disk, such as a report in HTML, written whole or not at all."""

from vernal.common.files import write_text
from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import HTMLPreview


class PageDataset(AtomicFile[str, str]):
    """Saves and loads a text as UTF-8 with `\\n` line ends.

    >>> import tempfile
    >>> page = PageDataset(filepath=tempfile.mkdtemp() + "/report.html")
    >>> page.save("<p>a</p>")
    >>> page.load()
    '<p>a</p>'
    """

    def _read(self) -> str:
        return self._filepath.read_text(encoding="utf-8")

    def _write(self, data: str) -> None:
        write_text(self._filepath, data)

    def preview(self) -> HTMLPreview:
        """A Markdown page as it is, and where to open any other, for Kedro-Viz."""
        text = self.load()
        if self._filepath.suffix == ".md":
            return HTMLPreview(text)
        return HTMLPreview(
            f"A page of {len(text) // 1000:,} kB. Open {self._filepath.as_posix()} in a browser."
        )
