"""What the decoder of MP3 files complains of: kept off the terminal, and counted for each file.

It writes to the process' standard error by itself, several lines for every place that is no sound. What others write
there meanwhile is passed on.
"""

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from vernal.common.formatting import count

_ERRORS = 2  # the number of a process' standard error
_LOCK = threading.RLock()  # there is one standard error for all threads
_NOISE = re.compile(rb"(?:Note|Warning|Error): [^\n]*\n|\[[^\n\]]*mpg123[^\n]*\n", re.MULTILINE)
# Each place that is passed over is told in several lines.
_FOLLOWS = re.compile(rb"Note: (?:Trying to resync|Skipped \d+ bytes)")


@contextlib.contextmanager
def noise_caught() -> Iterator[list[int]]:
    """Yield a list that holds, once this is left, how many places the decoder complained of."""
    told: list[int] = []
    with _LOCK, contextlib.ExitStack() as stack:
        try:
            own = os.dup(_ERRORS)
        except OSError:  # a program without a standard error
            yield told
            return
        stack.callback(os.close, own)
        caught = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(caught.fileno(), _ERRORS)
        try:
            yield told
        finally:
            os.dup2(own, _ERRORS)
            caught.seek(0)
            text = caught.read()
            if text:
                os.write(_ERRORS, _NOISE.sub(b"", text))
            told.append(sum(not _FOLLOWS.match(line) for line in _NOISE.findall(text)))


@lru_cache(maxsize=1)
def quiet_sound_file() -> Any:
    """`soundfile.SoundFile` with `n_complaints`, how many places the decoder has complained of so far."""
    import soundfile

    class QuietSoundFile(soundfile.SoundFile):
        n_complaints = 0

        def __init__(self, file: Any) -> None:
            with self._counting():
                super().__init__(file)

        @contextlib.contextmanager
        def _counting(self) -> Iterator[None]:
            with noise_caught() as told:
                yield
            self.n_complaints += sum(told)

        def read(self, *args: Any, **kwargs: Any) -> Any:
            with self._counting():
                return super().read(*args, **kwargs)

    return QuietSoundFile


def complaints_in_words(file: Any) -> str:
    """What was passed over in a file that was read to its end; empty where nothing was."""
    n_places = n_complaints(file)
    places = count(n_places, "place that is", "places that are")
    return f"the decoder passed over {places} no sound" if n_places else ""


def n_complaints(file: Any) -> int:
    """Places of a file that its decoder has passed over so far, as they are no sound."""
    return int(getattr(file, "n_complaints", 0))
