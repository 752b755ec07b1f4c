"""Listen to long recordings with a classifier, and make nights, queues and tables of what it says.

The folder of recordings and the classifier are named by parameters, since they lie wherever a person put them; reading
them is these nodes' one access to files.
"""

import logging
from collections.abc import Callable, Iterator

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingPart, embed_windows
from vernal.clips import demo_season
from vernal.clips.nights import NightOptions
from vernal.clips.problem_card import ProblemCard
from vernal.clips.recording_names import RecorderOptions, recorders_in_words
from vernal.common.data_folder import data_root_param
from vernal.common.formatting import listed
from vernal.common.problems import InputError
from vernal.common.progress import progress_bar
from vernal.common.storage import as_path
from vernal.field import confusers
from vernal.field.detection import listing
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.classifier import choose_classifier as choose
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.detections import Detections, find_detections
from vernal.field.detection.false_alarms import measured_rates
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.headline import headline
from vernal.field.detection.label_tables import label_tables
from vernal.field.detection.nights import count_nights
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.page import render_page
from vernal.field.detection.sample import ScoredSeason, count_lines, draw_sample
from vernal.field.detection.scan import Piece, score_missing
from vernal.field.detection.score_store import ScoreStore
from vernal.field.detection.species import expected_species
from vernal.field.detection.top import choose_for_nights, choose_top, cut_clips
from vernal.field.detection.validation import Validation, validate
from vernal.field.detection.verification import (
    review_detections,
    review_windows,
    verdicts_of,
    verified_detections,
)
from vernal.field.handover.occupancy import occupancy_files
from vernal.field.handover.places import place_recordings, with_header_times
from vernal.field.handover.sites import read_sites
from vernal.field.handover.tables import count_hours, place_detections, place_nights
from vernal.reports.figures import Drawing, activity, validation
from vernal.reports.figures.style import drawn

logger = logging.getLogger(__name__)


