"""The spec of a stage, as a catalog dataset."""

from vernal.datasets.atomic import AtomicFile, WrittenByPeople
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.sweeps.spec import Spec, read_stage


class SpecDataset(WrittenByPeople, AtomicFile[None, Spec]):
    """Loads `<stage>.yml`, checked; subset names are checked where the subsets are known. Never writes."""

    loads_before_written = True
    is_read_where_started = True
    refusal = "A spec is written by a person."

    def _read(self) -> Spec:
        return read_stage(self._filepath.parent, self._filepath.stem, known_subsets=None)

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
