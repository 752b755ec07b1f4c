"""The manifest of a collection: what people agree on, in the form that every stage reads.

A clip enters when its recording may be used and its label is sure. Everything else is held back, with the
reason, and counted. What outsiders collected gets a manifest of its own: it is a test that nobody trains
on.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.clips.annotations import DIFFICULTIES, WORDS
from vernal.clips.labels import CLOSED, NEGATIVE, NOT, SINGLE, LabelOptions, states, words_of
from vernal.clips.manifest import is_positive
from vernal.clips.problem_card import ProblemCard
from vernal.collection.quality import NOT_GRADED
from vernal.common.names import ALL_CLASSES, CLASS_DIVIDER
from vernal.common.problems import Problems, suggest

HARD = DIFFICULTIES[-1]
MANIFEST_COLUMNS = (
    "file_path", "start_s", "end_s", "label", "quality", "call_type", "site", "recorder_id", "date", "time", "group",
    "split", "quality_from", "quality_assigned", "quality_proposed", "snr_db", "labels", "label_probability",
    "n_annotators", "prominence", "difficulty", "padded_s", "recording", "collector", "licence", "mined_by",
)  # fmt: skip
HELD_BACK_COLUMNS = ("clip_id", "recording", "start_s", "end_s", "role", "reason")
SAID_TO_BE_HARD = "annotators call it hard, so all of them may err on it alike"


def label_clips(
    clips: pd.DataFrame, consensus: pd.DataFrame, edges: pd.DataFrame, card: ProblemCard
) -> pd.DataFrame:
    """What is known of each clip's classes.

    Args:
        clips: `clip_id` and more.
        consensus: `clip_id`, `label`, `value` (bool), `probability`, `n_votes`, `is_sure`.
        edges: clips in which a mark reaches too little: `clip_id`, `label`.
        card: classes and target.
    Returns:
        The clips, in order, with `label` (the target, another class, `negative`, or missing), `labels` (all
        sure classes), `call_type`, `label_probability`, `n_annotators` and `reason`, why it has no label,
        missing when it has one.
    """
    sure = consensus[consensus.is_sure]
    present = sure[sure.value.astype(bool)]
    all_present = present.groupby("clip_id").label.agg(set).to_dict()
    target = consensus[consensus.label == card.target].set_index("clip_id")
    others = [name for name in card.tops if name != card.target]
    on_edge = set(edges.clip_id[edges.label == card.target])
    kinds = card.kinds_of_target()
    rows = []
    for clip_id in clips.clip_id:
        found = all_present.get(clip_id, set())
        row = {"labels": " | ".join(name for name in card.names if name in found) or np.nan}
        if clip_id not in target.index:
            barely, nobody = f"a mark of {card.target} barely reaches in", f"nobody judged {card.target}"
            rows.append(row | {"reason": barely if clip_id in on_edge else nobody})
            continue
        said = target.loc[clip_id]
        row |= {"label_probability": said.probability, "n_annotators": said.n_votes}
        if not said.is_sure:
            rows.append(row | {"reason": f"annotators leave it open (probability {said.probability:.2f})"})
        elif said.value:
            types = [name for name in kinds if name in found]
            call_type = "both" if len(types) == 2 else "+".join(types) or np.nan
            rows.append(row | {"label": card.target, "call_type": call_type})
        else:
            rows.append(row | {"label": next((name for name in others if name in found), NEGATIVE)})
    columns = ["label", "labels", "call_type", "label_probability", "n_annotators", "reason"]
    frame = pd.DataFrame(rows, columns=columns, index=clips.index)
    texts = dict.fromkeys(("label", "labels", "call_type", "reason"), "str")
    return clips.assign(**frame.astype(texts | {"label_probability": "float64", "n_annotators": "float64"}))


def several_classes(targets: Sequence[str] | str | None, card: ProblemCard) -> list[str]:
    """The card's classes that several targets mean, in their order; none where one target is asked for.

    Args:
        targets: names as people write them, or `all` for every class that belongs to no other.
        card: the classes. Its target has to be among those asked for: quality and call type are the target's.
    Raises:
        InputError: a class that the card lacks, or that a label of several cannot name; or its target is not asked for.
    """
    if not targets:
        return []
    asked = card.tops if targets == ALL_CLASSES else list(targets)
    problems = Problems("targets")
    unknown = [f"{name!r} ({suggest(name, card.names)})" for name in asked if card.find(name) is None]
    problems.add(
        "class that the problem card lacks", unknown, "List it among the card's classes, or correct it."
    )
    names = list(dict.fromkeys(found for name in asked if (found := card.find(name)) is not None))
    unclear = [repr(name) for name in names if words_of(name) != ([name], [])]
    problems.add("class that a label of several cannot name", unclear, "Avoid ';' and a leading 'not'.")
    parts = [name for name in names if card.labelling == SINGLE and name not in card.tops]
    problems.add("part of another class, but one a clip is labelled", parts, "Ask for the class above it.")
    left_out = [] if card.target in names else [card.target]
    problems.add("target of the problem card that is not asked for", left_out, "Name it too.")
    remedy = "Several targets are two classes or more; for one alone, leave targets empty."
    problems.add("too few targets", names if len(names) == 1 and not unknown else [], remedy)
    problems.raise_if_any()
    return names


def label_several(
    clips: pd.DataFrame, consensus: pd.DataFrame, edges: pd.DataFrame, card: ProblemCard, names: Sequence[str]
) -> pd.DataFrame:
    """What is known of each clip's classes, where several are targets.

    Args:
        clips, consensus, edges, card: as `label_clips` takes them.
        names: classes that the label speaks of, the card's target among them.
    Returns:
        As `label_clips`, with a `label` that says of each class what is sure, if it is read as the card says:
        `RADR;not owl`, `not owl` (RADR is unknown), `negative` (none is there). `label_probability` and
        `n_annotators` are the least of what it says. Where a class that is not named would count as absent, a
        clip has a label only if every class is sure.
    """
    views = {name: label_clips(clips, consensus, edges, replace(card, target=name)) for name in names}
    reasons = pd.DataFrame({name: view.reason for name, view in views.items()})
    known = reasons.isna()
    there = pd.DataFrame({name: view.label == name for name, view in views.items()})
    others_absent = (there.any(axis=1) & (card.labelling == SINGLE)) | (card.world == CLOSED)
    is_open = ~known.any(axis=1) | (others_absent & ~known.all(axis=1))
    rows = zip(there.to_numpy(), known.to_numpy(), others_absent, strict=True)
    labels = [_label_of(names, *row) for row in rows]
    least = {
        column: pd.DataFrame({name: view[column] for name, view in views.items()}).where(known).min(axis=1)
        for column in ("label_probability", "n_annotators")
    }
    return views[card.target].assign(
        label=pd.Series(labels, index=clips.index, dtype="str").mask(is_open),
        reason=reasons.bfill(axis=1).iloc[:, 0].where(is_open).astype("str"),
        **least,
    )


def _label_of(names: Sequence[str], there: NDArray, known: NDArray, others_absent: bool) -> str:
    """The label of one clip from which classes are there and which are known."""
    if known.all() and not there.any():
        return NEGATIVE
    named = [name for name, is_there in zip(names, there, strict=True) if is_there]
    left = known & ~there & (not others_absent)
    absent = [NOT + name for name, is_absent in zip(names, left, strict=True) if is_absent]
    return CLASS_DIVIDER.join([*named, *absent])


def clips_of_target(manifest: pd.DataFrame, card: ProblemCard, names: Sequence[str]) -> pd.DataFrame:
    """The rows that say whether the card's target is there, those with it labelled by it alone.

    Args:
        manifest: the collection's.
        card: the target, and how labels are read.
        names: classes that the labels speak of; none where they are about one target, and all rows say it.
    """
    if not names:
        return manifest
    state = states(manifest.label, card.target, LabelOptions(card.labelling, card.world))
    return manifest.assign(label=manifest.label.mask(state == 1, card.target))[state.notna()]


def write_manifest(
    labelled: pd.DataFrame, qualities: pd.DataFrame, card: ProblemCard, needs_tier: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Divide labelled clips into the manifest, the outsiders' manifest, and what is held back.

    Args:
        labelled: as `label_clips` or `label_several` gives them, with the recording's columns (`object_path`,
            `held_back`, `role`, ...).
        qualities: by `clip_id`: `quality`, `quality_from`, `quality_assigned`, `quality_proposed`, `snr_db`,
            `prominence`, `difficulty`.
        card: the target.
        needs_tier: whether positives without a tier are held back, for a stage counts them as high.
    Returns:
        `manifest` and `adversarial` with `MANIFEST_COLUMNS`, `held_back` with `HELD_BACK_COLUMNS`; together
        every clip of a training or adversarial recording. Clips that annotators call hard are held back, whatever
        their label: all may err on them alike, and the consensus, which takes errors as independent, would be too
        sure.
    """
    clips = labelled.merge(qualities, on="clip_id", how="left", validate="one_to_one")
    of_target = is_positive(clips.label, card.target)
    reason = clips.held_back.fillna(clips.reason)
    no_tier = of_target & clips.quality.isna() & reason.isna()
    if needs_tier:
        reason = reason.mask(
            no_tier, "no quality tier was assigned, and collection.quality.take asks for one"
        )
    clips = clips.assign(quality_from=clips.quality_from.mask(no_tier, NOT_GRADED))
    reason = reason.mask((clips.difficulty == HARD) & reason.isna(), SAID_TO_BE_HARD)
    tiers = ["quality", "quality_from", "quality_assigned", "quality_proposed"]
    no_night = clips.recorder_id.isna() | clips.date.isna()
    clips = clips.assign(
        **clips[tiers].where(of_target),
        reason=reason,
        file_path=clips.object_path,
        group=("recording " + clips.content_hash.str.slice(0, 12)).where(no_night),
        split=pd.Series(np.nan, index=clips.index, dtype="str"),
    )
    clips = clips[clips.role != "deployment"].sort_values(["recording", "start_s"])
    good, held_back = clips[clips.reason.isna()], clips[clips.reason.notna()]
    is_outside = good.role == "adversarial"
    tables = (
        good[~is_outside][list(MANIFEST_COLUMNS)],
        good[is_outside].assign(split="test_ood")[list(MANIFEST_COLUMNS)],
        held_back[list(HELD_BACK_COLUMNS)],
    )
    manifest, outside, held_back = (table.reset_index(drop=True) for table in tables)
    return manifest, outside, held_back


