"""`kedro store`: how large the stored embeddings and heads are, whether they are whole, and what can go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vernal.commands.command_line import (
    ClearErrors,
    data_root,
    echo,
    find_project,
    size_text,
    text_table,
    with_params,
)
from vernal.common.data_folder import DataFolder
from vernal.common.files import TEMPORARY_PREFIX, abandoned
from vernal.common.formatting import count, examples
from vernal.common.problems import InputError

if TYPE_CHECKING:
    import pandas as pd

    from vernal.audio.embedding.store import EmbeddingStore

_REASONS = {
    "damaged": "found damaged",
    "abandoned": "left by an interrupted run",
    "settings": "of settings that nothing reads any more",
    "keys": "of windows that no clip needs",
}


@click.group(name="store", cls=ClearErrors)
def store() -> None:
    """Show, verify and prune the stored embeddings and heads.

    \b
    Example:  kedro store info
    """


@store.command("info")
@with_params
def info(params: Mapping[str, str]) -> None:
    """Show how much is stored, by audio settings.

    \b
    Example:  kedro store info --params=data_root=/x/out
    """
    places = _find(params)
    table = places.embeddings.info()
    rows = [
        [row["settings_id"], *_in_words(row), int(row["parts"]), int(row["windows"]), size_text(row["bytes"])]
        for row in table.to_dict("records")
    ]
    echo(f"Embeddings in {places.embeddings.folder}")
    if rows:
        echo(
            text_table(
                [["settings", "encoder", "version", "band", "overlap", "parts", "windows", "size"], *rows]
            )
        )
        echo(f"{count(int(table.windows.sum()), 'window')} in all, {size_text(table.bytes.sum())}")
    else:
        echo("nothing yet; the first run fills it")
    heads = _head_files(places.heads)
    size = size_text(sum(file.stat().st_size for file in heads))
    echo(f"\nHeads in {places.heads}\n{count(len(heads), 'trained head')}, {size}")


def _in_words(row: Mapping[Any, Any]) -> list[str]:
    """Encoder, version, band and overlap of a group; question marks where its settings cannot be read."""
    if _are_unknown(row):
        return ["?"] * 4
    band = f"{row['fmin']:g}-{row['fmax']:g} Hz"
    return [row["encoder"], row["encoder_version"], band, f"{row['overlap']:g} s"]


def _are_unknown(row: Mapping[Any, Any]) -> bool:
    return not isinstance(row["encoder"], str)


@store.command("verify")
@with_params
def verify(params: Mapping[str, str]) -> None:
    """Compare everything with its checksum, and look inside.

    Reads all that is stored, and exits with an error if something is damaged; then it names what has to be made again.

    \b
    Example:  kedro store verify
    """
    places = _find(params)
    files = places.embeddings.verify()
    broken = files[files.state != "ok"]
    damaged = [f"embeddings: {row.settings_id}/{row.file}: {row.fault}" for row in broken.itertuples()]
    heads = _head_files(places.heads)
    damaged += [f"heads: {file.name}" for file in heads if not _is_whole_head(file)]
    echo(
        f"read {count(len(files), 'file')} of embeddings ({size_text(files.bytes.sum())}) and "
        f"{count(len(heads), 'head')}"
    )
    if damaged:
        listed = "\n".join(f"  {name}" for name in damaged)
        raise click.ClickException(
            f"{len(damaged):,} damaged:\n{listed}\nkedro store prune removes them; the next run makes them again."
            + _to_embed_again(places, broken)
        )
    echo("all are whole")


@store.command("prune")
@click.option("--unused", is_flag=True, help="Also embeddings that the clips of the last ingest do not need.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
@with_params
def prune(unused: bool, dry_run: bool, params: Mapping[str, str]) -> None:
    """Remove what is damaged, left over or unused.

    Without options: what is damaged or was left by interrupted runs. What is removed is made again by the next run
    that needs it.

    \b
    Example:  kedro store prune --dry-run
    Example:  kedro store prune --unused --params=data_root=/x/out
    """
    places = _find(params)
    release = _locked(places.data.root, dry_run)
    try:
        keep_keys, keep_settings = _needed(places) if unused else (None, None)
        removed = places.embeddings.prune(keep_keys, keep_settings, dry_run)
        heads = _prune_heads(places.heads, dry_run)
    finally:
        release()
    verb = "would remove" if dry_run else "removed"
    for reason, text in _REASONS.items():
        rows = removed[removed.reason == reason]
        if len(rows):
            windows = f", {count(int(rows.windows.sum()), 'window')}" if rows.windows.sum() else ""
            echo(f"{verb} {count(len(rows), 'file')} {text}{windows}, {size_text(rows.bytes.sum())}")
    if heads:
        of_heads = count(len(heads), "damaged or left file")
        echo(f"{verb} {of_heads} of heads, {size_text(sum(heads))}")
    if removed.empty and not heads:
        echo("nothing to remove")


@dataclass(frozen=True)
class _Places:
    """Where a run's stores are."""

    data: DataFolder
    embeddings: "EmbeddingStore"
    heads: Path


