"""A stage's trained classifiers, one folder a point, as one catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path, remove_tree
from vernal.datasets.previews import json_preview
from vernal.training.models import Model, load_model, save_model


class ModelsDataset(AbstractDataset[dict[str, Model], dict[str, Model]]):
    """Saves and loads point name -> model; saving removes the folders of points that are not named any more.

    Each folder holds `head.npz` (weights, no pickle), `labels.txt`, `history.csv` and `parameters.yml`.
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> dict[str, Model]:
        folders = sorted(folder for folder in self._path.iterdir() if (folder / "parameters.yml").is_file())
        return {folder.name: load_model(folder) for folder in folders}

    def save(self, data: dict[str, Model]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        for name, model in data.items():
            save_model(self._path / name, model)
        for folder in sorted(self._path.iterdir()):
            if folder.is_dir() and folder.name not in data:
                remove_tree(folder)

    def preview(self) -> JSONPreview:
        """The points that have a model, and the files of each, for Kedro-Viz."""
        folders = sorted(folder for folder in self._path.iterdir() if (folder / "parameters.yml").is_file())
        files = sorted(file.name for file in folders[0].iterdir()) if folders else []
        return json_preview({"models": [folder.name for folder in folders], "files": files})

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
