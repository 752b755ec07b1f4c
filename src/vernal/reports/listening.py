"""What the recommended detector gets wrong and right, to hear: missed calls, false alarms, strongest detections."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.audio.excerpts import shown_top_hz
from vernal.common.formatting import share
from vernal.common.storage import as_path
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.stage_results import StageResults
from vernal.reports.blocks import SOFT, Block, Heading, Section, Text
from vernal.reports.clip_sounds import Clip, SoundPage
from vernal.reports.commands import StageCommands
from vernal.reports.sentences import sentence

SHOWN = 6  # clips of each kind
TOLD = {"recorder_id": "{}", "date": "{}", "time": "{}", "quality": "{} quality", "call_type": "{}"}


def listen_section(
    results: StageResults,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    audio_roots: Mapping[str, str],
    commands: StageCommands,
) -> Section:
    """Clips of the split that is reported first, as the point to use scores them.

    Args:
        scores: logits of all points on the evaluated clips.
        splits: the clips, with where their recordings lie.
        audio_roots: folder of each source.
        commands: those that the section tells its reader to type.
    """
    clips = scored_clips(results, scores, splits)
    threshold = results.threshold(results.deployed)
    has_threshold = bool(np.isfinite(threshold))
    positive, negative = clips[clips["is_positive"]], clips[~clips["is_positive"]]
    missed = (positive[positive["logit"] < threshold] if has_threshold else positive)[::-1]
    alarms = negative[negative["logit"] >= threshold] if has_threshold else negative
    facts = {"target": results.target, "has_threshold": has_threshold}
    page = SoundPage(shown_top_hz(results.card.band_of(results.target) if results.card else None))

    def shown(title: str, words: str, rows: pd.DataFrame) -> list[Block]:
        found: list[Block] = [Heading(title), Text(words)]
        if rows.empty:
            return found
        return [*found, page.block(_clip(row, audio_roots) for row in rows.head(SHOWN).to_dict("records"))]

    said = sentence("listening.intro", point=f"`{results.deployed}`", split=results.primary_split)
    n = {"n_positive": len(positive), "n_negative": len(negative)}
    blocks = [
        Text(said, SOFT),
        *shown("Missed calls", sentence("listening.misses", n=len(missed), **n, **facts), missed),
        *shown("False alarms", sentence("listening.false_alarms", n=len(alarms), **n, **facts), alarms),
        *shown("Strongest detections", sentence("listening.strongest", **facts), positive),
    ]
    if has_threshold:
        to_hear = commands.hear_errors(results.deployed, threshold, results.primary_split)
        blocks += [
            Text(sentence("listening.review", what=f"all {what}", command=command))
            for what, command in to_hear.items()
        ]
    return Section("listen", "Listen", blocks)


def scored_clips(results: StageResults, scores: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Clips of the split that is reported first with the logit of the point to use, the highest first."""
    own = scores[
        (scores["point"] == results.deployed) & (scores["split"].astype("str") == results.primary_split)
    ]
    own = own[["clip_id", "logit", "is_positive"]].assign(clip_id=own["clip_id"].astype("str"))
    known = splits.drop(columns=["is_positive"], errors="ignore").astype({"clip_id": "str"})
    clips = own.astype({"is_positive": bool}).merge(known, on="clip_id", how="left")
    return clips.sort_values(["logit", "clip_id"], ascending=[False, True], kind="stable", ignore_index=True)


def _clip(row: Mapping, audio_roots: Mapping[str, str]) -> Clip:
    told = [words.format(row[name]) for name, words in TOLD.items() if isinstance(row.get(name), str)]
    folder = as_path(audio_roots.get(str(row.get("source")), ""))
    start_s, end_s = (float(row.get(name, np.nan)) for name in ("start_s", "end_s"))
    at = "" if np.isnan(start_s) else f", from {start_s:g} s"
    return Clip(
        folder / str(row.get("file_path", "")),
        start_s if start_s == start_s else 0.0,
        end_s,
        f"confidence {share(float(sigmoid(row['logit'])), 3)}",
        f"{', '.join(told)}. `{row.get('file_path', '')}`{at}".lstrip(". "),
    )
