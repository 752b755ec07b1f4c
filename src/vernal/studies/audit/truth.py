"""The table of truth: what each clip really holds, and whether the table itself gives the answer away."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.birdnet.results import tidy_path, without_ending
from vernal.clips import manifest
from vernal.common.hashing import unit_hash
from vernal.common.problems import InputError, Problems
from vernal.common.tables import read_cells
from vernal.evaluation import baselines, metrics
from vernal.studies.audit.findings import NotChecked, Said, Told, check, sentence, some
from vernal.studies.audit.options import AuditOptions

LEAST_OF_A_CLASS = 10  # clips of either class before a rate by site or night means anything
FOLDS = 5
ALL = "all clips"


@dataclass(frozen=True)
class Truth:
    """Labelled clips.

    Attributes:
        clips: one row a clip: `name` (how findings call it), `key` (file without ending), `file_path`,
            `start_s`, `end_s` (NaN: the whole file), `is_positive`, `split` (`all clips` where the table has
            none), and of `site`, `recorder_id`, `date`, `hour`, `group` those it has.
        target: the label of interest, in the table and in the results.
    """

    source: str
    clips: pd.DataFrame
    target: str

    @cached_property
    def tested(self) -> dict[str, pd.DataFrame]:
        """The clips of each split that results are claimed on: all but training; without splits, all."""
        splits = self.clips.groupby("split", sort=True)
        return {str(name): rows for name, rows in splits if str(name) not in ("train", "training")}

    def totals(self, test_set: str) -> tuple[int, int] | None:
        """Positives and negatives of the split that a set of metrics is named after: `iid` is `test_iid`."""
        for name, rows in self.tested.items():
            if test_set and (name == test_set or name.endswith("_" + test_set)):
                return int(rows.is_positive.sum()), int((~rows.is_positive).sum())
        return None


def read_truth(path: Path | str, target: str) -> Truth:
    """Read a manifest as a table of truth; the audio need not be there.

    Raises:
        InputError: not readable, without `file_path` or `label`, times that are no numbers, or no positive
            clip.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(
            f"The table of truth {path} does not exist. Give a manifest (CSV or Parquet) as audit.truth."
        )
    if path.suffix.lower() == ".parquet":
        frame = manifest.read_manifest(path).reset_index(drop=True)
    else:
        cells = read_cells(path, "The table of truth", "audit.truth")
        frame = cells.mask(cells == "")
    problems = Problems(f"The table of truth {path}")
    missing = [name for name in manifest.REQUIRED_COLUMNS if name not in frame.columns]
    problems.add("missing column", missing, "A manifest has file_path and label.")
    problems.raise_if_any()
    for name in manifest.REQUIRED_COLUMNS:
        is_empty = frame[name].fillna("").str.strip() == ""
        problems.add(
            f"empty {name}", [f"row {row + 1}" for row in np.flatnonzero(is_empty)], "Every row needs one."
        )
    parts = {name: _seconds(frame, name, problems) for name in manifest.PART_COLUMNS}
    problems.raise_if_any()
    labels = frame["label"].str.strip()
    is_positive = manifest.is_positive(labels, target)
    if not is_positive.any():
        found = some(sorted(labels.unique()))
        raise InputError(
            f"The table of truth {path} has no positive clip: no label is 'positive' or the target "
            f"{target!r}. Its labels are: {found}. Name the label of interest with target=..."
        )
    return Truth(path.name, _clips(frame, parts, is_positive), target)


def _seconds(frame: pd.DataFrame, name: str, problems: Problems) -> pd.Series:
    if name not in frame.columns:
        return pd.Series(np.nan, index=frame.index)
    values = pd.to_numeric(frame[name], errors="coerce")
    wrong = frame.index[values.isna() & frame[name].notna()]
    problems.add(
        f"{name} is no number", [f"row {row + 1}: {frame[name][row]!r}" for row in wrong], "Give seconds."
    )
    return values.astype(float)


