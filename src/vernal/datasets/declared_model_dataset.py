"""The one model that the sealed split is opened for, with its threshold and its training set."""

from typing import Any

from kedro.io import AbstractDataset

from vernal.common.data_folder import DataFolder
from vernal.common.storage import as_path
from vernal.datasets.atomic import WrittenByPeople
from vernal.proof.sealed import DeclaredModel, read_declared


class DeclaredModelDataset(WrittenByPeople, AbstractDataset[None, DeclaredModel]):
    """Loads a model of a finished stage by its name, STAGE/POINT; it cannot be saved."""

    refusal = "A declared model is only read; its stage writes it."

    def __init__(
        self, data_root: str, model: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._data_root = as_path(data_root)
        self._model = model
        self.metadata = metadata

    def load(self) -> DeclaredModel:
        return read_declared(self._data_root, self._model)

    def _exists(self) -> bool:
        return bool(self._model) and (DataFolder(self._data_root).models / str(self._model)).is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"model": self._model}
