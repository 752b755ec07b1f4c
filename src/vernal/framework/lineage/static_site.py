"""The lineage as a folder of files, for a web server or the documentation."""

import json
import shutil
import tempfile
from pathlib import Path

from vernal.common.problems import InputError
from vernal.framework.kedro_compat import answer_run_status, write_viz_answers
from vernal.framework.lineage.page import local_page

_MARK = "kedro-viz-site"


def write_static_site(project: Path, out: Path, with_previews: bool = False) -> None:
    """Write what `load_graph` loaded as a site of files.

    Args:
        project: its folder is taken out of every path, so that the site says nothing about the machine.
        out: folder to make; one that an earlier call made is replaced, any other must be empty.
        with_previews: put rows of tables, pictures and the last run in; a site without can be shown to anybody.
    Raises:
        InputError: `out` holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise InputError(f"{out} holds files of something else; name a new or empty folder with --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lineage-") as scratch:
        made = Path(scratch) / "site"
        if not with_previews:
            answer_run_status(list)
        write_viz_answers(made, with_previews)
        for file in sorted((made / "api").rglob("*")):
            if file.is_file():
                _take_out(file, project)
        (made / "index.html").write_text(local_page(), encoding="utf-8")
        (made / _MARK).write_text("Made by kedro viz build.\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)


def _take_out(file: Path, project: Path) -> None:
    """Make the project's own paths relative to it."""
    text = file.read_text(encoding="utf-8")
    whole = json.dumps(f"{project.as_posix()}/")[1:-1]
    # Kedro-Viz drops the first `/` of a path, and names a node's code relative to the folder around the project.
    for own in (whole, whole.removeprefix("/"), f"{project.name}/src/"):
        text = text.replace(f'"{own}', '"src/' if own.endswith("/src/") else '"')
    file.write_text(text, encoding="utf-8")
