"""`kedro bench`: measure Vernal beside BirdNET-Analyzer on this machine, on the same work."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from vernal.commands.benchmarks.report import Bench, Results, terminal_table, write_section
from vernal.commands.command_line import ClearErrors, echo, find_project
from vernal.common.formatting import visible

EMBED = Bench(
    "embed",
    "Embedding a folder",
    "From the start of Python to the last vector on disk, both sides with the same number of worker processes. "
    "Processor time is that of all processes. The difference is the largest of any value of any embedding. Memory is "
    "the peak of the largest worker, with the whole model in it, and of the process that collects.",
    {
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
    {
        "48_kHz": "ratio 2.5, difference 1e-4",
        "memory_1000_clips": "below 1,000 MB",
        "memory_20000_clips": "below 1,000 MB, no more than with 1,000 clips",
    },
)
TRAIN = Bench(
    "train",
    "Training one point",
    "The same arrays on both sides, a fifth of the clips for validation. BirdNET-Analyzer trains one head after the "
    "other; Vernal all points of a stage as one batch, and its seconds are those of one point within it, compilation "
    "included. AUPRC is the mean over seeds on the validation clips; the spread is the largest less the smallest.",
    {
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
    {"linear": "ratio 40, AUPRC within the spread", "hidden_512": "ratio 3"},
)
SWEEP = Bench(
    "sweep",
    "Stage 5 at the scale of the study",
    "Made embeddings in the study's numbers: in full 12,110 training, 3,249 validation, 6,528 test and 2,857 curated "
    "clips. Vernal's time is the whole stage from the store on: sets drawn, heads trained, clips scored, points "
    "evaluated, everything written. BirdNET-Analyzer's is training alone: the mean of a few points, times the number "
    "of points. Memory is that of all processes together, shared pages counted in each.",
    {
        "points": "points",
        "clips": "clips",
        "ours_s": "Vernal, s",
        "peer_s": "BirdNET-Analyzer, s",
        "ratio": "ratio",
        "train_s": "training, s",
        "score_s": "scoring, s",
        "evaluate_s": "evaluation, s",
        "cpu_s": "processor time, s",
        "peak_memory_mb": "Vernal, MB",
    },
    {"stage5_120": "below 180 s and 3,000 MB"},
)
DETECT = Bench(
    "detect",
    "Searching recordings",
    "One-minute recordings and a classifier, the same on both sides: Vernal's detection against "
    "`birdnet_analyzer.analyze`, from the start of Python to the last table on disk, with the same number of worker "
    "processes. Processor time is that of all processes. The difference is the largest of any window's confidence, of "
    "which BirdNET-Analyzer writes four decimals. Memory is that of the largest worker, and of all processes together, "
    "with shared pages counted in each. The long recordings are one file and one worker each.",
    {
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
    {
        "48_kHz": "ratio 2.5",
        "one_file_of_10_minutes": "",
        "one_file_of_24_hours": "memory as for 10 minutes",
    },
)
CLUSTER = Bench(
    "cluster",
    "Workers of a Dask cluster",
    "The embedding node of `kedro run --runner=vernal.runners.DaskRunner` on one-minute recordings, from its start to "
    "its last vector on disk, with workers on this machine. The ratio is over the fewest workers; runs take turns, and "
    "the quickest of each counts. Where other programs take part, the ratio of seconds says little. The start of "
    "processes counts, so that less sound (`--minutes`) scales worse.",
    {
        "hours": "hours of sound",
        "ours_s": "s",
        "peer_s": "with the fewest, s",
        "ratio": "ratio",
        "ours_cpu_s": "processor time, s",
        "cpu_ratio": "ratio of processor time",
        "hours_a_core_hour": "hours of sound a core hour",
        "others_share": "other programs' share of the machine",
    },
    {"2_workers": "ratio 1.7"},
)
_STAMPED = 200
ASSUMPTIONS = Path("conf/base/scaling.yml")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
to_markdown = click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write this page's section of the benchmark.",
)
with_workers = click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes on each side."
)


class _Benches(ClearErrors):
    """A side that failed is one message: its own process has told why."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):  # these are runtime errors too
            raise
        except RuntimeError as error:
            raise click.ClickException(visible(str(error))) from error


@click.group(name="bench", cls=_Benches)
def bench() -> None:
    """Measure against BirdNET-Analyzer on this machine.

    \b
    Example:  kedro bench train --json
    """


