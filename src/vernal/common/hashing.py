"""Hashes and seeds: how things are named by what they are, and how every draw is derived.

A hash here is of content in a canonical spelling, the same on every system and in every process.
A random generator is derived from a seed and the purpose of the draw, so that two draws of one seed do
not share numbers and adding a draw changes no other.
"""

import hashlib
import json
from typing import Any

import numpy as np


def canonical_json(value: Any) -> str:
    """Spell a value of dicts, lists, text, numbers, booleans and None in exactly one way.

    Whole floats become integers, so that `0` and `0.0` agree; keys are sorted.

    >>> canonical_json({"b": 1.0, "a": [0.25, None]})
    '{"a":[0.25,null],"b":1}'
    """
    return json.dumps(
        _canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def digest(*parts: Any, length: int = 16) -> str:
    """Hex hash of the canonical spelling of `parts`; `length` hex digits of SHA-256.

    >>> digest("a", 1) == digest("a", 1.0)
    True
    """
    return hashlib.sha256(canonical_json(list(parts)).encode("utf-8")).hexdigest()[:length]


def unit_hash(*parts: Any) -> float:
    """Map `parts` to a number in [0, 1) that looks uniform and never changes.

    >>> 0 <= unit_hash("Moth08", "2025-04-03") < 1
    True
    """
    return int(digest(*parts, length=13), 16) / 16**13


def rng_for(seed: int, *purpose: Any) -> np.random.Generator:
    """A generator for one purpose of one seed.

    >>> bool(rng_for(1, "balance").random() == rng_for(1, "balance").random())
    True
    """
    words = hashlib.sha256(canonical_json([seed, *purpose]).encode("utf-8")).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(words[:16], dtype="<u8")))
