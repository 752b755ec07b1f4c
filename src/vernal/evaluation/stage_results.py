"""A stage's results as plots and reports read them: which split decides, which points lead, what to deploy.

Nothing is computed anew here. The evaluation's tables say everything; this module finds the row that a
sentence or a picture is about.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.demo_season import is_demo_data
from vernal.clips.folds import BY_NIGHTS, BY_SITES
from vernal.clips.problem_card import ProblemCard
from vernal.common.hashing import digest
from vernal.common.table_files import digest_of_table
from vernal.evaluation.baselines import METADATA, PLACE_AND_HOUR
from vernal.evaluation.choice import BY_NOTHING, WAYS
from vernal.evaluation.coverage import SPLITS, VALIDATION
from vernal.evaluation.deployment import deployed_point
from vernal.evaluation.leaderboard import EMPTY_SUBSETS
from vernal.evaluation.notes import CHOICE
from vernal.evaluation.operating_points import review_minutes, why_none
from vernal.evaluation.options import EvaluationOptions
from vernal.sweeps.settings_table import CONFIGURATION, SEED, level_text, settings_of
from vernal.sweeps.spec import Spec
from vernal.sweeps.stage_folder import StageFolder

METRIC_NAMES = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "fpr": "false positive rate",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "auroc_within_recorder": "AUROC within recorder",
}
CHOSEN_BEFORE = "an earlier version, which let the test choose; run the stage again"
KEY = "key"  # the evaluation's table, and its one column, that names what it was made from
GROUP_NAMES = {"quality": "quality", "call_type": "call type", "recorder_id": "recorder", "site": "site"}
UNIT_NAMES = {"clip": "clips", "file": "files", "night": "recorder-nights"}


@dataclass(frozen=True)
class StageQuestion:
    """What a stage was asked.

    Attributes:
        spec: the stage as it was written.
        target: the label of interest.
        options: how it is evaluated.
        card: what the problem card asks; None where nobody wrote one.
    """

    spec: Spec
    target: str
    options: EvaluationOptions
    card: ProblemCard | None = None


@dataclass(frozen=True)
class StageResults:
    """Everything that was found in a stage.

    Attributes:
        spec: the stage as it was asked for.
        target: the label of interest.
        plan: one row per point, with its settings.
        points, leaderboard, effects: the stage's result tables.
        tables: the evaluation's further tables by name (see `vernal.evaluation.evaluate.EvaluationResult`).
        failures: points without a model: `point, step, message`.
        options: how the stage was evaluated.
        is_demo: whether the recordings are the synthetic demo season.
        card: what the problem card asks; None where nobody wrote one.
    """

    spec: Spec
    target: str
    plan: pd.DataFrame
    points: pd.DataFrame
    leaderboard: pd.DataFrame
    effects: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    failures: pd.DataFrame
    options: EvaluationOptions
    is_demo: bool
    card: ProblemCard | None = None

    @classmethod
    def read(cls, folder: StageFolder, asked: StageQuestion) -> "StageResults":
        """A finished stage's results, as its last run left them.

        Args:
            folder: where they lie.
            asked: what the tables do not say.
        Raises:
            OSError, ValueError: a table is not there, or is none.
        """
        plan, points, leaderboard, effects = map(folder.read_table, folder.tables.values())
        return cls(
            asked.spec,
            asked.target,
            plan,
            points,
            leaderboard,
            effects,
            folder.read_evaluation_tables(),
            folder.read_failures(),
            asked.options,
            is_demo_data(folder.data.root),
            asked.card,
        )

    @property
    def evaluation_key(self) -> str:
        """Digest of everything that the evaluation's numbers depend on."""
        return str(self.tables[KEY][KEY].iloc[0])

    @cached_property
    def digest(self) -> str:
        """Name of the results by what they are: the values of the tables that people open."""
        return digest("results", *map(digest_of_table, (self.points, self.leaderboard, self.effects)))

    def table(self, name: str, point: str | None = None, split: str | None = None) -> pd.DataFrame:
        """One of the evaluation's tables, of one point and one split where asked; empty if it is not there."""
        found = self.tables.get(name, pd.DataFrame())
        for column, wanted in (("point", point), ("split", split)):
            if wanted is not None:
                found = found[found[column] == wanted] if column in found else found.iloc[:0]
        return found.reset_index(drop=True)

    @cached_property
    def measured_splits(self) -> list[str]:
        """Splits that hold units, in the order val, test_iid, test_ood."""
        return [name for name in SPLITS if f"{name}_f1" in self.points.columns]

    @cached_property
    def test_splits(self) -> list[str]:
        """Measured test splits, the one that is reported first in front."""
        listed = [name for name in self.measured_splits if name != VALIDATION]
        return sorted(listed, key=lambda name: name != self.primary_split)

    @cached_property
    def shown_splits(self) -> list[str]:
        """What pictures show: the test splits, or validation where there is none."""
        return self.test_splits or self.measured_splits

    @cached_property
    def primary(self) -> str:
        """The column that is reported first, as in `test_ood_f1`; no choice is made by it."""
        ends = [name for name in self.leaderboard.columns if name.endswith("_low")]
        if ends:
            return ends[0].removesuffix("_low")
        return f"{self.options.primary_split}_{self.options.primary_metric}"

    @cached_property
    def primary_split(self) -> str:
        """The split that is reported first; another than was asked for where that one has not both classes."""
        return next(name for name in SPLITS if self.primary.startswith(f"{name}_"))

    @cached_property
    def primary_metric(self) -> str:
        """The metric that orders configurations and is reported first."""
        return self.primary.removeprefix(f"{self.primary_split}_")

    @cached_property
    def axes(self) -> list[str]:
        """The settings that vary, without the seed."""
        columns = list(self.leaderboard.columns)
        return columns[columns.index(CONFIGURATION) + 1 : columns.index("n_points")]

    @cached_property
    def compared(self) -> pd.DataFrame:
        """The leaderboard without what is only listed: configurations that name a subset without a clip."""
        if EMPTY_SUBSETS not in self.leaderboard:
            return self.leaderboard
        return self.leaderboard[self.leaderboard[EMPTY_SUBSETS].isna()]

    @cached_property
    def n_configurations(self) -> int:
        """Configurations that were compared."""
        return len(self.compared)

    @cached_property
    def n_seeds(self) -> int:
        """Seeds in the plan."""
        return int(self.plan[SEED].nunique())

    @cached_property
    def chosen_by(self) -> str:
        """What configurations were chosen by, a key of `choice.WAYS`; empty in results of an earlier version."""
        if "chosen_by" not in self.leaderboard:
            return ""
        return str(self.leaderboard["chosen_by"].iloc[0]) if len(self.leaderboard) else BY_NOTHING

    @cached_property
    def choice_name(self) -> str:
        """What gives the order of configurations, in words."""
        if not self.chosen_by:
            return CHOSEN_BEFORE
        return WAYS[self.chosen_by].name.format(metric=METRIC_NAMES[self.primary_metric])

    @cached_property
    def is_cross_validated(self) -> bool:
        """Whether configurations were chosen by folds of the train split."""
        return self.chosen_by in (BY_SITES, BY_NIGHTS)

    @cached_property
    def choice_column(self) -> str | None:
        """The leaderboard's column of what was chosen by; None where that is nothing."""
        if not self.chosen_by:
            return None
        return WAYS[self.chosen_by].column.format(metric=self.primary_metric) or None

    @cached_property
    def choice_notes(self) -> list[str]:
        """How configurations were chosen among, then why it was not as asked."""
        notes = self.table("notes")
        return notes.loc[notes["scope"] == CHOICE, "note"].tolist() if len(notes) else []

    @cached_property
    def tied(self) -> pd.DataFrame:
        """The rows of the leaderboard that share its first place."""
        return self.leaderboard[self.leaderboard["rank"] == 1]

    @cached_property
    def flattery(self) -> float:
        """By how much the best on the split that is reported lies above what was chosen, in the metric's mean there."""
        means = self.compared[f"{self.primary}_mean"].astype(float)
        return float(means.max() - means.iloc[0]) if len(means) else float("nan")

    @cached_property
    def leader(self) -> pd.Series | None:
        """The chosen configuration: first row of the leaderboard; None if a precision floor left it empty."""
        return self.leaderboard.iloc[0] if len(self.leaderboard) else None

    @cached_property
    def leading_points(self) -> list[str]:
        """Points of the chosen configuration, one a run."""
        return self.table("curves")["point"].drop_duplicates().astype(str).tolist()

    @cached_property
    def deployed(self) -> str:
        """The point to use; see `vernal.evaluation.deployment`."""
        return deployed_point(self.points, self.leading_points) or self.leading_points[0]

    @cached_property
    def by_point(self) -> pd.DataFrame:
        return self.points.set_index("point")

    def number(self, point: str, column: str) -> float:
        """A number of a point; NaN where it is undefined or the column is not there."""
        if column not in self.by_point.columns:
            return float("nan")
        value: Any = self.by_point.at[point, column]
        try:
            return float(value)
        except (TypeError, ValueError):
            return float("nan")

    def numbers(self, point: str, split: str) -> Mapping[str, float]:
        """All numbers of a point on a split by metric; NaN where one is undefined or was not measured."""
        columns = [name for name in self.points.columns if name.startswith(f"{split}_")]
        known = {name.removeprefix(f"{split}_"): self.number(point, name) for name in columns}
        return defaultdict(lambda: float("nan"), known)

    def points_of(self, row: pd.Series) -> list[str]:
        """The points that stand for a row of the leaderboard, one a run."""
        named = [point for point in str(row["points"]).split(", ") if point in self.by_point.index]
        return self.by_point.loc[named, "config_hash"].drop_duplicates().index.tolist()

    def levels(self, row: pd.Series) -> dict[str, str]:
        """The levels of a configuration, by axis, as text."""
        return {axis: level_words(row[axis]) for axis in self.axes}

    @cached_property
    def settings(self) -> pd.DataFrame:
        """Every setting of every point as text."""
        return settings_of(self.plan)

    def baseline(self, name: str, split: str, metric: str) -> float:
        """A baseline's number on a split; NaN where there is none."""
        table = self.table("baselines", split=split)
        row = table[table["baseline"] == name] if len(table) else table
        return float(row[metric].iloc[0]) if len(row) and metric in row else float("nan")

    def guessed_from(self, split: str) -> str:
        """What the guess without audio can go by on a split, in words; empty where that is nothing."""
        table = self.table("baselines", split=split)
        if "uses" not in table:  # of an earlier version
            return PLACE_AND_HOUR
        words = {PLACE_AND_HOUR: PLACE_AND_HOUR, "place": "the place alone", "hour": "the hour alone"}
        uses = table.loc[table["baseline"] == METADATA, "uses"].tolist()
        return "".join(words.get(str(use), "") for use in uses)

    @cached_property
    def thresholds(self) -> pd.DataFrame:
        """What the goal that decides gave for each leading point and split."""
        table = self.table("operating_points")
        if table.empty:
            return table
        decides = table["goal"] == table["goal"].iloc[0]
        return table[decides & table["point"].isin(self.leading_points)].reset_index(drop=True)

    def review_minutes(self, rate: float) -> float:
        """Minutes a night to check the false alarms of a false positive rate."""
        return float(review_minutes(rate, self.options.clips_per_night, self.options.seconds_per_clip))

    @cached_property
    def block_name(self) -> str:
        """What is drawn together in intervals of the split that decides: nights, or groups where none are known."""
        known = np.isfinite(self.number(self.leading_points[0], f"{self.primary_split}_n_nights"))
        return "nights" if known else "groups"

    @cached_property
    def goal(self) -> str:
        """What thresholds were chosen for, in words."""
        return str(self.thresholds["goal"].iloc[0]) if len(self.thresholds) else self.options.goals[0].text

    def threshold(self, point: str) -> float:
        """The logit from which a point flags; NaN where none could be chosen."""
        rows = self.thresholds[self.thresholds["point"] == point]
        return float(rows["threshold_logit"].iloc[0]) if len(rows) else float("nan")

    @cached_property
    def no_threshold(self) -> str:
        """Why no point has a threshold; empty where they have."""
        positive, negative = (
            self.number(self.deployed, f"{VALIDATION}_n_{side}") for side in ("positive", "negative")
        )
        return why_none(positive, negative)


def level_words(level: Any) -> str:
    """A setting's level in words; the names of a set with commas.

    >>> level_words("high;medium"), level_words(True)
    ('high, medium', 'true')
    """
    return level_text(level).replace(";", ", ")


def short_levels(levels: Sequence[str]) -> list[str]:
    """Levels for a picture's labels: names of subsets without their folder, if that leaves them distinct.

    >>> short_levels(["none", "hardNeg/conf_50"])
    ['none', 'conf_50']
    """
    short = [", ".join(part.rpartition("/")[2] for part in level.split(", ")) for level in levels]
    return short if len(set(short)) == len(set(levels)) else list(levels)
