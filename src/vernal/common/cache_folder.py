"""Where this user's computer keeps what takes a while to make and is the same every time."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder: `VERNAL_CACHE`, or the system's folder for caches."""
    if named := os.environ.get("VERNAL_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vernal"
