"""The point files of a stage, as one catalog dataset."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from vernal.common.files import write_text
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import TablePreview, table_preview
from vernal.sweeps.points import read_point_records, record_to_yaml


class PointsDataset(AtomicFolder[Mapping[str, Mapping[str, Any]], dict[str, dict[str, Any]]]):
    """A folder of small YAML files, one a point: loads and saves file name -> content.

    A stage without such a folder has no edited points, so loading one that does not exist gives nothing.
    Kedro's own partitioned dataset makes a dataset object a file, which costs seconds for a thousand points.
    Saving leaves the files of other points alone.

    >>> import tempfile
    >>> points = PointsDataset(path=tempfile.mkdtemp() + "/stage5")
    >>> points.load()
    {}
    >>> points.save({"stage5_001": {"point": "stage5_001", "dropout": 0.5}})
    >>> points.load()
    {'stage5_001': {'point': 'stage5_001', 'dropout': 0.5}}
    """

    loads_before_written = True
    is_read_where_started = True

    def _read(self) -> dict[str, dict[str, Any]]:
        return read_point_records(self._path)

    def _write(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        for name, record in data.items():
            if not re.fullmatch(r"[a-z0-9]\w*", name):
                raise ValueError(
                    f"{name!r} is not the name of a point; a name such as stage5_017 names its file."
                )
            write_text(self._path / f"{name}.yml", record_to_yaml(record))

    def preview(self) -> TablePreview:
        """The first points by the settings in which they differ, for Kedro-Viz."""
        rows = [{name: _as_text(value) for name, value in row.items()} for row in self.load().values()]
        table = pd.DataFrame(rows)
        differing = [name for name in table.columns if table[name].nunique() > 1]
        return table_preview(table, columns=differing or None)


def _as_text(value: Any) -> str:
    return "; ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
