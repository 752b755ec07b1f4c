"""A stage's trained classifiers, one folder a point, as one catalog dataset."""

from pathlib import Path

from vernal.common.storage import remove_tree
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.training.models import Model, load_model, save_model


class ModelsDataset(AtomicFolder[dict[str, Model], dict[str, Model]]):
    """Saves and loads point name -> model; saving removes the folders of points that are not named any more.

    Each folder holds `head.npz` (weights, no pickle), `labels.txt`, `history.csv` and `parameters.yml`.
    """

    def _read(self) -> dict[str, Model]:
        return {folder.name: load_model(folder) for folder in self._folders()}

    def _write(self, data: dict[str, Model]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        for name, model in data.items():
            save_model(self._path / name, model)
        for folder in sorted(self._path.iterdir()):
            if folder.is_dir() and folder.name not in data:
                remove_tree(folder)

    def _folders(self) -> list[Path]:
        return sorted(folder for folder in self._path.iterdir() if (folder / "parameters.yml").is_file())

    def preview(self) -> JSONPreview:
        """The points that have a model, and the files of each, for Kedro-Viz."""
        folders = self._folders()
        files = sorted(file.name for file in folders[0].iterdir()) if folders else []
        return json_preview({"models": [folder.name for folder in folders], "files": files})