def whole_clips(clips: pd.DataFrame, weak: pd.DataFrame) -> pd.DataFrame:
    """Which annotations of whole recordings are of which clips: those of recordings that are one clip.

    Returns:
        `clip_id`, `annotation` (the index of `weak`), `is_enough`, as `clipping.transfer_labels` has them.
    """
    alone = clips.loc[~clips.content_hash.duplicated(keep=False), ["clip_id", "content_hash"]]
    present = weak.loc[weak.is_present.astype(bool), ["content_hash"]].rename_axis("annotation").reset_index()
    return alone.merge(present, on="content_hash")[["clip_id", "annotation"]].assign(is_enough=True)


def assigned_by_people(pairs: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """What annotators say of how a clip sounds: the tier, prominence and difficulty most of them give.

    Args:
        pairs: as `clipping.transfer_labels` gives them; those with enough overlap count.
        annotations: the target's annotations, its index as in the pairs.
    Returns:
        `clip_id`, `quality_assigned`, `prominence`, `difficulty`; ties go to the more careful word (lower
        tier, background, harder).
    """
    joined = pairs[pairs.is_enough.astype(bool)].join(annotations[list(WORDS)], on="annotation")
    assigned = joined[["clip_id"]].drop_duplicates().sort_values("clip_id", ignore_index=True)
    for name, words in WORDS.items():
        counts = joined.dropna(subset=[name]).groupby(["clip_id", name]).size().reset_index(name="n")
        # The lists begin with the boldest word.
        ranked = counts.assign(rank=counts[name].map(words.index)).sort_values(["n", "rank"])
        word = ranked.drop_duplicates("clip_id", keep="last").set_index("clip_id")[name]
        assigned[name] = assigned.clip_id.map(word).astype("str")
    columns = {"quality": "quality_assigned", "prominence": "prominence", "difficulty": "difficulty"}
    return assigned.rename(columns=columns)[["clip_id", *columns.values()]]
