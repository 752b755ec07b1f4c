"""The data lake, as a catalog dataset: saving adds, loading gives the lake, nothing is ever rewritten."""

import logging
from pathlib import Path
from typing import Any

from vernal.collection.lake import Addition, Lake
from vernal.common.files import is_inside
from vernal.common.problems import InputError, Problems
from vernal.common.storage import on_disk
from vernal.datasets.atomic import StoreFolder

logger = logging.getLogger(__name__)


class LakeDataset(StoreFolder[list[Addition], Lake]):
    """Adds files to the raw zone; loads the zone.

    What a person collects and what a demo group brings lie in zones of their own: `collected`, and `demo-` with a name
    of its settings. `inbox` and `demo` are the parameters that tell which it is.

    >>> import tempfile
    >>> LakeDataset(path=tempfile.mkdtemp(), inbox="x").load().statements().empty
    True
    """

    store = Lake

    def __init__(
        self,
        path: str,
        inbox: str | None = None,
        demo: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        from vernal.collection.demo_group import DemoGroupOptions

        name = "collected" if inbox else f"demo-{DemoGroupOptions(**(demo or {})).folder}"
        super().__init__(str(on_disk(path, "The data lake of recordings") / name), metadata)
        self._inbox = Path(inbox) if inbox else None

    def _write(self, data: list[Addition]) -> None:
        if self._inbox and is_inside(self._path, self._inbox):
            raise InputError(
                f"The inbox {self._inbox} holds the data lake {self._path}, which would be added to itself. "
                "Give a folder of recordings and labels alone, or a data_root outside it."
            )
        outcome = Lake(self._path).add(data)
        counts = outcome.outcome.value_counts().sort_index()
        logger.info("Data lake: %s", ", ".join(f"{name} {count:,}" for name, count in counts.items()))
        refused = outcome[outcome.outcome == "refused"]
        problems = Problems("The inbox")
        cases = [f"{row.file_path}: {row.reason}" for row in refused.itertuples()]
        problems.add(
            "file that could not be added", cases, "Correct them and run again; the others are kept."
        )
        problems.raise_if_any()

    def _is_there(self) -> bool:
        return (self._path / "statements").is_dir()
