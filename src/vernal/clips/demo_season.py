"""Where the made recordings lie, the demo season and the companion set, so that all they lead to can say so.

A page or a table may be rendered again without the settings of the run that made it; the data themselves
still know where their recordings came from.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from vernal.common.data_folder import DataFolder
from vernal.common.json_text import read_json

FOLDER = ("01_raw", "demo")
COMPANION = ("01_raw", "companion")


def own_recordings(source: Mapping[str, Any]) -> Any:
    """What a person named instead of the demo season (`source.manifest`, `folder` or `unlabelled`); None where nothing.

    >>> own_recordings({"manifest": None, "unlabelled": "/x/season"}), own_recordings({"field": "/x/quiet"})
    ('/x/season', None)
    """
    named = (source.get(name) for name in ("manifest", "folder", "unlabelled"))
    return next(filter(None, named), None)


def is_demo_root(labelled: str) -> bool:
    """Whether the folder that labelled recordings are read from is one of those that the project fills itself.

    >>> is_demo_root("data/01_raw/demo"), is_demo_root("/mnt/season")
    (True, False)
    """
    return PurePath(labelled).parts[-2:] in (FOLDER, COMPANION)


def is_demo_data(data_root: Path, stage: str = "") -> bool:
    """Whether the clips of a stage are made ones, by where they were found; some stages take in clips of their own."""
    shared = DataFolder(data_root).audio_roots
    own = shared.parent / stage / shared.name
    try:
        file = own if own.is_file() else shared
        roots = read_json(file)
        return is_demo_root(roots["labelled"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
