"""Nightly activity: which recorder's night has detections, how many, from when to when, and how many false to expect.

A night is one recorder from noon to noon, as everywhere (`clips.nights`).
A night without recordings, one whose recordings could not be heard, and one without detections are three different
things, and are kept apart. A detection is not yet a presence: that takes a person who heard the target in it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, nights_of_moments
from vernal.field.detection.detections import COPY, HEARD, PARTLY, UNCHECKED, Detections
from vernal.field.detection.false_alarms import ENDS, FalseAlarmRate, chance_of_any
from vernal.field.detection.listing import UNKNOWN, started_at
from vernal.field.detection.verification import CONFIRMED, REJECTED, confirmed_nights

EXPECTED, CHANCE = "expected_false_windows", "false_night_chance"
NIGHT_COLUMNS = (
    "recorder_id", "night", "label", "state", "has_detection", "is_present", "n_detections", "n_windows",
    "n_windows_heard", *(f"{name}{end}" for name in (EXPECTED, CHANCE) for end in ENDS), "first_call", "last_call",
    "max_confidence", "heard_h", "n_files", "n_files_unheard", "review_state", "n_confirmed", "n_rejected",
)  # fmt: skip
_KEYS = ["recorder_id", "night", "label"]
_REVIEWED = {"n_confirmed": CONFIRMED, "n_rejected": REJECTED}
CALLS, QUIET, UNHEARD, NO_RECORDINGS = "calls", "no calls", "not heard", "no recordings"
# A longer stretch without any recording is a gap between deployments, or a clock that was set wrong.
LONGEST_GAP_NIGHTS = 60


def count_nights(
    found: Detections,
    labels: tuple[str, ...],
    start_hour: int = START_HOUR,
    rates: Mapping[str, FalseAlarmRate] | None = None,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a recorder, night and label: `NIGHT_COLUMNS`.

    Every recorder has a row for every night of the season (see `season_nights`), so that a night in which it made no
    recording is said to be one. `has_detection` is missing where nothing was heard. `first_call` and `last_call` are
    when the first and the last detection begin.

    Args:
        rates: of false alarms, by label; what is expected of a label without one is missing.
        verdicts: of people (see `verification.verdicts_of`), which the detections of `found` have already. `is_present`
            is true in the nights of confirmed places, and else missing: nobody hears a whole night. `review_state` is
            `confirmed` there, `rejected` where every detection of the night is, `not heard` where nothing was heard,
            and else `unchecked`.
    """
    files = _files_by_night(found, start_hour)
    heard = found.effort.groupby(["recorder_id", "night"], as_index=False)[["heard_s", "n_windows"]].sum()
    heard = heard.rename(columns={"n_windows": "n_windows_heard"})
    seen = pd.concat([files[["recorder_id", "night"]], heard[["recorder_id", "night"]]]).drop_duplicates()
    grid = _grid(seen, labels)
    calls = _calls(found.detections)
    table = (
        grid.merge(files, how="left", on=["recorder_id", "night"])
        .merge(heard, how="left", on=["recorder_id", "night"])
        .merge(calls, how="left", on=_KEYS)
        .merge(_confirmed(found, verdicts, start_hour), how="left", on=_KEYS)
    )
    counts = ("n_detections", "n_windows", "n_windows_heard", "n_files", "n_files_unheard", *_REVIEWED)
    table = table.assign(
        heard_h=table.heard_s.fillna(0.0) / 3_600,
        **{name: table[name].fillna(0).astype("int64") for name in counts},
    )
    is_heard = table.heard_h > 0
    flagged = (table.n_detections > 0).astype("boolean").mask(~is_heard)
    state = np.select(
        [table.n_detections > 0, is_heard, table.n_files > 0], [CALLS, QUIET, UNHEARD], default=NO_RECORDINGS
    )
    review = np.select(
        [
            ~is_heard,
            table.is_present.notna(),
            (table.n_rejected > 0) & (table.n_rejected == table.n_detections),
        ],
        [UNHEARD, CONFIRMED, REJECTED],
        default=UNCHECKED,
    )
    table = table.assign(
        has_detection=flagged,
        review_state=pd.Series(review, index=table.index, dtype="str"),
        state=pd.Series(state, index=table.index, dtype="str"),
        **_expected(table.n_windows_heard.where(is_heard), table.night != UNKNOWN, table.label, rates or {}),
    )
    return table[list(NIGHT_COLUMNS)].sort_values(_KEYS, ignore_index=True)