def _clips(frame: pd.DataFrame, parts: dict[str, pd.Series], is_positive: pd.Series) -> pd.DataFrame:
    paths = frame["file_path"].map(tidy_path).astype("str")
    is_part = parts["start_s"].notna() | parts["end_s"].notna()
    span = (
        " ["
        + parts["start_s"].fillna(0).map("{:g}".format)
        + "-"
        + parts["end_s"].map("{:g}".format, na_action="ignore").astype("str").fillna("")
        + " s]"
    )
    clips = pd.DataFrame(
        {
            "name": paths + span.where(is_part, ""),
            "key": paths.map(without_ending).astype("str"),
            "file_path": paths,
        }
    )
    clips = clips.assign(
        **parts,
        is_positive=is_positive.astype(bool),
        split=frame["split"].fillna("") if "split" in frame else "",
    )
    clips["split"] = clips["split"].where(clips["split"] != "", ALL)
    for name in ("site", "recorder_id", "date", "group"):
        if name in frame:
            clips[name] = frame[name]
    places = [name for name in manifest.NAMES_OF_PLACES if name in clips]
    clips = manifest.with_one_spelling(clips, places)
    hour = baselines.hours(frame)
    if hour.notna().any():
        clips["hour"] = hour
    return clips


@check("truth_table", "Does the table of truth agree with itself, with both classes in every test set?")
def check_truth(truth: Truth, options: AuditOptions) -> Told:
    """Clips labelled twice, labels that contradict each other, and test sets of one class."""
    clips = truth.clips
    place = ["file_path", "start_s", "end_s"]
    contradicts = clips.groupby(place, dropna=False).is_positive.transform("nunique") > 1
    if contradicts.any():
        text = sentence("findings.contradicting_labels", n=contradicts.sum())
        yield "error", dict.fromkeys(clips.name[contradicts]), text
    is_double = clips.duplicated(place, keep=False) & ~contradicts
    if is_double.any():
        yield (
            "warning",
            dict.fromkeys(clips.name[is_double]),
            sentence("findings.clip_twice", n=is_double.sum()),
        )
    for split, rows in truth.tested.items():
        if rows.is_positive.nunique() == 1:
            kind = "positives" if rows.is_positive.all() else "negatives"
            yield "error", (), sentence("findings.one_class", split=split, kind=kind, n=len(rows))


@check("split_leak", "Are training and test clips from different files, groups and nights?")
def check_leaks(truth: Truth, options: AuditOptions) -> Told:
    """Test clips whose file, group or night of a site is also trained on."""
    is_train = truth.clips.split.isin(("train", "training"))
    if not is_train.any() or is_train.all():
        raise NotChecked("The table of truth names no training and test splits.")
    clips = truth.clips
    # Recorders at one site share the weather and the animals of a night.
    place = clips.reindex(columns=["site", "recorder_id"]).astype("object")
    clips = clips.assign(place=place.site.combine_first(place.recorder_id))
    for columns, what, severity in (
        (["file_path"], "file", "error"),
        (["group"], "group", "error"),
        (["place", "date"], "night at one place", "warning"),
    ):
        if not set(columns) <= set(clips.columns):
            continue
        known = clips[columns].notna().all(axis=1)
        places = clips[columns].astype("str").agg(" ".join, axis=1)
        is_shared = known & ~is_train & places.isin(places[known & is_train])
        if is_shared.any():
            text = sentence(
                "findings.leak",
                n=is_shared.sum(),
                what=what,
                listed=some(sorted(places[is_shared].unique()), 3),
            )
            yield severity, clips.name[is_shared], text


