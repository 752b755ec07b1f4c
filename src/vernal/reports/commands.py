"""The commands that a stage's pages tell their readers to type: whole, with what they need to find its data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vernal.common.data_folder import data_root_param, typed_command
from vernal.common.files import is_inside
from vernal.common.storage import is_remote
from vernal.evaluation.stage_results import StageResults

RECORDINGS = "detection.recordings=/path/to/recordings"


@dataclass(frozen=True)
class StageCommands:
    """Commands on a stage's points; `params` are parameters that they need, empty where there are none.

    Attributes:
        place: the one that names the data folder.
        heard: those that playing its clips takes beside it.

    >>> StageCommands("stage5", "data_root=/x/out").export("stage5_017")
    'kedro export stage5 stage5_017 --out DIR --params=data_root=/x/out'
    """

    stage: str
    place: str = ""
    heard: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, results: StageResults, audio_roots: Mapping[str, str], data_root: Path | str
    ) -> "StageCommands":
        """Those of a stage as it lies in a data folder.

        Args:
            audio_roots: folder of each source; recordings outside the data folder are played if they are named.
        """
        root = audio_roots.get("labelled", "")
        is_known = is_remote(data_root) or not root or is_inside(Path(root), Path(data_root))
        heard = (f"target={results.target}", "" if is_known else f"source.audio_root={root}")
        return cls(results.spec.stage, data_root_param(data_root), heard)

    def export(self, point: str) -> str:
        """Write a point as a classifier for other programs."""
        return typed_command(f"kedro export {self.stage} {point} --out DIR", self.place)

    def detect(self, point: str) -> str:
        """Search recordings with a point."""
        model = f"detection.model={self.stage}/{point}"
        return typed_command("kedro run --pipeline=detection", RECORDINGS, model, self.place)

    def check_sample(self) -> str:
        """Listen to a sample of what was searched."""
        return typed_command("kedro review sample", RECORDINGS, self.place)

    def hear(self, point: str, expression: str) -> str:
        """Listen to clips that pass a filter."""
        asked = f'kedro review --scores {self.stage}/{point} --filter "{expression}"'
        return typed_command(asked, *self.heard, self.place)

    def hear_errors(self, point: str, threshold: float, split: str = "") -> dict[str, str]:
        """Listen to what a point gets wrong at a threshold: by `missed calls` and `false alarms`."""
        within = f"split == '{split}' and " if split else ""
        return {
            "missed calls": self.hear(point, f"{within}is_positive and score < {threshold:.6g}"),
            "false alarms": self.hear(point, f"{within}not is_positive and score >= {threshold:.6g}"),
        }
