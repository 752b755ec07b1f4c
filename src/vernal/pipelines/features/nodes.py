"""Features made from scratch, networks that learn from them, and BirdNET's embeddings in the same table."""

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart, plan_windows
from vernal.clips.nights import NightOptions
from vernal.clips.problem_card import ProblemCard
from vernal.clips.recordings import IngestOptions
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.progress import progress_bar
from vernal.common.workers import n_workers
from vernal.evaluation.rounding import settled
from vernal.pipelines.embedding.nodes import embed_missing
from vernal.pipelines.ingest.nodes import SourceOptions
from vernal.reports.figures.style import Drawing, drawn
from vernal.studies.features import (
    class_mapping,
    clips,
    companion,
    evaluation,
    extraction,
    fits,
    folds,
    page,
    pictures,
    runtime,
    study,
)
from vernal.studies.features.batches import SequenceSource
from vernal.studies.features.class_mapping import ClassMapping
from vernal.studies.features.companion import CompanionOptions
from vernal.studies.features.feature_store import FeaturePart, FeatureStore, stored_bytes
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fitting import FailedFit, TrainedNetwork
from vernal.studies.features.folds import FoldOptions
from vernal.studies.features.groups import MeasureOptions
from vernal.studies.features.options import FeatureOptions, Kind, kinds_of
from vernal.studies.features.point_settings import BIRDNET
from vernal.studies.features.rows import records
from vernal.studies.features.study import StudyOptions
from vernal.sweeps.plans import selected_names

TIMED_CLIPS = 4


def plan_companion(options: CompanionOptions, source: SourceOptions) -> pd.DataFrame:
    """List the companion set's clips; without rows when a manifest is given."""
    planned = companion.plan_companion(options)
    return planned if source.is_demo else planned.iloc[:0]


def render_companion(
    options: CompanionOptions, companion_clips: pd.DataFrame
) -> Iterator[dict[str, Callable[[], np.ndarray]]]:
    """Render every clip of the companion set; finished files are left as they are."""
    rows = records(companion_clips)
    with progress_bar(len(rows), "rendering the companion set", "file") as progress:
        for row in rows:
            yield {
                row["file_path"]: partial(
                    companion.render, row["label"], row["site"], row["tune"], row["take"], options
                )
            }
            progress(1)
    if not rows:
        yield {}


