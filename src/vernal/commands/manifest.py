"""`kedro manifest`: what a folder of recordings says, written as a manifest to look at and to edit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vernal.commands.command_line import (
    ClearErrors,
    data_root,
    echo,
    find_project,
    text_table,
    typed_params,
    with_params,
)
from vernal.common.formatting import count, examples
from vernal.common.names import CLASS_DIVIDER, one_spelling
from vernal.common.problems import InputError, mistake_in

if TYPE_CHECKING:
    import pandas as pd

    from vernal.clips.problem_card import ProblemCard

# What a folder does not say and a person may: empty columns to fill in.
_TO_FILL_IN = ("quality", "site")


@click.group(name="manifest", cls=ClearErrors)
def manifest() -> None:
    """Write what a folder of recordings says as a manifest.

    \b
    Example:  kedro manifest folder /x/clips --out=clips.csv
    Example:  kedro manifest tables /x/season --out=clips.csv --params=collection.problem=owl.yml,data_root=out
    """


_folder = click.argument("folder", type=click.Path(path_type=Path))
_out = click.option("--out", required=True, type=click.Path(path_type=Path), help="CSV to write.")


@manifest.command("folder")
@_folder
@_out
@with_params
def folder(folder: Path, out: Path, params: Mapping[str, str]) -> None:
    """Read one folder a class, as source.folder does.

    \b
    Example:  kedro manifest folder /x/clips --out=clips.csv
    """
    from vernal.clips.class_folders import read_class_folders

    _refuse_place(out)
    _write(read_class_folders(folder, params.get("recorders.pattern")), folder, out, out.stem)


@manifest.command("tables")
@_folder
@_out
@with_params
def tables(folder: Path, out: Path, params: Mapping[str, str]) -> None:
    """Read recordings with label files, whatever their licence.

    \b
    It runs the first steps of --pipeline=collection, which keep every file in the data folder.
    Example:  kedro manifest tables /x/season --out=clips.csv --params=target=owl,data_root=out
    """
    from vernal.clips.annotation_formats import birdnet
    from vernal.collection.collected_manifest import several_classes
    from vernal.collection.report import count_reasons, sentence
    from vernal.collection.training_command import targets_param
    from vernal.common.table_files import read_table
    from vernal.datasets.problem_card_dataset import ProblemCardDataset

    _refuse_place(out)
    project = find_project()
    own = {"collection.lake.require_licence": "false", "collection.inbox": str(folder.resolve())}
    parameters = _collect(project, {**own, **params, "collection.inbox": own["collection.inbox"]})
    root = data_root(project, params)
    clips = _collected(root / "03_primary" / "collection" / "manifest.csv")
    reports = root / "08_reporting" / "collection"
    held_back, remarks = reports / "held_back.csv", reports / "label_problems.csv"
    _tell_reasons(count_reasons(read_table(held_back, ["reason"])), "clip", f"held back ({held_back})")
    problems = read_table(remarks, ["line_label", "reason"])
    n_remarks = problems.n_rows.fillna(1).astype(int).groupby(problems.reason).sum()
    said = n_remarks.sort_values(ascending=False, kind="stable")
    _tell_reasons(list(said.items()), "remark", f"on labels ({remarks})")
    if n_results := int((read_table(reports / "label_files.csv", ["format"]).format == birdnet.NAME).sum()):
        echo(
            f"{count(n_results, 'file')} of BirdNET's results: what a model says is kept apart and labels no clip."
        )
    problem = params.get("collection.problem")
    targets = parameters["targets"]
    card = ProblemCardDataset(parameters["collection"]["problem"], parameters["target"], targets).load()
    several = targets_param(clips, card, several_classes(targets, card))
    if not card.performance and not targets and (words := _other_classes(problems, card)):
        echo(words)
    place = root.as_posix() + (f",collection.problem={problem}" if problem else "")
    _write(clips, folder, out, place, several)
    if several:
        return
    if not any(map(_may_be_target, clips.label)):
        echo("Name what you look for as the tables write it: --params=target=NAME.")
    elif clips.label.nunique() == 1:
        echo(sentence("steps.no_negatives", target=clips.label.iloc[0]))


def _other_classes(problems: "pd.DataFrame", card: "ProblemCard") -> str:
    """How to look for what tables name beside the target; empty where they name nothing else."""
    from vernal.collection.class_words import looks_misspelt

    unknown = [
        name
        for name in problems.line_label.dropna()
        if card.find(name) is None and not looks_misspelt(name, card)
    ]
    others = sorted(set(one_spelling(unknown).values()))
    names = CLASS_DIVIDER.join([card.target, *others])
    return f'To look for several classes, name them: --params="targets={names}".' if others else ""


def _collect(project: Path, params: Mapping[str, str]) -> Mapping[str, Any]:
    """Run the collection as far as its manifest; all parameters as the run had them."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from kedro.io import DatasetError

    from vernal.commands.run_mistakes import check_run
    from vernal.common.logging_filters import tell_mistakes_once

    bootstrap_project(project)
    asked = {"pipelines": ["collection"], "to_nodes": ["collection.write_manifest"]}
    typed = typed_params(params)
    parameters = check_run({**asked, "params": typed})
    tell_mistakes_once()
    try:
        session: Any  # Kedro types the base class
        with KedroSession.create(project, runtime_params=typed) as session:
            session.run(pipeline_names=asked["pipelines"], to_nodes=asked["to_nodes"])
    except DatasetError as error:
        raise mistake_in(error) or error from error
    return parameters


