"""A detection run as its page reads it, and whether anything could be heard in it at all."""

from dataclasses import dataclass

import pandas as pd

from vernal.common.data_folder import typed_command
from vernal.common.formatting import count
from vernal.common.problems import InputError
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import COPY, UNHEARD, Detections
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.validation import Validation


@dataclass(frozen=True, eq=False)
class DetectionRun:
    """Everything that the page is made from.

    `band_hz` is that of the call, where the problem card gives it; `params` are what commands on this run need.
    """

    found: Detections
    nights: pd.DataFrame
    top: pd.DataFrame
    validation: Validation
    classifier: Classifier
    options: DetectionOptions
    audio_root: str
    is_demo: bool
    band_hz: tuple[float, float] | None = None
    params: tuple[str, ...] = ()

    def command(self, queue: str) -> str:
        """The command that opens one of the run's queues for a listener."""
        return typed_command(f"kedro review {queue}", *self.params)

    @property
    def heard_h(self) -> float:
        return float(self.found.effort.heard_s.sum()) / 3_600

    @property
    def has_several(self) -> bool:
        """Whether there is more than one label."""
        return len(self.classifier.labels) > 1

    @property
    def n_windows(self) -> int:
        """Windows heard."""
        return int(self.found.files.n_windows.sum())

    @property
    def recordings(self) -> pd.DataFrame:
        """Files, without second copies."""
        return self.found.files[self.found.files.state != COPY]


def unheard_words(files: pd.DataFrame) -> str:
    """That not one of some recordings could be heard, and what is most often wrong with them; empty where one was.

    Args:
        files: `state` and `message` of each, as `find_detections` gives them.

    >>> unheard_words(pd.DataFrame({"state": ["not heard"], "message": ["Permission denied"]}))
    '0 of 1 recording could be heard: Permission denied'
    """
    if files.empty or (files.state != UNHEARD).any():
        return ""
    reasons = files.message.dropna().value_counts().index
    return f"0 of {count(len(files), 'recording')} could be heard" + (
        f": {reasons[0]}" if len(reasons) else ""
    )


def refuse_unheard(files: pd.DataFrame | None) -> None:
    """Refuse to call a run a success in which there was nothing to hear; None is no detection run.

    Raises:
        InputError: not one of the recordings could be heard.
    """
    if files is not None and (words := unheard_words(files[files.state != COPY])):
        raise InputError(f"{words}. Mend that and run again; `broken.csv` says what is wrong with each.")
