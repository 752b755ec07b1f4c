"""The plan of a demo season: which clip lies on which recorder's which night, and what is in it.

The shape is that of the original study in small: several sites, one of which no training clip comes from;
recorders with few nights and recorders without a positive; positives in a few chorus nights; most
positives of low quality. Tables only: the sound of a row is made by `mixing.render`.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.manifest import QUALITIES
from vernal.clips.synthesis.options import CALL_TYPES, SeasonOptions
from vernal.common.hashing import digest, rng_for

CLIP_S = 3
LICENCE = "CC0-1.0, synthetic (demo season)"
MANIFEST_COLUMNS = (
    "file_path", "label", "quality", "call_type", "site", "recorder_id", "date", "time", "licence"
)  # fmt: skip
# Raised whenever the same settings would give another sound or another plan.
SOUND_REVISION = 2

_NIGHT_START_S = 20 * 3600  # until two in the morning
_CLIP_SLOTS = 6 * 3600 // CLIP_S
_NIGHTS_IN_A_ROW = 7
_RECORDINGS_A_NIGHT = 4


@dataclass(frozen=True)
class Season:
    """Three tables of sounds to make, each sorted by `file_path`.

    Every row says all that its sound depends on beside the options: `source` (labelled, field, unlabelled),
    `file_path`, `label`, `quality`, `call_type`, `site`, `recorder_id`, `date`, `time`, `licence`,
    `duration_s` and `n_calls` (how many call bouts are in it). `field` holds no call; `unlabelled` may,
    and its label is empty.
    """

    clips: pd.DataFrame
    field: pd.DataFrame
    unlabelled: pd.DataFrame


def plan_season(options: SeasonOptions) -> Season:
    """Plan every clip and recording; a pure function of the options.

    >>> season = plan_season(SeasonOptions())
    >>> len(season.clips), len(season.field), len(season.unlabelled)
    (700, 30, 8)
    """
    clips = [row for recorder in options.recorders for row in _clips_of(recorder, options)]
    return Season(
        clips=_table(clips),
        field=_table(_recordings("field", options)),
        unlabelled=_table(_recordings("unlabelled", options)),
    )


def manifest(season: Season) -> pd.DataFrame:
    """The labelled clips as a manifest: the columns a person would hand in, and no more."""
    return season.clips[list(MANIFEST_COLUMNS)].copy()


def recipe(options: SeasonOptions, version: str) -> str:
    """Hash of all that the sounds depend on, so that finished files can be known for what they are.

    The versions of NumPy and SciPy are part of it: they make the random numbers and the transforms.
    """
    import scipy

    return digest("demo season", asdict(options), version, SOUND_REVISION, np.__version__, scipy.__version__)


def dates_of_nights(recorder: dict[str, Any]) -> list[str]:
    """ISO dates of a recorder's nights: seven in a row, then seven without.

    >>> dates_of_nights({"first_night": "2025-04-03", "nights": 8})[-2:]
    ['2025-04-09', '2025-04-17']
    """
    first = date.fromisoformat(str(recorder["first_night"]))
    days = (night + _NIGHTS_IN_A_ROW * (night // _NIGHTS_IN_A_ROW) for night in range(recorder["nights"]))
    return [(first + timedelta(days=day)).isoformat() for day in days]


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["source", *MANIFEST_COLUMNS, "duration_s", "n_calls"]
    table = pd.DataFrame(rows, columns=columns).sort_values("file_path", ignore_index=True)
    texts = dict.fromkeys(("source", *MANIFEST_COLUMNS), "str")
    return table.astype({**texts, "duration_s": "float64", "n_calls": "int64"})


def _clips_of(recorder: dict[str, Any], options: SeasonOptions) -> list[dict[str, Any]]:
    name = recorder["name"]
    n_positive, n_negative = recorder["positives"], recorder["negatives"]
    rng = rng_for(options.seed, "demo clips", name)
    night_of_clip = _spread_over_nights(n_positive, n_negative, recorder["nights"], rng)
    slots = rng.permuted(np.arange(_CLIP_SLOTS))[: n_positive + n_negative]
    qualities = _draw_shares(n_positive, options.quality_shares(), QUALITIES, rng)
    call_types = _draw_shares(n_positive, options.call_type_shares(), CALL_TYPES, rng)
    nights = dates_of_nights(recorder)
    rows = []
    for i, night in enumerate(night_of_clip):
        is_positive = i < n_positive
        rows.append(
            _row("labelled", recorder, nights[night], _NIGHT_START_S + CLIP_S * int(slots[i]), CLIP_S)
            | {
                "label": "positive" if is_positive else "negative",
                "quality": qualities[i] if is_positive else None,
                "call_type": call_types[i] if is_positive else None,
                "n_calls": int(is_positive),
            }
        )
    return rows


def _recordings(source: str, options: SeasonOptions) -> list[dict[str, Any]]:
    """Recordings of a folder, dealt to its recorders in turn, on nights after their labelled ones."""
    recorders: list[str] = sorted(getattr(options, f"{source}_recorders"))
    duration_s: int = getattr(options, f"{source}_s")
    rows = []
    for number in range(getattr(options, f"{source}_recordings")):
        name, turn = recorders[number % len(recorders)], number // len(recorders)
        recorder = options.recorder(name)
        rng = rng_for(options.seed, "demo recording", source, name, turn)
        # A recorder that serves both folders keeps a week between them.
        gap = 7 if source == "field" else 14 + options.field_recordings
        night = date.fromisoformat(dates_of_nights(recorder)[-1]) + timedelta(
            days=gap + turn // _RECORDINGS_A_NIGHT
        )
        start_s = _NIGHT_START_S + 3600 * (1 + turn % _RECORDINGS_A_NIGHT) + 60 * int(rng.integers(40))
        has_calls = source == "unlabelled" and rng.random() < options.unlabelled_frog_share
        n_calls = int(rng.integers(2, 7)) if has_calls else 0
        rows.append(_row(source, recorder, night.isoformat(), start_s, duration_s) | {"n_calls": n_calls})
    return rows


def _row(source: str, recorder: dict[str, Any], night: str, start_s: int, duration_s: int) -> dict[str, Any]:
    """A recording that begins `start_s` after the midnight before the evening of `night`, as a recorder dates it."""
    name = recorder["name"]
    moment = datetime.fromisoformat(night) + timedelta(seconds=start_s)
    file_name = f"{name}_{moment:%Y%m%d_%H%M%S}.wav"
    return {
        "source": source,
        "file_path": f"{name}/{file_name}",
        "label": "negative" if source == "field" else None,
        "site": recorder["site"],
        "recorder_id": name,
        "date": moment.date().isoformat(),
        "time": f"{moment:%H:%M:%S}",
        "licence": LICENCE,
        "duration_s": float(duration_s),
    }


def _spread_over_nights(
    n_positive: int, n_negative: int, n_nights: int, rng: np.random.Generator
) -> np.ndarray:
    """A night for each clip, positives first: no night is empty, and a few nights have most positives.

    Where there are enough of a label, every night gets one; further positives follow the heavy tail of
    chorus nights, further negatives are even.
    """
    order = rng.permuted(np.arange(n_nights))
    weights = rng.lognormal(sigma=1.0, size=n_nights)
    positive = _fill(n_positive, order, weights / weights.sum(), rng)
    # Nights that the positives leave out come first, so that the two labels together reach all of them.
    negative = _fill(n_negative, np.roll(order, -n_positive), np.full(n_nights, 1 / n_nights), rng)
    return np.concatenate([positive, negative])


def _fill(n: int, order: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    extra = max(0, n - len(order))
    return np.concatenate([order[:n], rng.choice(len(order), size=extra, p=weights)])


def _draw_shares(
    n: int, shares: dict[str, float], order: tuple[str, ...], rng: np.random.Generator
) -> list[str]:
    """`n` values whose counts lie within one of their shares, in random order."""
    # Rounded, for an edge a last bit below 1 would give the last name a place that is not its own.
    edges = np.round(np.cumsum([shares[name] for name in order]), 12)
    places = (np.arange(n) + rng.random()) / max(n, 1)
    drawn = np.minimum(np.searchsorted(edges, places, side="right"), len(order) - 1)
    return [order[i] for i in rng.permuted(drawn)]
