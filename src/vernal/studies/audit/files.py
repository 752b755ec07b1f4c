"""Result files against the table of truth: is every clip scored, once, by scores that can be ranked?"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from vernal.audio.birdnet.results import ResultFolder, match_audio, without_ending
from vernal.common.names import folded
from vernal.evaluation.metrics import FloatArray
from vernal.studies.audit.findings import NotChecked, Told, check, sentence, some
from vernal.studies.audit.options import AuditOptions
from vernal.studies.audit.truth import Truth

BACKGROUND = frozenset({"noise", "other", "background", "silence", "negative", "none"})
AMBIGUITY = 0.01  # AUROC that ties leave open before a finding is made of it
SATURATED = 0.9999
LIKELY_MINIMUM = 0.05  # a lowest score above it is a minimum that somebody set


@dataclass(frozen=True)
class Scored:
    """A folder of results joined with the truth.

    Attributes:
        truth, folder: what was joined.
    """

    truth: Truth
    folder: ResultFolder

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a detection: `own` and `written` path of its recording without ending, and `result_file`.

        Where a result file names several recordings, its own name says nothing.
        """
        found = self.folder.detections
        written = found.audio.map(without_ending).where(found.audio != "", "").astype("str")
        is_of_one = written.groupby(found.result_file).transform("nunique") == 1
        own = found.result_file.map(self._own).where(is_of_one, "")
        return pd.DataFrame({"own": own, "written": written, "result_file": found.result_file}, dtype="str")

    @cached_property
    def _own(self) -> dict[str, str]:
        return dict(zip(self.folder.files.result_file, self.folder.files.key.fillna(""), strict=True))

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """One row a recording in the results, those without detections too; columns as in `pairs`."""
        empty = [
            {"own": own, "written": "", "result_file": file}
            for file, own in self._own.items()
            if own and file not in set(self.pairs.result_file)
        ]
        listed = pd.concat([self.pairs, pd.DataFrame(empty, columns=self.pairs.columns, dtype="str")])
        return listed.drop_duplicates(ignore_index=True)

    @cached_property
    def has_no_empty_results(self) -> bool:
        """Whether a recording without detections seems to have left no trace: in a combined table, or where no result
        file is empty though there was a minimum score, or the settings are of a version that writes no empty ones.
        """
        files, found = self.folder.files, self.folder.detections
        has_empty = not set(files.result_file) <= set(found.result_file)
        is_new = "Split tables" in self.folder.settings
        return (
            bool(files.is_combined.all()) or is_new or (not has_empty and found.score.min() >= LIKELY_MINIMUM)
        )

    @cached_property
    def matches(self) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], list[str]]]:
        """Which recording each result is of, and the results that fit several."""
        return match_audio(
            self.truth.clips.key, zip(self.recordings.own, self.recordings.written, strict=True)
        )

    @cached_property
    def label(self) -> tuple[str | None, list[str]]:
        """What the results call the target, and all labels in them; None when it is not among them."""
        detections = self.folder.detections
        pairs = detections[["scientific", "common"]].drop_duplicates()
        target = folded(self.truth.target)
        for scientific, common in zip(pairs.scientific, pairs.common, strict=True):
            if target in map(folded, (scientific, common, f"{scientific}_{common}")):
                return self.truth.target, sorted(pairs.common.unique())
        names = sorted(name for name in pairs.common.unique() if name.lower() not in BACKGROUND)
        return (names[0] if len(names) == 1 else None), names

    @cached_property
    def detections(self) -> pd.DataFrame:
        """Detections of the target with the `key` of their recording in the truth, missing without one."""
        found = self.folder.detections
        label = folded(self.label[0] or "")
        both = found.scientific + "_" + found.common
        names = (found.scientific, found.common, both)
        is_target = pd.concat([name.map(folded) == label for name in names], axis=1).any(axis=1)
        pairs = zip(self.pairs.own, self.pairs.written, strict=True)
        key = pd.Series([self.matches[0].get(pair) for pair in pairs], index=found.index, dtype="str")
        return found.assign(key=key)[is_target]

    @cached_property
    def scores(self) -> pd.Series:
        """(n_clips,) the highest target score of each clip; missing where it has no detection of it."""
        spans = {
            key: rows[["start_s", "end_s", "score"]].to_numpy()
            for key, rows in self.detections.groupby("key")
        }
        values = np.full(len(self.truth.clips), np.nan)
        clips = self.truth.clips
        for i, (key, start, end) in enumerate(zip(clips.key, clips.start_s, clips.end_s, strict=True)):
            rows = spans.get(key)
            if rows is None:
                continue
            inside = (rows[:, 1] > (start if np.isfinite(start) else -np.inf)) & (
                rows[:, 0] < (end if np.isfinite(end) else np.inf)
            )
            if inside.any():
                values[i] = rows[inside, 2].max()
        return pd.Series(values, index=clips.index)


