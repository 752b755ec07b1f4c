"""Votes: what each annotator says of each clip and class, and on what ground.

A vote comes from marks in the clip, from a recording that somebody marked completely without marking
anything here, or from a statement about the whole recording. What a statement does not imply is no vote:
that a class occurs in a recording says nothing of its single clips, unless it has only one; that it is
absent speaks for all of them. Who marks a class without saying which of its kinds it is leaves the kinds open.
"""

import pandas as pd

from vernal.clips.problem_card import ProblemCard
from vernal.collection.clipping import ClipOptions, transfer_labels

HEARD = "heard on the review page"
MARKED, COMPLETE, ABSENT, ALONE = "marked", "complete", "absent from the recording", "recording of one clip"
# The more direct first.
GROUNDS = (MARKED, COMPLETE, ABSENT, ALONE)
VOTE_COLUMNS = ("clip_id", "label", "annotator", "session", "is_present", "ground")
_KEYS = ["clip_id", "label", "annotator", "session"]


def count_votes(
    clips: pd.DataFrame,
    strong: pd.DataFrame,
    weak: pd.DataFrame,
    reviews: pd.DataFrame,
    card: ProblemCard,
    options: ClipOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn annotations into votes on clips, class by class.

    Args:
        clips: as `cut_clips` gives them.
        strong: people's strong annotations with `content_hash`, `label` (a class of the card), `annotator`,
            `session`.
        weak: their weak ones, with `is_present`.
        reviews: one row a recording, annotator and session that were listened through with every call marked:
            `content_hash`, `annotator`, `session`.
        card: the classes; what is said of a class is said of all it belongs to.
        options: the least overlap.
    Returns:
        `votes` with `VOTE_COLUMNS`, one row a clip, class, annotator and session, sorted; and `edges`, the
        same keys with `overlap_s`, for clips in which a mark reaches too little to count either way.
    """
    pairs = transfer_labels(clips, strong, options)
    spoken = pairs.join(strong[["label", "annotator", "session"]], on="annotation")
    marked, edges = _marked(spoken, card)
    parts = [marked, _weak_votes(clips, weak, card), _complete_votes(clips, reviews, card)]
    votes = pd.concat([part for part in parts if len(part)] or [marked], ignore_index=True)
    # A mark in the clip counts before any conclusion; an edge takes every conclusion back.
    rank = votes.ground.map({ground: position for position, ground in enumerate(GROUNDS)})
    votes = votes.assign(rank=rank).sort_values([*_KEYS, "rank"], kind="stable").drop_duplicates(_KEYS)
    on_edge = _among(votes, edges) & (votes.ground != MARKED)
    left_open = _among(votes, _with_children(spoken, card)) | _never_told_apart(votes, strong, card)
    votes = votes[~on_edge & ~(left_open & (votes.ground == COMPLETE))]
    return votes[list(VOTE_COLUMNS)].reset_index(drop=True), edges


def _never_told_apart(votes: pd.DataFrame, strong: pd.DataFrame, card: ProblemCard) -> pd.Series:
    """Whether each vote is on a kind of a class that its annotator marks without ever naming a kind."""
    used = strong.groupby("annotator").label.agg(set).to_dict()
    coarse = {
        (annotator, kind)
        for annotator, labels in used.items()
        for kind in card.names
        for above in set(card.lineage(kind)[1:]) & labels
        if not any(above in card.lineage(label)[1:] for label in labels)
    }
    found = [pair in coarse for pair in zip(votes.annotator, votes.label, strict=True)]
    return pd.Series(found, index=votes.index, dtype="bool")


def _among(votes: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each vote has the clip, class, annotator and session of one of the others."""
    found = pd.MultiIndex.from_frame(votes[_KEYS]).isin(pd.MultiIndex.from_frame(others[_KEYS]))
    return pd.Series(found, index=votes.index)


def _marked(spoken: pd.DataFrame, card: ProblemCard) -> tuple[pd.DataFrame, pd.DataFrame]:
    spoken = _with_parents(spoken, card)
    enough = spoken[spoken.is_enough].drop_duplicates(_KEYS)
    votes = enough[_KEYS].assign(is_present=True, ground=MARKED)
    little = spoken.groupby(_KEYS, as_index=False, sort=True).agg(
        overlap_s=("overlap_s", "max"), is_enough=("is_enough", "any")
    )
    return votes, little[~little.is_enough.astype(bool)].drop(columns="is_enough").reset_index(drop=True)


def _with_parents(spoken: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    """Repeat what is said of a class for every class above it."""
    return _repeated(spoken, {name: card.lineage(name) for name in card.names})


def _with_children(spoken: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    """Repeat what is said of a class for every class below it."""
    below = {name: [other for other in card.names if name in card.lineage(other)] for name in card.names}
    return _repeated(spoken, below)


def _repeated(spoken: pd.DataFrame, labels: dict[str, list[str]]) -> pd.DataFrame:
    spread = spoken.assign(label=spoken.label.map(labels).astype("object")).explode("label")
    return spread.astype({"label": "str"})


def _weak_votes(clips: pd.DataFrame, weak: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    columns = ["content_hash", "label", "annotator", "session"]
    absent = _with_children(weak.loc[~weak.is_present, columns], card)
    present = _with_parents(weak.loc[weak.is_present, columns], card)
    clips = clips[["clip_id", "content_hash"]]
    alone = clips[~clips.content_hash.duplicated(keep=False)]
    votes = [
        clips.merge(absent, on="content_hash").assign(is_present=False, ground=ABSENT),
        alone.merge(present, on="content_hash").assign(is_present=True, ground=ALONE),
    ]
    return pd.concat(votes, ignore_index=True)[list(VOTE_COLUMNS)]


def _complete_votes(clips: pd.DataFrame, reviews: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    """Nothing marked by someone who marked everything: absent, in every class."""
    said = reviews[["content_hash", "annotator", "session"]]
    reviewed = clips[["clip_id", "content_hash"]].merge(said, on="content_hash")
    classes = pd.DataFrame({"label": pd.Series(card.names, dtype="str")})
    votes = reviewed.merge(classes, how="cross").assign(is_present=False, ground=COMPLETE)
    return votes[list(VOTE_COLUMNS)]


def add_decisions(
    votes: pd.DataFrame, clips: pd.DataFrame, decisions: pd.DataFrame, card: ProblemCard
) -> pd.DataFrame:
    """Join what reviewers decided on clips of this collection to what annotators said.

    Args:
        votes: as `count_votes` gives them.
        decisions: `clip_id`, `asked` (the class), `decision` (target: present, not_target: absent), `reviewer`,
            `look` (1 or 2), `when`. Others than those two, clips and classes that are unknown here state nothing.
    Returns:
        `votes` with one more for each clip, class, reviewer and look, in sessions `review 1` and `review 2`, so that an
        annotator who reviews is also compared with himself.
    """
    said = decisions[
        decisions.clip_id.isin(clips.clip_id)
        & decisions.asked.isin(card.names)
        & decisions.decision.isin(("target", "not_target"))
    ].sort_values("when", kind="stable")
    spoken = pd.DataFrame({
        "clip_id": said.clip_id, "label": said.asked, "annotator": said.reviewer,
        "session": [f"review {look:.0f}" for look in said["look"]], "is_present": said.decision == "target",
    })  # fmt: skip
    spoken = spoken.drop_duplicates(_KEYS, keep="last")
    present, absent = spoken[spoken.is_present], spoken[~spoken.is_present]
    derived = [_with_parents(present, card), _with_children(absent, card)]
    # What was said of a class itself counts before what follows from another.
    heard = pd.concat([spoken, *derived], ignore_index=True).drop_duplicates(_KEYS)
    parts = [votes, heard.assign(ground=HEARD)[list(VOTE_COLUMNS)]]
    joined = pd.concat([part for part in parts if len(part)] or [votes], ignore_index=True)
    return joined.astype(votes.dtypes.to_dict()).sort_values(_KEYS, kind="stable", ignore_index=True)


def first_sessions(votes: pd.DataFrame) -> pd.DataFrame:
    """Each annotator's first vote on each clip and class; later ones are for comparing them with themselves."""
    return votes.sort_values(_KEYS, kind="stable").drop_duplicates(["clip_id", "label", "annotator"])


def single_labels(votes: pd.DataFrame, card: ProblemCard) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For problems with one class a clip: the one label each annotator gives, or `none`.

    Returns:
        `labels` with `clip_id`, `annotator`, `session`, `label`, one row each where he voted on every top
        class; and `conflicts`, the same keys with the `labels` given, where he named several that do not
        belong together.
    """
    keys = ["clip_id", "annotator", "session"]
    said = votes[votes.label.isin(card.tops)].sort_values([*keys, "label"])
    named = said.label.where(said.is_present.astype(bool))
    by_vote = named.groupby([said[key] for key in keys])
    table = pd.DataFrame({
        "labels": by_vote.agg(lambda labels: " + ".join(labels.dropna())), "n_said": by_vote.size(),
        "n_named": by_vote.count(),
    }).reset_index()  # fmt: skip
    conflicts = table[table.n_named > 1]
    sure = table[(table.n_named == 1) | ((table.n_named == 0) & (table.n_said == len(card.tops)))]
    labels = sure[keys].assign(label=sure.labels.astype("str").replace("", "none"))
    return labels.reset_index(drop=True), conflicts[[*keys, "labels"]].reset_index(drop=True)


def list_conflicts(conflicts: pd.DataFrame) -> pd.DataFrame:
    """Clips in which one annotator named several classes where the problem allows one, as disagreements are listed.

    Args:
        conflicts: as `single_labels` gives them.
    Returns:
        `clip_id`, `label` (all that was named), `present` (who named it), `absent` (missing), `n_present`,
        `n_absent`.
    """
    listed = conflicts.drop_duplicates(["clip_id", "labels", "annotator"])
    named = listed.groupby(["clip_id", "labels"]).annotator.agg([", ".join, "size"]).reset_index()
    named.columns = ["clip_id", "label", "present", "n_present"]
    return named.assign(absent=pd.Series(pd.NA, index=named.index, dtype="str"), n_absent=0)
