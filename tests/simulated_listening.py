"""How many labels a loop of listening needs: mixtures, uncertainty alone, the likeliest alone, and random choice.

Clips whose labels are known play the unlabelled season, and answer as a reviewer would. Three positives begin; after
each batch of 20 the detector is fitted and tested on clips of a third of the recordings, which each seed holds out
anew. The goal is 95 % of the average precision that labels of all clips to choose from give. Where more than a tenth
of these are positive, as in no season, each seed leaves most of the positives out.

`python -m tests.simulated_listening NAME=DATA_FOLDER ...` prints the tables of docs/simulated.md from the data folders of
runs, and with `--picture FILE` draws it. `NAME=field:DATA_FOLDER` takes the unlabelled recordings of a demo season.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import plan_windows
from vernal.clips.synthesis.mixing import call_starts_s
from vernal.clips.synthesis.options import SeasonOptions
from vernal.collection.listening import LoopOptions, choose_batch, fit_detector, random_order
from vernal.common.hashing import rng_for
from vernal.common.table_files import read_table
from vernal.evaluation.metrics import average_precision

STRATEGIES = {
    "random choice": (0, 0, 1),
    "uncertainty alone": (0, 1, 0),
    "likeliest alone": (1, 0, 0),
    "half likely, half uncertain": (1, 1, 0),
    "uncertain, an eighth random": (0, 7, 1),
    "likely, an eighth random": (7, 0, 1),
    "likely and uncertain alike, an eighth random": (7, 7, 2),
    "likely and uncertain alike, a quarter random": (3, 3, 2),
}
N_SEEDS, N_EXAMPLES, N_ROUNDS, MOST_POSITIVE, REACHED = 20, 3, 10, 0.1, 0.95


@dataclass(frozen=True, eq=False)
class Season:
    """Embeddings (n, n_dims), labels, recordings and names of clips."""

    x: NDArray
    y: NDArray
    groups: NDArray
    names: NDArray

    def part(self, rows: NDArray) -> Season:
        """The clips at these rows."""
        return Season(self.x[rows], self.y[rows], self.groups[rows], self.names[rows])

    def deal(self, seed: int) -> tuple[Season, Season]:
        """Clips to choose from, and clips of other recordings to test on."""
        rng = rng_for(seed, "season")
        names = np.unique(self.groups)
        is_test = np.zeros(len(self.y), dtype=bool)
        while not self.y[is_test].any() or self.y[~is_test].sum() <= N_EXAMPLES:
            is_test = np.isin(self.groups, rng.permutation(names)[: len(names) // 3])
        positive, negative = np.flatnonzero(self.y & ~is_test), np.flatnonzero(~self.y & ~is_test)
        most = round(len(negative) * MOST_POSITIVE / (1 - MOST_POSITIVE))
        rows = np.sort(np.concatenate([negative, rng.permutation(positive)[:most]]))
        return self.part(rows), self.part(np.flatnonzero(is_test))


def read_season(root: Path) -> Season:
    """The labelled clips and field negatives of a run."""
    known = read_table(root / "03_primary/splits.parquet")
    clips = read_table(root / "03_primary/all_clips.parquet")
    table = pd.concat([known, clips[clips.source == "field"]], ignore_index=True)
    return embedded(root, table)


def read_field_hours(root: Path) -> Season:
    """The demo season's unlabelled recordings, with the truth that they were made from."""
    table = read_table(root / "02_intermediate/clips.parquet")
    table = table[table.source == "unlabelled"].reset_index(drop=True)
    plans = read_table(root / "01_raw/demo/unlabelled.parquet").to_dict("records")
    starts = {
        plan["file_path"]: call_starts_s(plan | {"file_path": plan["sound"]}, SeasonOptions())
        for plan in plans
    }
    y = [start_s in starts[path] for path, start_s in zip(table.file_path, table.start_s, strict=True)]
    return embedded(root, table.assign(is_positive=y))


def embedded(root: Path, table: pd.DataFrame) -> Season:
    """Clips with `is_positive` and their embeddings in a run's store; of each the first window."""
    options = EmbeddingOptions()
    windows = plan_windows(table, options).drop_duplicates("clip_id")
    x = EmbeddingStore(root / "04_feature/embeddings").load(options, windows.key)
    table = table.set_index("clip_id").loc[windows.clip_id]
    y, groups = table.is_positive.to_numpy(dtype=bool), table.content_hash.to_numpy(dtype=str)
    return Season(x, y, groups, windows.clip_id.to_numpy(dtype=str))


