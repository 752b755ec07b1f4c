"""Stage 5 at the scale of the original study, from the store to the leaderboard, on made embeddings.

Everything that a run does after embedding is done and timed: training sets are drawn, heads trained, clips scored
from the store, points evaluated, and all of it written. Each size runs in a process of its own, so that its
memory is its own.
"""

from __future__ import annotations

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
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart, plan_windows
from vernal.clips.folds import folds_of
from vernal.commands.benchmarks import train as bench_train
from vernal.commands.benchmarks.sides import in_own_process
from vernal.commands.benchmarks.usage import watched
from vernal.common.hashing import digest, rng_for
from vernal.common.table_files import read_table, write_table

if TYPE_CHECKING:
    from vernal.training.train import FitJob

# Curated subsets of the study's stage 5, in the order of `bench_train`'s counts.
LOW_QUALITY = ("large", "medium", "small", "top50")
HARD_NEGATIVES = ("hardneg_conf_min_50", "hardneg_conf_min_99", "hardneg_conf_min_85")
SEEDS = (123, 456, 789)
POINTS_A_SEED = 40
PEER_POINTS = 4
_RECORDERS, _SITES, _NIGHTS, _HELD_OUT_NIGHTS = 12, 4, 10, 4
_PART = 2_048


def bench_stage(
    sizes: Sequence[int] = (30, 120),
    workers: int = 2,
    scale: float = 1.0,
    peer_points: int = PEER_POINTS,
    say: Callable[[str], Any] = lambda text: None,
) -> dict[str, Any]:
    """Run stage 5 for several numbers of points, and BirdNET-Analyzer's training for some of them.

    Args:
        sizes: numbers of points; beyond 120 there are more seeds.
        workers: training processes.
        scale: share of the published clips.
        peer_points: points that BirdNET-Analyzer trains, evenly over the stage; 0: none.
        say: called with what was just measured, in words.
    Returns:
        A dict a size, named `stage5_<points>`: `ours_s` (the whole stage, from the start of Python on), `peer_s`
        (the mean of BirdNET-Analyzer's trainings times the number of points; embedding, scoring and evaluation not
        counted), `ratio`, seconds of each step, and `peak_memory_mb` of all processes together.
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
        return results


def _measured(
    folder: Path, count: int, workers: int, peer_s: float | None, peer_points: int
) -> dict[str, Any]:
    started = time.perf_counter()
    found = in_own_process("vernal.commands.benchmarks.stage", "run", folder, count, workers)
    ours_s = time.perf_counter() - started
    theirs = None if peer_s is None else peer_s * count
    return {
        "ours_s": round(ours_s, 3),
        "peer_s": None if theirs is None else round(theirs, 1),
        "ratio": None if theirs is None else round(theirs / ours_s, 1),
        **found,
        "workers": workers,
        "peer_points_trained": peer_points,
        "peer_is": "mean training time of one point x number of points",
    }


# A run's inputs, made ------------------------------------------------------------------------------


def prepare(folder: Path, scale: float = 1.0) -> dict[str, Any]:
    """Write tables and a store as a run has them when its audio is embedded."""
    stage = bench_train.published_stage(scale)
    clips = _clips(stage)
    write_table(clips.drop(columns="origin"), folder / "clips.parquet")
    splits = clips[clips.split.notna()].drop(columns="origin")
    write_table(splits, folder / "splits.parquet")
    for name, members in _subsets(stage).items():
        write_table(
            clips.iloc[members].assign(subset=name, split=np.nan), folder / "curated" / f"{name}.parquet"
        )
    options, store = EmbeddingOptions(), EmbeddingStore(folder / "store")
    windows = plan_windows(clips, options)
    row_of = dict(zip(clips.clip_id, range(len(clips)), strict=True))
    vectors = stage.x[[row_of[clip] for clip in windows.clip_id]]
    for start in range(0, len(windows), _PART):
        stop = start + _PART
        rows = windows.iloc[start:stop][["key", "content_hash", "start_s", "end_s"]].reset_index(drop=True)
        store.append(EmbeddingPart(options, rows, vectors[start:stop], pd.DataFrame()))
    return {"clips": len(clips)}


def _clips(stage: bench_train.PublishedStage) -> pd.DataFrame:
    """Every clip as ingest and splitting leave it; curated negatives are field clips without a split."""
    n = len(stage.x)
    rng = rng_for(5, "bench", "clips")
    split = pd.Series([None] * n, dtype="str")
    for name, rows in stage.splits.items():
        split[rows] = name
    is_positive = pd.Series(stage.kinds != "negative")
    # Sites of test_ood are held out whole.
    recorder = rng.integers(0, _RECORDERS - 2, n) + 2
    recorder[split == "test_ood"] = rng.integers(0, 2, int((split == "test_ood").sum()))
    # No night of a recorder is in two splits; curated clips are of nights that train.
    first = split.map({"val": _NIGHTS, "test_iid": _NIGHTS + _HELD_OUT_NIGHTS}).fillna(0).astype(int)
    night = first + rng.integers(0, np.where(first > 0, _HELD_OUT_NIGHTS, _NIGHTS))
    ids = [digest("bench clip", number) for number in range(n)]
    source = np.where(split.isna(), "field", "labelled")
    return pd.DataFrame(
        {
            "clip_id": ids,
            "content_hash": [digest("bench content", number, length=64) for number in range(n)],
            "source": source,
            "file_path": [f"{name}.wav" for name in ids],
            "label": np.where(is_positive, "positive", "negative"),
            "is_positive": is_positive,
            "quality": pd.Series(stage.kinds, dtype="str").where(is_positive),
            "call_type": pd.Series(rng.choice(["grunt", "growl", "both"], n), dtype="str").where(is_positive),
            # The first two recorders are alone at their site.
            "site": [f"site{0 if value < 2 else 1 + (value - 2) % (_SITES - 1)}" for value in recorder],
            "recorder_id": [f"R{value:02d}" for value in recorder],
            "date": [f"2025-03-{value + 1:02d}" for value in night],
            "night": [f"2025-03-{value + 1:02d}" for value in night],
            "group": pd.Series([None] * n, dtype="str"),
            "split": split,
            "start_s": np.nan,
            "end_s": np.nan,
            "duration_s": 3.0,
            "sample_rate_hz": 48_000,
            "channels": 1,
            "origin": "mined",
        }
    )


def _subsets(stage: bench_train.PublishedStage) -> dict[str, np.ndarray]:
    low = {
        f"bestLowQuality/{name}": rows for name, rows in zip(LOW_QUALITY, stage.low_quality[1:], strict=True)
    }
    hard = {
        f"hardNeg/{name}": rows for name, rows in zip(HARD_NEGATIVES, stage.hard_negatives[1:], strict=True)
    }
    return low | hard


# One side's own process -----------------------------------------------------------------------------


def run(folder: Path, count: int, workers: int) -> dict[str, Any]:
    """Run the stage's nodes one after the other, writing what a run writes."""
    from vernal.evaluation.evaluate import EvaluationOptions
    from vernal.pipelines.evaluation.nodes import evaluate_points, score_folds, score_points
    from vernal.pipelines.training.nodes import train_points
    from vernal.training.fitting import TrainingOptions
    from vernal.training.head_library import HeadLibrary
    from vernal.training.models import save_model
    from vernal.training.sets import draw_fold_sets, draw_training_sets

    out = folder / f"out_{count}"
    seconds: dict[str, float] = {}
    with watched() as usage:
        clock = _Clock(seconds)
        spec, plan = _plan(count)
        clips, splits, subsets = _tables(folder)
        store, library = EmbeddingStore(folder / "store"), HeadLibrary(out / "heads")
        audio, options = EmbeddingOptions(), TrainingOptions()
        sets, counts, undrawn = draw_training_sets(plan, splits, subsets)
        write_table(sets, out / "training_sets.parquet")
        evaluation = EvaluationOptions()
        copies = pd.DataFrame(columns=["clip_id", "other_clip_id"], dtype="str")
        folds = folds_of(splits, evaluation.choose_by)
        fold_sets = draw_fold_sets(plan, splits, subsets, copies, folds)
        write_table(fold_sets, out / "fold_sets.parquet")
        clock.lap("draw_s")
        for results in train_points(
            plan, sets, fold_sets, clips, store, HeadLibrary(out / "heads"), audio, options, workers
        ):
            library.add(results)
        clock.lap("train_s")
        scores, models, failures, references = score_points(
            plan, sets, undrawn, clips, splits, store, library, audio, options, "bench"
        )
        if len(failures):
            raise RuntimeError(f"{len(failures)} points failed: {failures.message.iloc[0]}")
        write_table(scores, out / "scores.parquet")
        fold_scores = score_folds(plan, fold_sets, clips, splits, store, library, audio, options, evaluation)
        write_table(fold_scores, out / "fold_scores.parquet")
        write_table(references, out / "reference_scores.parquet")
        for name, model in models.items():
            save_model(out / "models" / name, model)
        clock.lap("score_s")
        _, _, _, tables, _ = evaluate_points(
            plan,
            scores,
            fold_scores,
            references,
            splits,
            counts,
            models,
            failures,
            spec,
            "bench",
            evaluation,
            None,
            {},
        )
        for name, table in tables.items():
            write_table(table, out / "evaluation" / f"{name}.parquet")
        clock.lap("evaluate_s")
        used = usage()
    points = tables["points"]
    return {
        "points": count,
        "clips": len(clips),
        "trained": len(models),
        "trained_on_folds": int(fold_sets.groupby(["fold", "fit_hash"], observed=True).ngroups),
        **{step: round(value, 3) for step, value in seconds.items()},
        "cpu_s": used.cpu_s,
        "peak_memory_mb": used.all_memory_mb,
        "mean_test_ood_auroc": round(float(points.test_ood_auroc.astype(float).mean()), 4),
    }


class _Clock:
    """Notes the seconds since the last lap."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self._seconds[step], self._last = now - self._last, now


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


def _peer_jobs(folder: Path, plan: pd.DataFrame) -> tuple[np.ndarray, list[FitJob]]:
    """Embeddings, and the same training sets as ours as rows of them; a made clip is one window."""
    from vernal.training.rules import HeadOptions
    from vernal.training.sets import FIT, draw_training_sets
    from vernal.training.train import FitJob

    clips, splits, subsets = _tables(folder)
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
        found = prepare(place, float(arguments[0]))
    elif step == "peer":
        found = peer(place, int(arguments[0]))
    else:
        found = run(place, int(arguments[0]), int(arguments[1]))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
