"""JSON that somebody else may have written: read within bounds, and refused in one sentence.

Python reads numbers of thousands of digits, which no column holds, and gives up on deep nesting with an error that is
no mistake in a value.
"""

import json
import math
from pathlib import Path
from typing import Any

from vernal.common.problems import InputError

MAX_DEPTH = 100
_MOST_DIGITS = 19  # of a 64-bit number
MOST_BYTES = 64 * 1024**2


def parse_json(text: str | bytes, where: str) -> Any:
    """What JSON says.

    Args:
        where: how the message calls the text, as `log.jsonl line 3`.
    Raises:
        InputError: it is no JSON, nests more than `MAX_DEPTH` deep, or holds a number that no column could.

    >>> parse_json('{"a": [1, 2.5]}', "x.json")
    {'a': [1, 2.5]}
    >>> parse_json("[" * 5000, "x.json")
    Traceback (most recent call last):
    ...
    vernal.common.problems.InputError: x.json cannot be read as JSON: it nests more than 100 deep
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        found = json.loads(text, parse_int=_whole, parse_float=_finite)
        if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(found):
            raise RecursionError
    except RecursionError:
        reason = f"it nests more than {MAX_DEPTH} deep"
        raise InputError(f"{where} cannot be read as JSON: {reason}") from None
    except ValueError as error:
        raise InputError(f"{where} cannot be read as JSON: {error}") from error
    return found


def read_json(path: Path) -> Any:
    """What a JSON file in UTF-8 says.

    Raises:
        InputError: as `parse_json`, or the file has more than `MOST_BYTES`, more than any record.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} cannot be read as JSON: it has more than {MOST_BYTES:,} bytes")
    return parse_json(content, str(path))


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"it holds a number that is too large: {text[:20]}")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, dict | list) for value in level)
