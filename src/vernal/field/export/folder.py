"""A point of a stage as a folder that BirdNET's programs can use, and that Vernal can read back.

The folder is made beside its place, proven there, and only then moved to it: an export that could not be
proven leaves nothing behind.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal import __version__
from vernal.audio.birdnet.model import N_DIMS
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.common.data_folder import DataFolder
from vernal.common.files import sha256_of_file, write_bytes, write_text, writing_folder
from vernal.common.hashing import rng_for
from vernal.common.json_text import read_json
from vernal.common.problems import InputError, Problems
from vernal.common.safe_yaml import read_yaml
from vernal.common.table_files import read_table, write_table
from vernal.field.export.birdnet_package import predict_settings
from vernal.field.export.classifier_files import classifier_files, head_file, read_head
from vernal.field.export.parity import (
    N_CLIPS,
    ParityClip,
    check_parity,
    choose_clips,
    compare,
    compare_heads,
    made_clips,
)
from vernal.field.export.programs import ANALYZER, Trained, program_version
from vernal.field.export.sheet import params_csv, settings_sheet
from vernal.field.export.tool_settings import express_threshold
from vernal.field.export.trained_point import ENCODER, ExportPoint, audio_of_model, trained_point
from vernal.sweeps.point_settings import config_hash
from vernal.training.birdnet_analyzer import birdnet_analyzer_version
from vernal.training.heads import Head
from vernal.training.models import Model

PARITY = "parity.csv"
PARAMETERS = "_parameters.yml"
MARK = "vernal_export"
FORMAT = 1
_N_VECTORS = 256


def export_point(
    data_root: Path, stage: str, point: str, out: Path, label: str | None = None, n_clips: int = N_CLIPS
) -> Path:
    """Write a point for other programs, its scores there proven equal to ours.

    A point on another encoder than BirdNET's is written as the head alone.

    Args:
        data_root: where the stage's results are.
        point: its name or number.
        out: folder to make; may exist if it is empty or an earlier export.
        label: how the class is to be called there; None: the stage's target.
        n_clips: recorded clips to prove it on, as far as their audio is there.
    Returns:
        The folder.
    Raises:
        InputError: no such trained point, a threshold that does not belong to it, a folder of somebody else's
            files, or scores that differ; nothing is left behind then.
    """
    found = trained_point(data_root, stage, point)
    labels = checked_labels(found.model.labels, label)
    check_place(out)
    evidence = run_evidence(data_root, found.audio, n_clips)
    with writing_folder(out) as folder:
        _write(folder, found, labels, evidence)
        check_place(out)  # somebody may have written there meanwhile
    return out


def checked_labels(own: Sequence[str], label: str | None = None) -> tuple[str, ...]:
    """Names of the classes as that program can read them: it splits files by lines, and tables by commas."""
    if label is not None and len(own) != 1:
        raise InputError(f"--label renames a single class; this classifier has {len(own)}: {', '.join(own)}.")
    labels = tuple(own) if label is None else (label.strip(),)
    problems = Problems("The export")
    problems.add(
        "label that BirdNET-Analyzer cannot read",
        [repr(one) for one in labels if not one.strip() or one != one.strip() or set(one) & set(',\t\r\n"')],
        "Name the class without commas, quotes and line breaks: --label='Rana draytonii_California Red-legged Frog'.",
    )
    problems.add(
        "label given twice", sorted({one for one in labels if labels.count(one) > 1}), "Name them apart."
    )
    problems.raise_if_any()
    return labels


# Writing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an export is tried on: the run's own `clips` for BirdNET's embedding, `vectors` for that of others."""

    clips: Sequence[ParityClip] = ()
    vectors: np.ndarray | None = None
    is_real: bool = True


def run_evidence(data_root: Path, audio: EmbeddingOptions, n: int) -> Evidence:
    """Clips of the run whose audio is still there, or vectors that it stored; drawn ones where there are none."""
    data = DataFolder(data_root)
    if audio.encoder != ENCODER:
        return _stored_vectors(EmbeddingStore(data.embeddings), audio)
    if not data.splits.is_file() or not data.audio_roots.is_file():
        return Evidence()
    return Evidence(choose_clips(read_table(data.splits), read_json(data.audio_roots), n))


def _stored_vectors(store: EmbeddingStore, audio: EmbeddingOptions) -> Evidence:
    keys = sorted(store.known_keys(audio))[:_N_VECTORS]
    if keys:
        return Evidence(vectors=store.load(audio, keys))
    drawn = rng_for(0, "exported head").gamma(0.5, 0.7, size=(_N_VECTORS, audio.n_dims))
    return Evidence(vectors=drawn.astype(np.float32), is_real=False)


def _write(folder: Path, point: ExportPoint, labels: tuple[str, ...], evidence: Evidence) -> None:
    trained = Trained(point.model.head, labels, point.audio, float(point.settings.sensitivity))
    parity = write_proven(folder, point.name, trained, params_csv(point.settings), evidence)
    _write_record(folder, point, trained, parity)


