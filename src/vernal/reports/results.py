"""What was found: configurations, what each setting does, splits and baselines side by side, curves."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.folds import BY_VALIDATION
from vernal.clips.manifest import on_split, split_name
from vernal.common.formatting import UNDEFINED, between, count, percent, share
from vernal.evaluation.baselines import ALL_POSITIVE, PREVALENCE
from vernal.evaluation.choice import CROSS_VALIDATED
from vernal.evaluation.effects import HIGHER, LOWER, POWER, what_would_help
from vernal.evaluation.leaderboard import EMPTY_SUBSETS
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults, level_words
from vernal.reports.answer import shown_effects
from vernal.reports.blocks import BAD, GOOD, SOFT, STRONG, Block, Fold, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.sentences import sentence

BASELINE_NAMES = {
    ALL_POSITIVE: "flag every clip",
    PREVALENCE: "flag at random, as often as training held positives",
}
SHOWN_METRICS = ("f1", "precision", "recall", "auroc", "average_precision")
SIZES = ("change", "interval", "smallest detectable", "would help")


def found_section(results: StageResults) -> Section:
    """Leaderboard, effects, splits and baselines side by side, curves."""
    blocks: list[Block] = []
    if results.n_configurations > 1:
        blocks += [
            Heading("Configurations"),
            picture("leaderboard", order=order_words(results), blocks=results.block_name),
            Fold(f"All {count(results.n_configurations, 'configuration')}", [leaderboard_table(results)]),
            Heading("What each setting does"),
            picture("effects"),
            *_effect_blocks(results),
        ]
    blocks += [
        Heading("On every split, and beside what is reached without listening"),
        _beside_baselines(results),
        Text(sentence("results.shortcut"), SOFT),
        Heading("Ranking"),
        picture("precision_recall", blocks=results.block_name),
        picture("roc"),
    ]
    return Section("found", "What was found", blocks)


def order_words(results: StageResults) -> str:
    """What the order of configurations goes by."""
    penalty = results.options.penalty if results.chosen_by == BY_VALIDATION else float("nan")
    return sentence("results.order", results=results, penalty=penalty)


def leaderboard_table(results: StageResults) -> Table:
    """Every configuration by what was chosen by, with its numbers on the split reported and the metric elsewhere."""
    split, metric, primary = results.primary_split, results.primary_metric, results.primary
    others = [name for name in SHOWN_METRICS if name != metric]
    numbers = {f"{split}_{name}_mean": f"{split_name(split)} {METRIC_NAMES[name]}" for name in others}
    numbers |= {
        f"{name}_{metric}_mean": f"{split_name(name)} {METRIC_NAMES[metric]}"
        for name in results.measured_splits
        if name != split
    }
    chosen = f"{CROSS_VALIDATED}_{metric}"
    has_folds = results.is_cross_validated
    rows = []
    for _, row in results.leaderboard.iterrows():
        rows.append(
            [
                UNDEFINED if pd.isna(row["rank"]) else str(int(row["rank"])),
                *results.levels(row).values(),
                *([share(row[chosen], 3)] if has_folds else []),
                share(row[f"{primary}_mean"], 3),
                share(row[f"{primary}_std"], 3),
                between(row[f"{primary}_low"], row[f"{primary}_high"], 3),
                str(int(row["n_runs"])),
                *(share(row[name], 3) for name in numbers),
                _points_listed(row),
            ]
        )
    interval = f"{percent(results.options.level)} interval"
    deciding = [f"{split_name(split)} {METRIC_NAMES[metric]}, mean", "standard deviation", interval, "seeds"]
    chosen_name = [f"{METRIC_NAMES[metric]}, cross-validated"] if has_folds else []
    return Table(["rank", *results.axes, *chosen_name, *deciding, *numbers.values(), "points"], rows)


def _points_listed(row: pd.Series) -> str:
    """A configuration's points, and why it is listed alone where it is."""
    empty = row.get(EMPTY_SUBSETS)
    if not isinstance(empty, str):
        return str(row["points"])
    return sentence("results.not_ranked", points=row["points"], subsets=level_words(empty))


