"""The answer of a report in a few sentences, for readers who have never seen one, and the numbers behind them.

All numbers are of one detector, the one to use, on one split, the one that is reported first. The words are in
`templates/sentences/lead.j2`.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.clips.splits import NIGHT_TRAINS, NO, NOT_GIVEN, PLACE_TRAINS, YES
from vernal.common.formatting import FEW, UNDEFINED, amount, percent, rate_of
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.effects import HIGHER, LOWER, NOT_TESTED
from vernal.evaluation.proportions import exact_interval
from vernal.evaluation.stage_results import UNIT_NAMES, VALIDATION, StageResults
from vernal.evaluation.target import target_numbers, target_verdict
from vernal.reports.answer import leader_interval, shown_effects
from vernal.reports.blocks import BAD, GOOD, WARNING, Bullets, Section, Text, Tile, Tiles
from vernal.reports.sentences import sentence

USE_TONES = {"met": GOOD, "no threshold": BAD, "no test": BAD, "no better": BAD, "not met": BAD}


def lead_section(results: StageResults, split_counts: pd.DataFrame) -> Section:
    """What was asked, what the detector to use does, whether that is enough, and whether to use it.

    Args:
        split_counts: see `vernal.clips.splits.count_splits`.
    """
    sites = sites_of(split_counts, results.primary_split)
    at = results.numbers(results.deployed, results.primary_split)
    facts = {
        "results": results,
        "target": results.target,
        "at": at,
        "few": FEW,
        "may_share_nights": _is_open(split_counts, results.primary_split, NIGHT_TRAINS),
        "found": rate_of(at["recall"], at["n_positive"]),
        "flagged": rate_of(at["fpr"], at["n_negative"]),
        "units": UNIT_NAMES[results.options.unit],
        "without_threshold": results.no_threshold,
        "place": _place(results, split_counts, sites),
        "prevalence": results.options.field_prevalence,
        "sites": sites,
        "n_sites": len(sites),
        "rare": at["precision_at_field_prevalence"],
        "high": results.review_minutes(at["fpr_high"]),
    }
    case = use_case(results)
    said = [
        Text(_tried(results)),
        Text(sentence("lead.detector", **facts)),
        Text(sentence("lead.rare", **facts)),
        Text(
            f"{_target(results)} {may_use(results)} {sentence('lead.tested_at', case=case, **facts)}".strip(),
            USE_TONES.get(case, WARNING),
        ),
    ]
    return Section(
        "answer",
        "The answer",
        [Bullets([text for text in said if text.text], is_lead=True), *_tiles(results)],
    )


def sites_of(split_counts: pd.DataFrame, split: str) -> list[str]:
    """Names of the sites of a split, as far as they are given."""
    counts = split_counts[(split_counts["split"] == split) & (split_counts["by"] == "site")]
    return [str(value) for value in counts["value"] if str(value) != "not given"]


def _place(results: StageResults, split_counts: pd.DataFrame, sites: list[str]) -> str:
    """Where the numbers are from, as the clips were dealt and not as the split is called."""
    split = results.primary_split
    trains = {by: _only(split_counts, split, by) for by in (PLACE_TRAINS, NIGHT_TRAINS)}
    return sentence(
        "lead.place",
        split=split,
        place_trains=trains[PLACE_TRAINS],
        night_trains=trains[NIGHT_TRAINS],
        n_sites=len(sites),
    )


def _only(split_counts: pd.DataFrame, split: str, by: str) -> str:
    """`yes` or `no` where that is so of every clip; else empty."""
    values = split_counts.loc[(split_counts["split"] == split) & (split_counts["by"] == by), "value"]
    found = set(values.astype("str"))
    return found.pop() if found in ({YES}, {NO}) else ""


def _is_open(split_counts: pd.DataFrame, split: str, by: str) -> bool:
    """Whether that is not known of some clips."""
    counts = split_counts[(split_counts["split"] == split) & (split_counts["by"] == by)]
    return bool((counts["value"].astype("str") == NOT_GIVEN).any())


def setting_words(name: str) -> str:
    """A setting as something that was tried.

    >>> setting_words("epochs")
    'the length of training'
    """
    return sentence("lead.setting", setting=name)


def question(results: StageResults) -> str:
    """What was asked: the stage's own words, else what was varied, without names of parameters."""
    return sentence(
        "lead.question",
        results=results,
        description=results.spec.description,
        target=results.target,
        settings=[setting_words(axis) for axis in results.axes],
    )


def _tried(results: StageResults) -> str:
    """Whether anything that was compared was shown to matter; empty where nothing was."""
    if results.n_configurations < 2:
        return ""
    table = shown_effects(results)
    tested = table[table["verdict"] != NOT_TESTED] if len(table) else table
    differ = tested[tested["verdict"].isin([HIGHER, LOWER])] if len(tested) else tested
    most = float(tested["minimum_detectable_effect"].astype(float).max()) if len(tested) else math.nan
    return sentence(
        "lead.tried",
        case="untested" if tested.empty else "none" if differ.empty else "differ",
        differ=[setting_words(axis) for axis in differ["axis"].unique()] if len(differ) else [],
        n_settings=len(results.axes),
        most=most,
    )