def learn(season: Season, test: Season, options: LoopOptions) -> list[float]:
    """Average precision on the test clips with the examples alone and after each batch."""
    names = [str(row) for row in range(len(season.y))]
    order = random_order(names, options.seed)
    presumed_rows = rng_for(options.seed, "presumed").permutation(len(names))[:50]
    is_decided = np.zeros(len(names), dtype=bool)
    is_decided[rng_for(options.seed, "examples").permutation(np.flatnonzero(season.y))[:N_EXAMPLES]] = True
    found = []
    for _ in range(N_ROUNDS + 1):
        rows = np.flatnonzero(is_decided)
        presumed = season.x[presumed_rows[~is_decided[presumed_rows]]]
        detector = fit_detector(season.x[rows], season.y[rows], presumed)
        found.append(average_precision(detector.logits(test.x), test.y))
        batch = choose_batch(detector.logits(season.x), ~is_decided, order, options)
        is_decided[batch.row] = True
    return found


def labels_needed(curves: NDArray, goal: NDArray, batch: int) -> NDArray:
    """(n_seeds,) decisions until a curve (n_seeds, n_rounds) reaches its goal for good; one batch more where it never does."""
    is_below = curves < goal[:, None]
    return batch * np.array([below.nonzero()[0].max(initial=-1) + 1 for below in is_below])


def study(season: Season, say: Callable[[str], object] = print) -> dict[str, NDArray]:
    """The curve of every strategy: (n_seeds, n_rounds), and of all labels, `goal` (n_seeds,)."""
    curves: dict[str, NDArray] = {}
    dealt = [season.deal(seed) for seed in range(N_SEEDS)]
    whole = [fit_detector(pool.x, pool.y, pool.x[:0]).logits(test.x) for pool, test in dealt]
    found = [average_precision(scores, test.y) for scores, (_, test) in zip(whole, dealt, strict=True)]
    curves["goal"] = REACHED * np.array(found)
    for name, (likely, uncertain, random) in STRATEGIES.items():
        mixed = {"likely": likely, "uncertain": uncertain, "random": random}
        curves[name] = np.array(
            [learn(*parts, LoopOptions(**mixed, seed=seed)) for seed, parts in enumerate(dealt)]
        )
        say(f"  {name}")
    return curves


def mean_interval(values: NDArray) -> tuple[float, float, float]:
    """Mean over seeds and the 95 % interval of it, bootstrapped."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2_000, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def tables_of(studies: dict[str, dict[str, NDArray]], batch: int = 20) -> list[str]:
    """Lines of two Markdown tables, a column for each data set: decisions needed, and average precision after 100."""
    lines = _table("decisions needed", studies, lambda curves, strategy: _needed(curves, strategy, batch))
    return [
        *lines,
        "",
        *_table(
            "average precision after 100", studies, lambda curves, strategy: _reached(curves, strategy, batch)
        ),
    ]


def _table(
    title: str, studies: dict[str, dict[str, NDArray]], cell: Callable[[dict[str, NDArray], str], str]
) -> list[str]:
    rows = [[strategy, *(cell(curves, strategy) for curves in studies.values())] for strategy in STRATEGIES]
    return ["| " + " | ".join(row) + " |" for row in [[title, *studies], ["---"] * (len(studies) + 1), *rows]]


def _needed(curves: dict[str, NDArray], strategy: str, batch: int) -> str:
    needed = labels_needed(curves[strategy], curves["goal"], batch)
    mean, low, high = mean_interval(needed.astype(float))
    return f"{mean:.0f} ({low:.0f} to {high:.0f})"


def _reached(curves: dict[str, NDArray], strategy: str, batch: int) -> str:
    mean, low, high = mean_interval(curves[strategy][:, 100 // batch])
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def draw(studies: dict[str, dict[str, NDArray]], path: Path) -> None:
    """Average precision by decisions, one panel a data set."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(studies), figsize=(4.2 * len(studies), 3.6), layout="constrained")
    for panel, (name, curves) in zip(np.atleast_1d(panels), studies.items(), strict=True):
        for strategy in STRATEGIES:
            mean = curves[strategy].mean(axis=0)
            panel.plot(20 * np.arange(len(mean)), mean, label=strategy)
        panel.axhline(curves["goal"].mean(), color="grey", linestyle=":", label="95 % of all labels")
        panel.set(title=name, xlabel="decisions", ylabel="average precision")
    np.atleast_1d(panels)[0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(arguments: list[str]) -> None:
    """Print the tables of the data folders named, and draw it where asked."""
    picture = Path(arguments[arguments.index("--picture") + 1]) if "--picture" in arguments else None
    studies = {}
    for argument in arguments:
        name, is_folder, folder = argument.partition("=")
        if is_folder:
            print(name, file=sys.stderr)
            kind, is_field, root = folder.rpartition("field:")
            season = read_field_hours(Path(root)) if is_field and not kind else read_season(Path(folder))
            studies[name] = study(season, lambda line: print(line, file=sys.stderr))
    print("\n".join(tables_of(studies)))
    if picture is not None:
        draw(studies, picture)


if __name__ == "__main__":
    main(sys.argv[1:])