@bench.command("embed")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Audio to embed; default: clips made for it.",
)
@click.option(
    "--clips",
    type=click.IntRange(1),
    default=400,
    show_default=True,
    help="Clips to make, or the most to take.",
)
@click.option("--other-rates", is_flag=True, help="Also clips at 44.1 kHz, which are resampled.")
@click.option(
    "--large", is_flag=True, help="Also our memory with 1,000 and 20,000 clips (6 GB of disk, minutes)."
)
@click.option("--dask", is_flag=True, help="Instead: 1 and more workers of a Dask cluster on this machine.")
@click.option(
    "--minutes", type=click.IntRange(1), default=180, show_default=True, help="With --dask: sound to embed."
)
@click.option(
    "--repeats", type=click.IntRange(1), default=2, show_default=True, help="With --dask: runs of each."
)
@click.option(
    "--scaling",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --dask: also write this page's tables of hours and cost (see conf/base/scaling.yml).",
)
@with_workers
@as_json
@to_markdown
def embed(
    folder: Path | None,
    clips: int,
    other_rates: bool,
    large: bool,
    dask: bool,
    minutes: int,
    repeats: int,
    scaling: Path | None,
    workers: int,
    as_json: bool,
    markdown: Path | None,
) -> None:
    """Embed a folder, from the start of Python to the last vector.

    \b
    Example:  kedro bench embed
    Example:  kedro bench embed --folder /x/recordings --clips 1000 --json
    Example:  kedro bench embed --dask --scaling docs/scaling.md
    """
    if dask:
        _report(CLUSTER, _on_dask(minutes, workers, repeats, scaling), as_json, markdown)
        return
    if scaling is not None:
        raise click.UsageError("--scaling is rendered from what --dask measures; give both.")
    from vernal.commands.benchmarks.embed import bench_embed, make_clips

    results: dict[str, dict[str, Any]] = {}
    _say(f"embedding {clips} clips on both sides ...")
    results["48_kHz" if folder is None else "folder"] = bench_embed(folder, clips, workers)
    if other_rates:
        with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
            make_clips(Path(scratch), clips, 44_100)
            _say(f"embedding {clips} clips at 44.1 kHz on both sides ...")
            results["44.1_kHz"] = bench_embed(Path(scratch), clips, workers)
    for count in (1_000, 20_000) if large else ():
        with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
            _say(f"making and embedding {count:,} clips ...")
            make_many_clips(Path(scratch), count)
            results[f"memory_{count}_clips"] = bench_embed(Path(scratch), count, workers, sides="ours")
    _report(EMBED, results, as_json, markdown)


def _on_dask(minutes: int, workers: int, repeats: int, scaling: Path | None) -> dict[str, dict[str, Any]]:
    """Measure with one worker and with all, and write the page of scaling where asked for."""
    from vernal.commands.benchmarks.cluster import bench_cluster
    from vernal.commands.benchmarks.scaling import Speed, read_assumptions, write_page

    known = None if scaling is None else read_assumptions(find_project() / ASSUMPTIONS)
    results = bench_cluster(minutes, sorted({1, workers}), repeats, _say)
    if scaling is not None and known is not None:
        most = max(results.values(), key=lambda values: values["workers"])
        speed = Speed(
            most["hours_a_core_hour"],
            most["read_bytes_an_hour"],
            most["kept_bytes_an_hour"],
            most["workers"],
        )
        write_page(scaling, speed, known, ASSUMPTIONS.as_posix())
        _say(f"{scaling}: tables written")
    return results


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
@click.option(
    "--points", type=click.IntRange(1), default=120, show_default=True, help="Linear points in our batch."
)
@click.option(
    "--clips", type=click.IntRange(100), default=4_800, show_default=True, help="Embeddings to train on."
)
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Passes over them.")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Seeds that BirdNET-Analyzer trains.",
)
@as_json
@to_markdown
def train(points: int, clips: int, epochs: int, seeds: int, as_json: bool, markdown: Path | None) -> None:
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
    _report(TRAIN, results, as_json, markdown)


@bench.command("sweep")
@click.option(
    "--points", multiple=True, type=click.IntRange(1), help="Numbers of points to run; default: 30 and 120."
)
@click.option("--large", is_flag=True, help="Also 900 points.")
@click.option(
    "--scale",
    type=click.FloatRange(0.01, 1),
    default=1.0,
    show_default=True,
    help="Share of the study's clips.",
)
@click.option(
    "--peer-points",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Points that BirdNET-Analyzer trains.",
)
@with_workers
@as_json
@to_markdown
def sweep(
    points: tuple[int, ...],
    large: bool,
    scale: float,
    peer_points: int,
    workers: int,
    as_json: bool,
    markdown: Path | None,
) -> None:
    """Run stage 5 at the study's scale, from the store on.

    \b
    BirdNET-Analyzer's time is that of a few points' training, times the number of points.
    Example:  kedro bench sweep
    Example:  kedro bench sweep --points 30 --peer-points 0 --json
    """
    from vernal.commands.benchmarks.stage import bench_stage

    sizes = [*(points or (30, 120)), *([900] if large else [])]
    _say(
        f"running {', '.join(map(str, sizes))} points of stage 5, and {peer_points} with BirdNET-Analyzer ..."
    )
    _report(SWEEP, bench_stage(sizes, workers, scale, peer_points, _say), as_json, markdown)


@bench.command("detect")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Recordings to search; default: recordings made for it.",
)
@click.option(
    "--files",
    type=click.IntRange(1),
    default=120,
    show_default=True,
    help="Recordings of one minute to make; a night has 432.",
)
@click.option("--other-rates", is_flag=True, help="Also recordings at 44.1 kHz, which are resampled.")
@click.option(
    "--large",
    is_flag=True,
    help="Also our memory with one file of 10 minutes and of 24 hours (8 GB of disk, minutes).",
)
@with_workers
@as_json
@to_markdown
def detect(
    folder: Path | None,
    files: int,
    other_rates: bool,
    large: bool,
    workers: int,
    as_json: bool,
    markdown: Path | None,
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
    if other_rates:
        _say("searching recordings at 44.1 kHz on both sides ...")
        results["44.1_kHz"] = bench_detect(None, files, workers, sample_rate_hz=44_100)
    for name, minutes in (("10_minutes", 10), ("24_hours", 24 * 60)) if large else ():
        _say(f"making and searching one recording of {name.replace('_', ' ')} ...")
        results[f"one_file_of_{name}"] = bench_memory(minutes)
    _report(DETECT, results, as_json, markdown)


def _say(text: str) -> None:
    echo(text, err=True)


def _report(bench: Bench, results: Results, as_json: bool, markdown: Path | None) -> None:
    if markdown is not None:
        write_section(markdown, bench, results)
        _say(f"{markdown}: section {bench.title!r} written")
    echo(json.dumps(results, indent=2) if as_json else terminal_table(bench, results))