def write_proven(folder: Path, name: str, trained: Trained, params: str, evidence: Evidence) -> pd.DataFrame:
    """Write the classifiers with their labels and parameters, and the table that proves them equal to ours.

    Proven on recorded clips and a few made ones, or on made ones alone where there is no audio.

    Raises:
        InputError: scores differ.
    """
    files = []
    for file, content in classifier_files(name, trained.head, trained.audio.encoder == ENCODER).items():
        files.append(folder / file)
        write_bytes(files[-1], content)
        # One for both formats.
        write_text(folder / f"{files[-1].stem}_Labels.txt", "".join(f"{label}\n" for label in trained.labels))
        write_text(folder / f"{files[-1].stem}_Params.csv", params)
    table = _compared(folder, files, trained, evidence)
    check_parity(table)
    write_table(table.round({"ours": 7, "theirs": 7, "difference": 7, "start_s": 3}), folder / PARITY)
    return table


def _compared(folder: Path, files: Sequence[Path], trained: Trained, evidence: Evidence) -> pd.DataFrame:
    if evidence.vectors is not None:
        return compare_heads(files, trained, evidence.vectors, evidence.is_real)
    made = folder / "made"
    try:
        more = made_clips(made) if evidence.clips else made_clips(made, N_CLIPS)
        return compare(files, trained, [*evidence.clips, *more])
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_record(folder: Path, point: ExportPoint, trained: Trained, parity: pd.DataFrame) -> None:
    """The parameters, from which the export is read back, and the sheet for people."""
    import yaml

    own = point.settings.sensitivity
    threshold = None if point.no_threshold else express_threshold(point.threshold_logit, own)
    logit = None if point.no_threshold else point.threshold_logit
    said = asdict(threshold) if threshold else {"sensitivity": own}
    files = {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())}
    record = {
        MARK: FORMAT,
        "vernal_version": __version__,
        "birdnet_analyzer_version": birdnet_analyzer_version(),
        "stage": point.stage,
        **point.model.parameters,
        "config_hash": config_hash(point.settings),
        "labels": list(trained.labels),
        "operating_point": operating_point(point),
        **tool_records(trained, said, dict.fromkeys(trained.labels, logit)),
        "parity": parity_record(parity),
        "files": files,
    }
    name = point.name
    write_text(folder / f"{name}{PARAMETERS}", yaml.safe_dump(record, sort_keys=False, allow_unicode=True))
    write_text(folder / f"{name}_settings.md", settings_sheet(name, record, threshold))


def tool_records(
    trained: Trained, said: Mapping[str, Any], thresholds: Mapping[str, float | None]
) -> dict[str, Any]:
    """What a parameters file says of the settings in other programs; nothing where they cannot run the files.

    Args:
        said: the operating point in BirdNET-Analyzer's terms.
        thresholds: logit of each label, see `predict_settings`.
    """
    audio = trained.audio
    if audio.encoder != ENCODER:
        return {}
    heard = {"fmin": int(audio.fmin), "fmax": int(audio.fmax), "overlap": float(audio.overlap)}
    return {
        "birdnet_analyzer": {**said, **heard},
        "birdnet": predict_settings(audio, trained.sensitivity, thresholds),
    }


def parity_record(parity: pd.DataFrame) -> dict[str, Any]:
    """What a parameters file says of the proof: on what, and in each program with its version."""
    required = parity[parity.is_required]
    by_program = {str(name): rows for name, rows in required.groupby("program", sort=False)}
    record: dict[str, Any] = {
        "recorded_clips": int(parity.loc[parity.is_real, "clip"].nunique()),
        "made_sounds": int(parity.loc[~parity.is_real, "clip"].nunique()),
        **_counted(by_program.get(ANALYZER, required)),
        "programs": {name: _in_program(name, rows) for name, rows in by_program.items()},
    }
    own_way = parity[~parity.is_required & parity.ours.notna()]
    if len(own_way):
        record["birdnet_own_resampling"] = _counted(own_way) | {
            "median_difference": round(float(own_way.difference.median()), 7)
        }
    return record


def _in_program(program: str, rows: pd.DataFrame) -> dict[str, Any]:
    files = sorted(set(rows.classifier))
    return {"version": program_version(program), "files": files, **_counted(rows)}


def _counted(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "scores": int(rows["ours"].notna().sum()),
        "scores_of_windows_only_there": int(rows["ours"].isna().sum()),
        "largest_difference": round(float(rows.difference.max()), 7),
    }


def operating_point(point: ExportPoint) -> dict[str, Any]:
    """The threshold of a point and what it did on each split, as a parameters file says it."""
    kept = (
        "no_threshold",
        "goal",
        "is_goal_met",
        "threshold_logit",
        "threshold_confidence",
        "n_train_positive",
        "n_train_negative",
    )
    measures = [
        f"{split}_{metric}"
        for split in ("val", "test_iid", "test_ood")
        for metric in ("precision", "recall", "f1", "fpr", "fp", "n_negative")
    ]
    results = point.results | ({"no_threshold": point.no_threshold} if point.no_threshold else {})
    return {name: _plain(results[name]) for name in (*kept, *measures) if results.get(name) is not None}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


