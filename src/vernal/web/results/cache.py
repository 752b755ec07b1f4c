"""What was read or computed for a page, kept until a file that it was made from changes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

_KEPT = 24


class Cache:
    """The last few values by name, each with the stamp it was made under. Safe to use from several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._values: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, name: Hashable, stamp: Hashable, make: Callable[[], Any]) -> Any:
        """The value of a name; made anew when there is none under this stamp."""
        with self._lock:
            known = self._values.get(name)
            if known is None or known[0] != stamp:
                self._values[name] = known = (stamp, make())
            self._values.move_to_end(name)
            while len(self._values) > self._kept:
                self._values.popitem(last=False)
            return known[1]
