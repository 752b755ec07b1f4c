"""What the pages may know of a project: its folders, its parameters, its datasets, and the sound it may play."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.common.files import is_inside
from vernal.common.problems import InputError
from vernal.common.settings import find_setting
from vernal.common.storage import as_path
from vernal.common.target_folders import TargetFolders

if TYPE_CHECKING:
    from vernal.clips.problem_card import ProblemCard

SOURCE_PARAMETERS = (
    "source.audio_root",
    "source.folder",
    "source.field",
    "source.unlabelled",
    "source.season",
    "collection.inbox",
    "detection.recordings",
)


class Refused(InputError):
    """Something outside what the page may show was asked for."""


class NotThere(InputError):
    """A dataset that no run has written yet, or that the project does not know."""


def _no_dataset(name: str) -> Any:
    raise NotThere(f"The dataset {name} is not known here.")


@dataclass(frozen=True, eq=False)
class ProjectContext:
    """One project and its data folder, as the pages see it.

    `folder`: the project's folder, with `conf`. `data_root`: the folder that holds 01_raw to 08_reporting.
    `parameters`: the merged parameters. `load`: gives a catalog dataset by name; `save` writes one. `open_target`: the
    same project with the data folder of one of several targets, by the target's name and that folder.
    """

    folder: Path
    data_root: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[str], Any] = _no_dataset
    save: Callable[[str, Any], None] = lambda name, data: _no_dataset(name)
    open_target: "Callable[[str, Path], ProjectContext] | None" = None
    _opened: "dict[Path, ProjectContext]" = field(default_factory=dict, init=False, repr=False)

    @property
    def targets(self) -> "dict[str, ProjectContext]":
        """The targets of a data folder of several, each with its own; empty where it is of one."""
        if self.open_target is None:
            return {}
        folders = TargetFolders(self.data_root).read()
        for name, folder in folders.items():
            if folder not in self._opened:
                self._opened[folder] = self.open_target(name, folder)
        return {name: self._opened[folder] for name, folder in folders.items()}

    @property
    def store_root(self) -> Path:
        """The data folder that keeps the embeddings; of one of several targets the one above, if no other is named."""
        given = self.setting("store_root")
        if given is None or as_path(given) == self.data_root:
            return TargetFolders.above(self.data_root) or self.data_root
        return as_path(given)

    def setting(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, dots naming the way down; `default` where it is absent or empty."""
        value = find_setting(self.parameters, name)
        return default if value is None else value

    def load_or_none(self, name: str) -> Any:
        """A dataset, or None where no run has written it."""
        try:
            return self.load(name)
        except NotThere:
            return None

    def clips(self, name: str = "clips") -> Any:
        """A table of clips by its dataset; `clips` are those of every source, what mining found in a season included.

        Raises:
            NotThere: no run has written it.
        """
        joined = self.load_or_none("all_clips") if name == "clips" else None
        return self.load(name) if joined is None else joined

    def band_of(self, asked: str) -> list[float] | None:
        """The frequencies of a class, Hz, by the problem card; None where it does not say."""
        card: ProblemCard | None = self.load_or_none("problem_card")
        if card is None or asked not in card.names:
            return None
        band = card.band_of(asked)
        return [float(edge) for edge in band] if band else None

    def allowed_folders(self) -> list[Path]:
        """All folders that sound may come from: the data folder, and the sources that people configured.

        What the data folder itself says of them does not count: it may be somebody else's.
        """
        manifest = self.setting("source.manifest")
        named = [self.setting(name) for name in SOURCE_PARAMETERS]
        named += [Path(str(manifest)).parent] if manifest else []
        return [self.data_root, *(Path(str(text)).expanduser() for text in named if text)]

    def audio_file(self, folder: Path | str, file_path: str) -> Path:
        """The whole path of a recording, links resolved.

        Raises:
            Refused: it is no file below one of `allowed_folders`.
        """
        whole = (Path(folder) / file_path).resolve()
        if not any(is_inside(whole, allowed) for allowed in self.allowed_folders()):
            raise Refused(
                f"{file_path} does not lie in a folder of this project's recordings. If it should, name the recordings "
                "as for the run: kedro review --params=source.manifest=..., source.folder=... or "
                "detection.recordings=..."
            )
        if not whole.is_file():
            raise NotThere(f"The recording {file_path} is not in {folder} any more.")
        return whole
