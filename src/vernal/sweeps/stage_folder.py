"""Where the files of a stage lie, and how its tables are read: what the catalog says, for all that works without it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.common.data_folder import DataFolder

if TYPE_CHECKING:
    import pandas as pd

# Columns that are text even where their values look like numbers, by file; as in the catalog.
TEXT_COLUMNS = {
    "training_counts.csv": ("fit_hash", "empty_subsets"),
    "undrawn_points.csv": ("point", "step", "message"),
    "failures.csv": ("point", "step", "message"),
    "points.csv": ("point", "config_hash", "configuration_hash", "encoder_version", "fit_key"),
    "leaderboard.csv": ("configuration_hash", "points"),
}
SEAL = ".whole"


class StageFolder:
    """The files of one stage below a data folder, on a disk or in an object store; none of them need be there.

    Attributes are paths, named as the stage's datasets in the catalog (`<stage>.plan` is `plan`).

    Attributes:
        plan, training_sets, fold_sets, training_counts, undrawn_points: what is trained, one row per point or clip.
        models: the folder of trained points, one folder each.
        scores, fold_scores, reference_scores, failures: logits of every point and clip; those of configurations on
            clips of the train split that they did not train on; those of the references; points without a model.
        evaluation_tables: the folder of the evaluation's further tables, sealed when whole.
        results: what the stage was asked, which makes the tables one object.
        points_table, leaderboard, effects: the tables that a person opens.
        plots, report, answer, certificate, model_card, data_card: what a person reads.
        runs: the folder of run records.

    >>> StageFolder("data", "stage5").leaderboard.as_posix()
    'data/08_reporting/stage5/leaderboard.csv'
    """

    def __init__(self, data_root: Any, stage: str) -> None:
        self.data, self.stage = DataFolder(data_root), stage
        inputs, outputs = (self.data.root / name / stage for name in ("05_model_input", "07_model_output"))
        self.plan = inputs / "plan.parquet"
        self.training_sets = inputs / "training_sets.parquet"
        self.fold_sets = inputs / "fold_sets.parquet"
        self.training_counts = inputs / "training_counts.csv"
        self.undrawn_points = inputs / "undrawn_points.csv"
        self.models = self.data.models / stage
        self.scores = outputs / "scores.parquet"
        self.fold_scores = outputs / "fold_scores.parquet"
        self.reference_scores = outputs / "reference_scores.parquet"
        self.failures = outputs / "failures.csv"
        self.evaluation_tables = outputs / "evaluation"
        self.results = outputs / "results.json"
        self.reporting = self.data.reporting / stage
        self.points_table = self.reporting / "points.csv"
        self.leaderboard = self.reporting / "leaderboard.csv"
        self.effects = self.reporting / "effects.csv"
        self.plots = self.reporting / "plots"
        self.report = self.reporting / "report.html"
        self.answer = self.reporting / "answer.txt"
        self.certificate = self.reporting / "certificate.json"
        self.model_card = self.reporting / "model_card.md"
        self.data_card = self.reporting / "data_card.md"
        self.runs = self.reporting / "runs"

    @property
    def tables(self) -> dict[str, Path]:
        """The four tables without which a stage has no results, by name of their dataset."""
        return {name: getattr(self, name) for name in ("plan", "points_table", "leaderboard", "effects")}

    def missing_tables(self) -> list[str]:
        """The paths of `tables` that are not there, as they are named below the data folder."""
        return [
            path.relative_to(self.data.root).as_posix() for path in self.tables.values() if not path.is_file()
        ]

    def read_table(self, path: Path) -> "pd.DataFrame":
        """One of the stage's tables; names and hashes are text even where they look like numbers.

        Raises:
            OSError, ValueError: it is not there, or no table.
        """
        from vernal.common.table_files import read_table

        return read_table(path, TEXT_COLUMNS.get(path.name, ()))

    def read_failures(self) -> "pd.DataFrame":
        """Points without a model: `point`, `step`, `message`; no rows where no run has listed them."""
        import pandas as pd

        if self.failures.is_file():
            return self.read_table(self.failures)
        return pd.DataFrame(columns=["point", "step", "message"], dtype="str")

    def read_evaluation_tables(self) -> "dict[str, pd.DataFrame]":
        """The evaluation's further tables by name; none where a run has not left all of them."""
        if not (self.evaluation_tables / SEAL).is_file():
            return {}
        files = sorted(self.evaluation_tables.glob("*.parquet"))
        return {file.stem: self.read_table(file) for file in files if not file.name.startswith(".")}