# The place ------------------------------------------------------------------------------------------


def check_place(out: Path) -> None:
    """Refuse to write where somebody else's files are."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder to write the export to.")
    if ".tflite" in str(out):
        raise InputError(
            f"{out} has .tflite in its path; BirdNET-Analyzer then looks for labels in the wrong place."
        )
    strangers = _strangers(out)
    if strangers:
        listed = ", ".join(strangers[:5]) + (f" and {len(strangers) - 5} more" if len(strangers) > 5 else "")
        raise InputError(
            f"{out} holds files that no export wrote ({listed}). Name an empty or new folder, or move them away."
        )


def _strangers(out: Path) -> list[str]:
    if not out.is_dir():
        return []
    names = {path.name for path in out.iterdir()}
    for record in out.glob(f"*{PARAMETERS}"):
        content = _read_record(record)
        if content is not None:
            point = record.name.removesuffix(PARAMETERS)
            names -= {record.name, f"{point}_settings.md", *content["files"]}
    return sorted(names)


# Reading back ---------------------------------------------------------------------------------------


def export_head(
    out: Path,
    name: str,
    head: Head,
    labels: Sequence[str],
    audio: EmbeddingOptions,
    operating_point: Mapping[str, Any],
) -> Path:
    """Write a head that no stage trained, as `load_export` and detection read it.

    Args:
        out: folder to make; an earlier one of the same name is replaced.
        name: of the files.
        operating_point: `threshold_logit`, or `no_threshold` with the reason, and what is measured at it.
    Raises:
        InputError: `out` holds files that no export wrote.
    """
    import yaml

    check_place(out)
    with writing_folder(out) as folder:
        file = folder / f"{name}_head.tflite"
        write_bytes(file, head_file(head))
        record = {
            MARK: FORMAT,
            "vernal_version": __version__,
            "stage": "listening",
            "point": name,
            "audio": audio.settings,
            "labels": list(labels),
            "settings": {"sensitivity": 1.0},
            "operating_point": dict(operating_point),
            "files": {file.name: sha256_of_file(file)},
        }
        write_text(
            folder / f"{name}{PARAMETERS}", yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
        )
    return out


def load_export(path: Path | str) -> Model:
    """Read an export back: weights from the TFLite file, the rest from the parameters beside it.

    Args:
        path: the folder, one of its .tflite files, or its parameters file.
    Returns:
        The model; `parameters` are those of the record (`audio`, `settings`, `operating_point`, ...), `history` is
        empty.
    Raises:
        InputError: not an export, incomplete, or changed since it was written.
    """
    record, classifier = _exported_files(Path(path))
    content = _read_record(record)
    if content is None:
        raise InputError(
            f"{record} is not what `kedro export` writes; give its folder or a .tflite file of it."
        )
    expected = content["files"].get(classifier.name)
    if expected is None or not classifier.is_file():
        raise InputError(f"{record} does not belong to {classifier}. Keep the files of an export together.")
    if sha256_of_file(classifier) != expected:
        raise InputError(f"{classifier} was changed after it was exported; export the point again.")
    audio = content.get("audio")
    n_dims = audio.get("n_dims") if isinstance(audio, dict) else None
    head = read_head(classifier, n_dims if isinstance(n_dims, int) else N_DIMS)
    model = Model(head, tuple(map(str, content["labels"])), content, pd.DataFrame(columns=["epoch"]))
    audio_of_model(model, str(record))
    return model


def _exported_files(path: Path) -> tuple[Path, Path]:
    """The parameters and the classifier that a path means."""
    if path.is_dir():
        records = sorted(path.glob(f"*{PARAMETERS}"))
        if len(records) != 1:
            raise InputError(f"{path} holds {len(records)} exports; name the .tflite file of one.")
        path = records[0]
    if not path.is_file():
        raise InputError(f"{path} does not exist; give an exported folder or a .tflite file of it.")
    if path.name.endswith(PARAMETERS):
        return path, path.with_name(path.name.removesuffix(PARAMETERS) + "_head.tflite")
    if path.suffix != ".tflite":
        raise InputError(
            f"{path} is no exported classifier; give an exported folder or a .tflite file of it."
        )
    record = path.with_name(path.stem.removesuffix("_head") + PARAMETERS)
    if not record.is_file():
        raise InputError(
            f"{record} is missing, so nobody knows how audio has to be read for {path.name}. Keep the files of an "
            "export together."
        )
    return record, path


def _read_record(path: Path) -> dict[str, Any] | None:
    """The content of a parameters file; None where it is something else."""
    try:
        content = read_yaml(path)
    except InputError:
        return None
    is_ours = isinstance(content, dict) and content.get(MARK) == FORMAT
    is_whole = is_ours and isinstance(content.get("files"), dict) and isinstance(content.get("labels"), list)
    return content if is_whole and content["labels"] else None
