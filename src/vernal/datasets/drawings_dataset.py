"""A folder of figures, one a name, as one catalog dataset."""

import base64
import html
from pathlib import Path

from vernal.common.files import is_inside
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.drawing_dataset import read_drawing, write_drawing
from vernal.datasets.previews import HTMLPreview
from vernal.reports.figures import Drawing

_SHOWN = 6


class DrawingsDataset(AtomicFolder[dict[str, Drawing], dict[str, Drawing]]):
    """Saves and loads name -> drawing as `<name>.svg` and `<name>.png`; saving removes those not named any more.

    >>> import tempfile
    >>> gallery = DrawingsDataset(path=tempfile.mkdtemp())
    >>> gallery.save({"rain": Drawing("<svg/>", b"png")})
    >>> list(gallery.load())
    ['rain']
    """

    def _read(self) -> dict[str, Drawing]:
        files = [file for file in self._drawings() if file.with_suffix(".png").is_file()]
        return {file.stem: read_drawing(file) for file in files}

    def _write(self, data: dict[str, Drawing]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        for name, drawing in data.items():
            file = self._path / f"{name}.svg"
            if not name or file.parent != self._path or not is_inside(file, self._path):
                raise ValueError(f"{name!r} leads out of {self._path}; give a plain name")
            write_drawing(file, drawing)
        for file in self._drawings():
            if file.stem not in data:
                file.unlink()
                file.with_suffix(".png").unlink(missing_ok=True)

    def _drawings(self) -> list[Path]:
        return sorted(file for file in self._path.glob("*.svg") if not file.name.startswith("."))

    def preview(self) -> HTMLPreview:
        """The first drawings with their names, for Kedro-Viz."""
        return HTMLPreview("".join(_figure(*item) for item in list(self.load().items())[:_SHOWN]))


def _figure(name: str, drawing: Drawing) -> str:
    png = base64.b64encode(drawing.png).decode("ascii")
    return f'<p>{html.escape(name)}<br><img src="data:image/png;base64,{png}"></p>'
