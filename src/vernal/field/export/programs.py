"""The programs that run exported files, and whether they score as Vernal does: each gives a table of both sides.

BirdNET-Analyzer and `birdnet` start from the sound files and do everything themselves. `onnxruntime` and
`ai-edge-litert` only compute: they get the samples that Vernal's encoder hears, or the vectors that it gives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.bandpass import FULL_BAND_HZ, is_full_band
from vernal.audio.birdnet.onnx_graph import N_SAMPLES
from vernal.audio.embedding.jobs import Filtered, whole_window
from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.audio.reading import SAMPLE_RATE_HZ, AudioReader, probe_audio
from vernal.common.files import sha256_of_file
from vernal.common.problems import Problems
from vernal.field.export.birdnet_package import birdnet_version, score_folders
from vernal.field.export.classifier_files import is_head, open_classifier
from vernal.training.birdnet_analysis import AnalysisSettings, analyze_folder
from vernal.training.birdnet_analyzer import birdnet_analyzer_version
from vernal.training.heads import Head
from vernal.training.scoring import shift_of

ANALYZER, BIRDNET, ONNXRUNTIME, LITERT = "BirdNET-Analyzer", "birdnet", "onnxruntime", "ai-edge-litert"


def program_version(program: str) -> str:
    """Version of a program that is installed."""
    own = {ANALYZER: birdnet_analyzer_version, BIRDNET: birdnet_version}
    return str(own[program]() if program in own else version(program))


@dataclass(frozen=True, eq=False)
class Trained:
    """What exported files have to score like: a head, its labels, how its audio is read, and its sensitivity."""

    head: Head
    labels: tuple[str, ...]
    audio: EmbeddingOptions
    sensitivity: float

    def confidences(self, logits: np.ndarray) -> np.ndarray:
        """Confidences of (n, n_labels) logits, as BirdNET-Analyzer makes them."""
        from scipy.special import expit

        return np.asarray(expit(np.clip(logits + shift_of(self.sensitivity), -20, 20)))

    def table(self, windows: pd.DataFrame, confidences: np.ndarray, name: str) -> pd.DataFrame:
        """One row a window and label: `file`, `window`, `label`, and the (n_windows, n_labels) values as `name`."""
        n = len(self.labels)
        return pd.DataFrame(
            {
                "file": np.repeat(windows.file.to_numpy(), n),
                "window": np.repeat(windows.window.to_numpy(), n),
                "label": np.tile(np.array(self.labels, dtype=object), len(windows)),
                name: confidences.reshape(-1),
            }
        )


@dataclass(frozen=True)
class Sounds:
    """Sound files of a folder, as Vernal hears them with these settings."""

    folder: Path
    audio: EmbeddingOptions

    @cached_property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    @cached_property
    def _embedded(self) -> tuple[pd.DataFrame, np.ndarray]:
        paths = [self.folder / file for file in self.files]
        facts = [probe_audio(path) for path in paths]
        clips = pd.DataFrame(
            {
                "clip_id": self.files,
                "source": "parity",
                "file_path": self.files,
                "content_hash": [sha256_of_file(path) for path in paths],
                "duration_s": [one.duration_s for one in facts],
                "sample_rate_hz": [one.sample_rate_hz for one in facts],
            }
        )
        windows = plan_windows(clips, self.audio)
        parts = list(embed_windows(windows, {"parity": str(self.folder)}, self.audio, workers=1))
        vectors = {key: row for part in parts for key, row in zip(part.keys, part.vectors, strict=True)}
        numbered = windows.assign(file=windows.file_path, window=windows.groupby("clip_id").cumcount())
        return numbered[["file", "window", "start"]], np.stack([vectors[key] for key in windows.key])

    @property
    def windows(self) -> pd.DataFrame:
        """One row a window: `file`, `window`, and its first sample, `start`."""
        return self._embedded[0]

    @property
    def vectors(self) -> np.ndarray:
        """(n_windows, n_dims) embeddings."""
        return self._embedded[1]

    def prepared(self, file: str) -> np.ndarray:
        """(n,) samples at 48 kHz, mono, filtered where the settings have a band-pass."""
        with AudioReader(self.folder / file) as reader:
            return Filtered(reader, self.audio).read(0, 0, reader.n_samples)

    def samples(self) -> Iterator[np.ndarray]:
        """(1, 144000) samples of each window, in the order of `windows`."""
        for file, windows in self.windows.groupby("file", sort=False):
            samples = self.prepared(str(file))
            for start in windows.start:
                yield whole_window(samples[start : start + N_SAMPLES], N_SAMPLES)[np.newaxis]

    def prepared_otherwise(self) -> set[str]:
        """Files that a program hears otherwise which resamples and filters each window by itself."""
        is_plain = is_full_band(self.audio.fmin, self.audio.fmax)
        return {
            file
            for file in self.files
            if not is_plain or probe_audio(self.folder / file).sample_rate_hz != SAMPLE_RATE_HZ
        }


def our_scores(trained: Trained, sounds: Sounds) -> pd.DataFrame:
    """Our confidence of every window and label: `file`, `window`, `label`, `ours`."""
    return trained.table(sounds.windows, trained.confidences(trained.head.logits(sounds.vectors)), "ours")


def in_birdnet_analyzer(
    files: Sequence[Path], trained: Trained, sounds: Sounds, ours: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Both TFLite files. Where windows overlap, the program starts anew in the rest of a recording and may add one."""
    audio = trained.audio
    settings = AnalysisSettings(
        int(audio.fmin), int(audio.fmax), float(audio.overlap), float(trained.sensitivity)
    )
    classifiers = [file for file in files if file.suffix == ".tflite"]
    theirs = analyze_folder(classifiers, sounds.folder, trained.labels, settings)
    for file in classifiers:
        own = theirs[theirs.classifier == file.name]
        yield _joined(ours, own, ANALYZER, file, may_add=audio.overlap > 0)


