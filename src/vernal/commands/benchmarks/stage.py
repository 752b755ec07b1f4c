"""Stage 5 at the scale of the original study, from the store to the leaderboard, on made embeddings.

Everything that a run does after embedding is done and timed: training sets are drawn, heads trained, clips scored
from the store, points evaluated, results proved, and all of it written. Each size runs in a process of its own, so
that its memory is its own.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.clips.folds import folds_of
from vernal.commands.benchmarks.made_stage import HARD_NEGATIVES, LOW_QUALITY, prepare, target_folder
from vernal.commands.benchmarks.sides import in_own_process
from vernal.commands.benchmarks.usage import Usage, watched
from vernal.common.files import write_text
from vernal.common.table_files import read_table, write_table
from vernal.proof.near_duplicates import PAIR_COLUMNS, PAIRS, SUMMARY

if TYPE_CHECKING:
    from vernal.commands.targets_training import Listed
    from vernal.evaluation.across import OneTarget
    from vernal.evaluation.stage_results import StageResults
    from vernal.training.train import FitJob

SEEDS = (123, 456, 789)
POINTS_A_SEED = 40
PEER_POINTS = 4


def bench_stage(
    sizes: Sequence[int] = (30, 120),
    workers: int = 2,
    scale: float = 1.0,
    peer_points: int = PEER_POINTS,
    n_targets: int = 0,
    say: Callable[[str], Any] = lambda text: None,
) -> dict[str, Any]:
    """Run stage 5 for several numbers of points, and BirdNET-Analyzer's training for some of them.

    Args:
        sizes: numbers of points; beyond 120 there are more seeds.
        workers: training processes.
        scale: share of the published clips.
        peer_points: points that BirdNET-Analyzer trains, evenly over the stage; 0: none.
        n_targets: also so many targets, each with 120 points; 0: none.
        say: called with what was just measured, in words.
    Returns:
        A dict a size, named `stage5_<points>`: `ours_s` (the whole stage, from the start of Python on), `peer_s`
        (the mean of BirdNET-Analyzer's trainings times the number of points; embedding, scoring and evaluation not
        counted), `ratio`, seconds of each step, and `peak_memory_mb` of all processes together. `targets_<n>` has the
        same of several targets.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-stage-") as name:
        folder = Path(name)
        in_own_process("vernal.commands.benchmarks.stage", "prepare", folder, scale)
        peer_s = (
            in_own_process("vernal.commands.benchmarks.stage", "peer", folder, peer_points)["seconds"]
            if peer_points
            else None
        )
        if peer_s is not None:
            say(f"BirdNET-Analyzer: {peer_s:.1f} s a point")
        results = {}
        for count in sizes:
            found = results[f"stage5_{count}"] = _measured(folder, count, workers, peer_s, peer_points)
            say(f"Vernal: {count} points in {found['ours_s']:.0f} s, {found['peak_memory_mb']:,.0f} MB")
        if n_targets:
            in_own_process(
                "vernal.commands.benchmarks.stage", "prepare", folder / "targets", scale, n_targets
            )
            count = POINTS_A_SEED * len(SEEDS)
            found = _measured(folder / "targets", count, workers, peer_s, peer_points, n_targets)
            results[f"targets_{n_targets}"] = found
            say(f"Vernal: {n_targets} targets in {found['ours_s']:.0f} s, {found['peak_memory_mb']:,.0f} MB")
        return results


def _measured(
    folder: Path, count: int, workers: int, peer_s: float | None, peer_points: int, n_targets: int = 1
) -> dict[str, Any]:
    started = time.perf_counter()
    found = in_own_process("vernal.commands.benchmarks.stage", "run", folder, count, workers, n_targets)
    ours_s = time.perf_counter() - started
    theirs = None if peer_s is None else peer_s * count * n_targets
    return {
        "ours_s": round(ours_s, 3),
        "peer_s": None if theirs is None else round(theirs, 1),
        "ratio": None if theirs is None else round(theirs / ours_s, 1),
        **found,
        "workers": workers,
        "peer_points_trained": peer_points,
        "peer_is": "mean training time of one point x number of points",
    }


