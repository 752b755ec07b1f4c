"""Where the results of several targets lie: each target's in a data folder of its own below `targets`.

Every command that takes `data_root` works on such a folder as on any other. Embeddings and trained heads are kept once,
in the data folder above.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vernal.common.files import write_text
from vernal.common.json_text import read_json
from vernal.common.storage import as_path


class TargetFolders:
    """The targets of a data folder; none need be there.

    Attributes:
        folder: holds one data folder a target.
        index: which target is in which folder.
    """

    def __init__(self, data_root: Any) -> None:
        self.folder: Path = as_path(data_root) / "targets"
        self.index = self.folder / "targets.json"

    @classmethod
    def above(cls, data_root: Any) -> Path | None:
        """The data folder that one target's data folder belongs to; None where it belongs to none."""
        folder = as_path(data_root).parent
        return folder.parent if cls(folder.parent).index.is_file() and folder.name == "targets" else None

    def write(self, names: Mapping[str, str]) -> None:
        """Remember the folder's name of each target, in order."""
        write_text(self.index, json.dumps(dict(names), indent=2, ensure_ascii=False) + "\n")

    def read(self) -> dict[str, Path]:
        """The data folder of each target, in the order of the last run; empty where there was none."""
        if not self.index.is_file():
            return {}
        return {str(name): self.folder / str(folder) for name, folder in read_json(self.index).items()}
