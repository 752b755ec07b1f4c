"""BirdNET's species to be expected where and when recordings were made: what may be mistaken for the target."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from vernal.audio.birdnet.range_model import likelihoods, species_names, week_of
from vernal.common.problems import InputError

COLUMNS = (
    "site", "latitude", "longitude", "week", "scientific_name", "common_name", "likelihood", "is_target",
    "n_detections",
)  # fmt: skip
_PLACE = ["site", "latitude", "longitude"]


def expected_species(
    recordings: pd.DataFrame, detections: pd.DataFrame, labels: Collection[str], least: float
) -> pd.DataFrame:
    """BirdNET's species that its range model gives at least a likelihood, for each site and week of recordings.

    Args:
        recordings: with `site`, `latitude`, `longitude`, `date` as `place_recordings` gives them; those without
            place or date are left out.
        detections: `file_path`; how many there are of that site and week stands beside each species.
        labels: what is detected. A species of that name, scientific or common, stands there however unlikely it is.
        least: likelihood, in [0, 1).
    Returns:
        `COLUMNS`, by site and week, the likeliest first.
    Raises:
        InputError: no recording has both place and date.
    """
    known = recordings.dropna(subset=["latitude", "longitude", "date"])
    if known.empty:
        raise InputError(
            "detection.species_likelihood is set, and no recording has both a place and a date: name a table of "
            "sites with --params=source.sites=, or leave the setting empty."
        )
    days = pd.to_datetime(known.date)
    known = known.assign(week=[week_of(day) for day in days], site=known.site.fillna(known.recorder_id))
    n_found = detections.file_path.value_counts().reindex(known.file_path).fillna(0)
    groups = known.assign(n=n_found.to_numpy(dtype=int)).groupby([*_PLACE, "week"], as_index=False).n.sum()
    rows = [_species_of(group, labels, least) for _, group in groups.iterrows()]
    return pd.concat(rows, ignore_index=True)


def _species_of(group: pd.Series, labels: Collection[str], least: float) -> pd.DataFrame:
    found = likelihoods(group["latitude"], group["longitude"], group["week"])
    targets = {_plain(label) for label in labels}
    is_target = np.array([not targets.isdisjoint(map(_plain, names)) for names in species_names()])
    rows = np.flatnonzero((found >= least) | is_target)
    rows = rows[np.argsort(-found[rows], kind="stable")]
    scientific, common = zip(*(species_names()[row] for row in rows), strict=True) if len(rows) else ((), ())
    return pd.DataFrame(
        {
            **{name: group[name] for name in (*_PLACE, "week")},
            "scientific_name": scientific,
            "common_name": common,
            "likelihood": found[rows].astype(float).round(4),
            "is_target": is_target[rows],
            "n_detections": group["n"],
        }
    )[list(COLUMNS)]


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ").replace("-", " ")
