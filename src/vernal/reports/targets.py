"""Several targets as one page: a row each, their means, the choice of configurations, which classes are confused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from vernal.clips.manifest import on_split, split_name
from vernal.clips.problem_card import NOT_ASKED
from vernal.common.formatting import UNDEFINED, between, count, listed, percent, share
from vernal.evaluation.across import EACH, FOR_ALL, NOBODY, AcrossTargets
from vernal.evaluation.coverage import SPLITS
from vernal.evaluation.stage_results import METRIC_NAMES
from vernal.reports.blocks import BAD, GOOD, WARNING, Block, Bullets, Fold, Section, Table, Text
from vernal.reports.confusers import species_words
from vernal.reports.page import sections_page
from vernal.reports.sentences import sentence

AVERAGES = {
    "macro": "mean of targets",
    "weighted": "weighted by positives",
    "micro": "of all counts together",
    "worst": "worst target",
}


def targets_page(
    stage: str,
    found: AcrossTargets,
    folders: Mapping[str, str],
    failed: Mapping[str, str],
    confusers: pd.DataFrame,
) -> str:
    """The page as HTML text; the same results give the same text.

    Args:
        folders: where each target's own report is, for the reader.
        failed: targets without results, with the reason.
        confusers: the highest clips without each target, with what BirdNET hears in them (see `field.confusers`).
    """
    sections = [
        Section("answer", "The answer", [Bullets(list(_answer(found.targets)), is_lead=True)]),
        Section("targets", "What each target reaches", list(_each(found, folders))),
        Section("means", "Over all targets", [_means(found.means)]),
        Section("configurations", "One configuration for all, or one for each target", list(_choices(found))),
        Section("confusion", "Which classes are confused", list(_confusion(found.confusion))),
        Section("confusers", "What BirdNET hears in false alarms", list(_confusers(confusers))),
    ]
    n_targets = count(len(found.targets), "target")
    return sections_page(
        "Several targets",
        stage,
        n_targets,
        sentence("targets.question", n=len(found.targets)),
        sections,
        warnings=[Text(f"{name} has no results: {reason}", BAD) for name, reason in failed.items()],
    )


def _splits_in(columns: Iterable[str]) -> list[str]:
    known = set(columns)
    tests = [name for name in ("test_ood", "test_iid") if f"{name}_auroc" in known]
    return tests or [name for name in SPLITS if f"{name}_auroc" in known]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _answer(targets: pd.DataFrame) -> Iterable[Text]:
    """How well the targets are told apart on the split that is reported first, and for how many that is enough."""
    for split in _splits_in(targets.columns)[:1]:
        ranked = targets[targets[f"{split}_auroc"].notna()].sort_values(f"{split}_auroc", kind="stable")
        if ranked.empty:
            continue
        aurocs, names = ranked[f"{split}_auroc"], ranked.target
        ends = {
            "low": aurocs.iloc[0],
            "high": aurocs.iloc[-1],
            "worst": names.iloc[0],
            "best": names.iloc[-1],
            "fewest": ranked[f"{split}_n_positive"].min(),
            "most": ranked[f"{split}_n_positive"].max(),
        }
        yield Text(sentence("targets.answer", split=split, n=len(ranked), mean=aurocs.mean(), **ends))
    asked = targets[~targets.verdict.fillna("").isin(["", NOT_ASKED])]
    if len(asked):
        n_met = int((asked.verdict == "met").sum())
        tone = GOOD if n_met == len(asked) else WARNING
        yield Text(sentence("targets.verdicts", n_met=n_met, n=len(asked)), tone)


def _each(found: AcrossTargets, folders: Mapping[str, str]) -> Iterable[Block]:
    for split in _splits_in(found.targets.columns):
        rows = [_target_row(row, split) for row in _records(found.targets)]
        columns = ("target", "point", "trained on", "tested on", "AUROC", "interval", "average precision",
                   "precision", "recall", "F1", "target met")  # fmt: skip
        yield Table(
            columns,
            rows,
            sentence("targets.rows", split=split),
        )
    yield from _notes(found.targets)
    places = [[name, f"`{folder}`"] for name, folder in folders.items()]
    yield Fold("Where each target's own report is", [Table(("target", "report"), places)])


def _target_row(row: Mapping[str, Any], split: str) -> list[str]:
    def number(name: str) -> float:
        return float(row.get(f"{split}_{name}", float("nan")))

    return [
        row["target"],
        row["point"],
        f"{_whole(row['n_train_positive'])} and {_whole(row['n_train_negative'])}",
        f"{_whole(number('n_positive'))} and {_whole(number('n_negative'))}",
        share(number("auroc"), 3),
        between(number("auroc_low"), number("auroc_high"), 3),
        *(share(number(name), 3) for name in ("average_precision", "precision", "recall", "f1")),
        row["verdict"] or UNDEFINED,
    ]


def _notes(targets: pd.DataFrame) -> Iterable[Block]:
    """What is to be said of several targets alike, once."""
    for note, rows in targets[targets.note.fillna("") != ""].groupby("note", sort=False):
        whose = "All targets" if len(rows) == len(targets) else listed(rows.target.tolist())
        yield Text(f"{whose}: {note_words(note)}.", WARNING)


def note_words(note: object) -> str:
    """A note of one target as a page has it, its splits by their names.

    >>> note_words("too few nights on test_iid for an interval.")
    'too few nights at the same sites (test) for an interval'
    """
    said = str(note).rstrip(".")
    for split in SPLITS:
        said = said.replace(f"on {split}", on_split(split))
    return said


def _whole(value: float) -> str:
    return UNDEFINED if value != value else f"{value:,.0f}"


def _means(means: pd.DataFrame) -> Table:
    rows = [
        [
            split_name(row["split"]),
            METRIC_NAMES[row["metric"]],
            AVERAGES[row["average"]] + (f": {row['target']}" if isinstance(row["target"], str) else ""),
            share(row["value"], 3),
            between(row["low"], row["high"], 3),
            f"{row['n_targets']:,}",
            row["left_out"] or "",
        ]
        for row in _records(means)
    ]
    return Table(
        ("split", "measure", "mean", "value", "interval", "targets", "left out"),
        rows,
        sentence("targets.means"),
    )


def _choices(found: AcrossTargets) -> Iterable[Block]:
    choices = {row["choice"]: row for row in _records(found.choices)}
    (column,) = (name.removesuffix("_mean") for name in choices[EACH] if name.endswith("_mean"))
    n = len(found.configurations)
    if n == 1:
        yield Text(sentence("targets.one_configuration"))
        return
    yield Text(sentence("targets.choice"))
    rows = [
        [
            words,
            share(row["mean_score"], 3),
            share(row[f"{column}_mean"], 3),
            between(row[f"{column}_low"], row[f"{column}_high"], 3),
            f"{share(row[f'{column}_worst'], 3)} ({row[f'{column}_worst_target']})",
        ]
        for words in (EACH, FOR_ALL)
        for row in [choices[words]]
    ]
    yield Table(("choice", "mean score", column, "interval", "worst target"), rows)
    yield Fold(f"All {count(n, 'configuration')}", [_board(found.configurations, column)])


def _board(table: pd.DataFrame, column: str) -> Table:
    names = list(table.columns)
    axes = names[names.index("configuration_hash") + 1 : names.index("n_scored")]
    rows = [
        [
            UNDEFINED if pd.isna(row["rank"]) else str(row["rank"]),
            *(str(row[axis]) for axis in axes),
            share(row["mean_score"], 3),
            f"{share(row['worst_score'], 3)} ({row['worst_target']})",
            share(row[f"{column}_mean"], 3),
            between(row[f"{column}_low"], row[f"{column}_high"], 3),
            share(row["difference"], 3),
            between(row["difference_low"], row["difference_high"], 3),
        ]
        for row in _records(table)
    ]
    return Table(
        (
            "rank",
            *axes,
            "mean score",
            "worst",
            column,
            "interval",
            "difference from the first",
            "interval of that",
        ),
        rows,
        sentence("targets.differences"),
    )


def _confusion(table: pd.DataFrame) -> Iterable[Block]:
    yield Text(sentence("targets.confusion"))
    for split in [name for name in ("test_ood", "test_iid", "val") if (table.split == name).any()]:
        yield _matrix(table[table.split == split], split)


def _matrix(rows: pd.DataFrame, split: str) -> Table:
    targets = list(dict.fromkeys(rows.target))
    cells = rows.set_index(["true", "target"])
    body: list[Sequence[str]] = []
    for true in dict.fromkeys(rows.true):
        own = cells.loc[true]
        body.append([true, f"{own.n.max():,}", *(percent(own.share[name]) for name in targets)])
    return Table(("class", "clips", *targets), body, sentence("targets.confusion_caption", split=split),
                 tones=["" if true != NOBODY else "soft" for true in dict.fromkeys(rows.true)])  # fmt: skip


def _confusers(table: pd.DataFrame) -> Iterable[Block]:
    if table.empty:
        yield Text(sentence("targets.no_confusers"))
        return
    yield Text(sentence("targets.confusers"))
    rows = [
        [str(target), f"{len(own):,}", f"{int(own.is_flagged.sum()):,}", species_words(own)]
        for target, own in table.groupby("target", sort=False)
    ]
    yield Table(
        (
            "target",
            "clips",
            "of them flagged",
            "BirdNET's most confident classes (clips, highest confidence)",
        ),
        rows,
    )
