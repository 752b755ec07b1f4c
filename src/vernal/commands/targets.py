"""`kedro run` with several targets: one run a target, each in a data folder of its own, then what they are together.

Every target is a detector like any other, trained on the clips that say whether it is there. Splits are dealt once for
all of them, audio is embedded once, and what one target has settled no other touches.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError

from vernal.common.problems import InputError, Problems, mistake_in, on_one_line
from vernal.common.storage import as_path, is_remote
from vernal.common.target_folders import TargetFolders
from vernal.pipelines import DATA_PREPARATION

if TYPE_CHECKING:
    import pandas as pd

    from vernal.clips.labels import LabelOptions
    from vernal.evaluation.across import OneTarget

logger = logging.getLogger(__name__)
DEFAULT = "__default__"


def are_asked(options: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a run is about several targets: they are set, and every pipeline is about one target."""
    names = list(options.get("pipelines") or [DEFAULT])
    return bool(parameters.get("targets")) and all(map(_is_of_target, names))


def _is_of_target(pipeline: str) -> bool:
    from vernal.pipeline_registry import stages_on_disk

    return pipeline in {DEFAULT, "final", *stages_on_disk(), *DATA_PREPARATION} - {"demo"}


def run_targets(
    kedro_run: Callable[..., Any], options: Mapping[str, Any], parameters: Mapping[str, Any]
) -> None:
    """Run the pipelines once for each target, and write what the targets are together.

    Args:
        kedro_run: Kedro's run, called with its options.
        options: what was typed.
        parameters: all of them, merged.
    Raises:
        InputError: labels that cannot be used; or, when all the others are finished, targets that failed.
    """
    from vernal.framework.hooks import take_lock

    root = as_path(parameters["data_root"])
    labels = settle_labels(parameters)
    folders = _folder_names(labels.classes)
    lock = take_lock(root)
    try:
        TargetFolders(root).write(folders)
        runs = {
            name: {**(options.get("params") or {}), **_own(name, folder, labels, parameters)}
            for name, folder in TargetFolders(root).read().items()
        }
        failed = _run_phases(kedro_run, options, runs, parameters)
        store = as_path(parameters["store_root"])
        _tell_together(root, options.get("pipelines") or [DEFAULT], failed, store)
    finally:
        lock.release()
    problems = Problems("The run")
    cases = [f"{name}: {reason}" for name, reason in failed.items()]
    problems.add("target that failed", cases, "The other targets are finished.")
    problems.raise_if_any()


def _own(name: str, folder: Path, labels: "LabelOptions", parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one target's run."""
    return {
        "target": name,
        "targets": None,
        "labels": {"labelling": labels.labelling, "world": labels.world, "classes": list(labels.classes)},
        "data_root": str(folder) if is_remote(folder) else folder.as_posix(),
        "store_root": str(parameters["store_root"]),
    }


def _run_phases(
    kedro_run: Callable[..., Any],
    options: Mapping[str, Any],
    runs: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Any],
) -> dict[str, str]:
    """Run each phase for every target, and train for all of them together in between; why targets failed."""
    from vernal.commands.targets_training import phases_of, train_together

    failed: dict[str, str] = {}
    phases = phases_of(options)
    for number, nodes in enumerate(phases):
        going = {name: params for name, params in runs.items() if name not in failed}
        if number:
            train_together(options, going, parameters, number)
        for at, (name, params) in enumerate(going.items(), start=1):
            part = f", part {number + 1} of {len(phases)}" if len(phases) > 1 else ""
            logger.info("\nTarget %d of %d: %s%s", at, len(going), name, part)
            chosen = {**options, "params": params} | ({"node_names": nodes} if nodes else {})
            try:
                kedro_run(**chosen)
            except (InputError, DatasetError) as error:
                failed[name] = _reason(error)
                logger.error("%s: %s", name, failed[name])
    return failed


def _reason(error: Exception) -> str:
    mistake = mistake_in(error)
    return on_one_line(mistake) if mistake is not None else str(error)


def settle_labels(parameters: Mapping[str, Any]) -> "LabelOptions":
    """The classes that `targets` means, and what labels leave unsaid of them.

    Raises:
        InputError: the manifest or the problem card cannot be used, or a target that no label names.
    """
    from dataclasses import replace

    from vernal.clips import labels, manifest
    from vernal.clips.problem_card import read_problem_card
    from vernal.datasets.manifest_dataset import ManifestDataset
    from vernal.pipelines.ingest.nodes import SourceOptions

    source, asked = SourceOptions(**parameters["source"]), labels.LabelOptions(**parameters["labels"])
    if not source.is_labelled:
        raise InputError(
            "Several targets need labelled clips (source.manifest or source.folder). The demo season has one target."
        )
    listed = ManifestDataset(source.manifest, source.folder, parameters["recorders"]["pattern"]).load()
    assert listed is not None
    reading = replace(asked, world=asked.world or labels.CLOSED)
    clips = manifest.check_manifest(listed, None, source.manifest_root, source.name, reading)
    card = Path(parameters["collection"]["problem"])
    found = labels.settled(
        parameters["targets"],
        clips.label,
        read_problem_card(card) if card.is_file() else None,
        asked,
        source.name,
        are_folders=source.folder is not None,
    )
    logger.info(
        "%d targets: %s. Labelling %s, world %s.",
        len(found.classes), ", ".join(found.classes), found.labelling, found.world,
    )  # fmt: skip
    return found


