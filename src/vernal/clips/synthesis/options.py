"""What the demo season is made of: every setting, checked, with the season that ships as the default.

Sites and recorders are lists of flat mappings rather than mappings by name, so that a configuration
which names its own replaces the shipped ones instead of being merged into them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from vernal.common.problems import Problems, is_number, is_whole, suggest

CALL_TYPES = ("grunt", "growl", "both")
CONFUSERS = ("chorus_frogs", "owls", "aircraft", "insects", "wind", "rain")

# Each clip of a recorder starts in its own three-second slot of the night; there are 7,200.
MAX_CLIPS_PER_RECORDER = 5_000
MAX_RECORDING_S = 600

SHIPPED_SITES: tuple[dict[str, Any], ...] = tuple(
    {
        "name": name, "water_db": water_db, "wind_db": wind_db, **dict(zip(CONFUSERS, shares, strict=True)),
        "call_pitch": call_pitch, "call_rate": call_rate, "reverb_s": reverb_s,
    }
    for name, water_db, wind_db, shares, call_pitch, call_rate, reverb_s in (
        ("Cole Creek", 4.0, 2.0, (0.2, 0.05, 0.06, 0.1, 0.07, 0.15), 1.0, 1.0, 0.15),
        ("Rancho Meling", -8.0, 4.0, (0.12, 0.03, 0.04, 0.25, 0.08, 0.06), 1.06, 1.1, 0.1),
        ("Wheatley", -2.0, 3.0, (0.2, 0.06, 0.07, 0.12, 0.06, 0.15), 0.97, 0.95, 0.2),
        ("Sylvan Pond", -6.0, 5.0, (0.35, 0.22, 0.1, 0.2, 0.2, 0.2), 0.96, 0.9, 0.2),
    )
)  # fmt: skip

SHIPPED_RECORDERS: tuple[dict[str, Any], ...] = tuple(
    {
        "name": name,
        "site": site,
        "first_night": first_night,
        "nights": nights,
        "positives": positives,
        "negatives": negatives,
    }
    for name, site, first_night, nights, positives, negatives in (
        ("Moth01", "Wheatley", "2025-04-03", 9, 12, 0),
        ("Moth02", "Wheatley", "2025-04-04", 3, 3, 0),
        ("Moth03", "Wheatley", "2025-02-21", 11, 15, 46),
        ("Moth04", "Wheatley", "2025-02-20", 12, 20, 16),
        ("Moth06", "Wheatley", "2025-02-19", 9, 16, 6),
        ("Moth07", "Wheatley", "2025-03-06", 6, 0, 20),
        ("Moth08", "Cole Creek", "2025-02-14", 16, 100, 78),
        ("Moth09", "Wheatley", "2025-03-08", 6, 0, 24),
        ("Moth10", "Wheatley", "2025-03-27", 5, 0, 22),
        ("Moth11", "Sylvan Pond", "2025-02-15", 12, 40, 40),
        ("Moth12", "Sylvan Pond", "2025-02-13", 14, 46, 48),
        ("Moth13", "Rancho Meling", "2025-02-20", 16, 80, 68),
    )
)

_SITE_RANGES = {
    "water_db": (-60.0, 40.0),
    "wind_db": (-60.0, 40.0),
    **dict.fromkeys(CONFUSERS, (0.0, 1.0)),
    "call_pitch": (0.5, 2.0),
    "call_rate": (0.5, 2.0),
    "reverb_s": (0.0, 2.0),
}
_SITE_DEFAULTS = {
    "water_db": -10.0,
    "wind_db": 0.0,
    **dict.fromkeys(CONFUSERS, 0.2),
    "call_pitch": 1.0,
    "call_rate": 1.0,
    "reverb_s": 0.15,
}
_RECORDER_KEYS = ("name", "site", "first_night", "nights", "positives", "negatives")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class SeasonOptions:
    """The settings of a demo season.

    `snr_*_db` are decibels of a call over the background in 80-1,200 Hz, `confuser_snr_db` the same of a
    confuser in its own band; `*_spread_db` are the half-widths of the uniform draw around them. Shares and
    probabilities lie in [0, 1]; `*_scale` multiply probabilities; `site_shift` says how far each site lies
    from the average site (0: all alike, 1: as listed). `sites` and `recorders` are lists of flat mappings.

    Raises:
        InputError: a setting cannot be used; all of them are listed.
    """

    seed: int = 20250214
    snr_high_db: float = 17.0
    snr_medium_db: float = 9.0
    snr_low_db: float = 1.0
    snr_spread_db: float = 3.0
    share_high: float = 0.08
    share_medium: float = 0.44
    share_grunt: float = 0.57
    share_growl: float = 0.05
    individuals: int = 4
    confuser_snr_db: float = 10.0
    confuser_spread_db: float = 8.0
    confuser_scale: float = 1.0
    positive_confuser_scale: float = 0.3
    field_confuser_scale: float = 2.5
    site_shift: float = 1.0
    field_recorders: list[str] = field(default_factory=lambda: ["Moth02", "Moth09", "Moth10"])
    field_recordings: int = 30
    field_s: int = 60
    unlabelled_recorders: list[str] = field(default_factory=lambda: ["Moth03", "Moth08", "Moth13"])
    unlabelled_recordings: int = 8
    unlabelled_s: int = 60
    unlabelled_frog_share: float = 0.5
    sites: list[dict[str, Any]] = field(default_factory=lambda: [dict(site) for site in SHIPPED_SITES])
    recorders: list[dict[str, Any]] = field(
        default_factory=lambda: [dict(recorder) for recorder in SHIPPED_RECORDERS]
    )

    def __post_init__(self) -> None:
        problems = Problems("demo (the settings of the demo season)")
        problems.add("numbers out of range", self._bad_numbers(), "Correct them in parameters.yml.")
        problems.add("sites that cannot be used", self._bad_sites(), "Correct demo.sites in parameters.yml.")
        problems.add(
            "recorders that cannot be used",
            self._bad_recorders(),
            "Correct demo.recorders in parameters.yml.",
        )
        problems.add(
            "recorders that are not in demo.recorders",
            self._unknown_recorders(),
            "Name recorders of the season.",
        )
        problems.raise_if_any()

    def snr_db(self, quality: str) -> float:
        """The middle of a quality's signal-to-noise ratios, in dB."""
        return {"high": self.snr_high_db, "medium": self.snr_medium_db, "low": self.snr_low_db}[quality]

    def quality_shares(self) -> dict[str, float]:
        """Share of the positives by quality; they add up to 1."""
        return {
            "high": self.share_high,
            "medium": self.share_medium,
            "low": max(0.0, 1.0 - self.share_high - self.share_medium),
        }

    def call_type_shares(self) -> dict[str, float]:
        """Share of the positives by call type; they add up to 1."""
        return {
            "grunt": self.share_grunt,
            "growl": self.share_growl,
            "both": max(0.0, 1.0 - self.share_grunt - self.share_growl),
        }

    def site(self, name: str) -> dict[str, float]:
        """A site's profile, moved towards or away from the average site by `site_shift`."""
        profiles = {str(site["name"]): {**_SITE_DEFAULTS, **site} for site in self.sites}
        profile = {}
        for key, (low, high) in _SITE_RANGES.items():
            # Summed in name order: the order sites are listed in must not change the last bit.
            average = math.fsum(profiles[other][key] for other in sorted(profiles)) / len(profiles)
            shifted = average + self.site_shift * (profiles[name][key] - average)
            profile[key] = min(max(shifted, low), high)
        return profile

    def recorder(self, name: str) -> dict[str, Any]:
        """The listed settings of one recorder."""
        return next(recorder for recorder in self.recorders if recorder["name"] == name)

    def _bad_numbers(self) -> Iterable[str]:
        whole = {
            "seed": (0, 2**63 - 1),
            "individuals": (1, 1_000),
            "field_recordings": (0, 10_000),
            "field_s": (3, MAX_RECORDING_S),
            "unlabelled_recordings": (0, 10_000),
            "unlabelled_s": (3, MAX_RECORDING_S),
        }
        for name, (least, most) in whole.items():
            if not is_whole(value := getattr(self, name)) or not least <= value <= most:
                yield f"{name} is {value!r}, expected a whole number from {least:,} to {most:,}"
        ranges = {name: limits for name in self.__dataclass_fields__ if (limits := _limits(name))}
        for name, (low, high) in ranges.items():
            if not is_number(value := getattr(self, name)) or not low <= value <= high:
                yield f"{name} is {value!r}, expected a number from {low:g} to {high:g}"
        for pair in (("share_high", "share_medium"), ("share_grunt", "share_growl")):
            values = [getattr(self, name) for name in pair]
            if all(is_number(value) for value in values) and sum(values) > 1 + 1e-9:
                yield f"{pair[0]} + {pair[1]} is {sum(values):g}, expected 1 at most"

    def _bad_sites(self) -> Iterable[str]:
        yield from _bad_names("site", self.sites, spaces=True)
        for site in _mappings(self.sites):
            name = site.get("name")
            for key, value in site.items():
                if key == "name":
                    continue
                if key not in _SITE_RANGES:
                    yield f"{name}: unknown setting {key!r} ({suggest(str(key), _SITE_RANGES)})"
                    continue
                low, high = _SITE_RANGES[key]
                if not is_number(value) or not low <= value <= high:
                    yield f"{name}: {key} is {value!r}, expected a number from {low:g} to {high:g}"

    def _bad_recorders(self) -> Iterable[str]:
        yield from _bad_names("recorder", self.recorders, spaces=False)
        sites = {str(site.get("name")) for site in _mappings(self.sites)}
        for recorder in _mappings(self.recorders):
            name = recorder.get("name")
            for key in recorder:
                if key not in _RECORDER_KEYS:
                    yield f"{name}: unknown setting {key!r} ({suggest(str(key), _RECORDER_KEYS)})"
            if str(site := recorder.get("site")) not in sites:
                yield f"{name}: unknown site {site!r} ({suggest(str(site), sites)})"
            if not _is_iso_date(first := recorder.get("first_night")):
                yield f"{name}: first_night is {first!r}, expected a date in quotes such as '2025-04-03'"
            yield from _bad_counts(recorder)

    def _unknown_recorders(self) -> Iterable[str]:
        known = {str(recorder.get("name")) for recorder in _mappings(self.recorders)}
        for setting, wanted in (
            ("field_recorders", self.field_recordings),
            ("unlabelled_recorders", self.unlabelled_recordings),
        ):
            names = getattr(self, setting)
            if not isinstance(names, list | tuple):
                yield f"{setting} is {names!r}, expected a list of recorders"
                continue
            if not names and wanted:
                yield f"{setting} is empty, though {wanted} recordings are asked for"
            if len(set(map(str, names))) != len(names):
                yield f"{setting} names a recorder twice"
            for name in names:
                if str(name) not in known:
                    yield f"{setting} names {name!r} ({suggest(str(name), known)})"


