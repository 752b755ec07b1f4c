"""A stage's results as one object: what it was asked, with the tables that its evaluation left."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from vernal.common.files import write_text
from vernal.common.storage import is_remote
from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.evaluation.stage_results import StageQuestion, StageResults
from vernal.sweeps.stage_folder import SEAL, StageFolder

_QUESTION = TypeAdapter(StageQuestion)
_last: dict[str, Any] = {}


class StageResultsDataset(AtomicFile[StageQuestion, StageResults]):
    """Saves what a stage was asked, as JSON, and loads it with the stage's tables, which are datasets of their own.

    The file lies in the stage's folder of model output, as `vernal.sweeps.stage_folder` says; the tables are found
    from there. Proof, figures and page load the same results one after the other, so the last ones are kept for as long
    as their files stand.
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
        if is_remote(self._filepath):
            return self._read_files()
        files = [*self.contents(), self._folder.evaluation_tables / SEAL]
        now = {path: path.stat() for path in files if path.is_file()}
        state = [(path, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for path, one in now.items()]
        if _last.get("state") != state:
            _last.update(state=state, results=self._read_files())
        return _last["results"]

    def _read_files(self) -> StageResults:
        return StageResults.read(self._folder, self._question())

    def _write(self, data: StageQuestion) -> None:
        write_text(self._filepath, _QUESTION.dump_json(data, indent=2).decode() + "\n")

    def _question(self) -> StageQuestion:
        return _QUESTION.validate_json(self._filepath.read_text(encoding="utf-8"))

    def preview(self) -> JSONPreview:
        """What the stage was asked, for Kedro-Viz."""
        return json_preview(_QUESTION.dump_python(self._question(), mode="json"))