def list_recordings(
    options: DetectionOptions,
    recorder_options: RecorderOptions,
    sites_file: str | None,
    night_options: NightOptions,
    demo_field: pd.DataFrame | None,
    data_root: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The recordings of the named folder, or the demo season's, each with where and when it was made; and the sites."""
    listed = _listed(options, recorder_options, demo_field, data_root)
    sites = read_sites(sites_file, listed.recorder_id)
    return place_recordings(with_header_times(listed), sites, night_options.start_hour), sites


def _listed(
    options: DetectionOptions,
    recorder_options: RecorderOptions,
    demo_field: pd.DataFrame | None,
    data_root: str,
) -> pd.DataFrame:
    if options.recordings is not None:
        listed = listing.list_for_detection(
            options.recordings, data_root=data_root, recorder_pattern=recorder_options.pattern
        )
        logger.info("%s", recorders_in_words(listed.recorder_id.tolist(), listed.file_path.tolist()))
        return listed
    if demo_field is None or demo_field.empty:
        raise InputError(
            "No folder of recordings was named, and there is no demo season here. Name a folder with "
            "--params=detection.recordings=/x/folder, or run `kedro run` first to make the demo season."
        )
    return listing.list_demo(as_path(data_root).joinpath(*demo_season.FOLDER), demo_field.file_path)


def choose_classifier(options: DetectionOptions, data_root: str, embedding: EmbeddingOptions) -> Classifier:
    """The classifier that was named, or the best there is, with its threshold."""
    return choose(options, as_path(data_root), embedding)


def score_recordings(
    recordings: pd.DataFrame,
    classifier: Classifier,
    known_files: KnownFiles,
    known_scores: ScoreStore,
    known_embeddings: EmbeddingStore,
    options: DetectionOptions,
    workers: int | None,
) -> Iterator[Piece]:
    """Score what has no scores yet; each finished piece is kept at once."""
    yield from score_missing(
        recordings, classifier, known_files, known_scores, known_embeddings, options.keep_embeddings, workers
    )


def make_detections(
    recordings: pd.DataFrame,
    classifier: Classifier,
    known_files: KnownFiles,
    scores: ScoreStore,
    review_log: pd.DataFrame,
    known_strata: pd.DataFrame | None,
    options: DetectionOptions,
    night_options: NightOptions,
) -> tuple[pd.DataFrame, ...]:
    """Detections and what is known beside them.

    Returns:
        Detections, what became of every file, the broken ones, hours heard, nights, and windows by score.
    """
    lines = count_lines(options, classifier, known_strata)
    listened = find_detections(
        recordings, known_files.load(), scores, classifier, options, night_options.start_hour, lines
    )
    verdicts = verdicts_of(review_log)
    found = review_detections(listened, verdicts)
    rates = measured_rates(classifier)
    nights = count_nights(found, classifier.labels, night_options.start_hour, rates, verdicts)
    nights = place_nights(nights, recordings, classifier, night_options.start_hour)
    broken = found.files[found.files.reason.notna()].reset_index(drop=True)
    detections = place_detections(found.detections, recordings)
    return detections, found.files, broken, found.effort, nights, found.counts


def embed_detections(
    detections: pd.DataFrame,
    files: pd.DataFrame,
    recordings: pd.DataFrame,
    classifier: Classifier,
    known: EmbeddingStore,
    options: DetectionOptions,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the highest window of each detection, where BirdNET is to say what it takes it for."""
    if not options.confusers or classifier.audio.encoder != confusers.ENCODER or detections.empty:
        return
    windows = confusers.peak_windows(detections, files, classifier.audio)
    roots = {confusers.DETECTIONS: recordings.audio_root.iloc[0]}
    finished = known.known_keys(classifier.audio)
    with progress_bar(int((~windows.key.isin(finished)).sum()), "embedding", "window") as progress:
        yield from embed_windows(
            windows, roots, classifier.audio, finished, workers, progress=progress, on_failure="report"
        )


def name_confusers(
    detections: pd.DataFrame,
    files: pd.DataFrame,
    classifier: Classifier,
    store: EmbeddingStore,
    options: DetectionOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detections with what BirdNET takes each for, where that was asked for; and those that people confirmed."""
    if options.confusers and confusers.can_be_read(classifier.audio, "detection.confusers"):
        detections = confusers.named_detections(detections, files, classifier.audio, store)
    return detections, verified_detections(detections)


def count_by_hour(
    detections: pd.DataFrame,
    files: pd.DataFrame,
    effort: pd.DataFrame,
    recordings: pd.DataFrame,
    classifier: Classifier,
    night_options: NightOptions,
) -> pd.DataFrame:
    """Detections and what was listened to, by recorder, night, clock hour and label."""
    found = Detections(detections, files, effort)
    return count_hours(found, recordings, classifier, night_options.start_hour)


def write_occupancy(
    nights: pd.DataFrame, hours: pd.DataFrame, sites: pd.DataFrame, options: DetectionOptions
) -> dict[str, Callable[[], bytes]]:
    """What occupancy models read, with the scripts that read it."""
    return occupancy_files(nights, hours, sites, options.occasion)


def sample_windows(
    counts: pd.DataFrame,
    files: pd.DataFrame,
    recordings: pd.DataFrame,
    classifier: Classifier,
    known_files: KnownFiles,
    scores: ScoreStore,
    known_sample: pd.DataFrame | None,
    known_strata: pd.DataFrame | None,
    review_log: pd.DataFrame,
    options: DetectionOptions,
    night_options: NightOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows to check, with what people said of them, and the strata they were drawn from, by night."""
    root = recordings.audio_root.iloc[0] if len(recordings) else ""
    season = ScoredSeason(files, root, known_files.load(), scores, classifier, night_options.start_hour)
    sample, strata = draw_sample(season, counts, options, known_sample, known_strata)
    return review_windows(sample, verdicts_of(review_log)), strata


def validate_sample(
    sample: pd.DataFrame,
    counts: pd.DataFrame,
    strata: pd.DataFrame,
    nights: pd.DataFrame,
    classifier: Classifier,
    options: DetectionOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What the checked sample says: precision by threshold, call density by night, by place, and in short."""
    told = validate(
        sample,
        counts,
        strata,
        classifier.threshold_logit,
        options.wanted_precision,
        options.reviewer_error,
        nights[["recorder_id", "night", "site"]],
    )
    return told.precision, told.density, told.places, told.summary


def queue_detections(
    detections: pd.DataFrame,
    nights: pd.DataFrame,
    recordings: pd.DataFrame,
    files: pd.DataFrame,
    classifier: Classifier,
    options: DetectionOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The detections that a person should check first, and those that confirm nights."""
    return (
        choose_top(detections, recordings, files, classifier.name, options),
        choose_for_nights(detections, nights, recordings, files, classifier.name, options),
    )


def cut_top_clips(top: pd.DataFrame, options: DetectionOptions) -> dict[str, Callable[[], bytes]]:
    """The sound of the strongest detections."""
    return cut_clips(top, options.clip_margin_s)


def list_species(
    detections: pd.DataFrame, recordings: pd.DataFrame, classifier: Classifier, options: DetectionOptions
) -> dict[str, Callable[[], bytes]]:
    """BirdNET's species that may be met at each site and week, where a likelihood was asked for."""
    if options.species_likelihood is None:
        return {}
    table = expected_species(recordings, detections, classifier.labels, options.species_likelihood)
    return {"expected.csv": lambda: table.to_csv(index=False, lineterminator="\n").encode()}


def write_label_tables(
    detections: pd.DataFrame,
    files: pd.DataFrame,
    recordings: pd.DataFrame,
    classifier: Classifier,
    options: DetectionOptions,
) -> dict[str, Callable[[], bytes]]:
    """Detections for other programs, in the formats that were asked for."""
    root = recordings.audio_root.iloc[0]
    return label_tables(detections, files, options.wanted_formats, root, classifier)


def draw(
    nights: pd.DataFrame,
    detections: pd.DataFrame,
    effort: pd.DataFrame,
    precision: pd.DataFrame,
    density: pd.DataFrame,
    recordings: pd.DataFrame,
    options: DetectionOptions,
    night_options: NightOptions,
) -> tuple[Drawing, Drawing, Drawing, Drawing]:
    """Nights by recorders, detections by the hour, precision by threshold, and call density by night."""
    is_demo = demo_season.is_demo_root(recordings.audio_root.iloc[0])
    end = "  ·  DEMO SEASON, no result" if is_demo else ""
    target = listed(sorted(nights.label.unique()))
    return (
        drawn(activity.activity, nights, f"{target}: detections by night{end}"),
        drawn(
            activity.hours,
            detections,
            effort,
            f"{target}: detections by the hour{end}",
            night_options.start_hour,
        ),
        drawn(validation.precision, precision, options.wanted_precision, f"{target}: checked sample{end}"),
        drawn(validation.call_density, density, f"{target}: call density by night{end}"),
    )


def write_report(
    recordings: pd.DataFrame,
    classifier: Classifier,
    detections: pd.DataFrame,
    files: pd.DataFrame,
    effort: pd.DataFrame,
    nights: pd.DataFrame,
    top: pd.DataFrame,
    precision: pd.DataFrame,
    density: pd.DataFrame,
    places: pd.DataFrame,
    summary: pd.DataFrame,
    activity_plot: Drawing,
    hours_plot: Drawing,
    precision_plot: Drawing,
    call_density_plot: Drawing,
    problem_card: ProblemCard | None,
    options: DetectionOptions,
    data_root: str,
) -> tuple[str, str]:
    """The report as a page, and its answer in one sentence with the next command."""
    told = Validation(precision, density, places, summary)
    root = recordings.audio_root.iloc[0]
    found = Detections(detections, files, effort)
    is_demo = demo_season.is_demo_root(root)
    band_hz = _band_of(problem_card, classifier.labels[0])
    # The demo season's is shown elsewhere, where its folder would say nothing.
    place = "" if is_demo else data_root_param(data_root)
    recordings_param = "" if options.recordings is None else f"detection.recordings={options.recordings}"
    params = (recordings_param, place)
    run = DetectionRun(found, nights, top, told, classifier, options, root, is_demo, band_hz, params)
    lines = [headline(run).text]
    is_sample_left = (summary.n_checked < summary.n_sampled).any()
    if is_sample_left or len(top):
        lines.append(run.command("sample" if is_sample_left else "detections"))
    figures = {
        "activity": activity_plot,
        "hours": hours_plot,
        "precision": precision_plot,
        "call_density": call_density_plot,
    }
    return render_page(run, figures), "\n".join(lines) + "\n"


def _band_of(card: ProblemCard | None, label: str) -> tuple[float, float] | None:
    """The call's band, Hz, by the problem card; None where it does not say."""
    name = card.find(label) if card else None
    return card.band_of(name) if card and name else None
