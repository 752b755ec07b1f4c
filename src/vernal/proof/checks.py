"""The checks of a certificate that ask whether what must be apart is: splits, mined clips, training sets.

Each finds its answer anew from what the run left, not from what the run meant: it takes tables and returns a
`Finding`. `tests/proof` shows each of them fail.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.overlap import KINDS, held_out, is_external
from vernal.common.formatting import count
from vernal.evaluation.coverage import VALIDATION
from vernal.proof.certificate import Finding
from vernal.proof.near_duplicates import missed_words
from vernal.proof.options import ProofOptions
from vernal.training.sets import FIT


def nights_apart(splits: pd.DataFrame) -> Finding:
    """No night of a site, or of a recorder where no site is known, in two splits; not checked where none is known."""
    place = splits.site.fillna(splits.recorder_id)
    is_known = place.notna() & splits.night.notna()
    known = splits[is_known]
    names = place[is_known].astype(str) + " " + known.night.astype(str)
    shared = _in_several(names, known.split)
    n_unknown = len(splits) - len(known)
    beside = (
        f"; {n_unknown:,} clips without place or night are kept apart by recorder, group and content alone"
        if n_unknown
        else ""
    )
    return Finding(
        "recorder_date",
        f"{count(names.nunique(), 'night')} of {count(len(known), 'clip')}{beside}.",
        {"nights": int(names.nunique()), "clips": len(known), "clips_without": n_unknown},
        [f"{name}: {where}" for name, where in shared.items()],
        "Give such a night one split in the manifest, or leave the column split empty."
        if len(known)
        else "Give place and date of the clips (site or recorder_id, and date, time or night) in the manifest.",
        is_checked=len(known) > 0,
    )


def content_hashes(splits: pd.DataFrame) -> Finding:
    """No audio file, by its bytes, in two splits."""
    shared = _in_several(splits.content_hash, splits.split)
    n_files = int(splits.content_hash.nunique())
    return Finding(
        "content_hash",
        f"{count(n_files, 'audio file')} of {count(len(splits), 'clip')}, compared by the SHA-256 of their bytes.",
        {"files": n_files, "clips": len(splits)},
        [f"{name[:16]}: {where}" for name, where in shared.items()],
        "Keep all parts of a file in one split, and drop copies.",
    )


def _in_several(names: pd.Series, splits: pd.Series) -> dict[str, str]:
    where = splits.groupby(names.to_numpy()).agg(lambda column: ", ".join(sorted(set(column))))
    return {str(name): text for name, text in where.items() if ", " in text}


def near_duplicates(
    pairs: pd.DataFrame,
    summary: pd.DataFrame,
    splits: pd.DataFrame,
    options: ProofOptions,
    trained: Collection[str] | None = None,
) -> Finding:
    """No copy found in two splits under other bytes, unless its training clip was left out of all training.

    Args:
        pairs, summary: as the search gives them (see `near_duplicates.find_pairs`).
        splits: names the files, as the manifest has them.
        trained: clips of any training set; None: all clips of the train split.
    """
    counts = {name: int(summary[name].iloc[0]) for name in ("n_windows", "n_close_pairs")}
    found = pairs[pairs.correlation >= options.near_duplicate_correlation]
    found = found.drop_duplicates(["clip_id", "other_clip_id"])
    left_out = pd.Series(False, index=found.index)
    if trained is not None:
        for clip, split in (("clip_id", "split"), ("other_clip_id", "other_split")):
            left_out |= (found[split] == "train") & ~found[clip].isin(trained)
    n_left_out = int(left_out.sum())
    found = found[~left_out]
    files = dict(zip(splits.clip_id, splits.file_path, strict=True))
    cases = [
        f"{files[str(row.clip_id)]} ({row.split}) and {files[str(row.other_clip_id)]} ({row.other_split}): correlation "
        f"{row.correlation:.3f}, cosine {row.cosine:.4f}"
        for row in found.itertuples()
    ]
    not_heard = counts["n_close_pairs"] - len(pairs)
    beside = (
        f" Not listened to: {not_heard:,} more, less close ones (proof.listened_pairs is {options.listened_pairs:,})."
        if not_heard
        else ""
    )
    mended = (
        f" Of {count(n_left_out, 'such pair')} the training clip was left out of all training."
        if n_left_out
        else ""
    )
    return Finding(
        "near_duplicates",
        f"{counts['n_windows']:,} windows compared across splits; listened to the nearest neighbours with a cosine of "
        f"{options.near_duplicate_cosine:g} or more: {count(len(pairs), 'pair')}.{beside} The same recording is a "
        f"correlation of {options.near_duplicate_correlation:g} or more.{mended} {missed_words()}",
        {
            **counts,
            "n_listened": len(pairs),
            "n_left_out_of_training": n_left_out,
            "largest_correlation": float(pairs.correlation.max()) if len(pairs) else 0.0,
            "cosine": options.near_duplicate_cosine,
            "correlation": options.near_duplicate_correlation,
        },
        cases,
        "Give the clips of such a pair the same group in the manifest, so that they share a split, or drop one.",
        is_checked=counts["n_windows"] > 0,
    )


def closest_pairs(pairs: pd.DataFrame, options: ProofOptions) -> list[dict[str, Any]]:
    """The pairs of two splits that are most alike, one a pair of clips; of those compared in full."""
    shown = (
        pairs.dropna(subset="correlation")
        .drop_duplicates(["clip_id", "other_clip_id"])
        .head(options.listed_pairs)
    )
    columns = ["clip_id", "split", "other_clip_id", "other_split", "cosine", "correlation"]
    return [
        {str(name): _plain(value) for name, value in row.items()} for row in shown[columns].to_dict("records")
    ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def miner_training(subsets: Mapping[str, pd.DataFrame], miner_clips: pd.DataFrame) -> Finding:
    """Mined subsets hold nothing that the miner was trained on."""
    mined = _mined(subsets)
    n_mined = int(mined.clip_id.nunique())
    cases = _overlaps(mined, miner_clips, ("clip_id", "content_hash"), "a clip that trained the miner")
    return Finding(
        "miner_training",
        f"{count(n_mined, 'mined clip')} in {count(mined.subset.nunique(), 'subset')} against "
        f"{count(len(miner_clips), 'clip')} that trained the miner: {_verdict(cases, 'no clip and no audio shared')}.",
        {"mined_clips": n_mined, "miner_clips": len(miner_clips)},
        cases,
        "Run mining and curation again.",
    )


def mined_held_out(subsets: Mapping[str, pd.DataFrame], splits: pd.DataFrame) -> Finding:
    """Mined subsets hold nothing of validation or test: no clip, no audio; from outside the manifest, no night."""
    mined, reserved = _mined(subsets), held_out(splits)
    cases = _overlaps(mined, reserved, ("clip_id", "content_hash"), "a validation or test clip")
    nights = _overlaps(mined[is_external(mined)], reserved, ("group",), "a validation or test clip")
    cases += [case for case in nights if case.split(":")[0] not in {other.split(":")[0] for other in cases}]
    return Finding(
        "mined_held_out",
        f"{count(int(mined.clip_id.nunique()), 'mined or reviewed clip')} against {count(len(reserved), 'clip')} of "
        f"validation and test: {_verdict(cases, 'no clip and no audio shared')}.",
        {"mined_clips": int(mined.clip_id.nunique()), "held_out_clips": len(reserved)},
        cases,
        "Run mining and curation again.",
    )


def _mined(subsets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    columns = [
        "clip_id",
        "source",
        "subset",
        "content_hash",
        "start_s",
        "end_s",
        "group",
        "recorder_id",
        "site",
        "night",
    ]
    tables = [
        table.assign(subset=name).reindex(columns=columns)
        for name, table in sorted(subsets.items())
        if len(table)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _verdict(cases: Sequence[str], good: str) -> str:
    return f"{count(len(cases), 'clip')} on both sides" if cases else good


def _overlaps(clips: pd.DataFrame, others: pd.DataFrame, kinds: Sequence[str], whose: str) -> list[str]:
    cases: dict[str, str] = {}
    for kind in kinds:
        words, shares = KINDS[kind]
        for row in clips[shares(clips, others).astype(bool)].itertuples():
            cases.setdefault(str(row.clip_id), f"{row.clip_id}: {words} {whose} ({row.subset})")
    return [cases[name] for name in sorted(cases)]


def training_apart(training_sets: pd.DataFrame, splits: pd.DataFrame, clips: pd.DataFrame) -> Finding:
    """No test clip trains a point or ends its training; no clip that chooses thresholds trains one.

    Args:
        training_sets: `fit_hash`, `clip_id`, `role`.
        splits, clips: labelled clips with their split, and every clip with its audio.
    """
    role = training_sets.role.astype("str")
    used = {
        FIT: _clips_of(training_sets[role == FIT], clips),
        "stop": _clips_of(training_sets[role != FIT], clips),
    }
    reserved = held_out(splits)
    tests, validation = reserved[reserved.split != VALIDATION], reserved[reserved.split == VALIDATION]
    n_sets = int(training_sets.fit_hash.nunique())
    cases = [
        case
        for name, others, whose in (
            (FIT, tests, "a test clip"),
            ("stop", tests, "a test clip"),
            (FIT, validation, "a validation clip"),
        )
        for case in _overlaps(
            used[name].assign(subset=_ROLES[name]), others, ("clip_id", "content_hash"), whose
        )
    ]
    return Finding(
        "training_test",
        f"{count(n_sets, 'training set')}: {count(len(used[FIT]), 'clip')} to train, {len(used['stop']):,} to end it, "
        f"against {len(tests):,} test clips and, for those to train, {len(validation):,} validation clips: "
        f"{_verdict(cases, 'no clip and no audio shared')}.",
        {
            "training_sets": n_sets,
            "fit_clips": len(used[FIT]),
            "stop_clips": len(used["stop"]),
            "test_clips": len(tests),
            "validation_clips": len(validation),
        },
        cases,
        "Draw the training sets again (run the stage).",
    )


_ROLES = {FIT: "trains", "stop": "ends training"}


def _clips_of(sets: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    ids = sets.clip_id.drop_duplicates().astype("str")
    known = clips[clips.clip_id.isin(ids)]
    strangers = pd.DataFrame({"clip_id": sorted(set(ids) - set(known.clip_id))})
    # Labelled parts of one file may stand in several splits only if they do not overlap; KINDS compares parts.
    return pd.concat([known, strangers], ignore_index=True) if len(strangers) else known