def take_in(
    source: SourceOptions,
    source_manifest: pd.DataFrame | None,
    companion_clips: pd.DataFrame,
    companion_folder: str,
    options: IngestOptions,
    night_options: NightOptions,
    mapping: ClassMapping,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Check the manifest and open every file; return clips, rejects and the folder that paths start from."""
    if source.is_demo:
        root, where, frame = (
            companion_folder,
            "The companion set",
            companion_clips.drop(columns=["tune", "take"]),
        )
    else:
        root, where = source.manifest_root, source.name
        if source_manifest is None:
            raise InputError("Name labelled clips: source.manifest or source.folder.")
        frame = source_manifest
    listed = clips.check_classes(frame, root, where)
    class_mapping.map_classes(listed, mapping)  # what is wrong with it shows before every file is opened
    with progress_bar(listed.file_path.nunique(), "checking audio", "file") as progress:
        found, rejects = clips.open_clips(listed, root, options, night_options, progress)
    return found, rejects, {clips.SOURCE: root}


def deal(
    found: pd.DataFrame, mapping: ClassMapping, options: FoldOptions
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Drawing]:
    """Give clips their classes and folds; count labels before and after, and draw the counts."""
    labelled, counts = class_mapping.map_classes(found, mapping)
    dealt = folds.deal_folds(labelled, options)
    return labelled, dealt, counts, drawn(pictures.label_distribution, counts, "labels and classes")


def plan_study(options: StudyOptions, points: object) -> pd.DataFrame:
    """The points of the study, and which of them this run is asked for."""
    plan = study.expand_study(options)
    selected = selected_names(plan.point.tolist(), plan.config_hash.tolist(), points)
    return plan.assign(is_selected=plan.point.isin(selected))


def compute_features(
    labelled: pd.DataFrame,
    roots: dict[str, str],
    plan: pd.DataFrame,
    options: FeatureOptions,
    known: FeatureStore,
    workers: int | None,
) -> Iterator[FeaturePart]:
    """Compute the features that the study reads and the store does not have, part by part."""
    # The gallery shows these whatever the study learns from.
    wanted = {*fits.wanted_kinds(plan), *(Kind(*shown) for shown in pictures.GALLERY)}
    missing = extraction.missing_kinds(labelled, wanted, options, known)
    with progress_bar(len(missing), "computing features", "clip") as progress:
        yield from extraction.extract(
            labelled, roots[clips.SOURCE], missing, options, n_workers(workers), progress
        )


def embed(
    labelled: pd.DataFrame,
    roots: dict[str, str],
    plan: pd.DataFrame,
    options: EmbeddingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the clips with BirdNET where a point of the study asks for it."""
    if (plan.feature == BIRDNET).any():
        yield from embed_missing(labelled, roots, options, known, workers)


def train(
    labelled: pd.DataFrame,
    dealt: pd.DataFrame,
    plan: pd.DataFrame,
    store: FeatureStore,
    embeddings: EmbeddingStore,
    known: FitLibrary,
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
    options: StudyOptions,
    workers: int | None,
) -> Iterator[list[TrainedNetwork | FailedFit]]:
    """Train what the selected points lack; each network is kept as soon as it is finished."""
    listed = fits.list_fits(plan[plan.is_selected], dealt, labelled, audio, embedding)
    finished = known.keys()
    missing = len({fit.key for fit in listed} - finished)
    with progress_bar(missing, "training", "network") as progress:
        for result in fits.train_missing(
            listed,
            known,
            str(store.folder),
            audio,
            embeddings,
            embedding,
            n_workers(workers),
            options.overfit_check,
            progress,
        ):
            yield [result]
    if not missing:
        yield []


def evaluate(
    labelled: pd.DataFrame,
    dealt: pd.DataFrame,
    plan: pd.DataFrame,
    library: FitLibrary,
    store: FeatureStore,
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
    options: MeasureOptions,
) -> tuple[pd.DataFrame, ...]:
    """Measure every point: points, leaderboard, classification, confusions, comparisons, scores, failures, curves."""
    listed = fits.list_fits(plan, dealt, labelled, audio, embedding)
    found = evaluation.evaluate_study(
        plan,
        listed,
        library,
        labelled,
        _bytes_per_clip(plan, labelled, store, audio, embedding),
        options,
        set(plan.point[plan.is_selected]),
    )
    return (
        settled(found.points),
        settled(found.leaderboard),
        settled(found.classification),
        settled(found.confusions),
        settled(found.comparisons),
        found.scores,
        found.failures,
        settled(found.histories),
    )


def _bytes_per_clip(
    plan: pd.DataFrame,
    labelled: pd.DataFrame,
    store: FeatureStore,
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
) -> dict[tuple[str, str], float]:
    keys = extraction.sequence_keys(labelled)
    found = {}
    for feature, sync in sorted(set(zip(plan.feature, plan["sync"], strict=True))):
        if feature == BIRDNET:
            n_windows = len(plan_windows(labelled, embedding))
            found[(feature, "")] = 4.0 * embedding.n_dims * n_windows / len(labelled)
            continue
        lengths = store.lengths(audio, kinds_of(feature, sync)[0])
        found[(feature, sync)] = stored_bytes([lengths[key] for key in keys], audio.n_dims(feature))
    return found


def measure_time(
    labelled: pd.DataFrame,
    roots: dict[str, str],
    dealt: pd.DataFrame,
    plan: pd.DataFrame,
    library: FitLibrary,
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
) -> pd.DataFrame:
    """How long features, training and scoring took; kept apart from what two runs share to the byte."""
    sounds = runtime.typical(extraction.clip_sounds(labelled, roots[clips.SOURCE]), TIMED_CLIPS)
    pairs = set(zip(plan.feature, plan["sync"].mask(plan.feature == BIRDNET, ""), strict=True))
    times = runtime.time_features(sounds, sorted(pairs), audio, embedding)
    return runtime.runtime_table(
        plan, fits.list_fits(plan, dealt, labelled, audio, embedding), library, times
    )


def draw(
    labelled: pd.DataFrame,
    plan: pd.DataFrame,
    store: FeatureStore,
    audio: FeatureOptions,
    leaderboard: pd.DataFrame,
    confusions: pd.DataFrame,
    histories: pd.DataFrame,
) -> tuple[dict[str, Drawing], Drawing, Drawing, Drawing]:
    """The gallery, a picture a class; the learning curves; the standings; the confusion of the leader."""
    leaderboard = _plainly_named(leaderboard)
    curves = histories.merge(
        plan.rename(columns={"configuration": "configuration_hash"})[["point", "configuration_hash"]],
        on="point",
    )
    ranked = leaderboard[leaderboard["rank"].notna()] if len(leaderboard) else leaderboard
    leading = (
        confusions[confusions.configuration_hash == ranked.configuration_hash.iloc[0]]
        if len(ranked)
        else confusions
    )
    title = pictures.described(records(ranked)[0]) if len(ranked) else "nothing was trained yet"
    return (
        {
            _file_name(name): drawn(pictures.gallery, *shown)
            for name, shown in _shown_clips(labelled, store, audio)
        },
        drawn(pictures.learning_curves, curves, leaderboard, "learning curves"),
        drawn(pictures.standings, leaderboard, "accuracy by configuration"),
        drawn(pictures.confusion, leading, title)
        if len(leading)
        else drawn(pictures.nothing, title, "Nothing was trained yet."),
    )


def _shown_clips(
    labelled: pd.DataFrame, store: FeatureStore, audio: FeatureOptions
) -> Iterator[tuple[str, tuple]]:
    """One clip of each class, the one of median length of beats, and what `pictures.gallery` draws."""
    keyed = labelled.assign(key=extraction.sequence_keys(labelled)).sort_values("clip_id")
    for name, members in keyed.groupby("class", sort=True):
        beats = SequenceSource(store, audio, "mel", "beat_synced", members.key.tolist()).lengths
        chosen = members.iloc[int(np.argsort(beats, kind="stable")[len(beats) // 2])]
        sequences = {shown: store.load(audio, Kind(*shown), chosen.key) for shown in pictures.GALLERY}
        yield (
            str(name),
            (
                sequences,
                str(name),
                str(chosen.file_path).rpartition("/")[2],
                audio.hop / audio.sample_rate_hz,
            ),
        )


def _file_name(label: str) -> str:
    """A name for files that every system takes; labels that need changing get a mark of their own."""
    plain = re.sub(r"[^a-z0-9_-]+", "_", label.lower())[:60]
    return label if plain == label else f"{plain}_{digest(label, length=6)}"


def report(
    source: SourceOptions,
    options: MeasureOptions,
    study_options: StudyOptions,
    audio: FeatureOptions,
    labelled: pd.DataFrame,
    rejects: pd.DataFrame,
    label_counts: pd.DataFrame,
    dealt: pd.DataFrame,
    points: pd.DataFrame,
    leaderboard: pd.DataFrame,
    confusions: pd.DataFrame,
    comparisons: pd.DataFrame,
    failures: pd.DataFrame,
    times: pd.DataFrame,
    gallery: dict[str, Drawing],
    card: ProblemCard,
    **figures: Drawing,
) -> str:
    """The study as one HTML page."""
    results = page.StudyResults(
        source.is_demo,
        labelled,
        rejects,
        label_counts,
        dealt,
        points,
        _plainly_named(leaderboard),
        confusions,
        _plainly_named(comparisons),
        failures.assign(step=failures.step.fillna("")),
        _plainly_named(times),
        options.level,
        study_options.overfit_check,
        audio.sample_rate_hz,
        card,
    )
    return page.render_page(results, figures, gallery)


def _plainly_named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with empty text where a configuration's name has nothing to say, which a CSV gives as missing."""
    return table.fillna({"sync": "", "variant": ""})
