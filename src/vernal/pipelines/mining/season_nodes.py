"""Listen to a season of recordings known to hold no target, and take in what the miner takes for the target."""

from collections.abc import Iterator

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingPart
from vernal.clips.mining import MiningOptions
from vernal.clips.nights import NightOptions
from vernal.clips.overlap import drop_held_out
from vernal.clips.recording_names import RecorderOptions
from vernal.field import season_mining
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import find_detections
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.listing import RECORDING_COLUMNS, list_for_detection
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.scan import Piece, score_missing
from vernal.field.detection.score_store import ScoreStore
from vernal.pipelines.embedding.nodes import embed_missing
from vernal.pipelines.ingest.nodes import SourceOptions
from vernal.pipelines.mining.nodes import EXCLUDED_COLUMNS, miner_fits
from vernal.sweeps.point_settings import PointSettings
from vernal.training.fitting import TrainingOptions
from vernal.training.head_library import HeadLibrary


def list_season(source: SourceOptions, recorders: RecorderOptions, data_root: str) -> pd.DataFrame:
    """Every recording of the season, none where no season was named."""
    if source.season is None:
        return pd.DataFrame({name: pd.Series(dtype="str") for name in RECORDING_COLUMNS})
    return list_for_detection(source.season, "source.season", data_root, recorders.pattern)


def choose_miner(
    miner_clips: pd.DataFrame,
    library: HeadLibrary,
    settings: PointSettings,
    audio: EmbeddingOptions,
    training: TrainingOptions,
    options: MiningOptions,
    target: str,
) -> Classifier:
    """The miner as a classifier of long recordings."""
    (fit,) = miner_fits(miner_clips, settings, audio, training)
    return season_mining.miner_as_classifier(library.load(fit.key).head, target, fit.audio, options)


def scan_season(
    recordings: pd.DataFrame,
    miner: Classifier,
    known_files: KnownFiles,
    known_scores: ScoreStore,
    known: EmbeddingStore,
    options: MiningOptions,
    workers: int | None,
) -> Iterator[Piece]:
    """Score what the miner has not heard yet; each finished piece is kept at once."""
    yield from score_missing(
        recordings, miner, known_files, known_scores, known, options.keep_season_embeddings, workers
    )


def take_season_clips(
    recordings: pd.DataFrame,
    miner: Classifier,
    files: KnownFiles,
    scores: ScoreStore,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    night_options: NightOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The season's candidates as clips, what had to leave them, and what became of every recording."""
    facts = files.load() if len(recordings) else {}
    # Every window for itself: a clip is a window, and neighbours are thinned later, by what they sound like.
    found = find_detections(recordings, facts, scores, miner, DetectionOptions(merge_gap_s=None))
    kept, dropped = drop_held_out(
        season_mining.candidate_clips(found, recordings, facts, clips, night_options), splits
    )
    excluded = dropped.reindex(columns=list(EXCLUDED_COLUMNS)).sort_values("clip_id", ignore_index=True)
    return kept.sort_values("clip_id", ignore_index=True), excluded, found.files


def embed_season_clips(
    season_clips: pd.DataFrame,
    audio_roots: dict[str, str],
    audio: EmbeddingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the season's candidates, unless the scan kept them."""
    yield from embed_missing(season_clips, audio_roots, audio, known, workers)


def join_clips(clips: pd.DataFrame, season_clips: pd.DataFrame) -> pd.DataFrame:
    """The clips of every source, the season's among them."""
    if season_clips.empty:
        return clips
    joined = pd.concat([clips, season_clips.drop(columns="logit")], ignore_index=True)
    return joined.sort_values("clip_id", ignore_index=True)
