"""What occupancy models read: detection histories, effort and covariates, a row a site and a column an occasion.

An occasion is 1 where the target was detected, 0 where it was listened for and not detected, and NA where nothing was
heard or nothing was recorded: a broken microphone is no absence. In the history of verified detections a person has
confirmed each 1; an occasion with detections that nobody has checked to the end is NA, since it may be either.
"""

import json
import re
from collections.abc import Callable, Iterable
from importlib import resources
from itertools import count

import numpy as np
import pandas as pd

from vernal.common.tables import safe_csv_text
from vernal.field.detection.detections import UNCHECKED
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.nights import CALLS
from vernal.field.detection.verification import CONFIRMED
from vernal.field.handover.sites import SITE_COLUMNS

NIGHTS_OF = {"night": 1, "week": 7}
HISTORIES = ("verified", "thresholded")
SCRIPTS = ("read.R", "unmarked.R", "spOccupancy.R")
_PACKAGE = "vernal.field.handover"


def occupancy_files(
    nights: pd.DataFrame, hours: pd.DataFrame, sites: pd.DataFrame, occasion: str = "night"
) -> dict[str, Callable[[], bytes]]:
    """Path in the pack -> function that gives the file's bytes.

    `<label>/history_verified.csv` and `<label>/history_thresholded.csv` are histories; `effort.csv`, `date.csv` and
    `sunset.csv` have their shape: hours heard, days since the season's first night, and hours from sunset to when
    listening began (an empty table's worth of NA without coordinates). `sites.csv` has a row a site, with what the
    table of sites says of it.

    Args:
        nights: as `place_nights` gives them.
        hours: as `count_hours` gives them.
        sites: as `read_sites` gives them.
        occasion: one night, or seven from the season's first.
    Returns:
        Nothing where no night has a date.
    """
    if (nights.night == UNKNOWN).all():
        return {}
    dated = _occasions(nights, occasion)
    shape = _shape(dated)
    files: dict[str, pd.DataFrame] = {"sites.csv": site_covariates(dated, sites, shape.index)}
    of_one = dated[dated.label == dated.label.min()]
    effort = _wide(of_one.groupby(["site", "occasion"]).heard_h.sum(), shape)
    files["effort.csv"] = effort.where(effort > 0)
    files["date.csv"] = _days(shape).where(effort > 0)
    files["sunset.csv"] = _wide(_starts(hours, dated), shape)
    folders = _folders(dated.label.unique())
    for label, rows in dated.groupby("label", sort=True):
        for kind in HISTORIES:
            files[f"{folders[str(label)]}/history_{kind}.csv"] = history(rows, kind, shape)
    made: dict[str, Callable[[], bytes]] = {name: _csv(table) for name, table in files.items()}
    return made | {name: _script(name, sorted(folders.values())) for name in SCRIPTS}


def history(nights: pd.DataFrame, kind: str, shape: pd.DataFrame) -> pd.DataFrame:
    """The detection history of one label: 1, 0 or missing by site and occasion.

    Args:
        nights: its nights with `site` and `occasion`.
        kind: one of `HISTORIES`.
        shape: a frame with the sites as rows and the occasions as columns.
    """
    is_heard = nights.heard_h > 0
    if kind == "thresholded":
        is_found, is_open = nights.state == CALLS, pd.Series(False, index=nights.index)
    else:
        is_found = nights.review_state == CONFIRMED
        is_open = (nights.state == CALLS) & (nights.review_state == UNCHECKED)
    flags = nights.assign(found=is_heard & is_found, open=is_heard & is_open, heard=is_heard)
    any_of = flags.groupby(["site", "occasion"])[["found", "open", "heard"]].any()
    value = np.select([any_of.found, any_of.open, any_of.heard], [1.0, np.nan, 0.0], default=np.nan)
    return _wide(pd.Series(value, index=any_of.index), shape).astype("Int64")


def site_covariates(nights: pd.DataFrame, sites: pd.DataFrame, names: pd.Index) -> pd.DataFrame:
    """One row a site: its place, how many recorders it had, and the first row of the table of sites on it."""
    own = [name for name in sites.columns if name not in SITE_COLUMNS]
    of_site = nights.groupby("site").agg(
        latitude=("latitude", "first"),
        longitude=("longitude", "first"),
        n_recorders=("recorder_id", "nunique"),
    )
    told = sites.drop_duplicates("site").set_index("site")[own]
    return of_site.join(told).reindex(names)


def _occasions(nights: pd.DataFrame, occasion: str) -> pd.DataFrame:
    """The nights that have a date, with `site` (the recorder where none is known) and the first night of `occasion`."""
    dated = nights[nights.night != UNKNOWN]
    days = pd.to_datetime(dated.night, format="%Y-%m-%d")
    length = NIGHTS_OF[occasion]
    first = days.min()
    begins = first + pd.to_timedelta((days - first).dt.days // length * length, unit="D")
    return dated.assign(
        site=dated.site.fillna(dated.recorder_id), occasion=begins.dt.strftime("%Y-%m-%d").astype("str")
    )


def _shape(nights: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        np.nan,
        index=pd.Index(sorted(nights.site.unique()), name="site"),
        columns=sorted(nights.occasion.unique()),
    )


def _wide(values: pd.Series, shape: pd.DataFrame) -> pd.DataFrame:
    return values.unstack("occasion").reindex(index=shape.index, columns=shape.columns)


def _days(shape: pd.DataFrame) -> pd.DataFrame:
    days = pd.to_datetime(pd.Series(shape.columns, dtype="str"))
    numbers = (days - days.min()).dt.days.to_numpy()
    return pd.DataFrame(np.tile(numbers, (len(shape), 1)), shape.index, shape.columns)


def _starts(hours: pd.DataFrame, nights: pd.DataFrame) -> pd.Series:
    """Hours from sunset to when each night's listening began, as the mean of an occasion, by site and occasion."""
    known = hours[hours.hours_from_sunset.notna() & (hours.heard_s > 0)]
    first = known.sort_values("started_at_utc", kind="stable").drop_duplicates(["recorder_id", "night"])
    placed = nights.drop_duplicates(["recorder_id", "night"]).merge(
        first, on=["recorder_id", "night"], suffixes=("", "_")
    )
    # An hour's number is of its middle.
    return (placed.hours_from_sunset - 0.5).groupby([placed.site, placed.occasion]).mean()


def _folders(labels: Iterable[str]) -> dict[str, str]:
    """A folder's name for each label, no two alike on any disk.

    >>> _folders(["Gallus gallus", "a/b", "A:B"])
    {'A:B': 'A-B', 'Gallus gallus': 'Gallus gallus', 'a/b': 'a-b 2'}
    """
    names: dict[str, str] = {}
    for label in sorted(labels):
        plain = re.sub(r"[^\w .+-]+", "-", label).strip(" .")[:80] or "label"
        taken = {name.casefold() for name in names.values()}
        tries = (plain if number == 1 else f"{plain} {number}" for number in count(1))
        names[label] = next(name for name in tries if name.casefold() not in taken)
    return names


def _csv(table: pd.DataFrame) -> Callable[[], bytes]:
    def content() -> bytes:
        text = safe_csv_text(table.reset_index()).to_csv(index=False, na_rep="NA", lineterminator="\n")
        return text.encode("utf-8")

    return content


def _script(name: str, folders: list[str]) -> Callable[[], bytes]:
    def content() -> bytes:
        text = resources.files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
        known = ", ".join(json.dumps(folder, ensure_ascii=False) for folder in folders)
        return text.replace("LABELS", known).encode("utf-8")

    return content
