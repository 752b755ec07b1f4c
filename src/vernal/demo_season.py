"""Where the demo season lies, so that everything it leads to can say so.

A page or a table may be rendered again without the settings of the run that made it; the data themselves
still know where their recordings came from.
"""

from __future__ import annotations

from pathlib import PurePath

FOLDER = ("01_raw", "demo")


def is_demo_root(labelled: str) -> bool:
    """Whether the folder that labelled recordings are read from is a demo season's.

    >>> is_demo_root("data/01_raw/demo"), is_demo_root("/mnt/season")
    (True, False)
    """
    return PurePath(labelled).parts[-2:] == FOLDER
