"""The windows that people check so that something can be said of all: which were drawn, and what each stands for.

How they are drawn is in `sample_design`. Here the marks become windows: only the scores of nights that a mark hit are
read again.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, nights_of_moments
from vernal.common.hashing import digest
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import HEARD, PARTLY
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.listing import UNKNOWN, started_at
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.sample_design import (
    STRATUM_COLUMNS,
    Pick,
    by_stratum,
    draw_number,
    edges_of,
    plan_draw,
    priorities,
    strata_edges,
)
from vernal.field.detection.score_counts import lines_of, window_nights
from vernal.field.detection.score_store import ScoreStore
from vernal.field.detection.scoring import n_blocks_of

SAMPLE_COLUMNS = (
    "audio_root", "file_path", "start_s", "end_s", "recorder_id", "night", "started_at", "label", "logit", "confidence",
    "model", "content_hash", "draw", "stratum_low", "n_in_stratum", "n_drawn", "weight", "scores_of",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Windows:
    """The heard windows of a file: (n,) starts, ends and nights, and (n, n_labels) logits, sensitivity included."""

    start_s: np.ndarray
    end_s: np.ndarray
    night: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class ScoredSeason:
    """What is drawn from: `files` as `find_detections` gives them, facts by path, and the scores of all windows."""

    files: pd.DataFrame
    audio_root: str
    facts: Mapping[str, FileFacts]
    scores: ScoreStore
    classifier: Classifier
    start_hour: int = START_HOUR

    def windows(self, file: Mapping[Hashable, Any]) -> Windows:
        """Every window of a file that was heard; a row of `files`, and when it `began`."""
        own, fact = self.classifier, self.facts[f"{self.audio_root}/{file['file_path']}"]
        blocks = [
            self.scores.load(own.run_key, fact.content_hash, number)
            for number in range(n_blocks_of(fact, own.audio))
            if self.scores.has(own.run_key, fact.content_hash, number)
        ]
        start_s, end_s, logits = (
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("start_s", "end_s", "logits")
        )
        return Windows(
            start_s, end_s, window_nights(file["began"], start_s, self.start_hour), logits + own.shift
        )


def floor_of(options: DetectionOptions, classifier: Classifier) -> float:
    """The lowest logit that is sampled: that of `detection.sample_floor`, or the threshold if that is lower."""
    from scipy.special import logit

    return min(float(logit(options.sample_floor)), classifier.threshold_logit)


def scores_id(options: DetectionOptions, classifier: Classifier) -> str:
    """Which scores, floor and seed a sample is of; one of others is drawn anew."""
    floor = floor_of(options, classifier)
    return digest("sample", classifier.run_key, classifier.shift, floor, options.sample_seed)


def count_lines(
    options: DetectionOptions, classifier: Classifier, known_strata: pd.DataFrame | None
) -> list[float]:
    """The logits that windows have to be counted between, ascending, for a sample and what follows from it."""
    known = _of(known_strata, scores_id(options, classifier))
    return lines_of(floor_of(options, classifier), [classifier.threshold_logit, *edges_of(known)]).tolist()


def _of(table: pd.DataFrame | None, identity: str) -> pd.DataFrame | None:
    return None if table is None else table[table.scores_of == identity]


def draw_sample(
    season: ScoredSeason,
    counts: pd.DataFrame,
    options: DetectionOptions,
    known_sample: pd.DataFrame | None = None,
    known_strata: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw `options.sample` windows of each label, those drawn before among them.

    Args:
        counts: windows by score and recorder's night (`score_counts.COUNT_COLUMNS`).
        known_sample, known_strata: what an earlier run returned; None is nothing.
    Returns:
        The sample (`SAMPLE_COLUMNS`, by label and stratum) and the strata by night (`STRATUM_COLUMNS`).
    """
    own = season.classifier
    identity = scores_id(options, own)
    known = _still_there(known_sample, season, identity)
    before = _of(known_strata, identity)
    strata, picks = [], {}
    for label in own.labels:
        here, drawn = counts[counts.label == label], known[known.label == label]
        then = None if before is None else before[before.label == label]
        edges = edges_of(then) or strata_edges(here, own.threshold_logit, floor_of(options, own))
        now = by_stratum(here, edges)
        draw = draw_number(options.sample_seed, label)
        picks[label] = (edges, plan_draw(now, then, drawn, options.sample, own.threshold_logit, draw))
        missing = [low for low in edges if low not in set(now.stratum_low)]
        strata.append(_with_empty(now, missing).assign(label=label, scores_of=identity))
    fresh = _drawn_windows(season, picks, known, options.sample_seed)
    number = int(known.draw.max()) + 1 if len(known) else 1
    table = pd.concat([known, fresh.assign(draw=number, scores_of=identity)], ignore_index=True)
    by_night = pd.concat(strata, ignore_index=True)[list(STRATUM_COLUMNS)]
    return _weighted(table, by_night, season, own.name), by_night


def _with_empty(strata: pd.DataFrame, lows: list[float]) -> pd.DataFrame:
    """Strata without any window are kept as rows of no night, so that their ends are known again."""
    empty = pd.DataFrame({"stratum_low": lows, "recorder_id": "", "night": "", "n_windows": 0})
    return pd.concat([strata, empty], ignore_index=True) if lows else strata


