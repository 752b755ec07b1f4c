"""Whether what a node gave in an earlier run still stands, so that it need not be made again.

Beside the results of a node tagged `STANDS` lies a note: a digest of all that they depend on, and one of the results.
The node is passed over where both are as they would be noted now; whoever deletes a result has it made again.
"""

import platform
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline.node import Node

from vernal.common.files import sha256_of_file, write_bytes
from vernal.common.hashing import digest
from vernal.common.storage import is_remote
from vernal.pipelines.stages import STANDS
from vernal.proof.environment import package_versions

_DRAWN_WITH = ("jinja2", "matplotlib", "pillow")


class Standing:
    """What stands of the results that a catalog names. Files are read once for each state that they are in."""

    def __init__(self, catalog: CatalogProtocol) -> None:
        self._catalog = catalog

    def key(self, node: Node) -> str | None:
        """Digest of all that a node's results depend on: code, packages, settings, and the content of what it reads.

        None for a node that runs every time: it is not tagged, or what it reads or writes is no file on this machine.
        """
        if STANDS not in node.tags or self._note(node) is None:
            return None
        written = {self._catalog[name].place for name in node.outputs}
        inputs = {
            name: self._content(name)
            for name in node.inputs
            # What an earlier run left there changes no result: it only saves work.
            if getattr(self._catalog[name], "place", None) not in written
        }
        return None if None in inputs.values() else digest(code(), node.name, inputs, length=64)

    def stands(self, node: Node, key: str | None) -> bool:
        """Whether the results are there, untouched, and of this key."""
        note = self._note(node)
        if key is None or note is None or not note.is_file():
            return False
        if not all(self._catalog.exists(name) for name in node.outputs):
            return False
        return note.read_bytes() == self._noted(node, key)

    def note(self, node: Node, key: str | None) -> None:
        """Note what a node that has just run gave; `key` is from before it ran."""
        note = self._note(node)
        if key is not None and note is not None:
            write_bytes(note, self._noted(node, key))

    def _note(self, node: Node) -> Path | None:
        places = [getattr(self._catalog[name], "place", None) for name in node.outputs]
        on_disk = [place for place in places if place is not None and not is_remote(place)]
        return on_disk[0].parent / f".{node.name}.stands" if len(on_disk) == len(places) > 0 else None

    def _noted(self, node: Node, key: str) -> bytes:
        results = digest({name: self._content(name) for name in node.outputs}, length=64)
        return f"{key} made {results}\n".encode()

    def _content(self, name: str) -> Any:
        dataset = self._catalog[name]
        if isinstance(dataset, MemoryDataset):
            return repr(dataset.load()) if name == "parameters" or name.startswith("params:") else None
        if not hasattr(dataset, "contents") or is_remote(dataset.place):
            return None
        folder = dataset.place.parent
        return {
            _name_in(folder, file): _file_content(file, dataset.only_grows) for file in dataset.contents()
        }


def _name_in(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name


def _file_content(file: Path, is_never_changed: bool) -> str:
    if not file.is_file():
        return "absent"
    state = file.stat()
    if is_never_changed:
        return f"{state.st_size} {state.st_mtime_ns}"
    return _sha256(file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _sha256(file: Path, size: int, changed_ns: int) -> str:
    return sha256_of_file(file)


@cache
def code() -> str:
    """Digest of the project's own files and of the versions of what they stand on."""
    package = Path(__file__).parents[1]
    files = {file.relative_to(package).as_posix(): sha256_of_file(file) for file in _source_files(package)}
    return digest(
        files, package_versions(), package_versions(_DRAWN_WITH), platform.python_version(), length=64
    )


def _source_files(package: Path) -> Iterable[Path]:
    return sorted(file for file in package.rglob("*") if file.is_file() and file.parent.name != "__pycache__")


def tell(hook_manager: Any, name: str, **facts: Any) -> None:
    """Call a hook that is the project's own, where somebody listens: Kedro has no such."""
    hook = getattr(getattr(hook_manager, "hook", None), name, None)
    if hook is not None:
        hook(**facts)