def _effect_blocks(results: StageResults) -> list[Block]:
    """The comparisons that the picture shows, in words and numbers; all others in a fold."""
    shown = shown_effects(results)
    if shown.empty:
        return []
    rows, tones = [], []
    for row in shown.to_dict("records"):
        verdict = str(row["verdict"])
        change = verdict if verdict not in (HIGHER, LOWER) else f"{verdict} by {share(abs(row['effect']), 3)}"
        if row["n_identical"] == row["n_pairs"]:
            change = "nothing: all pairs are equal"
        rows.append([*_contrast(row), change, *_size(row)])
        tones.append({HIGHER: GOOD, LOWER: BAD}.get(verdict, ""))
    where = f"{METRIC_NAMES[results.primary_metric]} {on_split(results.primary_split)}"
    note = sentence("results.smallest", power=POWER)
    everything = f"All {count(len(results.effects), 'comparison')}, in every metric and split"
    return [
        Table(["setting", "from", "to", where, *SIZES], rows, note, tones),
        Fold(everything, [_all_effects(results)]),
    ]


def _contrast(row: Mapping[Hashable, Any]) -> list[str]:
    return [f"`{row['axis']}`", level_words(row["level_a"]), level_words(row["level_b"])]


def _size(row: Mapping[Hashable, Any]) -> list[str]:
    least = share(row["minimum_detectable_effect"], 3)
    return [share(row["effect"], 3), between(row["low"], row["high"], 3), least, what_would_help(row)]


def _all_effects(results: StageResults) -> Table:
    rows = [
        [
            split_name(str(row["split"])),
            METRIC_NAMES.get(str(row["metric"]), str(row["metric"])),
            *_contrast(row),
            "" if pd.isna(row["within"]) else str(row["within"]),
            str(row["verdict"]),
            *_size(row),
            share(row["p_adjusted"], 3),
            f"{int(row['n_pairs']):,}",
            f"{int(row['n_identical']):,}",
        ]
        for row in results.effects.to_dict("records")
    ]
    what = ["split", "metric", "setting", "from", "to", "within", "verdict"]
    return Table([*what, *SIZES, "adjusted p", "pairs", "of these equal"], rows)


def _beside_baselines(results: StageResults) -> Table:
    """The chosen configuration's metrics on each split, and under them what is reached without listening."""
    name = "the chosen configuration" if results.n_configurations > 1 else "the classifier"
    lines: list[tuple[str, list[str]]] = []
    for split in results.measured_splits:
        values = np.array(
            [
                [results.number(point, f"{split}_{metric}") for metric in METRIC_NAMES]
                for point in results.leading_points
            ]
        )
        lines.append(
            (
                STRONG,
                [
                    split_name(split),
                    name,
                    *_numbers(dict(zip(METRIC_NAMES, values.mean(axis=0), strict=True))),
                ],
            )
        )
        if len(values) > 1:
            spreads = [share(spread, 3) for spread in values.std(axis=0, ddof=1)]
            lines.append(("", ["", "its standard deviation over seeds", *spreads]))
        guess = sentence("results.guess", source=results.guessed_from(split))
        for row in results.table("baselines", split=split).to_dict("records"):
            said = BASELINE_NAMES.get(str(row["baseline"])) or guess
            lines.append((SOFT, ["", said, *_numbers(row)]))
    pairs = {
        split: results.number(results.deployed, f"{split}_n_pairs_within_recorder")
        for split in results.measured_splits
    }
    counted = [f"{n:,.0f} {on_split(split)}" for split, n in pairs.items() if np.isfinite(n)]
    note = sentence("results.beside", results=results, pairs=counted)
    columns = ["split", "what", *METRIC_NAMES.values()]
    return Table(columns, [row for _, row in lines], note, [tone for tone, _ in lines])


def _numbers(row: Mapping[Any, float]) -> list[str]:
    """The metrics of a line; false positive rates to a digit more, as nights have thousands of negatives."""
    return [share(row[metric], 3 if metric == "fpr" else 2) for metric in METRIC_NAMES]
