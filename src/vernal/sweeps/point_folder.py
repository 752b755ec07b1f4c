"""The folder of a stage's point files: brought in line with its spec, edits of people left alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vernal.common.files import write_text
from vernal.common.problems import InputError, Problems
from vernal.common.safe_yaml import read_yaml
from vernal.sweeps.point_settings import PointSettings, clashes
from vernal.sweeps.points import (
    MAX_POINT_BYTES,
    Point,
    PointFile,
    point_to_yaml,
    read_records,
    setting_differences,
)
from vernal.sweeps.spec import Spec, expand


@dataclass
class FolderChanges:
    """What bringing a folder in line does, by name of point.

    `new` had no file; `updated` had one from an older spec; `kept` differ from the spec by a person's edit
    (with the edit in words); `reset` lost such an edit; `removed` belong to no point any more and are
    removed; `leftover` do so too and stay.
    """

    unchanged: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    reset: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)

    @property
    def n_written(self) -> int:
        """How many files are written or removed."""
        return len(self.new) + len(self.updated) + len(self.reset) + len(self.removed)


def write_point_files(
    folder: Path | str, spec: Spec, reset: bool = False, prune: bool = False, dry_run: bool = False
) -> FolderChanges:
    """Write the point files of a stage.

    Args:
        folder: where they are, one `<point>.yml` each.
        spec: the stage.
        reset: edited (and unreadable) files are written anew too.
        prune: files of points that the spec no longer has are removed; edited ones only with `reset`.
        dry_run: nothing is touched.
    Raises:
        InputError: files that cannot be read, all of them, before anything is written.
    """
    folder = Path(folder)
    files, broken = _read_each(folder)
    if broken and not reset:
        problems = Problems(folder.as_posix())
        problems.add(
            "point file that cannot be read", broken.values(), "Mend it, or use --reset to write it anew."
        )
        problems.raise_if_any()
    changes, texts = FolderChanges(), {}
    points = expand(spec)
    for point in points:
        text = point_to_yaml(point)
        if _sort_point(folder, point, text, files.get(point.name), point.name in broken, reset, changes):
            texts[point.name] = text
    names = {point.name for point in points}
    for name in sorted((set(files) | set(broken)) - names):
        is_edited = name in broken or not files[name].is_as_written
        (changes.removed if prune and (reset or not is_edited) else changes.leftover).append(name)
    if not dry_run:
        for name, text in texts.items():
            write_text(folder / f"{name}.yml", text)
        for name in changes.removed:
            (folder / f"{name}.yml").unlink()
    return changes


def _sort_point(
    folder: Path,
    point: Point,
    text: str,
    file: PointFile | None,
    is_broken: bool,
    reset: bool,
    changes: FolderChanges,
) -> bool:
    """Note what happens to one point's file; True if it is to be written."""
    if is_broken:
        changes.reset[point.name] = "could not be read"
        return True
    if file is None:
        changes.new.append(point.name)
        return True
    edit = "" if file.is_as_written else edit_in_words(point, file)
    if edit:
        (changes.reset if reset else changes.kept)[point.name] = edit
        return reset
    # Read as text: a checkout with other line ends is not another file.
    if (folder / f"{point.name}.yml").read_text(encoding="utf-8") == text:
        changes.unchanged.append(point.name)
        return False
    changes.updated.append(point.name)
    return True


def edit_in_words(point: Point, file: PointFile) -> str:
    """How a file differs from its point in the spec: `dropout 0.25 -> 0.5`; empty if in nothing."""
    values = {**point.settings.__dict__, **file.settings}
    if clash := clashes(values):
        return clash[0]
    return differences_in_words(point.settings, PointSettings(**values))


def differences_in_words(before: PointSettings, after: PointSettings) -> str:
    """Settings that differ, on one line."""
    pairs: Mapping[str, tuple[str, str]] = setting_differences(before, after)
    return ", ".join(f"{name} {old} -> {new}" for name, (old, new) in pairs.items())


def _read_each(folder: Path) -> tuple[dict[str, PointFile], dict[str, str]]:
    """The point files that can be read, and what is wrong with the others, by name."""
    files: dict[str, PointFile] = {}
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.yml")):
        if path.name.startswith("."):
            continue
        try:
            files |= read_records({path.stem: read_yaml(path, MAX_POINT_BYTES)}, path.name)
        except InputError as error:
            broken[path.stem] = " ".join(str(error).replace(path.as_posix(), path.name).split()).rstrip(".")
    return files, broken
