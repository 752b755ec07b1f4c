"""Scores of a custom classifier as BirdNET-Analyzer gives them: its own `analyze`, in a process of its own.

What is read back is what the program writes into its tables, rounded as it rounds.
"""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vernal.common.problems import InputError
from vernal.common.workers import quiet_file_descriptors
from vernal.training.birdnet_analyzer import run_in_birdnet_analyzer

# Types of files that the program finds in a folder; `.aif` and the like are left to our own decoder.
READABLE = (".wav", ".flac", ".ogg", ".mp3")
ANALYSIS_COLUMNS = ("classifier", "file", "window", "start_s", "label", "confidence")
_TABLE = ".BirdNET.selection.table.txt"


@dataclass(frozen=True)
class AnalysisSettings:
    """The settings of `birdnet_analyzer.analyze` that change a score, under its names."""

    fmin: int = 0
    fmax: int = 15_000
    overlap: float = 0.0
    sensitivity: float = 1.0


def analyze_folder(
    classifiers: Sequence[Path], folder: Path, labels: Sequence[str], settings: AnalysisSettings
) -> pd.DataFrame:
    """Score every window of every file with custom classifiers, through BirdNET-Analyzer.

    Args:
        classifiers: `X.tflite` files with `X_Labels.txt` beside them.
        folder: audio files, directly in it, no two of one name but for the ending.
        labels: of the classifiers, in order.
        settings: given to it as they are.
    Returns:
        One row a classifier, file, window and label: `ANALYSIS_COLUMNS`; `file` is the name without its folder,
        `window` counts from 0, `confidence` has four decimals.
    Raises:
        InputError: it could not analyze a file, or ended early.
    """
    rows = run_in_birdnet_analyzer(_analyze, list(classifiers), folder, list(labels), settings)
    return pd.DataFrame(rows, columns=list(ANALYSIS_COLUMNS))


def _analyze(
    classifiers: list[Path], folder: Path, labels: list[str], settings: AnalysisSettings
) -> list[tuple[str, str, int, float, str, float]]:
    """All classifiers one after the other; only in a process that `load_offline` has prepared."""
    import birdnet_analyzer.config as cfg
    from birdnet_analyzer import model
    from birdnet_analyzer.analyze.core import analyze

    rows = []
    # What a run could have left behind in the module that holds its settings.
    cfg.APPLY_SIGMOID, cfg.USE_NOISE, cfg.FILE_SPLITTING_DURATION = True, False, 600
    cfg.SIG_MINLEN, cfg.SIG_FMIN, cfg.SIG_FMAX = 1.0, 0, 15_000
    for classifier in classifiers:
        with tempfile.TemporaryDirectory(prefix="vernal-analyze-") as output:
            cfg.ERROR_LOG_FILE = str(Path(output) / "errors.txt")
            model.reset_custom_classifier()
            with quiet_file_descriptors(also_stdout=True):
                analyze(
                    str(folder),
                    output=output,
                    min_conf=0.0,
                    classifier=str(classifier),
                    lat=-1,
                    lon=-1,
                    week=-1,
                    slist=None,
                    sensitivity=settings.sensitivity,
                    overlap=settings.overlap,
                    fmin=settings.fmin,
                    fmax=settings.fmax,
                    audio_speed=1.0,
                    batch_size=1,
                    combine_results=False,
                    rtype="table",
                    skip_existing_results=False,
                    top_n=None,
                    merge_consecutive=1,
                    threads=1,
                    locale="en",
                    additional_columns=None,
                    use_perch=False,
                )
            codes = {cfg.CODES.get(label, label): label for label in labels}
            for file in sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE):
                table = Path(output) / f"{file.stem}{_TABLE}"
                rows += [(classifier.name, file.name, *row) for row in _read(table, codes, Path(output))]
    return rows


def _read(table: Path, codes: dict[str, str], output: Path) -> list[tuple[int, float, str, float]]:
    if not table.is_file():
        log = output / "errors.txt"
        reason = log.read_text(encoding="utf-8").strip().splitlines()[-1:] if log.is_file() else []
        raise InputError(
            f"BirdNET-Analyzer gave no result for {table.name.removesuffix(_TABLE)}: {'; '.join(reason)}"
        )
    with table.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    # A file without any window gets one line of this name.
    lines = [line for line in lines if line["Species Code"] != "nocall"]
    starts = sorted({float(line["Begin Time (s)"]) for line in lines})
    window = {start: number for number, start in enumerate(starts)}
    found = [
        (
            window[float(line["Begin Time (s)"])],
            float(line["Begin Time (s)"]),
            codes[line["Species Code"]],
            float(line["Confidence"]),
        )
        for line in lines
    ]
    return sorted(found)
