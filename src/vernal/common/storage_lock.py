"""One run at a time on a folder of an object store, which has no locks of its own.

The lock is an object that only one can create. Its holder writes a new word into it every few seconds; where the word
stays the same for longer than that, the holder is gone, and the next run takes the lock over. No clock of any machine
is compared with another's.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import cast

from vernal.common.json_text import parse_json
from vernal.common.problems import InputError
from vernal.common.storage import RemotePath, StorageError

BEAT_S = 10.0
_SILENT_BEATS = 3
_SETTLE_S = 1.0


class StorageLock:
    """Holds a lock object until `release`, or until this process ends.

    `beat_s`: seconds between two signs of life; all runs on a folder must use the same.
    """

    def __init__(self, path: Path, beat_s: float = BEAT_S) -> None:
        self._path, self._beat_s = cast(RemotePath, path), beat_s
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lock; one that another run left when it was killed is taken over after a while.

        Raises:
            InputError: another run holds it, or the store fails.
        """
        if not self._path.create(self._content()):
            self._take_over()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give the lock back."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(StorageError, FileNotFoundError):  # it is taken over when it falls silent
            if self._is_ours():
                self._path.unlink(missing_ok=True)

    def _content(self) -> bytes:
        self._beats += 1
        holder = {
            "holder": self._token,
            "beat": self._beats,
            "host": socket.gethostname(),
            "process": os.getpid(),
        }
        return json.dumps(holder).encode()

    def _is_ours(self) -> bool:
        with contextlib.suppress(ValueError, FileNotFoundError):
            return parse_json(self._path.read_bytes(), "The lock").get("holder") == self._token
        return False

    def _take_over(self) -> None:
        seen = self._read()
        ends = time.monotonic() + _SILENT_BEATS * self._beat_s
        while time.monotonic() < ends:
            time.sleep(min(1.0, self._beat_s))
            now = self._read()
            if now is None and self._path.create(self._content()):
                return
            if now != seen:
                raise InputError(
                    f"Another run is at work in {self._path.parent}{_where(now)}. Wait until it ends, or give this "
                    "one a folder of its own with --params=data_root=..."
                )
        self._path.write_bytes(self._content())
        # Where two runs took over at once, the last that wrote has it.
        time.sleep(min(_SETTLE_S, self._beat_s))
        if not self._is_ours():
            raise InputError(f"Another run has just begun in {self._path.parent}. Wait until it ends.")

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_s):
            with contextlib.suppress(StorageError, FileNotFoundError):
                if self._is_ours():
                    self._path.write_bytes(self._content())


def _where(content: bytes | None) -> str:
    try:
        holder = parse_json(content or b"", "The lock")
        return f" (process {holder['process']} on {holder['host']})"
    except (ValueError, KeyError, TypeError):
        return ""