def run(folder: Path, count: int, workers: int, n_targets: int = 1) -> dict[str, Any]:
    """Run the stage's nodes one after the other, for each target, writing what a run writes."""
    from vernal.evaluation.across import across_targets

    seconds: dict[str, float] = {}
    with watched() as usage:
        clock = _Clock(seconds, usage)
        targets = [_Target(folder, number, count) for number in range(n_targets)]
        for one in targets:
            one.draw()
        clock.lap("draw")
        if n_targets == 1:
            targets[0].train(workers)
        else:
            _train_together(targets, workers)
        clock.lap("train")
        for one in targets:
            one.score()
            clock.lap("score")
            one.evaluate()
            clock.lap("evaluate")
            one.prove()
            clock.lap("prove")
        if n_targets > 1:
            found = across_targets({one.name: one.results() for one in targets})
            for name, table in found.tables().items():
                write_table(table, folder / "out" / f"{name}.csv")
            clock.lap("together")
        used = usage()
    return {
        "points": count * n_targets,
        "clips": targets[0].n_clips,
        "trained": sum(one.n_models for one in targets),
        "trained_on_folds": sum(one.n_folds for one in targets),
        **{step: round(value, 3) for step, value in seconds.items()},
        "cpu_s": used.cpu_s,
        "peak_memory_mb": used.all_memory_mb,
        "mean_test_ood_auroc": round(float(np.mean([one.mean_auroc for one in targets])), 4),
    }