def in_birdnet(
    files: Sequence[Path], trained: Trained, sounds: Sounds, ours: pd.DataFrame, scratch: Path
) -> Iterator[pd.DataFrame]:
    """The stand-alone TFLite file; a rest of any length at the end of a recording has a window there.

    The package resamples and filters each window by itself, BirdNET-Analyzer the whole recording. So the file is proven
    on sounds that were prepared before, and what the package makes of the others stands beside it.
    """
    import soundfile

    if birdnet_version() is None:
        return
    (file,) = (one for one in files if one.suffix == ".tflite" and not is_head(one))
    for name in sounds.files:
        soundfile.write(
            scratch / f"{Path(name).stem}.wav", sounds.prepared(name), SAMPLE_RATE_HZ, subtype="FLOAT"
        )
    plain = replace(trained.audio, fmin=FULL_BAND_HZ[0], fmax=FULL_BAND_HZ[1])
    folders = {scratch: plain, sounds.folder: trained.audio}
    theirs, own_way = score_folders(file, folders, trained.labels, trained.sensitivity)
    of_stem = {Path(name).stem: name for name in sounds.files}
    theirs["file"] = [of_stem[Path(name).stem] for name in theirs.file]
    yield _joined(ours, theirs, BIRDNET, file, may_add=True)
    some = sounds.prepared_otherwise()
    if some:
        own_of, theirs_of = (table[table.file.isin(some)] for table in (ours, own_way))
        yield _joined(own_of, theirs_of, BIRDNET, file, may_add=True).assign(is_required=False)


def in_onnxruntime(
    files: Sequence[Path], trained: Trained, sounds: Sounds, ours: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Both ONNX files, as far as they were written."""
    for file in (one for one in files if one.suffix == ".onnx"):
        run = open_classifier(file)
        given = [sounds.vectors] if is_head(file) else sounds.samples()
        logits = np.concatenate([run(some) for some in given])
        theirs = trained.table(sounds.windows, trained.confidences(logits), "confidence")
        yield _joined(ours, theirs, ONNXRUNTIME, file)


def on_vectors(files: Sequence[Path], trained: Trained, vectors: np.ndarray) -> Iterator[pd.DataFrame]:
    """Heads alone, of any encoder, each in the runtime of its format."""
    windows = pd.DataFrame({"file": [f"vector {number}" for number in range(len(vectors))], "window": 0})
    ours = trained.table(windows, trained.confidences(trained.head.logits(vectors)), "ours")
    for file in files:
        logits = open_classifier(file)(vectors)
        theirs = trained.table(windows, trained.confidences(logits), "confidence")
        yield _joined(ours, theirs, ONNXRUNTIME if file.suffix == ".onnx" else LITERT, file)


def _joined(
    ours: pd.DataFrame, theirs: pd.DataFrame, program: str, file: Path, may_add: bool = False
) -> pd.DataFrame:
    """Both sides of a program and a file in one table.

    Raises:
        InputError: windows of only one side; `may_add` allows those of theirs that come after our last.
    """
    table = ours.merge(theirs, on=["file", "window", "label"], how="outer", indicator=True)
    last = table.file.map(ours.groupby("file").window.max())
    is_added = (table["_merge"] == "right_only") & (table.window > last) & may_add
    apart = table[(table["_merge"] != "both") & ~is_added]
    sides = apart["_merge"].map({"left_only": "ours", "right_only": "theirs"})
    problems = Problems(f"Parity with {program}")
    problems.add(
        f"window of only one side ({file.name})",
        [
            f"{name} window {window} of {side}"
            for name, window, side in zip(apart.file, apart.window, sides, strict=True)
        ],
        "The sides cut or read these sounds differently; nothing was exported.",
    )
    problems.raise_if_any()
    joined = table.drop(columns="_merge").rename(columns={"confidence": "theirs"})
    joined = joined.assign(program=program, is_required=True, classifier=file.name)
    joined["difference"] = (joined.ours - joined.theirs).abs()
    return joined.sort_values(["file", "window", "label"], ignore_index=True)
