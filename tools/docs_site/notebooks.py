"""The notebooks as pages with their outputs, executed on a finished stage 5 on the demo season.

Pages and their pictures and sounds stand in `docs/notebooks`, beside a record of the notebooks and results that they
show: building the site needs no run, only to know whether they are of today.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

from tools.docs_site.screenshots import results_digest, small_picture
from vernal.common.files import write_bytes, write_text
from vernal.common.hashing import digest
from vernal.common.problems import InputError

OPENING = "open_catalog()"
_RECORD = "notebooks.json"
_DATA = re.compile(r'"data:(image/png|audio/mpeg);base64,([^"]+)"')
_ENDINGS = {"image/png": "png", "audio/mpeg": "mp3"}
_LINK = re.compile(r"\((\w+)\.ipynb\)")


def notebooks(project: Path) -> str:
    """The list of notebooks, each with its first sentences.

    Raises:
        InputError: the pages are of other notebooks or results than today's.
    """
    record = project / "docs" / "results" / _RECORD
    if json.loads(record.read_text(encoding="utf-8")) != _of_today(project):
        raise InputError(
            f"{record} is of other notebooks or results than today's. Run python -m tools.docs_site notebooks "
            "DATA_ROOT."
        )
    return "\n".join(_line(file) for file in _files(project))


def write_notebooks(project: Path, data_root: Path) -> None:
    """Execute every notebook on a finished stage 5 and write its page."""
    folder = project / "docs" / "notebooks"
    for old in folder.glob("*.*"):
        old.unlink()
    for file in _files(project):
        _Page(folder, file.stem).write(executed(file, data_root, project))
    write_text(project / "docs" / "results" / _RECORD, json.dumps(_of_today(project), indent=1) + "\n")


def executed(file: Path, data_root: Path, start_in: Path, env: str | None = None) -> Any:
    """A notebook with its outputs, run from top to bottom.

    Args:
        data_root: folder of the results that it opens.
        start_in: the folder that it is started in.
        env: folder of `conf` to read beside `base`.
    Raises:
        InputError: it does not open the catalog in exactly one cell.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    openings = [cell for cell in notebook.cells if OPENING in cell.source]
    if len(openings) != 1:
        raise InputError(f"{file.name} opens the catalog in {len(openings)} cells, not in one.")
    own = openings[0].source
    openings[0].source = own.replace(OPENING, f"open_catalog(data_root={str(data_root)!r}, env={env!r})")
    resources = {"metadata": {"path": str(start_in)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    openings[0].source = own
    return notebook


class _Page:
    """A page in the making; its pictures and sounds are files beside it, numbered in order."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.n_files = folder, name, 0

    def write(self, notebook: Any) -> None:
        parts = [part for cell in notebook.cells for part in self._cell(cell)]
        write_text(self.folder / f"{self.name}.md", "\n\n".join(parts) + "\n")

    def _cell(self, cell: Any) -> list[str]:
        if cell.cell_type == "markdown":
            return [_LINK.sub(r"(\1.md)", cell.source)]
        return [_folded(cell.source), *(self._output(output) for output in cell.outputs)]

    def _output(self, output: Any) -> str:
        if output.output_type == "stream":
            return _fenced(output.text)
        data = output.data
        if "image/png" in data:
            return f"![A figure]({self._file('image/png', data['image/png'])}){{ .drawn }}"
        if "text/html" in data:
            return self._html(data["text/html"])
        return _fenced(data["text/plain"])

    def _html(self, html: str) -> str:
        html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
        html = re.sub(r'<table border="1" class="dataframe">', "<table>", html)
        html = _DATA.sub(lambda found: f'"{self._file(found[1], found[2])}"', html)
        # A blank line would end the block.
        return re.sub(r"\n\s*", "\n", html).strip()

    def _file(self, kind: str, content: str) -> str:
        self.n_files += 1
        name = f"{self.name}_{self.n_files}.{_ENDINGS[kind]}"
        whole = b64decode(content)
        write_bytes(self.folder / name, small_picture(whole) if kind == "image/png" else whole)
        return name


def _folded(code: str) -> str:
    """Code that a reader opens: the outputs are what most come for."""
    return f'<details markdown="1"><summary>Code</summary>\n\n```python\n{code}\n```\n\n</details>'


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def _files(project: Path) -> list[Path]:
    return sorted((project / "notebooks").glob("*.ipynb"))


def _cells(file: Path) -> list[tuple[str, str]]:
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def _of_today(project: Path) -> dict[str, str]:
    shown = {file.stem: digest(_cells(file)) for file in _files(project)}
    return shown | {"results": results_digest(project / "docs" / "results")}


def _line(file: Path) -> str:
    title, words = _cells(file)[0][1].split("\n\n")[:2]
    return f"* [{title.lstrip('# ')}](notebooks/{file.stem}.md): {' '.join(words.split())}"
