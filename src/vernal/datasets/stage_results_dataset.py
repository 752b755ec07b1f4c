"""A stage's results as one object: what it was asked, with the tables that its evaluation left."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from vernal.common.files import write_text
from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.evaluation.stage_results import StageQuestion, StageResults
from vernal.sweeps.stage_folder import StageFolder

_QUESTION = TypeAdapter(StageQuestion)


class StageResultsDataset(AtomicFile[StageQuestion, StageResults]):
    """Saves what a stage was asked, as JSON, and loads it with the stage's tables, which are datasets of their own.

    The file lies in the stage's folder of model output, as `vernal.sweeps.stage_folder` says; the tables are found
    from there.
    """

    def contents(self) -> list[Path]:
        folder = self._folder
        tables = [*folder.tables.values(), folder.failures, *folder.evaluation_tables.glob("*.parquet")]
        # That says whether the stage is of the demo season.
        return [*super().contents(), *sorted(tables), folder.data.audio_roots]

    @property
    def _folder(self) -> StageFolder:
        return StageFolder(self._filepath.parent.parent.parent, self._filepath.parent.name)

    def _read(self) -> StageResults:
        return StageResults.read(self._folder, self._question())

    def _write(self, data: StageQuestion) -> None:
        write_text(self._filepath, _QUESTION.dump_json(data, indent=2).decode() + "\n")

    def _question(self) -> StageQuestion:
        return _QUESTION.validate_json(self._filepath.read_text(encoding="utf-8"))

    def preview(self) -> JSONPreview:
        """What the stage was asked, for Kedro-Viz."""
        return json_preview(_QUESTION.dump_python(self._question(), mode="json"))
