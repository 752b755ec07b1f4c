"""A manifest that a person wrote, as a catalog dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from vernal.manifest import read_manifest


class ManifestDataset(AbstractDataset[None, pd.DataFrame | None]):
    """Loads a CSV or Parquet manifest; None when no file is named. Never writes.

    >>> ManifestDataset(filepath=None).load() is None
    True
    """

    def __init__(self, filepath: str | None, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath) if filepath else None
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        return None if self._filepath is None else read_manifest(self._filepath)

    def save(self, data: None) -> NoReturn:
        raise DatasetError("A manifest belongs to the person who wrote it; the project does not write it.")

    def _exists(self) -> bool:
        return self._filepath is None or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