def _find(params: Mapping[str, str]) -> _Places:
    from vernal.audio.embedding.store import EmbeddingStore

    root = data_root(find_project(), params)
    if not root.is_dir():
        raise InputError(f"The data folder {root} does not exist; name one with --params=data_root=...")
    data = DataFolder(root)
    return _Places(data, EmbeddingStore(data.embeddings), data.heads)


def _head_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.glob("*.npz") if not file.name.startswith(TEMPORARY_PREFIX))


def _is_whole_head(file: Path) -> bool:
    from vernal.training.heads import load_head

    try:
        load_head(file)
    except InputError:
        return False
    return True


def _prune_heads(folder: Path, dry_run: bool) -> list[int]:
    """Sizes of the files that go: damaged heads, and old files that a writer left."""
    going = abandoned(folder) + [file for file in _head_files(folder) if not _is_whole_head(file)]
    sizes = [file.stat().st_size for file in going]
    if not dry_run:
        for file in going:
            file.unlink()
    return sizes


def _needed(places: _Places) -> tuple[set[str], set[str]]:
    """Keys and settings that the clips of the last ingest need, for every band and overlap in the store.

    Raises:
        InputError: there are no clips, so that everything would seem unused.
    """
    from vernal.audio.embedding.windows import plan_windows
    from vernal.common.table_files import read_table

    file = places.data.clips
    if not file.is_file():
        raise InputError(
            f"{file} does not exist, so nobody knows which embeddings are unused. Run the ingest pipeline first, or "
            "prune without --unused."
        )
    clips = read_table(file)
    keys: set[str] = set()
    settings: set[str] = set()
    for row in places.embeddings.info().to_dict("records"):
        options = _options_of(row)
        if options is not None and options.settings_id == row["settings_id"]:
            settings.add(options.settings_id)
            keys.update(plan_windows(clips, options).key)
    return keys, settings


def _to_embed_again(places: _Places, broken: "pd.DataFrame") -> str:
    """A line that says which recordings of the last ingest have windows in damaged parts alone; empty without any."""
    from vernal.audio.embedding.windows import plan_windows
    from vernal.common.table_files import read_table

    if not places.data.clips.is_file():
        return ""
    clips, lacking = read_table(places.data.clips), set[str]()
    groups = places.embeddings.info()
    for row in groups[groups.settings_id.isin(broken.settings_id)].to_dict("records"):
        options = _options_of(row)
        if options is not None:
            windows = plan_windows(clips, options)
            whole = places.embeddings.known_keys(options, without=set(broken.file))
            lacking |= set(windows.file_path[~windows.key.isin(whole)])
    return f"\nTo embed again: {examples(sorted(lacking))}" if lacking else ""


def _options_of(row: Mapping[Any, Any]) -> Any:
    """The audio settings of a group; None for those that cannot be read, or of an encoder that is gone."""
    from vernal.audio.embedding.windows import EmbeddingOptions

    if _are_unknown(row):
        return None
    try:
        return EmbeddingOptions.from_settings(row)
    except InputError:
        return None


def _locked(root: Path, dry_run: bool) -> Callable[[], None]:
    """Keep runs away while files are removed; returns what ends that."""
    if dry_run:
        return lambda: None
    from vernal.framework.hooks import take_lock

    return take_lock(root).release
