"""`kedro bench`: measure Vernal beside BirdNET-Analyzer on this machine, on the same work."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vernal.commands.benchmarks.report import terminal_table
from vernal.commands.command_line import ClearErrors, echo
from vernal.common.formatting import visible

# What the terminal shows of each benchmark: result -> heading.
COLUMNS = {
    "embed": {
        "n_windows": "windows",
        "ours_s": "Vernal, s",
        "peer_s": "BirdNET-Analyzer, s",
        "ratio": "ratio",
        "cpu_ratio": "ratio of processor time",
        "ours_ms_per_window": "Vernal, ms a window",
        "max_abs_difference": "difference",
        "ours_worker_memory_mb": "Vernal, MB a worker",
        "peer_worker_memory_mb": "BirdNET-Analyzer, MB a worker",
        "ours_main_memory_mb": "Vernal, MB of the main process",
    },
    "train": {
        "clips": "clips",
        "epochs": "epochs",
        "points": "points in the batch",
        "ours_s": "Vernal, s a point",
        "peer_s": "BirdNET-Analyzer, s a point",
        "ratio": "ratio",
        "cpu_ratio": "ratio of processor time",
        "ours_auprc": "Vernal, AUPRC",
        "peer_auprc": "BirdNET-Analyzer, AUPRC",
        "seed_spread": "spread of seeds",
    },
    "sweep": {
        "points": "points",
        "clips": "clips",
        "ours_s": "Vernal, s",
        "peer_s": "BirdNET-Analyzer, s",
        "ratio": "ratio",
        "draw_s": "balancing, s",
        "train_s": "training, s",
        "score_s": "scoring, s",
        "evaluate_s": "evaluation, s",
        "prove_s": "proof, s",
        "together_s": "tables of all targets, s",
        "cpu_s": "processor time, s",
        "peak_memory_mb": "Vernal, MB",
    },
    "chain": {
        "windows": "windows",
        "pairs": "close pairs heard",
        "s": "s",
        "cpu_s": "processor time, s",
        "share": "share of embedding's processor time",
        "memory_mb": "MB",
    },
    "detect": {
        "hours": "hours of sound",
        "ours_s": "Vernal, s",
        "peer_s": "BirdNET-Analyzer, s",
        "ratio": "ratio",
        "cpu_ratio": "ratio of processor time",
        "ours_hours_a_minute": "Vernal, hours a minute",
        "peer_hours_a_minute": "BirdNET-Analyzer, hours a minute",
        "max_abs_difference": "difference",
        "ours_worker_memory_mb": "Vernal, MB a worker",
        "ours_all_memory_mb": "Vernal, MB in all",
        "peer_all_memory_mb": "BirdNET-Analyzer, MB in all",
    },
}
_STAMPED = 200

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
with_workers = click.option("--workers", type=click.IntRange(1), default=2, help="Processes on each side.")


class _Benches(ClearErrors):
    """A side that failed is one message: its own process has told why."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):  # these are runtime errors too
            raise
        except RuntimeError as error:
            raise click.ClickException(visible(str(error))) from error


@click.group(name="bench", cls=_Benches, context_settings={"show_default": True})
def bench() -> None:
    """Measure against BirdNET-Analyzer on this machine.

    \b
    Example:  kedro bench train --json
    """


with_scale = click.option(
    "--scale", type=click.FloatRange(0.01, 1), default=1.0, help="Share of the study's clips."
)


@bench.command("embed")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Audio to embed; default: clips made for it.",
)
@click.option("--clips", type=click.IntRange(1), default=400, help="Clips to make, or the most to take.")
@click.option("--other-rates", is_flag=True, help="Also clips at 44.1, 32 and 24 kHz, which are resampled.")
@click.option(
    "--large", is_flag=True, help="Also our memory with 1,000 and 20,000 clips (6 GB of disk, minutes)."
)
@with_workers
@as_json
def embed(
    folder: Path | None, clips: int, other_rates: bool, large: bool, workers: int, as_json: bool
) -> None:
    """Embed a folder, from the start of Python to the last vector.

    \b
    Example:  kedro bench embed
    Example:  kedro bench embed --folder /x/recordings --clips 1000 --json
    """
    from vernal.commands.benchmarks.embed import bench_embed, make_clips

    results: dict[str, dict[str, Any]] = {}
    _say(f"embedding {clips} clips on both sides ...")
    results["48_kHz" if folder is None else "folder"] = bench_embed(folder, clips, workers)
    for rate_hz in (44_100, 32_000, 24_000) if other_rates else ():
        with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
            make_clips(Path(scratch), clips, rate_hz)
            _say(f"embedding {clips} clips at {rate_hz / 1_000:g} kHz on both sides ...")
            results[f"{rate_hz / 1_000:g}_kHz"] = bench_embed(Path(scratch), clips, workers)
    for count in (1_000, 20_000) if large else ():
        with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
            _say(f"making and embedding {count:,} clips ...")
            make_many_clips(Path(scratch), count)
            results[f"memory_{count}_clips"] = bench_embed(Path(scratch), count, workers, sides="ours")
    _report("embed", results, as_json)


