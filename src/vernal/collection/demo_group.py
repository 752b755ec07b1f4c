"""A demo group: what a workshop brings home, synthesised, with every mistake known.

Three recorders over two springs, some phones, outsiders who try to fool the detector, three annotators with
known error rates in three programs, copies, missing licences and files that cannot be used. What was put in
is kept as a record, so that a report can say what was found again. Its numbers say nothing about any
animal.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.common.hashing import digest, rng_for
from vernal.common.settings import Count, Number, PositiveShare, Share, ShareBelowOne, settings

CLIP_S = 3.0
SAMPLE_RATE_HZ = 16_000
SEASONS = ("2024", "2025")
DRIFT_BAND_HZ = (2_828.4, 5_656.9)
# Raised whenever the same settings would give other files.
REVISION = 3
RECORDING_COLUMNS = (
    "file_path", "site", "recorder_id", "device", "date", "time", "season", "role", "collector", "licence",
    "mined_by", "is_labelled",
)  # fmt: skip
MARKED = ("RADR", "PSCR", "owl")
_SHARES = {"RADR": 0.35, "PSCR": 0.2, "owl": 0.2}
_HOURS = ("20:30:00", "21:30:00", "22:30:00", "23:30:00")
_LICENCE = "CC-BY-4.0"


Rates = Annotated[
    list[ShareBelowOne],
    Field(min_length=2, max_length=2, description="[miss, false alarm], from 0 to below 1"),
]


@settings("collection.demo_group")
class DemoGroupOptions:
    """What the demo group brings.

    `n_nights`: nights a season at each of three recorders. `n_recordings`: recordings a night, up to 4.
    `n_clips`: three-second clips a recording. `n_others`: recordings of each further kind (phones,
    outsiders, deployment, unlabelled, mined). `annotators`: name to [miss, false alarm], rates in [0, 1].
    `labelled_share`: part of the recordings each of them labels; `repeated_share`: part that the first
    labels twice. `drift_db`: how much louder the octave around 4 kHz is in the second season.
    """

    n_nights: Count = 6
    n_recordings: Annotated[int, Field(ge=1, le=len(_HOURS))] = 3
    n_clips: Count = 4
    n_others: Count = 10
    annotators: Annotated[dict[str, Rates], Field(min_length=1, description="names with their rates")] = (
        field(default_factory=lambda: {"Ana": [0.05, 0.02], "Ben": [0.2, 0.04], "Cho": [0.1, 0.1]})
    )
    labelled_share: PositiveShare = 0.85
    repeated_share: Share = 0.3
    drift_db: Number = 5.0
    seed: int = 0

    @property
    def folder(self) -> str:
        """The folder of this group's files: other settings, other folder."""
        return f"group-{digest(REVISION, self.__dict__, length=10)}"


@dataclass(frozen=True, eq=False)
class DemoGroup:
    """The plan of a group's files.

    `recordings`: `RECORDING_COLUMNS`, one row a recording. `sounds`: what can be heard: `file_path`, `clip_number`
    (of the three-second clip that it lies in, from 0), `label`, `start_s`, `end_s`, `snr_db`. `marks`: what
    annotators marked: the same columns with `annotator`, `session`. `reviews`: which recordings who labelled:
    `file_path`, `annotator`, `session`.
    """

    options: DemoGroupOptions
    recordings: pd.DataFrame
    sounds: pd.DataFrame
    marks: pd.DataFrame
    reviews: pd.DataFrame


def plan_group(options: DemoGroupOptions) -> DemoGroup:
    """Plan all recordings, sounds and marks; a pure function of the options."""
    recordings = pd.DataFrame(_recordings(options), columns=list(RECORDING_COLUMNS))
    recordings = recordings.sort_values("file_path", ignore_index=True)
    kinds = zip(recordings.file_path, recordings.role, strict=True)
    sounds = {path: _sounds(path, role, options) for path, role in kinds}
    reviews = _reviews(recordings, options)
    marks = [
        mark
        for path, annotator, session in reviews.itertuples(index=False)
        for mark in _marks(path, annotator, session, sounds[path], options)
    ]
    heard = [sound for of_recording in sounds.values() for sound in of_recording]
    return DemoGroup(
        options, recordings, _table(heard, _SOUND_COLUMNS), _table(marks, _MARK_COLUMNS), reviews
    )


_SOUND_COLUMNS = ("file_path", "clip_number", "label", "start_s", "end_s", "snr_db")
_MARK_COLUMNS = (*_SOUND_COLUMNS, "annotator", "session")


