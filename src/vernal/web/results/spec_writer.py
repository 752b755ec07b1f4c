"""Saving a spec: whole or not at all, only in the folder of specs, and over nothing that a person did not see."""

import difflib
import threading
from dataclasses import dataclass
from pathlib import Path

from vernal.common.files import is_inside, sha256_of_file, write_text
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.safe_yaml import MAX_BYTES
from vernal.sweeps.spec import Spec, read_spec
from vernal.web.results.drafts import spec_text

_SAVING = threading.Lock()


@dataclass(frozen=True)
class Saved:
    """What became of a spec: written, or stopped by a file that is there (`changes` to it, and a `digest` of them)."""

    path: Path
    is_written: bool
    digest: str = ""
    changes: str = ""


def spec_path(sweeps: Path, stage: str) -> Path:
    """Where the spec of a stage belongs.

    Raises:
        InputError: the file would lie outside the folder of specs, or a folder stands in its place.
    """
    path = sweeps / f"{stage}.yml"
    if path.parent != sweeps or not is_inside(path, sweeps):
        raise InputError(f"{stage}.yml does not lie in {sweeps.as_posix()}, so nothing is written.")
    if path.is_dir():
        raise InputError(f"{path.as_posix()} is a folder; choose another name.")
    return path


def save_spec(sweeps: Path, spec: Spec, confirmed: str = "") -> Saved:
    """Write `conf/sweeps/<stage>.yml`.

    Args:
        spec: checked, with its name.
        confirmed: digest of the changes that a person agreed to: from the file that is there to this very spec.
    Raises:
        InputError: the file would lie elsewhere, or what was written does not read back as the same spec.
    """
    text = spec_text(spec)
    if len(text.encode("utf-8")) > MAX_BYTES:
        raise InputError(f"The spec would be larger than {MAX_BYTES:,} bytes, which no spec may be.")
    with _SAVING:
        path = spec_path(sweeps, spec.stage)
        if path.is_file():
            agreed = digest("overwrite", sha256_of_file(path), text, length=32)
            before = path.read_text(encoding="utf-8", errors="replace")
            if before == text:
                return Saved(path, True)
            if confirmed != agreed:
                return Saved(path, False, agreed, _changes(before, text, path.name))
        write_text(path, text)
        if read_spec(path, None) != spec:
            raise InputError(
                f"{path.as_posix()} does not read back as the sweep that was asked for; check it."
            )
    return Saved(path, True)


def _changes(before: str, after: str, name: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} now", f"{name} as here", lineterm=""
    )
    return "\n".join(lines)