def _expected(
    n_windows: pd.Series, is_dated: pd.Series, labels: pd.Series, rates: Mapping[str, FalseAlarmRate]
) -> dict[str, pd.Series]:
    """Flagged windows that as much sound without the target would give, and the chance that it gives any."""
    columns = {}
    for at, end in enumerate(ENDS):
        value = labels.map({label: rate.rates[at] for label, rate in rates.items()}).astype("float64")
        columns[f"{EXPECTED}{end}"] = n_windows * value
        # What has no date may be of many nights.
        chance = chance_of_any(value.to_numpy(), n_windows.to_numpy())
        columns[f"{CHANCE}{end}"] = pd.Series(chance, n_windows.index).where(is_dated)
    return columns


def _confirmed(found: Detections, verdicts: pd.DataFrame | None, start_hour: int) -> pd.DataFrame:
    """Nights in which people heard a label: `recorder_id, night, label, is_present` (true)."""
    if verdicts is None or verdicts.empty:
        return pd.DataFrame(columns=[*_KEYS, "is_present"]).astype({"is_present": "boolean"})
    nights = confirmed_nights(found, verdicts, start_hour)
    return nights.assign(is_present=True).astype({"is_present": "boolean"})


def _files_by_night(found: Detections, start_hour: int) -> pd.DataFrame:
    """Files by the night that they began in; copies are no recordings of their own."""
    files = found.files[found.files.state != COPY]
    nights = nights_of_moments(started_at(files), start_hour).fillna(UNKNOWN)
    unheard = ~files.state.isin([HEARD, PARTLY])
    rows = pd.DataFrame(
        {
            "recorder_id": files.recorder_id,
            "night": nights,
            "n_files": 1,
            "n_files_unheard": unheard.astype("int64"),
        }
    )
    return rows.groupby(["recorder_id", "night"], as_index=False)[["n_files", "n_files_unheard"]].sum()


def _calls(detections: pd.DataFrame) -> pd.DataFrame:
    is_as = {name: detections.review_state == state for name, state in _REVIEWED.items()}
    grouped = detections.assign(**is_as).groupby(["recorder_id", "night", "label"], as_index=False)
    return grouped.agg(
        n_detections=("start_s", "size"),
        n_windows=("n_windows", "sum"),
        first_call=("started_at", "min"),
        last_call=("started_at", "max"),
        max_confidence=("confidence", "max"),
        **{name: (name, "sum") for name in _REVIEWED},
    )


def _grid(seen: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    recorders = sorted(seen.recorder_id.unique())
    dated = season_nights(sorted(set(seen.night) - {UNKNOWN}))
    grid = pd.MultiIndex.from_product([recorders, dated, labels], names=["recorder_id", "night", "label"])
    unknown = sorted(seen.recorder_id[seen.night == UNKNOWN].unique())
    more = pd.MultiIndex.from_product([unknown, [UNKNOWN], labels], names=["recorder_id", "night", "label"])
    return pd.concat([grid.to_frame(index=False), more.to_frame(index=False)], ignore_index=True).astype(
        "str"
    )


def season_nights(dates: list[str]) -> list[str]:
    """Dates from the first to the last, those between included unless a gap is longer than `LONGEST_GAP_NIGHTS`.

    >>> season_nights(["2025-04-01", "2025-04-03"])
    ['2025-04-01', '2025-04-02', '2025-04-03']
    >>> season_nights(["2000-01-01", "2025-04-03"])
    ['2000-01-01', '2025-04-03']
    """
    days = [pd.Timestamp(date) for date in dates]
    filled: list[pd.Timestamp] = []
    for day in days:
        if filled and (day - filled[-1]).days <= LONGEST_GAP_NIGHTS:
            filled += list(pd.date_range(filled[-1], day)[1:])
        elif not filled or day > filled[-1]:
            filled.append(day)
    return [day.strftime("%Y-%m-%d") for day in filled]