def _folder_names(targets: Iterable[str]) -> dict[str, str]:
    """A folder's name for each target, told apart where file systems would not."""
    from vernal.clips.training_package import safe_name

    names: dict[str, str] = {}
    taken: set[str] = set()
    for target in targets:
        name, number = safe_name(target), 2
        while name.casefold() in taken:
            name, number = f"{safe_name(target)}_{number}", number + 1
        names[target] = name
        taken.add(name.casefold())
    return names


def _tell_together(root: Path, pipelines: Iterable[str], failed: Mapping[str, str], store: Path) -> None:
    """Write and name what the targets are together, for every stage that was run."""
    from vernal.pipeline_registry import BASELINE, stages_on_disk

    stages = [BASELINE if name == DEFAULT else name for name in pipelines]
    for stage in [name for name in stages if name in stages_on_disk()]:
        folder = write_together(root, stage, failed, store)
        if folder is not None:
            logger.info("\n%s\n  %s", _words(folder / "targets.csv"), folder / "report.html")


def write_together(
    root: Path, stage: str, failed: Mapping[str, str], store_root: Path | None = None
) -> Path | None:
    """Write the tables and the page of several targets of a stage; the folder, or None where none has results.

    Args:
        failed: targets without results, with the reason.
        store_root: the data folder that holds the embeddings; None: `root`.
    """
    from vernal.common.files import write_text
    from vernal.common.table_files import write_table
    from vernal.datasets.stage_results_dataset import StageResultsDataset
    from vernal.evaluation.across import OneTarget, across_targets
    from vernal.reports.targets import targets_page
    from vernal.sweeps.stage_folder import StageFolder

    folders = TargetFolders(root).read()
    of, reports = {}, {}
    for name, data in folders.items():
        files = StageFolder(data, stage)
        if files.results.is_file() and not files.missing_tables():
            results = StageResultsDataset(filepath=files.results.as_posix()).load()
            scores, splits = files.read_table(files.scores), files.read_table(files.data.splits)
            of[name] = OneTarget(results, scores, splits)
            reports[name] = files.report.relative_to(root).as_posix()
    if not of:
        return None
    found = across_targets(of, next(iter(of.values())).results.card)
    place = StageFolder(root, stage).reporting / "targets"
    for name, table in found.tables().items():
        write_table(table, place / f"{name}.csv")
    confusers = confusers_table(of, folders, stage, store_root or root)
    write_table(confusers, place / "confusers.csv")
    write_text(place / "report.html", targets_page(stage, found, reports, failed, confusers))
    return place


def confusers_table(
    of: "Mapping[str, OneTarget]", folders: Mapping[str, Path], stage: str, store_root: Path
) -> "pd.DataFrame":
    """What BirdNET hears in the held-out clips that each target takes, or nearly takes, for its own (see
    `field.confusers`); no rows of targets that were trained on another encoder."""
    import pandas as pd

    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.common.data_folder import DataFolder
    from vernal.evaluation.coverage import SPLITS
    from vernal.evaluation.rounding import settled
    from vernal.field.confusers import COLUMNS, highest_negatives, with_species
    from vernal.field.export.trained_point import ENCODER, audio_of_model
    from vernal.sweeps.stage_folder import StageFolder
    from vernal.training.models import load_model

    store, parts = EmbeddingStore(DataFolder(store_root).embeddings), []
    for name, one in of.items():
        folder = StageFolder(folders[name], stage).models / one.point
        audio = audio_of_model(load_model(folder), str(folder))
        if audio.encoder != ENCODER:
            continue
        scores = pd.concat([one.scored(one.point, split) for split in SPLITS])
        threshold = one.results.number(one.point, "threshold_logit")
        clips = highest_negatives(scores, one.splits, threshold)
        parts.append(with_species(clips, audio, store).assign(target=name))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*COLUMNS, "target"])
    return settled(table[["target", *COLUMNS]])


def _words(path: Path) -> str:
    """The targets as a table of text, each with what it reaches on the test."""
    from vernal.commands.command_line import text_table
    from vernal.common.formatting import share
    from vernal.common.table_files import read_table

    table = read_table(path, ("target", "point", "configuration_hash", "verdict", "note"))
    splits = [name for name in ("test_ood", "test_iid", "val") if f"{name}_auroc" in table]
    columns = [f"{splits[0]}_{metric}" for metric in ("auroc", "average_precision", "f1")] if splits else []
    rows = [
        [row["target"], row["point"], *(share(row[name], 3) for name in columns)]
        for row in table.to_dict("records")
    ]
    return text_table([["target", "point", *columns], *rows]).replace("\N{EN DASH}", "-")