@check("result_files", "Can every result file be read?")
def check_readable(scored: Scored, options: AuditOptions) -> Told:
    """Result files that cannot be read."""
    bad = scored.folder.unreadable
    if not bad:
        return
    told = "; ".join(f"{name}: {why}" for name, why in list(bad.items())[:3])
    yield "error", bad, sentence("findings.unreadable", n=len(bad), told=told)


@check("result_coverage", "Has every clip a result, and every result a clip?")
def check_coverage(scored: Scored, options: AuditOptions) -> Told:
    """Clips without a result, and results without a clip."""
    clips, (matched, doubtful) = scored.truth.clips, scored.matches
    unsure = {key for keys in doubtful.values() for key in keys}
    is_missing = ~clips.key.isin(set(matched.values()) | unsure)
    if is_missing.any():
        n_positive = int(clips.is_positive[is_missing].sum())
        told = (
            f"{is_missing.sum():,} of {len(clips):,} clips of the table of truth have no result "
            f"({n_positive:,} positives, {is_missing.sum() - n_positive:,} negatives). "
        )
        if scored.has_no_empty_results:
            yield "warning", clips.name[is_missing], sentence("findings.nothing_found", told=told)
        else:
            yield "error", clips.name[is_missing], sentence("findings.not_analysed", told=told)
    recordings = scored.recordings
    is_known = [
        pair in matched or pair in doubtful for pair in zip(recordings.own, recordings.written, strict=True)
    ]
    strangers = recordings[~np.array(is_known, dtype=bool)]
    if len(strangers):
        names = strangers.own.where(strangers.own != "", strangers.written)
        path = strangers.written.iloc[0] or strangers.own.iloc[0]
        yield "warning", dict.fromkeys(names), sentence("findings.strangers", n=len(strangers), path=path)


@check("name_collisions", "Can every result be told to be of one recording?")
def check_collisions(scored: Scored, options: AuditOptions) -> Told:
    """Recordings that their results cannot be told apart for."""
    clips, (matched, doubtful) = scored.truth.clips, scored.matches
    n_files = clips.groupby("key").file_path.transform("nunique")
    if (n_files > 1).any():
        yield "error", clips.name[n_files > 1], sentence("findings.same_name", n=(n_files > 1).sum())
    if doubtful:
        keys = {key for several in doubtful.values() for key in several}
        told = "; ".join(" or ".join(several[:3]) for several in list(doubtful.values())[:3])
        yield (
            "error",
            clips.name[clips.key.isin(keys)],
            sentence("findings.doubtful", n=len(doubtful), told=told),
        )
    taken = pd.Series(list(matched.values()), dtype="str")
    twice = set(taken[taken.duplicated()])
    if twice:
        yield "error", clips.name[clips.key.isin(twice)], sentence("findings.several_results", n=len(twice))


@check("target_label", "Do the results know the target?")
def check_label(scored: Scored, options: AuditOptions) -> Told:
    """Whether the results know the target at all."""
    label, labels = scored.label
    if label is None:
        told = some(labels) or "none"
        yield "error", (), sentence("findings.no_label", target=repr(scored.truth.target), told=told)
        return
    if folded(label) != folded(scored.truth.target):
        yield (
            "note",
            (),
            sentence("findings.other_label", target=repr(scored.truth.target), label=repr(label)),
        )