def _table(rows: list[dict], columns: tuple[str, ...]) -> pd.DataFrame:
    texts = {name: "str" for name in ("file_path", "label", "annotator", "session") if name in columns}
    return pd.DataFrame(rows, columns=list(columns)).astype(texts)


_RECORDERS = (
    ("pond", "24F3190361CBE9A7", "AudioMoth", "recorders/pond/{season}/{stamp}.WAV"),
    ("creek", "S4A04001", "Song Meter SM4", "recorders/creek/S4A04001_{stamp}.wav"),
    ("reservoir", "SMA00713", "Song Meter Mini", "recorders/reservoir/SMA00713_{stamp}.flac"),
)
_USUALLY = {
    "season": "2025", "role": "training", "collector": "Ana", "licence": _LICENCE, "mined_by": np.nan,
    "is_labelled": True,
}  # fmt: skip


def _recordings(options: DemoGroupOptions) -> list[dict]:
    """Rows of the recordings, each kind in a folder of its own."""
    rows = [
        _row(pattern.format(season=season, stamp=_stamp(day, time)), site, recorder, device, day, time)
        | {"season": season}
        for site, recorder, device, pattern in _RECORDERS
        for season in SEASONS
        for day in _nights(site, season, options)
        for time in _HOURS[: options.n_recordings]
    ]
    for number, day in enumerate(_days(date(2025, 4, 20), options.n_others)):
        rows += _others(number, day)
    return rows


def _others(number: int, day: str) -> list[dict]:
    """One recording of each further kind: phone, outsider, deployment, unlabelled, mined."""
    who, licence = ("Ben", np.nan) if number % 2 else ("Cho", "CC0-1.0")
    phone = f"phones/{who.lower()}/Voice {_stamp(day, '21:15:00', ' ')}.mp3"
    outside = f"outsiders/OUT1_{_stamp(day, '22:00:00')}.wav"
    # What the detector will hear has a site and hours that nobody trained for.
    site, hour = ("marsh", "04:30:00") if number % 3 == 0 else ("pond", "21:30:00")
    deployed = f"DEP{number % 3}"
    heard = f"deployment/{site}/{deployed}_{_stamp(day, hour)}.wav"
    waiting = f"not yet labelled/S4A04001_{_stamp(day, '01:30:00')}.wav"
    mined = f"mined/SMA00713_{_stamp(day, '02:30:00')}.wav"
    return [
        _row(phone, "schoolyard", f"phone of {who}", "phone", day, "21:15:00")
        | {"collector": who, "licence": licence},
        _row(outside, "visitors' garden", "OUT1", "AudioMoth", day, "22:00:00")
        | {"role": "adversarial", "collector": "Dora"},
        _row(heard, site, deployed, "AudioMoth", day, hour) | {"role": "deployment", "is_labelled": False},
        _row(waiting, "creek", "S4A04001", "Song Meter SM4", day, "01:30:00") | {"is_labelled": False},
        _row(mined, "reservoir", "SMA00713", "Song Meter Mini", day, "02:30:00")
        | {"mined_by": "baseline_001"},
    ]


def _row(path: str, site: str, recorder: str, device: str, day: str, time: str) -> dict:
    where = {"file_path": path, "site": site, "recorder_id": recorder, "device": device}
    return _USUALLY | where | {"date": day, "time": time}


def _nights(site: str, season: str, options: DemoGroupOptions) -> list[str]:
    late = int(rng_for(options.seed, "demo group", site, season).integers(0, 5))
    return _days(date(int(season), 3, 20 + late), options.n_nights, 5)


def _days(first: date, n: int, step: int = 1) -> list[str]:
    return [(first + timedelta(days=step * day)).isoformat() for day in range(n)]


def _stamp(day: str, time: str, between: str = "_") -> str:
    return f"{day.replace('-', '')}{between}{time.replace(':', '')}"


def _sounds(file_path: str, role: str, options: DemoGroupOptions) -> list[dict]:
    """What can be heard in one recording; outsiders bring fainter frogs and more owls."""
    rng = rng_for(options.seed, "demo group", "sounds", file_path)
    is_outsider = role == "adversarial"
    sounds = []
    for clip in range(options.n_clips):
        for label, share in _SHARES.items():
            if rng.random() >= share * (2.0 if is_outsider and label == "owl" else 1.0):
                continue
            length = rng.uniform(0.9, 2.4)
            start = clip * CLIP_S + rng.uniform(0.1, CLIP_S - 0.1 - length)
            voice = str(rng.choice(["grunt", "growl"])) if label == "RADR" else label
            snr_db = rng.uniform(0, 18) - (6.0 if is_outsider and label == "RADR" else 0.0)
            values = (file_path, clip, voice, round(start, 3), round(start + length, 3), round(snr_db, 1))
            sounds.append(dict(zip(_SOUND_COLUMNS, values, strict=True)))
    return sounds