class _Target:
    """A target's stage, step by step; what it drew, scored and found is on disk, as between the nodes of a run."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        from vernal.evaluation.options import EvaluationOptions
        from vernal.training.fitting import TrainingOptions
        from vernal.training.head_library import HeadLibrary

        self.name = f"target {number + 1}"
        self._inputs, self._out = (
            target_folder(folder, number),
            folder / f"out_{count}" / f"target_{number:02d}",
        )
        self.spec, self.plan = _plan(count)
        self.store, self.heads = EmbeddingStore(folder / "store"), folder / f"out_{count}" / "heads"
        self.library = HeadLibrary(self.heads)
        self.audio, self.training, self.evaluation = (
            EmbeddingOptions(),
            TrainingOptions(),
            EvaluationOptions(),
        )
        self.n_clips = self.n_models = self.n_folds = 0
        self.mean_auroc = float("nan")

    def draw(self) -> None:
        """Training sets of points and of folds."""
        from vernal.training.sets import draw_fold_sets, draw_training_sets

        clips, splits, subsets = _tables(self._inputs)
        sets, self._counts, self._undrawn = draw_training_sets(self.plan, splits, subsets)
        write_table(sets, self._out / "training_sets.parquet")
        copies = pd.DataFrame(columns=["clip_id", "other_clip_id"], dtype="str")
        folds = folds_of(splits, self.evaluation.choose_by)
        fold_sets = draw_fold_sets(self.plan, splits, subsets, copies, folds)
        write_table(fold_sets, self._out / "fold_sets.parquet")
        self.n_clips = len(clips)
        self.n_folds = int(fold_sets.groupby(["fold", "fit_hash"], observed=True).ngroups)

    def train(self, workers: int) -> None:
        """Train its points and folds as the run of one target does."""
        from vernal.pipelines.training.nodes import train_points

        clips, _, _ = _tables(self._inputs)
        sets, fold_sets = self._sets()
        known, audio, options = type(self.library)(self.heads), self.audio, self.training
        for results in train_points(
            self.plan, sets, fold_sets, clips, self.store, known, audio, options, workers
        ):
            self.library.add(results)

    def listed(self) -> "Listed":
        """What it trains, for the training of all targets together."""
        from vernal.commands.targets_training import Listed
        from vernal.training.fitting import fits_of_stage

        clips, _, _ = _tables(self._inputs)
        sets, folds = self._sets()
        backend = self.training.backend
        heads, points = fits_of_stage(self.plan, sets, folds, clips, self.audio, backend, self.library.keys())
        return Listed(heads, points, clips)

    def score(self) -> None:
        """Score clips with every point, and folds with the heads that trained without them."""
        from vernal.pipelines.evaluation.nodes import score_folds, score_points
        from vernal.training.models import save_model

        clips, splits, _ = _tables(self._inputs)
        sets, fold_sets = self._sets()
        store, library, audio, options = self.store, self.library, self.audio, self.training
        scores, self._models, self._failures, references = score_points(
            self.plan, sets, self._undrawn, clips, splits, store, library, audio, options, "bench"
        )
        if len(self._failures):
            raise RuntimeError(f"{len(self._failures)} points failed: {self._failures.message.iloc[0]}")
        write_table(scores, self._out / "scores.parquet")
        fold_scores = score_folds(
            self.plan, fold_sets, clips, splits, store, library, audio, options, self.evaluation
        )
        write_table(fold_scores, self._out / "fold_scores.parquet")
        write_table(references, self._out / "reference_scores.parquet")
        for name, model in self._models.items():
            save_model(self._out / "models" / name, model)
        self.n_models = len(self._models)

    def evaluate(self) -> None:
        """Everything that is found in the scores."""
        from vernal.pipelines.evaluation.nodes import evaluate_points

        names = ("scores", "fold_scores", "reference_scores")
        scores, fold_scores, references = (read_table(self._out / f"{name}.parquet") for name in names)
        _, splits, _ = _tables(self._inputs)
        _, _, _, self._found, _ = evaluate_points(
            self.plan, scores, fold_scores, references, splits, self._counts, self._models, self._failures,
            self.spec, "bench", self.evaluation, None, {},
        )  # fmt: skip
        for name, table in self._found.items():
            write_table(table, self._out / "evaluation" / f"{name}.parquet")
        self.mean_auroc = float(self._found["points"].test_ood_auroc.astype(float).mean())

    def prove(self) -> None:
        """The certificate and the cards; afterwards the models are let go."""
        from vernal.pipelines.proof.nodes import prove
        from vernal.proof.options import ProofOptions

        clips, splits, subsets = _tables(self._inputs)
        scores, sets = read_table(self._out / "scores.parquet"), self._sets()[0]
        miner_clips = splits[(splits.split == "train") & (splits.quality != "low")]
        certificate, *_ = prove(
            self._results(), scores, self._models, sets, self.store, clips, splits, pd.DataFrame(columns=["reason"]),
            subsets, miner_clips, _no_pairs(len(splits)), self.audio, ProofOptions(),
        )  # fmt: skip
        write_text(self._out / "certificate.json", json.dumps(certificate))
        self._models = {}

    def results(self) -> "OneTarget":
        """What was found, for the tables of all targets."""
        from vernal.evaluation.across import OneTarget

        _, splits, _ = _tables(self._inputs)
        return OneTarget(self._results(), read_table(self._out / "scores.parquet"), splits)

    def _results(self) -> "StageResults":
        from vernal.evaluation.stage_results import StageResults

        found = self._found
        asked = (found["points"], found["leaderboard"], found["effects"], found, self._failures)
        return StageResults(self.spec, self.name, self.plan, *asked, self.evaluation, False)

    def _sets(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return read_table(self._out / "training_sets.parquet"), read_table(self._out / "fold_sets.parquet")


def _train_together(targets: Sequence[_Target], workers: int) -> None:
    """Train as a run of several targets does."""
    from vernal.commands.targets_training import train_listed

    one = targets[0]
    train_listed((other.listed() for other in targets), one.store, one.library, one.training, workers)


class _Clock:
    """Adds the seconds since the last lap to a step's, and those of processors where the system tells."""

    def __init__(self, seconds: dict[str, float], usage: Callable[[], Usage]) -> None:
        self._seconds, self._usage = seconds, usage
        self._last = self._now()

    def lap(self, step: str) -> None:
        now = self._now()
        for kind, value in now.items():
            name = f"{step}_{kind}"
            self._seconds[name] = self._seconds.get(name, 0.0) + value - self._last[kind]
        self._last = now

    def _now(self) -> dict[str, float]:
        cpu_s = self._usage().cpu_s
        return {"s": time.perf_counter()} | ({} if cpu_s is None else {"cpu_s": cpu_s})


