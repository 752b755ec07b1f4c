"""One reader tried in a process of its own: `python -m tools.fuzzing.one_reader NAME FOLDER SECONDS SEED [guided]`."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path


def main(name: str, folder: str, seconds: str, seed: str, guided: str = "") -> None:
    """Try a reader for some seconds; counts and files of faults are in the folder."""
    # What coverage leads is imported here, and nothing of it before.
    with _watched() if guided else contextlib.nullcontext():
        from tools.fuzzing.readers import readers
        from tools.fuzzing.trials import ReaderTrial, fuzz

        reader = readers()[name]
        with tempfile.TemporaryDirectory() as scratch:
            ReaderTrial(reader, Path(scratch))
    fuzz(reader, Path(folder), float(seconds), int(seed), bool(guided))


def _watched() -> contextlib.AbstractContextManager[None]:
    import atheris

    # What numba compiles has to stay as it is written.
    return atheris.instrument_imports(include=["vernal"], exclude=["vernal.audio.resampling_kernel"])


if __name__ == "__main__":
    main(*sys.argv[1:])
