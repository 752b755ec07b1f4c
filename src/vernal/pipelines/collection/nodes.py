"""From an inbox to a manifest that can be trusted: lake, labels, clips, agreement, consensus."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.clips.annotations import split_by_strength
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.problem_card import ProblemCard
from vernal.clips.recording_names import RecorderOptions, recorders_in_words
from vernal.clips.training_package import safe_name
from vernal.collection import (
    agreement,
    clipping,
    collected_manifest,
    demo_group,
    inventory,
    label_files,
    quality,
    votes,
)
from vernal.collection.agreement import AgreementOptions
from vernal.collection.clipping import ClipOptions
from vernal.collection.consensus import ALL_CLASSES, ConsensusOptions, settle
from vernal.collection.demo_group import DemoGroupOptions
from vernal.collection.inventory import LakeOptions
from vernal.collection.lake import Addition, Lake, list_inbox
from vernal.collection.quality import TAKE_ANY, QualityOptions

logger = logging.getLogger(__name__)

Files = dict[str, Callable[[], bytes]]


def make_demo_group(inbox: str | None, options: DemoGroupOptions) -> tuple[Files, dict]:
    """The demo group's files and what was planted in them; nothing when a person named an inbox."""
    if inbox:
        return {}, {}
    from vernal.collection.demo_group_files import group_files

    group = demo_group.plan_group(options)
    files = {f"{options.folder}/{path}": make for path, make in group_files(group).items()}
    return files, demo_group.planted(group)


def list_files(
    inbox: str | None, options: DemoGroupOptions, demo_folder: str
) -> tuple[list[Addition], pd.DataFrame]:
    """What lies in the inbox, with what is said of it, and what is left where it lies."""
    return list_inbox(inbox or Path(demo_folder) / options.folder)