def _no_pairs(n_windows: int) -> dict[str, pd.DataFrame]:
    """What a search for near-duplicates leaves that finds none; made clips have no sound to search."""
    summary = pd.DataFrame([{"key": "bench", "n_windows": n_windows, "n_close_pairs": 0}])
    return {PAIRS: pd.DataFrame(columns=list(PAIR_COLUMNS)), SUMMARY: summary}


def _plan(count: int) -> tuple[Any, pd.DataFrame]:
    """The first points of stage 5, with more seeds where it has fewer."""
    from vernal.sweeps.plans import resolve_points
    from vernal.sweeps.spec import parse_spec

    n_seeds = -(-count // POINTS_A_SEED)
    seeds = [*SEEDS, *range(1_000, 1_000 + max(0, n_seeds - len(SEEDS)))][:n_seeds]
    axes = {
        "seed": seeds,
        "quality": [["high", "medium"]],
        "balance": [True, False],
        "positive_subsets": [[], *([f"bestLowQuality/{name}"] for name in LOW_QUALITY)],
        "negative_subsets": [[], *([f"hardNeg/{name}"] for name in HARD_NEGATIVES)],
    }
    spec = parse_spec({"stage": "stage5", "axes": axes, "base_params": {"epochs": 50}}, "the benchmark")
    plan = resolve_points(spec, {}).head(count)
    return spec, plan.assign(is_selected=True)


def _tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    curated = folder / "curated"
    subsets = {
        file.relative_to(curated).with_suffix("").as_posix(): read_table(file)
        for file in sorted(curated.rglob("*.parquet"))
    }
    return read_table(folder / "clips.parquet"), read_table(folder / "splits.parquet"), subsets


def peer(folder: Path, count: int) -> dict[str, Any]:
    """Seconds that BirdNET-Analyzer needs for one point on average, of `count` spread evenly over the stage."""
    from vernal.training.birdnet_analyzer import timed_jobs

    _, plan = _plan(POINTS_A_SEED)
    chosen = plan.iloc[np.linspace(0, len(plan) - 1, count).round().astype(int)]
    x, jobs = _peer_jobs(folder, chosen)
    seconds = [clock for _, (clock, _) in timed_jobs(x, jobs, one_thread=False)]
    return {"seconds": float(np.mean(seconds))}


def _peer_jobs(folder: Path, plan: pd.DataFrame) -> "tuple[np.ndarray, list[FitJob]]":
    """Embeddings, and the same training sets as ours as rows of them; a made clip is one window."""
    from vernal.training.rules import HeadOptions
    from vernal.training.sets import FIT, draw_training_sets
    from vernal.training.train import FitJob

    clips, splits, subsets = _tables(target_folder(folder, 0))
    windows = plan_windows(clips, EmbeddingOptions())
    row_of = pd.Series(np.arange(len(windows)), index=windows.clip_id)
    sets, _, _ = draw_training_sets(plan, splits, subsets)
    jobs = []
    for point in plan.drop_duplicates("fit_hash").to_dict("records"):
        drawn = sets[sets.fit_hash == point["fit_hash"]]
        parts = (drawn[drawn.role == FIT], drawn[drawn.role != FIT])
        arrays = [
            array
            for part in parts
            for array in (row_of[part.clip_id].to_numpy(), part.is_positive.to_numpy(np.float32))
        ]
        jobs.append(FitJob(point["point"], point["seed"], HeadOptions(epochs=point["epochs"]), *arrays))
    return EmbeddingStore(folder / "store").load(EmbeddingOptions(), windows.key), jobs


def main(step: str, folder: str, *arguments: str) -> None:
    """Entry of each step's own process."""
    place = Path(folder)
    if step == "prepare":
        found = prepare(place, float(arguments[0]), *map(int, arguments[1:]))
    elif step == "peer":
        found = peer(place, int(arguments[0]))
    else:
        found = run(place, *map(int, arguments))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