def _still_there(sample: pd.DataFrame | None, season: ScoredSeason, identity: str) -> pd.DataFrame:
    """Windows drawn before whose recording is still heard."""
    if sample is None or sample.empty:
        return _typed(pd.DataFrame(columns=list(SAMPLE_COLUMNS)))
    heard = season.files[season.files.state.isin([HEARD, PARTLY])].content_hash
    kept = sample[(sample.scores_of == identity) & sample.content_hash.isin(heard)]
    return _typed(kept.reindex(columns=list(SAMPLE_COLUMNS)))


def _drawn_windows(
    season: ScoredSeason, picks: Mapping[str, tuple[list[float], list[Pick]]], known: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """The windows that marks stand for: of each stratum and night, those of the lowest priorities."""
    taken = set(zip(known.label, known.content_hash, known.start_s.round(3), strict=True))
    wanted = {(label, pick): edges for label, (edges, made) in picks.items() for pick in made}
    best: dict[tuple[str, Pick], list[tuple]] = {key: [] for key in wanted}
    for file in _files_of(season, {(pick.recorder_id, pick.night) for _, pick in wanted}):
        windows = season.windows(file)
        for (label, pick), edges in wanted.items():
            if pick.recorder_id == file["recorder_id"]:
                at = season.classifier.labels.index(label)
                found = _in_stratum(windows, windows.logits[:, at], pick, edges)
                order = priorities(seed, label, file["content_hash"], windows.start_s[found])
                ranked = [
                    (int(priority), file["content_hash"], float(windows.start_s[place]), place, file, windows)
                    for priority, place in zip(order, found, strict=True)
                    if (label, file["content_hash"], round(float(windows.start_s[place]), 3)) not in taken
                ]
                best[label, pick] = sorted([*best[label, pick], *ranked], key=lambda one: one[:3])[: pick.n]
    rows = [
        _window_row(file, windows, place, season.classifier.labels.index(label), label, pick)
        for (label, pick), kept in best.items()
        for *_, place, file, windows in kept
    ]
    return _typed(pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)))


def _in_stratum(windows: Windows, logits: np.ndarray, pick: Pick, edges: list[float]) -> np.ndarray:
    """Places of the windows of a stratum and night."""
    top = next((edge for edge in edges if edge > pick.stratum_low), np.inf)
    is_in = (logits >= pick.stratum_low) & (logits < top) & (windows.night == pick.night)
    return np.flatnonzero(is_in)


def _files_of(season: ScoredSeason, nights: set[tuple[str, str]]) -> Iterator[dict[Hashable, Any]]:
    """Heard files that begin or end in some recorders' nights, and when each `began`."""
    files = season.files[season.files.state.isin([HEARD, PARTLY])]
    files = files[files.recorder_id.isin({recorder for recorder, _ in nights})]
    began = started_at(files)
    last = began + pd.to_timedelta(files.duration_s, unit="s")
    ends = [nights_of_moments(moment, season.start_hour).fillna(UNKNOWN).tolist() for moment in (began, last)]
    # Only those become rows of their own: of all of a season, they would take more memory than its tables.
    is_wanted = [
        any((recorder, night) in nights for night in of_night)
        for recorder, *of_night in zip(files.recorder_id, *ends, strict=True)
    ]
    yield from files.assign(began=began)[is_wanted].to_dict("records")


def _window_row(
    file: Mapping[Hashable, Any], windows: Windows, place: int, label_at: int, label: str, pick: Pick
) -> dict[str, Any]:
    start_s = float(windows.start_s[place])
    return {
        "file_path": file["file_path"],
        "content_hash": file["content_hash"],
        "recorder_id": file["recorder_id"],
        "start_s": start_s,
        "end_s": float(windows.end_s[place]),
        "night": pick.night,
        "label": label,
        "logit": float(windows.logits[place, label_at]),
        "stratum_low": pick.stratum_low,
        "started_at": file["began"] + pd.Timedelta(milliseconds=round(start_s * 1_000)),
    }


def _weighted(table: pd.DataFrame, strata: pd.DataFrame, season: ScoredSeason, model: str) -> pd.DataFrame:
    """The sample with what each window stands for, and where its recording lies now."""
    from scipy.special import expit

    stratum = ["label", "stratum_low"]
    sizes = strata.groupby(stratum).n_windows.sum().rename("n_in_stratum").reset_index()
    drawn = table.groupby(stratum).size().rename("n_drawn").reset_index()
    merged = table.drop(columns=["n_in_stratum", "n_drawn"]).merge(sizes, on=stratum).merge(drawn, on=stratum)
    heard = season.files[season.files.state.isin([HEARD, PARTLY])]
    paths = heard.drop_duplicates("content_hash").set_index("content_hash").file_path
    merged = merged.assign(
        audio_root=season.audio_root,
        file_path=merged.content_hash.map(paths),
        confidence=expit(merged.logit.to_numpy(dtype=float)),
        model=model,
        weight=merged.n_in_stratum / merged.n_drawn,
    )
    order = [*stratum, "recorder_id", "night", "file_path", "start_s"]
    return _typed(merged).sort_values(order, kind="stable", ignore_index=True)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(("start_s", "end_s", "logit", "confidence", "stratum_low", "weight"), "float64")
    texts = dict.fromkeys(
        ("audio_root", "file_path", "recorder_id", "night", "label", "model", "content_hash", "scores_of"),
        "str",
    )
    counts = dict.fromkeys(("draw", "n_in_stratum", "n_drawn"), "Int64")
    kinds = {**numbers, **texts, **counts, "started_at": "datetime64[ms]"}
    return table.reindex(columns=list(SAMPLE_COLUMNS)).astype(kinds)