def take_stock(
    lake: Lake, options: LakeOptions, recorder_options: RecorderOptions
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Statements, recordings, the inventory, doubles, and where statements, headers and names differ."""
    statements = lake.statements()
    sounds = statements[(statements.kind == "recording") & ~statements.is_superseded]
    sounds = sounds.assign(object_path=sounds.content_hash.map(lake.object_path).astype("str"))
    facts = lake.facts(sorted(sounds.content_hash.unique()))
    recordings, differences = inventory.describe_recordings(sounds, facts, options, recorder_options.pattern)
    if len(recordings):
        logger.info("%s", recorders_in_words(recordings.recorder_id.tolist(), recordings.recording.tolist()))
    listed = inventory.take_stock(statements, recordings)
    return statements, recordings, listed, inventory.list_doubles(sounds, recordings), differences


def read_labels(
    lake: Lake, statements: pd.DataFrame, recordings: pd.DataFrame, card: ProblemCard
) -> tuple[pd.DataFrame, ...]:
    """Strong and weak annotations apart, a model's detections, complete reviews, refusals, and the label files."""
    from vernal.clips.annotation_formats import read_text

    def text_of(content_hash: str, path: str) -> str:
        return read_text(lake.path_of(content_hash), path)

    read = label_files.read_all(statements, recordings, card, text_of)
    strong, weak = split_by_strength(read.annotations)
    parts = (strong.reset_index(drop=True), weak.reset_index(drop=True), read.detections)
    return (*parts, read.reviews, read.problems, read.files)


def cut_recordings(
    lake: Lake, recordings: pd.DataFrame, options: ClipOptions, night_options: NightOptions
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Clips of every recording that can be heard, what no clip covers, and the folder that their paths start from."""
    heard = recordings[recordings.is_heard].reset_index(drop=True)
    clips, uncut = clipping.cut_clips(heard, options)
    night = (clips.recorder_id + " " + with_nights(clips, night_options).night).fillna(clips.recording)
    clips = clips.assign(source="labelled", file_path=clips.object_path, night=night)
    return (
        clips.sort_values("clip_id", ignore_index=True),
        uncut,
        {"labelled": (lake.root / "objects").as_posix()},
    )


def count_votes(
    clips: pd.DataFrame,
    strong: pd.DataFrame,
    weak: pd.DataFrame,
    reviews: pd.DataFrame,
    card: ProblemCard,
    options: ClipOptions,
    review_log: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each annotator and reviewer says of each clip and class, and the clips that marks barely reach."""
    said, edges = votes.count_votes(clips, strong, weak, reviews, card, options)
    return (said if review_log is None else votes.add_decisions(said, clips, review_log, card)), edges


def compare_annotators(
    said: pd.DataFrame, clips: pd.DataFrame, card: ProblemCard, options: AgreementOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement per class, and the clips to listen to together.

    Where the card allows one class a clip, those in which somebody named several are on the list as well.
    """
    ratings = said.assign(value=said.is_present)
    divided = agreement.list_disagreements(votes.first_sessions(said))
    if card.labelling == "single":
        labels, conflicts = votes.single_labels(said, card)
        divided = pd.concat([divided, votes.list_conflicts(conflicts)], ignore_index=True)
        joint = labels.rename(columns={"label": "value"}).assign(label=ALL_CLASSES)
        ratings = pd.concat([ratings.astype({"value": "str"}), joint], ignore_index=True)
    table = agreement.measure_agreement(ratings, clips.set_index("clip_id").content_hash, options)
    return table, with_place(divided, clips)


def with_place(table: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Add where each clip is to be heard."""
    places = clips[
        ["clip_id", "recording", "start_s", "end_s", "file_path", "site", "recorder_id", "date", "time"]
    ]
    return table.merge(places, on="clip_id", how="left", validate="many_to_one")


def settle_labels(
    said: pd.DataFrame, clips: pd.DataFrame, card: ProblemCard, options: ConsensusOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One value for each clip and class, and how each annotator errs."""
    blocks = clips.set_index("clip_id").content_hash
    return settle(votes.first_sessions(said), blocks, card, options)


def grade_quality(
    lake: Lake,
    clips: pd.DataFrame,
    strong: pd.DataFrame,
    weak: pd.DataFrame,
    card: ProblemCard,
    clip_options: ClipOptions,
    options: QualityOptions,
) -> pd.DataFrame:
    """Tiers of clips marked as the target: what people said, and what the signal-to-noise ratio proposes."""
    of_target = [name for name in card.names if card.target in card.lineage(name)]
    target, of_wholes = (table[table.label.isin(of_target)] for table in (strong, weak))
    pairs = clipping.transfer_labels(clips, target, clip_options)
    ratios = quality.ratios_of_clips(lake.path_of, clips, strong, target, pairs, card.band_of(card.target))
    # Annotations of whole recordings follow those of parts, and are numbered on.
    of_wholes = of_wholes.set_axis(of_wholes.index + len(strong))
    of_clips = collected_manifest.whole_clips(clips, of_wholes)
    assigned = collected_manifest.assigned_by_people(_below(pairs, of_clips), _below(target, of_wholes))
    table = ratios.merge(assigned, on="clip_id", how="outer").sort_values("clip_id", ignore_index=True)
    proposed = quality.propose_quality(table.snr_db, options)
    chosen = quality.choose_quality(table.quality_assigned, proposed, options)
    return table.assign(quality_proposed=proposed, quality=chosen.quality, quality_from=chosen.quality_from)


def _below(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """One table below another, with their own numbers of rows; an empty one adds nothing."""
    return pd.concat([table, other]) if len(table) and len(other) else table if len(table) else other


def write_manifest(
    clips: pd.DataFrame,
    consensus: pd.DataFrame,
    edges: pd.DataFrame,
    qualities: pd.DataFrame,
    card: ProblemCard,
    options: QualityOptions,
    targets: Any = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The manifest, the outsiders' manifest, and what is held back, with the reasons."""
    if names := collected_manifest.several_classes(targets, card):
        labelled = collected_manifest.label_several(clips, consensus, edges, card, names)
    else:
        labelled = collected_manifest.label_clips(clips, consensus, edges, card)
    return collected_manifest.write_manifest(labelled, qualities, card, options.take != TAKE_ANY)


def cut_clip_files(
    lake: Lake, clips: pd.DataFrame, manifest: pd.DataFrame, is_wanted: bool
) -> tuple[Files, pd.DataFrame]:
    """On request, each clip of the manifest as a file of its own, and a manifest of these files."""
    if not is_wanted:
        return {}, manifest.iloc[:0]
    keys = ["file_path", "start_s", "end_s"]
    columns = ["clip_id", "content_hash", "start_frame", "end_frame", "sample_rate_hz"]
    rows = manifest.merge(clips[[*keys, *columns]], on=keys, how="left", validate="one_to_one")
    files: Files = {}
    for row in rows.to_dict("records"):
        stem = safe_name(Path(row["recording"]).stem)
        name = f"{safe_name(row['label'])}/{stem}_{row['start_s']:.3f}_{row['clip_id']}.wav"
        padded = round(row["padded_s"] * row["sample_rate_hz"])
        place = lake.path_of(row["content_hash"])
        files[name] = partial(clipping.clip_bytes, place, row["start_frame"], row["end_frame"], padded)
    # A clip's recording stays together when the clips are split.
    group = rows.group.fillna("recording " + rows.content_hash.str.slice(0, 12))
    listed = rows.assign(file_path=list(files), group=group).drop(columns=["start_s", "end_s", *columns])
    return files, listed
