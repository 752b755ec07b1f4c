"""How many windows have which score, by recorder's night: all that sampling and its estimates need of a season.

Counted while the scores are read once, so that memory grows with nights, not with windows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, night_of, nights_of_moments
from vernal.field.detection.listing import UNKNOWN

if TYPE_CHECKING:
    from vernal.field.detection.scoring import BlockScores

COUNT_COLUMNS = ("label", "recorder_id", "night", "logit", "n_windows")
STEP = 0.25
HIGHEST = 12.0


def lines_of(floor: float, more: Sequence[float] = ()) -> np.ndarray:
    """Logits that windows are counted between: from the floor up in steps, and whatever else has to be exact.

    >>> lines_of(11.5, [11.6]).tolist()
    [11.5, 11.6, 11.75, 12.0]
    """
    steps = np.arange(np.ceil(max(floor, -HIGHEST) / STEP), HIGHEST / STEP + 1) * STEP
    return np.unique([floor, *steps, *(value for value in more if value > floor)])


def window_nights(start: pd.Timestamp, start_s: np.ndarray, start_hour: int = START_HOUR) -> np.ndarray:
    """The night that each window of a recording begins in, (n,) text; `unknown` without a time."""
    if not len(start_s) or pd.isna(start):
        return np.full(len(start_s), UNKNOWN, dtype=object)

    # One by one: a table of two takes ten times as long, half a million times a season.
    first, last = (night_of(start + pd.Timedelta(seconds=float(start_s[at])), start_hour) for at in (0, -1))
    if first == last:
        return np.full(len(start_s), first, dtype=object)
    moments = pd.Series(start + pd.to_timedelta(np.round(start_s * 1_000), unit="ms"))
    return nights_of_moments(moments, start_hour).to_numpy(dtype=object)


class ScoreCounts:
    """Counts windows as their scores are read.

    Args:
        lines: ascending; see `lines_of`.
    """

    def __init__(self, labels: Sequence[str], lines: np.ndarray, start_hour: int = START_HOUR) -> None:
        self._labels, self._lines, self._start_hour = tuple(labels), lines, start_hour
        self._counts: dict[tuple[str, str], np.ndarray] = {}

    def add(self, recorder_id: str, start: pd.Timestamp, block: "BlockScores", shift: float) -> None:
        """Count the windows of a block; `shift` is added to its logits."""
        nights = window_nights(start, block.start_s, self._start_hour)
        for night in dict.fromkeys(nights):
            here = self._counts.setdefault(
                (recorder_id, night), np.zeros((len(self._labels), len(self._lines) + 1), dtype=np.int64)
            )
            logits = block.logits[nights == night] + shift
            for at in range(len(self._labels)):
                cells = np.searchsorted(self._lines, logits[:, at], side="right")
                here[at] += np.bincount(cells, minlength=here.shape[1])

    def table(self) -> pd.DataFrame:
        """`COUNT_COLUMNS`: windows from `logit` up to the next line (-inf: below the lowest), those of any alone."""
        keys = sorted(self._counts)
        shape = (len(keys), len(self._labels), len(self._lines) + 1)
        counts = np.stack([self._counts[key] for key in keys]) if keys else np.zeros(shape, dtype=np.int64)
        night, label, cell = np.nonzero(counts)
        table = {
            "label": np.array(self._labels, dtype=object)[label],
            "recorder_id": np.array([key[0] for key in keys], dtype=object)[night],
            "night": np.array([key[1] for key in keys], dtype=object)[night],
            "logit": np.array([-np.inf, *self._lines])[cell],
            "n_windows": counts[night, label, cell],
        }
        kinds = dict.fromkeys(("label", "recorder_id", "night"), "str") | {"logit": "float64"}
        return pd.DataFrame(table, columns=list(COUNT_COLUMNS)).astype(kinds | {"n_windows": "int64"})