@check("tied_scores", "Are scores fine enough to rank by?")
def check_ties(scored: Scored, options: AuditOptions) -> Told:
    """Scores that are tied by rounding, clamping or a minimum score, and so cannot be ranked."""
    if scored.label[0] is None:
        raise NotChecked("The target is not among the labels of the results.")
    looked = False
    for split, rows in scored.truth.tested.items():
        if rows.is_positive.nunique() < 2:
            continue
        looked = True
        scores = scored.scores.loc[rows.index]
        low, high = auroc_by_ties(scores.fillna(-1.0).to_numpy(), rows.is_positive.to_numpy())
        if high - low <= AMBIGUITY:
            continue
        is_none, is_top = scores.isna(), scores >= SATURATED
        floor = scores.min()
        causes = []
        if is_none.sum() > 1:
            causes.append(
                f"{is_none.sum():,} clips have no score at all (the lowest score written is "
                f"{floor:.4g}: the analysis kept nothing below its minimum)"
            )
        if is_top.sum() > 1:
            causes.append(f"{is_top.sum():,} are at the top value")
        n_tied = int((scores.duplicated(keep=False) & ~is_none & ~is_top).sum())
        if n_tied:
            causes.append(f"{n_tied:,} others share a rounded score")
        names = rows.name[(is_none if is_none.sum() >= is_top.sum() else is_top)]
        yield (
            "warning",
            names,
            sentence("findings.ties", split=split, low=low, high=high, causes="; ".join(causes)),
        )
    if not looked:
        raise NotChecked("No test set holds both classes.")


def auroc_by_ties(scores: FloatArray, is_positive: np.ndarray) -> tuple[float, float]:
    """The AUROC if every tie were ordered wrongly, and if rightly.

    >>> auroc_by_ties(np.array([1.0, 0.0, 0.0]), np.array([True, True, False]))
    (0.5, 1.0)
    """
    positives, negatives = scores[is_positive], np.sort(scores[~is_positive])
    below = np.searchsorted(negatives, positives, side="left").sum()
    not_above = np.searchsorted(negatives, positives, side="right").sum()
    pairs = len(positives) * len(negatives)
    return float(below / pairs), float(not_above / pairs)


@check("detections", "Are detections single windows with a score, each written once?")
def check_detections(scored: Scored, options: AuditOptions) -> Told:
    """Detections that are no scores, that repeat or overlap, or that were merged."""
    found = scored.folder.detections
    is_odd = (found.score < 0) | (found.score > 1)
    if is_odd.any():
        text = sentence("findings.odd_scores", n=is_odd.sum(), example=found.score[is_odd].iloc[0])
        yield "error", _files(found[is_odd]), text
    where = ["result_file", "audio", "start_s", "end_s", "scientific", "common"]
    is_double = found.duplicated(where, keep=False)
    if is_double.any():
        yield "warning", _files(found[is_double]), sentence("findings.doubles", n=is_double.sum())
    single = found[~found.duplicated(where)]
    lengths = (single.end_s - single.start_s).round(3)
    usual = lengths.mode().iloc[0] if len(lengths) else 3.0
    is_longer = lengths > usual + 0.01
    if is_longer.any():
        yield (
            "warning",
            _files(single[is_longer]),
            sentence("findings.merged", n=is_longer.sum(), usual=usual),
        )
    ordered = single[~is_longer].sort_values(["result_file", "audio", "scientific", "common", "start_s"])
    same = (
        ordered[["result_file", "audio", "scientific", "common"]]
        == ordered[["result_file", "audio", "scientific", "common"]].shift()
    ).all(axis=1)
    overlaps = same & (ordered.start_s < ordered.end_s.shift() - 1e-6)
    if overlaps.any():
        yield "note", _files(ordered[overlaps]), sentence("findings.overlapping", n=overlaps.sum())


def _files(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rows.result_file))


@check("analysis_settings", "Were all files analysed alike, and is it recorded with what?")
def check_settings(scored: Scored, options: AuditOptions) -> Told:
    """Whether all files were analysed alike, and with what."""
    recorded = scored.folder.settings
    mixed = {name: values for name, values in recorded.items() if len(values) > 1 and name != "week"}
    if mixed:
        told = "; ".join(f"{name}: {some(values, 4)}" for name, values in mixed.items())
        yield "warning", (), sentence("findings.mixed_settings", told=told)
    if not any(re.search("version|model|classifier", name.lower()) for name in recorded):
        yield "note", (), sentence("findings.no_record")
    formats = scored.folder.files.format.unique()
    if len(formats) > 1:
        yield "note", (), sentence("findings.formats", formats=", ".join(sorted(formats)))
