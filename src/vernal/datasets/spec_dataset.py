"""The spec of a stage, as a catalog dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from vernal.datasets.previews import json_preview
from vernal.sweeps.spec import Spec, read_stage


class SpecDataset(AbstractDataset[None, Spec]):
    """Loads `<stage>.yml`, checked; subset names are checked where the subsets are known. Never writes."""

    # A person's file beside the project: workers of a cluster are sent what it holds.
    is_read_where_started = True

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Spec:
        return read_stage(self._filepath.parent, self._filepath.stem, known_subsets=None)

    def save(self, data: None) -> NoReturn:
        raise DatasetError("A spec is written by a person.")

    def preview(self) -> JSONPreview:
        """Question, axes and settings, for Kedro-Viz."""
        spec = self.load()
        points = {"points": spec.n_points} if spec.axes else {}
        return json_preview(
            {
                "description": spec.description,
                **points,
                "axes": {name: list(values) for name, values in spec.axes.items()},
                "base_params": dict(spec.base_params),
            }
        )

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
