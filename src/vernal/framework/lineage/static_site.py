"""The lineage as a folder of files, for a web server or the documentation."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from vernal.common.problems import InputError
from vernal.framework.lineage.page import html_folder, local_page

_MARK = "kedro-viz-site"


def write_static_site(project: Path, out: Path, with_previews: bool = False) -> None:
    """Write what `load_graph` loaded as a site of files.

    Args:
        project: its folder is taken out of every path, so that the site says nothing about the machine.
        out: folder to make; one that an earlier call made is replaced, any other must be empty.
        with_previews: put rows of tables and pictures in; a site without can be shown to anybody.
    Raises:
        InputError: `out` holds something else.
    """
    import fsspec
    from kedro_viz import __version__
    from kedro_viz.api.rest.responses.save_responses import save_api_responses_to_fs

    if out.exists() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise InputError(f"{out} holds files of something else; name a new or empty folder with --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lineage-") as scratch:
        made = Path(scratch) / "site"
        save_api_responses_to_fs(str(made), fsspec.filesystem("file"), with_previews)
        for file in sorted((made / "api").rglob("*")):
            if file.is_file():
                _take_out(file, project)
        shutil.copytree(html_folder() / "assets", made / "assets")
        for script in (made / "assets").glob("index-*.js"):
            # One request of Kedro-Viz' starts from the server's root, where a site in a folder has nothing.
            text = script.read_text(encoding="utf-8")
            script.write_text(text.replace('fetch("/api/', 'fetch("./api/'), encoding="utf-8")
        shutil.copy(html_folder() / "favicon.ico", made)
        (made / "index.html").write_text(local_page(), encoding="utf-8")
        answers = {
            "deploy-viz-metadata": {"timestamp": "", "version": __version__},
            "metadata": _metadata(),
        }
        for name, answer in answers.items():
            (made / "api" / name).write_text(json.dumps(answer), encoding="utf-8")
        (made / _MARK).write_text("Made by kedro viz build.\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)


def _metadata() -> dict[str, Any]:
    """What Kedro-Viz' server says about the packages beside it; its page asks a static site for the same."""
    from fastapi.encoders import jsonable_encoder
    from kedro_viz.api.rest.responses.metadata import get_metadata_response

    known = get_metadata_response()
    names = ("has_missing_dependencies", "package_compatibilities")
    return {name: jsonable_encoder(getattr(known, name)) for name in names}


def _take_out(file: Path, project: Path) -> None:
    """Make the project's own paths relative to it."""
    text = file.read_text(encoding="utf-8")
    whole = json.dumps(f"{project.as_posix()}/")[1:-1]
    # Kedro-Viz drops the first `/` of a path, and names a node's code relative to the folder around the project.
    for own in (whole, whole.removeprefix("/"), f"{project.name}/src/"):
        text = text.replace(f'"{own}', '"src/' if own.endswith("/src/") else '"')
    file.write_text(text, encoding="utf-8")
