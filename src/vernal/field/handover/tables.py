"""Detections, nights and hours with where they were, when by the sun, and which model said so."""

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, nights_of_moments
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import Detections
from vernal.field.detection.listing import UNKNOWN, started_at
from vernal.field.handover.places import PLACE_COLUMNS, instants
from vernal.field.handover.sites import zone_of
from vernal.field.handover.sun import SUN_COLUMNS, hours_from_sun, sun_of_nights

WHERE_COLUMNS = PLACE_COLUMNS[:-1]
MODEL_COLUMNS = ("model", "model_version", "fit_key")
HOUR_COLUMNS = (
    "recorder_id", "night", "hour", "label", "site", "time_zone", "started_at_utc", *SUN_COLUMNS, "heard_s",
    "n_windows_heard", "n_detections", "n_windows", "max_confidence", *MODEL_COLUMNS,
)  # fmt: skip
_KEYS = ["recorder_id", "night", "hour", "label"]


def model_columns(classifier: Classifier) -> dict[str, str | float]:
    """Which model said it: its name, the encoder with its version, and the key of its training."""
    version = f"{classifier.audio.encoder} {classifier.encoder_version or ''}".strip()
    values = (classifier.name, version, classifier.fit_key or np.nan)
    return dict(zip(MODEL_COLUMNS, values, strict=True))


def place_detections(detections: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """Detections with `site`, `started_at_utc` and hours from sunset and sunrise, missing where nothing tells them.

    Args:
        detections: as `find_detections` gives them.
        recordings: with their places.
    """
    of_file = recordings.set_index("file_path")[["site", "latitude", "longitude", "started_at_utc"]]
    where = of_file.reindex(detections.file_path).set_axis(detections.index)
    later = pd.to_timedelta((detections.start_s * 1_000).round(), unit="ms")
    began = (where.started_at_utc + later).astype("datetime64[ms, UTC]")
    sun = hours_from_sun(began, where.latitude, where.longitude)
    return detections.assign(site=where.site, started_at_utc=began, **sun)


def place_nights(
    nights: pd.DataFrame, recordings: pd.DataFrame, classifier: Classifier, start_hour: int = START_HOUR
) -> pd.DataFrame:
    """Nights with their place, the zone of their times, sunset and sunrise by the recorder's clock, and the model."""
    where = _where(nights, recordings, start_hour)
    begins = instants(_moments(nights.night, start_hour), where.time_zone)
    sun = sun_of_nights(begins, where.latitude, where.longitude)
    clocks = sun.apply(_by_clock, zones=where.time_zone)
    return nights.join(where).join(clocks).assign(**model_columns(classifier))


def count_hours(
    found: Detections, recordings: pd.DataFrame, classifier: Classifier, start_hour: int = START_HOUR
) -> pd.DataFrame:
    """One row a recorder, night, clock hour that was listened to, and label: `HOUR_COLUMNS`, in the order of time.

    `started_at_utc` is when the hour begins; hours from sunset and sunrise are of its middle.
    """
    hours = found.effort.rename(columns={"n_windows": "n_windows_heard"}).merge(
        pd.DataFrame({"label": sorted(classifier.labels)}), how="cross"
    )
    begins = found.detections.started_at.dt.hour.fillna(-1).astype("int64")
    calls = found.detections.assign(hour=begins).groupby(_KEYS, as_index=False)
    counts = calls.agg(
        n_detections=("start_s", "size"), n_windows=("n_windows", "sum"), max_confidence=("confidence", "max")
    )
    table = hours.merge(counts, how="left", on=_KEYS)
    where = _where(table, recordings, start_hour)
    # An hour before the night's first is of the next day.
    later = pd.to_timedelta(table.hour + 24 * (table.hour < start_hour), unit="h")
    clock = (_moments(table.night, 0) + later).where(table.hour >= 0)
    moments = instants(clock, where.time_zone)
    sun = hours_from_sun(moments + pd.Timedelta(minutes=30), where.latitude, where.longitude)
    table = table.assign(
        **where[["site", "time_zone"]],
        **sun,
        started_at_utc=moments,
        **{name: table[name].fillna(0).astype("int64") for name in ("n_detections", "n_windows")},
        **model_columns(classifier),
        _at=clock,
    )
    ordered = table.sort_values(["recorder_id", "night", "_at", "label"], kind="stable", ignore_index=True)
    return ordered[list(HOUR_COLUMNS)]


def _moments(nights: pd.Series, hour: int) -> pd.Series:
    dates = pd.to_datetime(nights.where(nights != UNKNOWN), format="%Y-%m-%d").astype("datetime64[ms]")
    return dates + pd.Timedelta(hours=hour)


def _where(rows: pd.DataFrame, recordings: pd.DataFrame, start_hour: int) -> pd.DataFrame:
    """`WHERE_COLUMNS` of each recorder's night: those of its first recording; for a night without any, those of the
    recorder if it was at one place only.
    """
    columns = list(WHERE_COLUMNS)
    keys = ["recorder_id", "night"]
    nights = nights_of_moments(started_at(recordings), start_hour).fillna(UNKNOWN)
    places = recordings.assign(night=nights)[[*keys, *columns]]
    of_night = places.drop_duplicates(keys).set_index(keys)[columns]
    alone = places.drop_duplicates(["recorder_id", *columns]).drop_duplicates("recorder_id", keep=False)
    of_recorder = alone.set_index("recorder_id")[columns].reindex(rows.recorder_id).set_axis(rows.index)
    index = pd.MultiIndex.from_frame(rows[keys])
    return of_night.reindex(index).set_axis(rows.index).fillna(of_recorder)


def _by_clock(moments: pd.Series, zones: pd.Series) -> pd.Series:
    """Instants as ISO texts by clocks of some zones, to the second: `2025-04-03T17:43:18+10:00`."""
    texts = pd.Series(np.nan, index=moments.index, dtype="str")
    for zone, some in moments[moments.notna()].groupby(zones):
        local = some.dt.tz_convert(zone_of(str(zone)))
        texts[some.index] = local.map(lambda moment: moment.isoformat(timespec="seconds"))
    return texts
