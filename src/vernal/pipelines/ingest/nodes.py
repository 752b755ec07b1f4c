"""Take recordings in: list what the sources hold, open every file, keep clips and rejects apart."""

import logging

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.reading import CLIP_S
from vernal.clips import labels, manifest, nights, recordings
from vernal.clips.class_folders import classes_in_words
from vernal.clips.demo_season import own_recordings
from vernal.clips.labels import LabelOptions
from vernal.clips.nights import NightOptions
from vernal.clips.recordings import IngestOptions
from vernal.clips.synthesis import MANIFEST_COLUMNS
from vernal.common.problems import InputError, Problems
from vernal.common.progress import progress_bar
from vernal.common.settings import settings
from vernal.common.storage import as_path

logger = logging.getLogger(__name__)


@settings("source")
class SourceOptions:
    """Where recordings come from; no manifest, folder or unlabelled recordings = the demo season."""

    manifest: str | None = None
    folder: str | None = None
    audio_root: str | None = None
    field: str | None = None
    unlabelled: str | None = None
    season: str | None = None
    sites: str | None = None

    def __post_init__(self) -> None:
        if self.folder and (self.manifest or self.audio_root):
            raise ValueError("folder stands in for manifest and audio_root; leave it empty, or the two")

    @property
    def is_demo(self) -> bool:
        """Whether the demo season is used."""
        return own_recordings(vars(self)) is None

    @property
    def is_labelled(self) -> bool:
        """Whether labelled clips are named."""
        return bool(self.manifest or self.folder)

    @property
    def manifest_root(self) -> str:
        """The folder that the manifest's paths start from."""
        return self.folder or self.audio_root or as_path(str(self.manifest)).parent.as_posix()

    @property
    def name(self) -> str:
        """What messages call the manifest."""
        return f"The folder {self.folder}" if self.folder else f"The manifest {self.manifest}"

    def reading(self, options: LabelOptions, words: pd.Series | None, target: str) -> LabelOptions:
        """How labels are read: a manifest may state absences; in class folders every other class is a negative."""
        return options if self.folder or words is None else labels.as_stated(options, words, target)


def list_sources(
    source: SourceOptions,
    target: str,
    label_options: LabelOptions,
    night_options: NightOptions,
    source_manifest: pd.DataFrame | None,
    field_recordings: pd.DataFrame | None,
    unlabelled_recordings: pd.DataFrame | None,
    demo_clips: pd.DataFrame | None,
    demo_field: pd.DataFrame | None,
    demo_unlabelled: pd.DataFrame | None,
    demo_folder: str,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """List the rows of every source, checked, and the folder that each source's paths start from."""
    field, unlabelled = field_recordings, unlabelled_recordings
    if source.is_demo:
        if demo_clips is None or demo_field is None or demo_unlabelled is None:
            raise InputError(
                "No manifest or folder is named (source.manifest, source.folder), and the demo season is not made "
                "yet. Run `kedro run --pipeline=demo` first."
            )
        roots = {"labelled": demo_folder}
        labelled = manifest.check_manifest(
            _public(demo_clips), target, demo_folder, "The demo season", label_options
        )
        field = _public(demo_field) if field is None else field
        unlabelled = _public(demo_unlabelled) if unlabelled is None else unlabelled
    elif not source.is_labelled:
        roots = {"labelled": str(source.unlabelled)}
        labelled = pd.DataFrame({"start_s": [], "end_s": []}, dtype="float64").assign(is_positive=False)
    else:
        roots = {"labelled": source.manifest_root}
        if source_manifest is None:
            raise AssertionError("a source is set, but no manifest was loaded")
        reading = source.reading(label_options, source_manifest.get("label"), target)
        labelled = manifest.check_manifest(
            source_manifest, target, source.manifest_root, source.name, reading
        )
        logger.info("%s: %s.", source.name, classes_in_words(labelled))
        if reading != label_options:
            logger.warning("%s", labels.unknown_in_words(labelled.label, target, reading))
        problems = Problems(source.name)
        rows = [f"row {row}" for row in labelled.manifest_row]
        nights.note_ambiguous(labelled, night_options, problems, rows)
        problems.raise_if_any()
    roots["field"] = source.field or demo_folder
    roots["unlabelled"] = source.unlabelled or demo_folder
    if source.season is not None:
        roots["season"] = source.season
    tables = [labelled.assign(source="labelled")]
    for name, table in (("field", field), ("unlabelled", unlabelled)):
        if table is not None and len(table):
            label = "negative" if name == "field" else "unchecked"
            tables.append(table.assign(source=name, label=label, is_positive=False))
    listed = pd.concat(tables, ignore_index=True)
    for name in manifest.OPTIONAL_TEXT_COLUMNS:
        listed[name] = (
            listed[name].astype("str")
            if name in listed
            else pd.Series(pd.NA, index=listed.index, dtype="str")
        )
    listed = manifest.with_one_spelling(listed, manifest.NAMES_OF_PLACES)
    # Where a person named no quality, a positive counts as high: that is what an unsorted collection means.
    no_tier = listed.is_positive & listed.quality.isna()
    return listed.assign(quality=listed.quality.mask(no_tier, "high").where(listed.is_positive)), roots


def _public(demo: pd.DataFrame) -> pd.DataFrame:
    """What a person could know of the season; how each sound is made stays behind."""
    return demo[list(MANIFEST_COLUMNS)]


def check_audio(
    listed: pd.DataFrame,
    audio_roots: dict[str, str],
    options: IngestOptions,
    night_options: NightOptions,
    embedding: EmbeddingOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Open every listed file; return the accepted clips with their nights, and the rejected rows with their reasons."""
    paths = {
        as_path(audio_roots[source]) / path
        for source, path in zip(listed.source, listed.file_path, strict=True)
    }
    with progress_bar(len(paths), "checking audio", "file") as progress:
        facts = recordings.inspect_files(paths, options, progress)
    clips, rejects = recordings.accept(listed, audio_roots, facts, max(CLIP_S, embedding.facts.window_s))
    recordings.refuse_too_many(listed, rejects, options)
    if noted := recordings.passed_over_in_words(facts):
        logger.warning("%s", noted)
    if contradicting := recordings.contradictions(rejects):
        logger.warning("%s", contradicting)
    return nights.with_nights(clips, night_options), rejects