@check("metadata_separates_classes", "Must one listen to tell the classes apart?")
def check_metadata(truth: Truth, options: AuditOptions, scores: pd.Series | None = None) -> Told:
    """Test sets whose site, recorder, date or hour alone tells positives from negatives.

    Args:
        scores: (n_clips,) of the audited results, to compare with; missing where a clip has none.
    """
    n_looked = 0
    columns = [name for name in ("site", "recorder_id", "hour", "date", "group") if name in truth.clips]
    for split, rows in truth.tested.items():
        told = {}
        for column in columns:
            found = metadata_auroc(rows, column)
            if found is None:
                continue
            n_looked += 1
            value, error = found
            # Two standard errors clear of a weak association, so that a few clips do not raise an alarm.
            if value >= options.metadata_auroc and value - 2 * error > 0.65:
                told[column] = value
        if told:
            yield _separation(rows, split, told, scores)
    if not n_looked:
        raise NotChecked(
            f"Needs site, recorder_id, date or hour, and {LEAST_OF_A_CLASS} clips of either class in a "
            "test set."
        )


def metadata_auroc(clips: pd.DataFrame, column: str) -> tuple[float, float] | None:
    """AUROC, and its standard error, of guessing each clip by the share of positives among others of its place.

    Cross-fitted in five stratified folds, so that a clip has no vote in its own guess and chance gives 0.5:
    leaving out single clips would give less than 0.5 by itself.

    Returns:
        None with fewer than two places or too few clips of a class.
    Source: standard error as Hanley & McNeil (1982), doi:10.1148/radiology.143.1.7063747.
    """
    known = clips[clips[column].notna()]
    n_positive = int(known.is_positive.sum())
    n_negative = len(known) - n_positive
    if min(n_positive, n_negative) < LEAST_OF_A_CLASS or known[column].nunique() < 2:
        return None
    known = known.assign(draw=[unit_hash("audit metadata", name) for name in known["name"]]).sort_values(
        ["is_positive", "draw", "name"]
    )
    fold = np.arange(len(known)) % FOLDS
    values = []
    for number in range(FOLDS):
        rest, held = known[fold != number], known[fold == number]
        overall = rest.is_positive.mean()
        rates = rest.groupby(column).is_positive.agg(["sum", "count"])
        smoothed = (rates["sum"] + overall) / (rates["count"] + 1)
        values.append(metrics.auroc(held[column].map(smoothed).fillna(overall), held.is_positive.to_numpy()))
    value = float(np.mean(values))
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (n_positive - 1) * (q1 - value**2) + (n_negative - 1) * (q2 - value**2)
    return value, float(np.sqrt(max(variance, 0.0) / (n_positive * n_negative)))


def _separation(rows: pd.DataFrame, split: str, told: dict[str, float], scores: pd.Series | None) -> Said:
    best = max(told, key=lambda column: told[column])
    listed = ", ".join(f"{column} {value:.2f}" for column, value in told.items())
    shares = rows.groupby(best).is_positive.agg(["mean", "count"])
    only = shares[(shares["mean"].isin((0.0, 1.0)))]
    text = (
        f"In {split}, metadata without any audio tells positives from negatives (AUROC {listed}; chance is "
        f"0.5). {len(only):,} of {len(shares):,} values of {best} hold one class only. A model that "
        "recognises the place instead of the call looks just as good here. "
    )
    severity = "warning"
    if scores is not None and scores.loc[rows.index].notna().any():
        values = scores.loc[rows.index].fillna(scores.min() - 1)
        ours = metrics.auroc(values, rows.is_positive.to_numpy())
        text += f"The results themselves reach {ours:.2f}" + (
            (
                f", and {metrics.auroc_within(values, rows.is_positive.to_numpy(), rows.recorder_id):.2f} "
                "between clips of one recorder. "
            )
            if "recorder_id" in rows
            else ". "
        )
        if ours <= told[best]:
            severity = "error"
            text += "Metadata alone does as well or better, so the set proves nothing about the model. "
    text += (
        "Show this baseline beside the results, report AUROC within recorder, and add clips of the "
        "missing class from the same recorders and nights."
    )
    return severity, [f"{best} {value}" for value in only.index], text