def make_many_clips(folder: Path, count: int) -> None:
    """Clips of different content, quickly: the same sounds again and again, each with its number in it."""
    from vernal.commands.benchmarks.embed import make_clips

    sounds = folder / "sounds"
    make_clips(sounds, min(count, _STAMPED))
    contents = [path.read_bytes() for path in sorted(sounds.iterdir())]
    for number in range(len(contents), count):
        content = bytearray(contents[number % len(contents)])
        content[-4:] = number.to_bytes(4, "little")  # the last two samples
        (folder / f"more_{number:06d}.wav").write_bytes(bytes(content))


@bench.command("train")
@click.option("--points", type=click.IntRange(1), default=120, help="Linear points in our batch.")
@click.option("--clips", type=click.IntRange(100), default=4_800, help="Embeddings to train on.")
@click.option("--epochs", type=click.IntRange(1), default=10, help="Passes over them.")
@click.option("--seeds", type=click.IntRange(1), default=5, help="Seeds that BirdNET-Analyzer trains.")
@as_json
def train(points: int, clips: int, epochs: int, seeds: int, as_json: bool) -> None:
    """Train the same arrays, linear and with 512 hidden units.

    \b
    Example:  kedro bench train
    Example:  kedro bench train --points 30 --seeds 2 --json
    """
    from vernal.commands.benchmarks.train import bench_train

    _say(f"training {points} linear points, and {seeds} with BirdNET-Analyzer ...")
    found = bench_train(clips, epochs, points, hidden_points=max(1, min(10, points)), peer_seeds=seeds)
    common = {name: value for name, value in found.items() if not isinstance(value, dict)}
    results = {}
    for name, values in found.items():
        if isinstance(values, dict):
            ours, peer = values.get("ours_cpu_s"), values.get("peer_cpu_s")
            results[name] = {**values, "cpu_ratio": peer / ours if ours and peer else None, **common}
    _report("train", results, as_json)


@bench.command("sweep")
@click.option(
    "--points", multiple=True, type=click.IntRange(1), help="Numbers of points to run; default: 30 and 120."
)
@click.option("--large", is_flag=True, help="Also 900 points.")
@click.option("--targets", type=click.IntRange(2), help="Also so many targets, each with 120 points.")
@with_scale
@click.option("--peer-points", type=click.IntRange(0), default=4, help="Points that BirdNET-Analyzer trains.")
@with_workers
@as_json
def sweep(
    points: tuple[int, ...],
    large: bool,
    targets: int | None,
    scale: float,
    peer_points: int,
    workers: int,
    as_json: bool,
) -> None:
    """Run stage 5 at the study's scale, from the store on.

    \b
    BirdNET-Analyzer's time is that of a few points' training, times the number of points.
    Example:  kedro bench sweep
    Example:  kedro bench sweep --points 30 --peer-points 0 --json
    Example:  kedro bench sweep --points 120 --targets 30
    """
    from vernal.commands.benchmarks.stage import bench_stage

    sizes = [*(points or (30, 120)), *([900] if large else [])]
    _say(
        f"running {', '.join(map(str, sizes))} points of stage 5, and {peer_points} with BirdNET-Analyzer ..."
    )
    _report("sweep", bench_stage(sizes, workers, scale, peer_points, targets or 0, _say), as_json)


@bench.command("chain")
@with_scale
@with_workers
@as_json
def chain(scale: float, workers: int, as_json: bool) -> None:
    """Measure each step of a season of the study's size.

    \b
    Example:  kedro bench chain
    Example:  kedro bench chain --scale 0.1 --json
    """
    from vernal.commands.benchmarks.chain import bench_chain

    _say("measuring each step of a season ...")
    _report("chain", bench_chain(workers, scale, say=_say), as_json)


@bench.command("detect")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Recordings to search; default: recordings made for it.",
)
@click.option(
    "--files", type=click.IntRange(1), default=120, help="Recordings of one minute to make; a night has 432."
)
@click.option("--other-rates", is_flag=True, help="Also recordings at 44.1 and 24 kHz, which are resampled.")
@click.option(
    "--large",
    is_flag=True,
    help="Also our memory with one file of 10 minutes and of 24 hours (8 GB of disk, minutes).",
)
@with_workers
@as_json
def detect(
    folder: Path | None, files: int, other_rates: bool, large: bool, workers: int, as_json: bool
) -> None:
    """Search recordings, from the start of Python to the last table.

    \b
    Example:  kedro bench detect
    Example:  kedro bench detect --files 432 --large --json
    """
    from vernal.commands.benchmarks.detect import bench_detect, bench_memory

    results: dict[str, dict[str, Any]] = {}
    _say("searching recordings on both sides ...")
    results["48_kHz" if folder is None else "folder"] = bench_detect(folder, files, workers)
    for rate_hz in (44_100, 24_000) if other_rates else ():
        _say(f"searching recordings at {rate_hz / 1_000:g} kHz on both sides ...")
        results[f"{rate_hz / 1_000:g}_kHz"] = bench_detect(None, files, workers, sample_rate_hz=rate_hz)
    for name, minutes in (("10_minutes", 10), ("24_hours", 24 * 60)) if large else ():
        _say(f"making and searching one recording of {name.replace('_', ' ')} ...")
        results[f"one_file_of_{name}"] = bench_memory(minutes)
    _report("detect", results, as_json)


def _say(text: str) -> None:
    echo(text, err=True)


def _report(name: str, results: Mapping[str, Mapping[str, Any]], as_json: bool) -> None:
    echo(json.dumps(results, indent=2) if as_json else terminal_table(COLUMNS[name], results))