def _limits(name: str) -> tuple[float, float] | None:
    """The range of a number setting by its name's ending; None for other settings."""
    if name.endswith("_spread_db"):
        return 0.0, 40.0
    if name.endswith("_db"):
        return -60.0, 60.0
    if name.startswith("share_") or name.endswith("_share"):
        return 0.0, 1.0
    if name.endswith("_scale") or name == "site_shift":
        return 0.0, 10.0
    return None


def _bad_names(kind: str, entries: Any, spaces: bool) -> Iterable[str]:
    if not isinstance(entries, list | tuple) or not entries:
        yield f"{kind}s is {entries!r}, expected a list with at least one {kind}"
        return
    seen: set[str] = set()
    for position, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping):
            yield f"{kind} {position} is {entry!r}, expected a mapping with a name"
            continue
        name = entry.get("name")
        plain = name.replace(" ", "") if spaces and isinstance(name, str) else name
        if not isinstance(name, str) or not _SAFE_NAME.fullmatch(str(plain)) or name != name.strip():
            yield f"{kind} {position} has the name {name!r}, expected letters, digits and hyphens"
        elif name.casefold() in seen:
            yield f"{kind} {name!r} is listed twice"
        # Names become folders, and some systems do not tell upper from lower case.
        seen.add(str(name).casefold())


def _bad_counts(recorder: Mapping[str, Any]) -> Iterable[str]:
    name = recorder.get("name")
    counts: dict[str, Any] = {key: recorder.get(key) for key in ("nights", "positives", "negatives")}
    for key, value in counts.items():
        least = 1 if key == "nights" else 0
        if not is_whole(value) or value < least:
            yield f"{name}: {key} is {value!r}, expected a whole number of {least} or more"
            return
    n_clips = counts["positives"] + counts["negatives"]
    if n_clips < counts["nights"]:
        yield f"{name}: {n_clips} clips cannot fill {counts['nights']} nights"
    if n_clips > MAX_CLIPS_PER_RECORDER:
        yield f"{name}: {n_clips:,} clips, expected {MAX_CLIPS_PER_RECORDER:,} at most"


def _mappings(entries: Any) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list | tuple):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _is_iso_date(value: Any) -> bool:
    """Whether `value` is the text of a day that leaves room for a season after it."""
    try:
        return (
            isinstance(value, str)
            and date.fromisoformat(value).isoformat() == value
            and "1970" <= value[:4] <= "2100"
        )
    except ValueError:
        return False