def _tell_reasons(reasons: Sequence[tuple[Any, int]], kind: str, what: str) -> None:
    """Say why clips or labels do not count, the most frequent reasons first."""
    if reasons:
        told = [f"{reason}: {n:,}" for reason, n in reasons]
        echo(f"{count(sum(n for _, n in reasons), kind)} {what}:\n  {examples(told, chr(10) + '  ')}")


def _collected(path: Path) -> "pd.DataFrame":
    """The collection's manifest with the recordings' own paths."""
    from vernal.common.table_files import read_table

    columns = ["recording", "start_s", "end_s", "label", "quality", "site", "recorder_id", "date", "time"]
    texts = [name for name in columns if not name.endswith("_s")]
    return read_table(path, texts)[columns].rename(columns={"recording": "file_path"})


def _refuse_place(out: Path) -> None:
    if out.suffix.lower() != ".csv":
        raise InputError(f"--out is {out}; give a name that ends in .csv.")
    if out.exists():
        raise InputError(f"{out} is there already, perhaps edited; remove it or give another name as --out.")


def _write(clips: "pd.DataFrame", root: Path, out: Path, data_folder: str, several: str = "") -> None:
    """Write the manifest and say what was understood, and what to do with it.

    Args:
        data_folder: the folder of results, and further parameters, as the command to train has them.
        several: `targets=...` and what goes with it, where several are trained.
    """
    from vernal.clips.recording_names import recorders_in_words
    from vernal.common.table_files import write_table

    empty = {name: None for name in _TO_FILL_IN if name not in clips}
    write_table(clips.assign(**empty), out)
    counts = clips.label.value_counts().sort_index()
    echo(text_table([["label", "clips"], *([label, int(n)] for label, n in counts.items())]))
    files = clips.drop_duplicates("file_path")
    if files.recorder_id.notna().any():
        echo(recorders_in_words(files.recorder_id.fillna("").tolist(), files.file_path.tolist()) + ".")
    if n_undated := int(files.date.isna().sum()):
        echo(f"{count(n_undated, 'file')} without a date in the name.")
    echo(f"\n{out} has {count(len(clips), 'row')}; {' and '.join(_TO_FILL_IN)} are yours to fill in or mend.")
    targets = [label for label in counts.sort_values(ascending=False).index if _may_be_target(label)]
    if len(counts) < 2:
        echo("Nothing to train on yet: it takes clips with what is looked for and clips without.")
    elif _are_of_one_night(clips):
        echo(
            "All clips are of one night, which is never divided, so nothing could be tested: label clips of a second "
            "night, and of a third for a threshold."
        )
    elif several or targets:
        others = f" (or target={', '.join(targets[1:4])})" if len(targets) > 1 and not several else ""
        source = f"source.manifest={out.resolve()},source.audio_root={root.resolve()}"
        params = f"{source},{several or f'target={targets[0]}'},data_root={data_folder}"
        echo(f'Train on it{others}:\n\n  kedro run --params="{params}"')


def _are_of_one_night(clips: "pd.DataFrame") -> bool:
    """Whether no split can divide the clips, as far as their names tell."""
    from vernal.clips.nights import NightOptions, with_nights
    from vernal.clips.splits import blocks

    unknown = dict.fromkeys({"group", "site"} - set(clips), None)
    return (
        blocks(with_nights(clips.assign(content_hash=clips.file_path, **unknown), NightOptions())).nunique()
        == 1
    )


def _may_be_target(label: str) -> bool:
    from vernal.clips.labels import NEGATIVE, NOT

    return label != NEGATIVE and CLASS_DIVIDER not in label and not label.startswith(NOT)
