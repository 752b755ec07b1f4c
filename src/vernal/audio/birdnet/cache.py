"""A folder for what takes a while to derive from BirdNET's model and is the same every time."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from vernal.audio.birdnet.model import model_version
from vernal.common.cache_folder import cache_folder
from vernal.common.files import write_bytes, write_text
from vernal.common.json_text import read_json


def cached(name: str, make: Callable[[], bytes], folder: Path | None = None) -> bytes:
    """Content of a derived file.

    The file is named by the model it was made from, and read only if its checksum holds. A folder that
    cannot be written is no error: every process then makes the content again.
    """
    try:
        path = (folder or cache_folder()) / f"birdnet-{model_version()}-{name}"
        content = _read_checked(path)
    except (OSError, RuntimeError):  # no home folder, or none we may read
        return make()
    if content is not None:
        return content
    content = make()
    with contextlib.suppress(OSError):
        write_bytes(path, content)
        write_text(_checksum_path(path), json.dumps({"sha256": hashlib.sha256(content).hexdigest()}) + "\n")
    return content


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_checked(path: Path) -> bytes | None:
    """A cached file's content, or None where it is missing or damaged."""
    try:
        content = path.read_bytes()
        expected = read_json(_checksum_path(path))["sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return content if hashlib.sha256(content).hexdigest() == expected else None