def _reviews(recordings: pd.DataFrame, options: DemoGroupOptions) -> pd.DataFrame:
    """Who labels which recording; the first annotator labels some of theirs twice."""
    rows = []
    first = next(iter(options.annotators))
    labelled = recordings[recordings.is_labelled]
    for path, role in zip(labelled.file_path, labelled.role, strict=True):
        if role == "adversarial":
            rows.append((path, "Dora", "1"))
            continue
        is_repeated = rng_for(options.seed, "demo group", "repeats", path).random() < options.repeated_share
        for annotator in options.annotators:
            draw = rng_for(options.seed, "demo group", "labels", annotator, path).random()
            if draw < options.labelled_share:
                sessions = ("1", "2") if annotator == first and is_repeated else ("1",)
                rows += [(path, annotator, session) for session in sessions]
    return pd.DataFrame(rows, columns=["file_path", "annotator", "session"]).astype("str")


def _marks(
    path: str, annotator: str, session: str, sounds: list[dict], options: DemoGroupOptions
) -> list[dict]:
    """What one annotator marks in one recording: misses and false alarms are drawn clip by clip, independently."""
    miss, false_alarm = options.annotators.get(annotator, (0.02, 0.01))
    rng = rng_for(options.seed, "demo group", "marks", annotator, session, path)
    marks = []
    for clip in range(options.n_clips):
        for label in MARKED:
            names = ("grunt", "growl") if label == "RADR" else (label,)
            heard = [sound for sound in sounds if sound["clip_number"] == clip and sound["label"] in names]
            draw, start, length = rng.random(), clip * CLIP_S + rng.uniform(0.2, 1.2), rng.uniform(0.7, 1.5)
            shifts = rng.uniform(-0.06, 0.06, 2)
            if heard and draw >= miss:
                low, high = clip * CLIP_S + 0.02, (clip + 1) * CLIP_S - 0.02
                ends = np.clip([heard[0]["start_s"] + shifts[0], heard[0]["end_s"] + shifts[1]], low, high)
                marks.append(heard[0] | _span(*map(float, ends)))
            elif not heard and draw < false_alarm:
                mark = {"file_path": path, "clip_number": clip, "label": names[0], "snr_db": np.nan}
                marks.append(mark | _span(start, start + length))
    return [mark | {"annotator": annotator, "session": session} for mark in marks]


def _span(start_s: float, end_s: float) -> dict[str, float]:
    return {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}


def planted(group: DemoGroup) -> dict:
    """What was put in, as a record of plain values: mistakes, drift, copies, files without licence, unusable files.

    `error_rates` are the shares of clips in which each annotator's first labels are wrong, counted; the
    settings' rates are what they were drawn from.
    """
    return {
        "error_rates": _count_mistakes(group),
        "drift_db": group.options.drift_db,
        "drift_band_hz": list(DRIFT_BAND_HZ),
        "seasons": list(SEASONS),
        "n_recordings": len(group.recordings),
        "n_copies": 2,
        "n_without_licence": int(group.recordings.licence.isna().sum()),
        "n_unusable": 2,
        "n_mined": int(group.recordings.mined_by.notna().sum()),
    }


def _count_mistakes(group: DemoGroup) -> dict[str, dict[str, dict[str, float]]]:
    """Shares of misses and false alarms by annotator and class."""
    there = set(_places(group.sounds))
    marks, reviews = (table[table.session == "1"] for table in (group.marks, group.reviews))
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for annotator in group.options.annotators:
        heard = set(_places(marks[marks.annotator == annotator]))
        paths = reviews.file_path[reviews.annotator == annotator]
        rates[annotator] = {}
        for label in MARKED:
            places = [(path, clip, label) for path in paths for clip in range(group.options.n_clips)]
            present = [place in heard for place in places if place in there]
            absent = [place in heard for place in places if place not in there]
            miss = 1 - float(np.mean(present)) if present else np.nan
            false_alarm = float(np.mean(absent)) if absent else np.nan
            rates[annotator][label] = {"miss": round(miss, 6), "false_alarm": round(false_alarm, 6)}
    return rates


def _places(table: pd.DataFrame) -> list[tuple[str, int, str]]:
    """Recording, clip and class of each row, call types as the target."""
    labels = table.label.replace({"grunt": "RADR", "growl": "RADR"})
    return list(zip(table.file_path, table.clip_number, labels, strict=True))