def use_case(results: StageResults) -> str:
    """Why a detector may be used or not: what stands in its way first, then what the target says."""
    if results.no_threshold:
        return "no threshold"
    if results.primary_split == VALIDATION:
        return "no test"
    if not is_better_than_guessing(results):
        return "no better"
    if results.card is None or results.leader is None:
        return "open"
    return target_verdict(results.card, results).status


def may_use(results: StageResults) -> str:
    """Whether to use the recommended detector, and for what."""
    return sentence("lead.may_use", case=use_case(results))


def is_better_than_guessing(results: StageResults) -> bool:
    """Whether the chosen configuration's whole interval lies above what is reached without listening."""
    split, metric = results.primary_split, results.primary_metric
    kinds = [ALL_POSITIVE, *([METADATA] if results.guessed_from(split) else [])]
    beside = [results.baseline(kind, split, metric) for kind in kinds]
    low, _ = leader_interval(results)
    known = [value for value in beside if np.isfinite(value)]
    return bool(not known or low > max(known))


def _target(results: StageResults) -> str:
    """Whether the problem card's target is met, in words."""
    if results.card is None or results.leader is None:
        return sentence("lead.target", status="", target=results.target)
    found, wanted = target_verdict(results.card, results), results.card.performance
    if wanted is None:
        return sentence("lead.target", status=found.status, target=results.target)
    limit = f"at most {wanted.at_most:g}" if wanted.at_least is None else f"at least {wanted.at_least:g}"
    value, low, high = target_numbers(results.card, results)
    return sentence(
        "lead.target",
        status=found.status,
        why=found.sentence,
        target=results.target,
        metric=wanted.metric,
        limit=limit,
        split=wanted.split,
        value=value,
        low=low,
        high=high,
    )


def _tiles(results: StageResults) -> list[Tiles]:
    """Numbers of the detector to use on the split that is reported first; none that needs a threshold without one."""
    at, units = results.numbers(results.deployed, results.primary_split), UNIT_NAMES[results.options.unit]
    if results.no_threshold:
        label = "chance that a clip with the call scores above one without (AUROC)"
        return [Tiles([Tile(percent(at["auroc"]), label, _interval(results, at, "auroc"))])]
    tiles = [
        _rate_tile(results, at, "recall", "n_positive", f"{units} with {results.target} found"),
        _rate_tile(results, at, "fpr", "n_negative", f"{units} without it flagged"),
        _minutes_tile(results),
        _nights_tile(results),
    ]
    rare = at["precision_at_field_prevalence"]
    if np.isfinite(rare) and rare > 0 and at["fpr"] > 0 and at["n_negative"] >= FEW:
        prevalence = percent(results.options.field_prevalence)
        tiles.append(
            Tile(amount(1 / rare), "flagged to check for each true one", f"where {prevalence} hold the call")
        )
    return [Tiles(tiles)]


def _rate_tile(results: StageResults, at: Mapping[str, float], metric: str, n: str, label: str) -> Tile:
    value, detail = rate_of(at[metric], at[n]), _interval(results, at, metric)
    if at[n] < FEW and np.isfinite(at[metric]):
        return Tile(f"{value} of {at[n]:.0f}", label, "too few to give a share")
    return Tile(value, f"of {label}", detail)


def _interval(results: StageResults, at: Mapping[str, float], metric: str) -> str:
    low, high = at[f"{metric}_low"], at[f"{metric}_high"]
    if not np.isfinite(low):
        return "no interval"
    return f"{percent(low)} to {percent(high)}, with {percent(results.options.level)} confidence"


def _minutes_tile(results: StageResults) -> Tile:
    """Minutes of listening; where no false alarm was seen, the end of the interval, as none seen is not none."""
    at = results.numbers(results.deployed, results.primary_split)
    if at["n_negative"] < FEW:
        return Tile(UNDEFINED, "of listening to false alarms a night", "too few clips to tell")
    low, high = (results.review_minutes(at[f"fpr_{end}"]) for end in ("low", "high"))
    value = f"{amount(results.review_minutes(at['fpr']))} min" if at["fpr"] > 0 else UNDEFINED
    if at["fpr"] == 0 and np.isfinite(high):
        value = f"up to {amount(high)} min"
    reach = f"{amount(low)} to {amount(high)}" if np.isfinite(high) else "no interval"
    return Tile(value, "of listening to false alarms a night", reach)


def _nights_tile(results: StageResults) -> Tile:
    at = results.numbers(results.deployed, results.primary_split)
    label = f"nights with {results.target} missed"
    if not (at["n_present"] > 0 and np.isfinite(at["missed_nights"])):
        return Tile(UNDEFINED, label, "not known")
    most = exact_interval(int(at["missed_nights"]), int(at["n_present"]))[1]
    detail = f"up to {percent(most)}; each recorder counts by itself"
    return Tile(f"{at['missed_nights']:,.0f} of {at['n_present']:,.0f}", label, detail)
