"""Detections to hear: the strongest, the weakest, and those that people rejected; then the queue for checking."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from vernal.audio.excerpts import shown_top_hz
from vernal.common.formatting import fine_amount, share
from vernal.common.storage import as_path
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.detections import UNCHECKED
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.top import nights_to_confirm
from vernal.field.detection.verification import CONFIRMED, REJECTED
from vernal.reports.blocks import Block, Fold, Heading, Section, Table, Text
from vernal.reports.clip_sounds import Clip, SoundPage
from vernal.reports.sentences import sentences_of

sentence = sentences_of("vernal.field.detection")

SHOWN = 6  # detections of each kind
MOST_LISTED = 50
BEFORE_S, LONGEST_S = 1.0, 6.0
STATES = {CONFIRMED: "confirmed", REJECTED: "rejected", UNCHECKED: "not checked"}


def listen_section(run: DetectionRun) -> Section:
    """Detections to hear and see, how far the nights are confirmed, and the queue for checking."""
    if run.top.empty:
        return Section("listen", "Listen", [])
    order = ["logit", "file_path", "start_s"]
    strongest = run.found.detections.sort_values(order, ascending=[False, True, True], kind="stable")
    rejected = strongest[strongest.review_state == REJECTED]
    threshold_of = dict(zip(run.classifier.labels, run.classifier.thresholds, strict=True))
    weakest = strongest.iloc[SHOWN:][::-1]
    weakest = weakest.assign(above=weakest.logit - weakest.label.map(threshold_of).astype("float64"))
    page = SoundPage(shown_top_hz(run.band_hz))

    def shown(title: str, words: str, rows: pd.DataFrame) -> list[Block]:
        if rows.empty:
            return []
        clips = page.block(_clip(run, row) for row in rows.head(SHOWN).to_dict("records"))
        return [Heading(title), Text(words), clips]

    blocks: list[Block] = [
        *shown("Strongest detections", sentence("played.strongest"), strongest),
        *shown("False alarms", sentence("played.false_alarms"), rejected),
        *shown("Weakest detections", sentence("played.weakest"), weakest.sort_values("above", kind="stable")),
        Heading("To check"),
        Text(_nights_words(run)),
        Text(
            sentence(
                "played.queue",
                n=len(run.top),
                per_night=run.options.queue_per_night,
                margin_s=run.options.clip_margin_s,
                command=run.command("detections"),
            )
        ),
        Fold(f"The first {min(len(run.top), MOST_LISTED)}", [_queue_table(run)]),
    ]
    return Section("listen", "Listen", blocks)


def _clip(run: DetectionRun, row: Mapping[Hashable, Any]) -> Clip:
    """The strongest part of a detection."""
    start_s = max(0.0, row["peak_start_s"] - BEFORE_S)
    state = STATES.get(str(row["review_state"]), str(row["review_state"]))
    label = f"{row['label']}, " if run.has_several else ""
    started = "" if pd.isna(row["started_at"]) else f", {row['started_at']:%Y-%m-%d %H:%M:%S}"
    return Clip(
        as_path(run.audio_root) / str(row["file_path"]),
        start_s,
        min(row["end_s"], start_s + LONGEST_S),
        f"{label}confidence {share(row['confidence'], 3)}",
        f"{row['recorder_id']}{started}, {state}. `{row['file_path']}`, from {fine_amount(start_s)} s",
    )


def _queue_table(run: DetectionRun) -> Table:
    several = run.has_several
    rows = [_top_cells(row, several) for row in run.top.head(MOST_LISTED).to_dict("records")]
    label = ["label"] if several else []
    return Table(["rank", "recording", "at, s", "night", *label, "confidence", "clip"], rows)


def _nights_words(run: DetectionRun) -> str:
    """How far the nights are confirmed, what that cost, and what is left to hear."""
    nights = nights_to_confirm(run.found.detections, run.nights, run.options.night_budget)
    n_left = int(nights.n_left.sum())
    nights = nights[
        nights.night != UNKNOWN
    ]  # a recorder's recordings without a date are no night, as everywhere
    states = nights.review_state.value_counts()
    n_confirmed, n_rejected = (int(states.get(state, 0)) for state in (CONFIRMED, REJECTED))
    is_spent = (nights.review_state == UNCHECKED) & (nights.n_left == 0)
    counts = {"n_confirmed": n_confirmed, "n_rejected": n_rejected, "n_heard": int(nights.n_heard.sum())}
    counts |= {"n_spent": int(is_spent.sum()), "n_left": n_left}
    command = run.command("nights")
    facts = {"n": len(nights), "budget": run.options.night_budget, "command": command}
    return sentence("played.nights_to_confirm", **facts, **counts)


def _top_cells(row: Mapping[Hashable, Any], with_label: bool) -> list[str]:
    clip = f"`{row['clip_file']}`" if isinstance(row["clip_file"], str) else ""
    place = [f"{row['rank']:,}", f"`{row['file_path']}`", fine_amount(row["start_s"]), str(row["night"])]
    return [*place, *([str(row["label"])] if with_label else []), share(row["confidence"], 3), clip]
