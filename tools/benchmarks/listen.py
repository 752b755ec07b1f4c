"""What a round of listening costs: a search for examples, a fit, and the ranking of every window.

Embeddings are sums of a background and an event, of some thousand each, so that millions need not be stored: 10
million are 41 GB. What stands for the disk makes an embedding when it is read; sketches are files, as in use.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.sketch import N_SAMPLED, fit_basis
from vernal.audio.embedding.window_index import WindowIndex, lengths_of
from vernal.collection.listening import LIKELY, LoopOptions, choose_batch, fit_detector
from vernal.commands.benchmarks.sides import in_own_process
from vernal.commands.benchmarks.usage import watched
from vernal.web.review.similarity import SimilarityIndex

N_DIMS = 1_024
_DECAY = 1.2  # variance of axis k is as k to minus this: 128 axes hold 85 % of it, as of BirdNET's
_FEWEST = 2_048  # backgrounds and events, or they would vary along fewer axes than sounds do
_DECIDED, _FOUND, _REPEATS, _BLOCK = 200, 20, 5, 100_000
Float = NDArray[np.float32]


def bench_listen(n_windows: int) -> dict[str, Any]:
    """Search and rank so many windows, in a Python of its own, and say what that took."""
    return in_own_process("tools.benchmarks.listen", n_windows)


@dataclass(frozen=True, eq=False)
class MadeEmbeddings:
    """Embeddings (n, n_dims) that are made where they are asked for."""

    backgrounds: Float
    events: Float
    n: int

    def __len__(self) -> int:
        return self.n

    @property
    def shape(self) -> tuple[int, int]:
        """As of an array."""
        return self.n, self.backgrounds.shape[1]

    def __getitem__(self, rows: Any) -> Float:
        numbers = np.arange(self.n)[rows] if isinstance(rows, slice) else np.asarray(rows)
        background, event = self._parts(numbers)
        return self.backgrounds[background] + self.events[event]

    def _parts(self, numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which two make each; no pair comes twice, and few windows have as many of each as they can."""
        times, background = np.divmod(numbers, len(self.events))
        return background, (times + background) % len(self.events)

    def products(self, weights: Float) -> Float:
        """(n,) exact ones, without making any embedding."""
        background, event = self._parts(np.arange(self.n))
        return (self.backgrounds @ weights)[background] + (self.events @ weights)[event]


def make_embeddings(n: int, n_dims: int = N_DIMS) -> MadeEmbeddings:
    """So many embeddings, of which the axes of most variance are not those of the values."""
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.standard_normal((n_dims, n_dims)))[0]
    spread = np.arange(1, n_dims + 1) ** (-_DECAY / 2)
    side = max(_FEWEST, int(np.ceil(np.sqrt(n))))
    backgrounds, events = (
        (rng.standard_normal((side, n_dims)) * spread @ turned).astype(np.float32) for _ in range(2)
    )
    return MadeEmbeddings(backgrounds, events + np.float32(0.2), n)


def make_windows(vectors: MadeEmbeddings, folder: Path) -> WindowIndex:
    """An index of windows whose sketches are a file in a folder."""
    n = len(vectors)
    basis = fit_basis(vectors[np.linspace(0, n - 1, min(n, N_SAMPLED)).astype(np.intp)])
    codes = np.lib.format.open_memmap(folder / "codes.npy", "w+", np.int8, (n, basis.axes.shape[1]))
    lengths = np.empty(n, dtype=np.float32)
    for first in range(0, n, _BLOCK):
        rows = slice(first, min(first + _BLOCK, n))
        block = vectors[rows]
        codes[rows], lengths[rows] = basis.sketch(block), lengths_of(block)
    codes.flush()
    kept = np.load(folder / "codes.npy", mmap_mode="r")
    return WindowIndex([vectors], lengths, np.empty(0, "S1"), [kept], basis)


def measure(vectors: MadeEmbeddings, windows: WindowIndex) -> dict[str, Any]:
    """What a search, a fit and a ranking take, and which share of the truly best they found."""
    n, rng = len(vectors), np.random.default_rng(1)
    index = SimilarityIndex(np.char.mod("%016x", np.arange(n)), windows)
    decided = rng.choice(n, _DECIDED, replace=False)
    x = vectors[decided]
    likeness = x @ x[0]
    y = likeness > np.quantile(likeness, 0.9)
    order, is_open = rng.permutation(n), np.ones(n, dtype=bool)
    is_open[decided] = False
    detector = fit_detector(x, y, x[:0])
    ranking = (detector.weights, detector.bias)
    options = LoopOptions(likely=0.5, uncertain=0.375)

    def next_batch() -> pd.DataFrame:
        exact = partial(index.exact_linear_scores, *ranking)
        return choose_batch(index.linear_scores(*ranking), is_open, order, options, exact)

    search, found = _timed("search", lambda: index.nearest_to(x[:3], _FOUND))
    fit, _ = _timed("fit", lambda: fit_detector(x, y, x[:0]))
    rank, batch = _timed("rank", next_batch)
    unit = x[:3] / lengths_of(x[:3])[:, None]
    cosines = np.max([vectors.products(one) for one in unit], axis=0) / windows.lengths
    likely = batch[batch.chosen_by == LIKELY].row
    scores = np.where(is_open, vectors.products(detector.weights.astype(np.float32)), -np.inf)
    return {
        "n_windows": n,
        **search,
        **fit,
        **rank,
        "search_recall": _recall(cosines, found.clip_id.map(partial(int, base=16))),
        "likely_recall": _recall(scores, likely),
    }


def _timed(name: str, run: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Median seconds and processor seconds of some calls after a first one, and what the last one gave."""
    run()
    spent = []
    for _ in range(_REPEATS):
        began, began_cpu = time.perf_counter(), time.process_time()
        result = run()
        spent.append((time.perf_counter() - began, time.process_time() - began_cpu))
    seconds, cpu_s = np.round(np.median(spent, axis=0), 4).tolist()
    return {f"{name}_s": seconds, f"{name}_cpu_s": cpu_s}, result


def _recall(values: Float, found: pd.Series) -> float:
    """Share of the rows of the highest values that were found, as many as were."""
    best = np.argpartition(-values, len(found))[: len(found)]
    return float(np.isin(best, found).mean())


def _run(n_windows: int) -> dict[str, Any]:
    vectors = make_embeddings(n_windows)
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as folder, watched() as usage:
        began = time.perf_counter()
        windows = make_windows(vectors, Path(folder))
        build_s = round(time.perf_counter() - began, 3)
        measured = measure(vectors, windows)
        used = usage()
        del windows
    return {**measured, "build_s": build_s, "main_memory_mb": used.main_memory_mb}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(_run(int(sys.argv[1]))) + "\n")
