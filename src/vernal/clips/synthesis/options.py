"""What the demo season is made of: every setting, checked, with the season that ships as the default.

Sites and recorders are lists of flat mappings rather than mappings by name, so that a configuration
which names its own replaces the shipped ones instead of being merged into them.
"""

import math
from collections.abc import Iterable
from dataclasses import field, fields
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from vernal.common.problems import suggest
from vernal.common.settings import Count, CountFromZero, Listed, Number, Share, problems_in, settings

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
_SAFE_NAME = r"[A-Za-z0-9][A-Za-z0-9-]*"

Decibels = Annotated[Number, Field(ge=-60, le=60, description="decibels")]
Spread = Annotated[Number, Field(ge=0, le=40, description="decibels")]
Factor = Annotated[Number, Field(ge=0, le=10)]
Recordings = Annotated[int, Field(ge=0, le=10_000)]
Length = Annotated[int, Field(ge=3, le=MAX_RECORDING_S, description="whole seconds")]
_Level = Annotated[Number, Field(ge=-60, le=40)]
_Ratio = Annotated[Number, Field(ge=0.5, le=2)]
_Letters = "letters, digits and hyphens"


def _day(given: Any) -> Any:
    """The text of a day that leaves room for a season after it."""
    try:
        is_day = date.fromisoformat(given).isoformat() == given and "1970" <= given[:4] <= "2100"
    except (TypeError, ValueError):
        is_day = False
    if not is_day:
        raise ValueError("give a date in quotes such as '2025-04-03'")
    return given


@settings()
class _Site:
    """What a site may be given."""

    name: Annotated[str, Field(pattern=rf"^{_SAFE_NAME}( +[A-Za-z0-9-]+)*$", description=_Letters)]
    water_db: _Level = -10.0
    wind_db: _Level = 0.0
    chorus_frogs: Share = 0.2
    owls: Share = 0.2
    aircraft: Share = 0.2
    insects: Share = 0.2
    wind: Share = 0.2
    rain: Share = 0.2
    call_pitch: _Ratio = 1.0
    call_rate: _Ratio = 1.0
    reverb_s: Annotated[Number, Field(ge=0, le=2, description="seconds")] = 0.15


@settings()
class _Recorder:
    """What a recorder must be given."""

    name: Annotated[str, Field(pattern=f"^{_SAFE_NAME}$", description=_Letters)]
    site: str
    first_night: Annotated[str, PlainValidator(_day)]
    nights: Count
    positives: CountFromZero
    negatives: CountFromZero

    def __post_init__(self) -> None:
        n_clips = self.positives + self.negatives
        if n_clips < self.nights:
            raise ValueError(f"{n_clips} clips cannot fill {self.nights} nights")
        if n_clips > MAX_CLIPS_PER_RECORDER:
            raise ValueError(f"{n_clips:,} clips; give {MAX_CLIPS_PER_RECORDER:,} at most")


_SITE_DEFAULTS = {one.name: one.default for one in fields(_Site) if one.name in _SITE_RANGES}


def _sites(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return _check_each("site", _Site, entries)


def _recorders(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return _check_each("recorder", _Recorder, entries)


def _check_each(kind: str, described: type, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check entries, and that no two have one name: names become folders, and some systems do not tell A from a."""
    names = [str(entry.get("name")) for entry in entries]
    folded = [name.casefold() for name in names]
    wrong = [
        f"demo.{kind}s: {kind} {name!r} is listed twice"
        for position, name in enumerate(names)
        if name.casefold() in folded[:position]
    ]
    for name, entry in zip(names, entries, strict=True):
        wrong += problems_in(described, entry, f"demo.{kind}s.{name}")
    if wrong:
        raise Listed(wrong)
    return entries


_Entries = Annotated[
    list[dict[str, Any]], Field(min_length=1, description="a list of at least one entry, each with a name")
]
Sites = Annotated[_Entries, AfterValidator(_sites)]
Recorders = Annotated[_Entries, AfterValidator(_recorders)]


@settings("demo")
class SeasonOptions:
    """The settings of a demo season.

    `snr_*_db` are decibels of a call over the background in 80-1,200 Hz, `confuser_snr_db` the same of a
    confuser in its own band; `*_spread_db` are the half-widths of the uniform draw around them. Shares and
    probabilities lie in [0, 1]; `*_scale` multiply probabilities; `site_shift` says how far each site lies
    from the average site (0: all alike, 1: as listed). `sites` and `recorders` are lists of flat mappings.

    Raises:
        InputError: a setting cannot be used; all of them are listed.
    """

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 20250214
    snr_high_db: Decibels = 17.0
    snr_medium_db: Decibels = 9.0
    snr_low_db: Decibels = 1.0
    snr_spread_db: Spread = 3.0
    share_high: Share = 0.08
    share_medium: Share = 0.44
    share_grunt: Share = 0.57
    share_growl: Share = 0.05
    individuals: Annotated[int, Field(ge=1, le=1_000)] = 4
    confuser_snr_db: Decibels = 10.0
    confuser_spread_db: Spread = 8.0
    confuser_scale: Factor = 1.0
    positive_confuser_scale: Factor = 0.3
    field_confuser_scale: Factor = 2.5
    site_shift: Factor = 1.0
    field_recorders: list[str] = field(default_factory=lambda: ["Moth02", "Moth09", "Moth10"])
    field_recordings: Recordings = 30
    field_s: Length = 60
    unlabelled_recorders: list[str] = field(default_factory=lambda: ["Moth03", "Moth08", "Moth13"])
    unlabelled_recordings: Recordings = 8
    unlabelled_s: Length = 60
    unlabelled_frog_share: Share = 0.5
    sites: Sites = field(default_factory=lambda: [dict(site) for site in SHIPPED_SITES])
    recorders: Recorders = field(default_factory=lambda: [dict(recorder) for recorder in SHIPPED_RECORDERS])

    def __post_init__(self) -> None:
        wrong = [*self._bad_sums(), *self._unknown_sites(), *self._unknown_recorders()]
        if wrong:
            raise ValueError("\n".join(wrong))

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

    def _bad_sums(self) -> Iterable[str]:
        for pair in (("share_high", "share_medium"), ("share_grunt", "share_growl")):
            total = sum(getattr(self, name) for name in pair)
            if total > 1 + 1e-9:
                yield f"{pair[0]} + {pair[1]} is {total:g}; give 1 at most"

    def _unknown_sites(self) -> Iterable[str]:
        sites = {str(site["name"]) for site in self.sites}
        for recorder in self.recorders:
            if (site := recorder["site"]) not in sites:
                yield f"recorder {recorder['name']}: unknown site {site!r} ({suggest(site, sites)})"

    def _unknown_recorders(self) -> Iterable[str]:
        known = {str(recorder.get("name")) for recorder in self.recorders}
        for setting, names, wanted in (
            ("field_recorders", self.field_recorders, self.field_recordings),
            ("unlabelled_recorders", self.unlabelled_recorders, self.unlabelled_recordings),
        ):
            if not names and wanted:
                yield f"{setting} is empty, though {wanted} recordings are asked for"
            if len(set(names)) != len(names):
                yield f"{setting} names a recorder twice"
            yield from (
                f"{setting} names {name!r} ({suggest(name, known)})" for name in names if name not in known
            )
