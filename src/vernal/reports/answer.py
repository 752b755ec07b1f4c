"""What a stage found, in sentences, and the few numbers that stand for them.

Every sentence is made from the tables, and each says what it rests on. Where the tables leave something open
the sentence says so.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.common.formatting import UNDEFINED, amount, between, count, listed, minutes, percent, share
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.effects import HIGHER, LOWER, NOT_TESTED, POWER
from vernal.evaluation.proportions import exact_interval
from vernal.evaluation.stage_results import METRIC_NAMES, UNIT_NAMES, VALIDATION, StageResults, level_words
from vernal.evaluation.target import target_verdict
from vernal.reports.blocks import BAD, GOOD, WARNING, Bullets, Section, Text, Tile, Tiles
from vernal.reports.figures.comparisons import main_effects
from vernal.reports.training import training_words

WITHIN_GAP = 0.1  # a fall of the AUROC within recorders by this much is worth a warning
SAID = 4  # differences named in the answer; the table has all


def answer_section(results: StageResults) -> Section:
    """The findings, most wanted first."""
    said = [
        _leader(results),
        *training_words(results),
        _target(results),
        _order(results),
        _without_listening(results),
        _ranking(results),
        _effects(results),
        _deploy(results),
        _night(results),
        *_chosen(results),
    ]
    return Section("answer", "The answer", [Tiles(_tiles(results)), Bullets([text for text in said if text])])


def _tiles(results: StageResults) -> list[Tile]:
    split = results.primary_split

    def of(name: str) -> float:
        return results.number(results.deployed, f"{split}_{name}")

    name = METRIC_NAMES[results.primary_metric]
    mean = float("nan") if results.leader is None else results.leader[f"{results.primary}_mean"]
    beside = [results.baseline(kind, split, results.primary_metric) for kind in (ALL_POSITIVE, METADATA)]
    best = float(np.nanmax(beside)) if np.isfinite(beside).any() else float("nan")
    low, high = leader_interval(results)
    nights = "missed nights not known"
    if of("n_present") > 0 and np.isfinite(of("missed_nights")):
        most = exact_interval(int(of("missed_nights")), int(of("n_present")))[1]
        nights = f"{of('missed_nights'):,.0f} of {of('n_present'):,.0f} nights missed (up to {percent(most)})"
    none = "no threshold" if results.no_threshold else ""
    return [
        Tile(share(mean), f"{name} on {split}{_of_mean(results)}", _interval(results, low, high)),
        Tile(share(best), f"{name} without listening", "the better of two guesses"),
        Tile(
            share(of("auroc")),
            "AUROC of the point to use",
            _interval(results, of("auroc_low"), of("auroc_high")),
        ),
        Tile(
            percent(of("recall")),
            "of positives found by it",
            none or f"{percent(of('fpr'))} of negatives flagged",
        ),
        Tile(
            _minutes_tile(results),
            "review a night",
            none or nights,
        ),
    ]


def _minutes_tile(results: StageResults) -> str:
    """Review minutes; where no false alarm was seen, the end of the interval, as none seen is not none."""
    rate, high = (
        results.number(results.deployed, f"{results.primary_split}_{name}") for name in ("fpr", "fpr_high")
    )
    if rate == 0:
        return f"up to {amount(results.review_minutes(high))} min" if np.isfinite(high) else UNDEFINED
    return f"{amount(results.review_minutes(rate))} min" if np.isfinite(rate) else UNDEFINED


def _interval(results: StageResults, low: float, high: float) -> str:
    return f"{between(low, high)} ({percent(results.options.level)})" if np.isfinite(low) else "no interval"


def _primary(results: StageResults) -> str:
    return f"{METRIC_NAMES[results.primary_metric]} on {results.primary_split}"


def leader_interval(results: StageResults) -> tuple[float, float]:
    """Interval of the chosen configuration's mean; NaN where none can be given."""
    if results.leader is None:
        return float("nan"), float("nan")
    return float(results.leader[f"{results.primary}_low"]), float(results.leader[f"{results.primary}_high"])


def configuration_text(results: StageResults, row: pd.Series) -> str:
    """A configuration in words: its axes and their levels."""
    words = [f"`{axis}` {level}" for axis, level in results.levels(row).items()]
    return ", ".join(words) or "the one configuration"


def _leader(results: StageResults) -> Text:
    row = results.leader
    if row is None:
        floor = results.options.precision_floor
        return Text(f"No configuration reaches the precision floor of {floor}, so none leads.", BAD)
    low, high = leader_interval(results)
    mean, runs = share(row[f"{results.primary}_mean"]), int(row["n_runs"])
    sure = "no interval can be given, see the notes under How sure"
    if np.isfinite(low):
        over = str(row["interval_covers"]).removesuffix(" only").replace("nights", results.block_name)
        sure = f"{percent(results.options.level)} interval {between(low, high)}, over {over}"
    spread = "one seed, so nothing is known of how another training run would fall out"
    if runs > 1:
        spread = (
            f"mean of {count(runs, 'seed')}, standard deviation {share(row[f'{results.primary}_std'], 3)}"
        )
    if results.n_configurations == 1:
        return Text(f"The classifier reaches {_primary(results)} of {mean} ({sure}); {spread}.")
    return Text(
        f"{_place(results, row)}: {configuration_text(results, row)}{_choice_value(results, row)}. "
        f"On {results.primary_split} it reaches {METRIC_NAMES[results.primary_metric]} of {mean} ({sure}); {spread}."
    )


def _place(results: StageResults, row: pd.Series) -> str:
    """Which place the chosen configuration has, among how many, by what."""
    if results.choice_column is None:
        return f"Among {count(results.n_configurations, 'configuration')} nothing could choose; first in the plan is"
    among = f"of {count(results.n_configurations, 'configuration')} by {results.choice_name}"
    if len(results.tied) > 1:
        return (
            f"One of {len(results.tied):,} that share the first place {among}, the first of them in the plan"
        )
    if pd.notna(row["rank"]):
        return f"First {among}"
    return f"Highest mean (none is ranked, as each ran only once) {among}"


def _choice_value(results: StageResults, row: pd.Series) -> str:
    return "" if results.choice_column is None else f", with {share(row[results.choice_column])} there"


def _target(results: StageResults) -> Text | None:
    """What the problem card asks, and whether the point to use reaches it."""
    if results.card is None or results.leader is None:
        return None
    tones = {"met": GOOD, "not met": BAD, "not shown": WARNING}
    found = target_verdict(results.card, results)
    asked = f" Asked of `{results.deployed}`, the point to use." if found.status in tones else ""
    return Text(f"{found.sentence}{asked}", tones.get(found.status, ""))


def _order(results: StageResults) -> Text | None:
    """Whether the leader can be told from the others."""
    if results.n_configurations < 2:
        return None
    low, high = leader_interval(results)
    others = results.compared[f"{results.primary}_mean"].iloc[1:].astype(float)
    if not np.isfinite(low):
        return Text("Without an interval nothing shows that it is better than the others.", WARNING)
    reached, n = int((others >= low).sum()), len(others)
    if not reached:
        return Text("The means of all others lie below its interval.", GOOD)
    whose = "mean of every other lies" if reached == n else f"means of {reached:,} of the {n:,} others lie"
    above = " or above it" if (others > high).any() else ""
    return Text(
        f"The {whose} inside that interval{above}: do not read the order among them as a finding. What the settings do "
        "is told by the paired comparisons below.",
        WARNING,
    )


def _of_mean(results: StageResults) -> str:
    return ", mean of the configuration" if len(results.leading_points) > 1 else ""


def _subject(results: StageResults) -> str:
    """Whose the leader's numbers are: several runs' mean is no single point's number."""
    return "the configuration's mean" if len(results.leading_points) > 1 else "the detector"


def _without_listening(results: StageResults) -> Text | None:
    """The leader beside what is reached without audio."""
    split, metric = results.primary_split, results.primary_metric
    named = {"flagging every clip gives": results.baseline(ALL_POSITIVE, split, metric)}
    if results.guessed_from(split):
        named[f"guessing from {results.guessed_from(split)}"] = results.baseline(METADATA, split, metric)
    known = {what: value for what, value in named.items() if np.isfinite(value)}
    if results.leader is None or not known:
        return None
    best, mean = max(known.values()), float(results.leader[f"{results.primary}_mean"])
    low, _ = leader_interval(results)
    whose = _subject(results).capitalize()
    verdict, tone = f"{whose} has no interval, so it is not shown to be better", WARNING
    if mean <= best:
        verdict = f"{whose} is no better: on this split it shows no sign of having learnt the call"
        tone = BAD
    elif low > best:
        verdict, tone = f"The whole interval of {_subject(results)} lies above that", GOOD
    elif np.isfinite(low):
        verdict = (
            f"The interval of {_subject(results)} reaches down to that: that listening helps is not shown"
        )
    parts = listed([f"{what} {share(value)}" for what, value in known.items()])
    return Text(f"Without listening, {parts}. {verdict}.", tone)


def _ranking(results: StageResults) -> Text | None:
    """AUROC beside that of place and hour, and within recorders."""
    split = results.primary_split
    whole, within = (
        float(np.mean([results.number(point, f"{split}_{name}") for point in results.leading_points]))
        for name in ("auroc", "auroc_within_recorder")
    )
    guessed, source = results.baseline(METADATA, split, "auroc"), results.guessed_from(split)
    if not np.isfinite(whole):
        return None
    text = f"By AUROC, which no threshold enters, {_subject(results)} is {share(whole)} on {split}"
    text += (
        f", and {share(within)} within single recorders{within_words(results, split)}"
        if np.isfinite(within)
        else ""
    )
    text += f". A guess from {source} reaches {share(guessed)}" if source and np.isfinite(guessed) else ""
    if whole <= 0.5:
        return Text(f"{text}. That is no better than chance.", BAD)
    if source and guessed >= whole:
        return Text(
            f"{text}. A guess without audio ranks these clips at least as well: look for a shortcut.", BAD
        )
    if whole - within >= WITHIN_GAP:
        return Text(
            f"{text}. The fall within recorders says that part of it is to tell recorders apart.", WARNING
        )
    return Text(f"{text}.")


def within_words(results: StageResults, split: str) -> str:
    """How many pairs the AUROC within recorders rests on; empty where that was not counted."""
    pairs = results.number(results.deployed, f"{split}_n_pairs_within_recorder")
    return f" (on {count(pairs, 'pair')} of a positive and a negative)" if np.isfinite(pairs) else ""


def shown_effects(results: StageResults) -> pd.DataFrame:
    """Main effects in the primary metric on the split that decides."""
    table = main_effects(results)
    return table[table["split"] == results.primary_split].reset_index(drop=True) if len(table) else table


def is_equal(table: pd.DataFrame) -> pd.Series:
    """Comparisons whose runs are equal in every pair."""
    return table["n_identical"] == table["n_pairs"]


def difference_words(row: pd.Series) -> str:
    """A difference that was shown, as a sentence.

    >>> row = pd.Series({"axis": "balance", "level_a": "true", "level_b": "false", "verdict": "higher",
    ...                  "effect": 0.031, "low": 0.01, "high": 0.05})
    >>> difference_words(row)
    '`balance` false instead of true: higher by 0.031 (0.010 to 0.050).'
    """
    levels = f"{level_words(row['level_b'])} instead of {level_words(row['level_a'])}"
    size = f"{share(abs(row['effect']), 3)} ({between(row['low'], row['high'], 3)})"
    return f"`{row['axis']}` {levels}: {row['verdict']} by {size}."


def _effects(results: StageResults) -> Text | None:
    if results.n_configurations < 2:
        return None
    table = shown_effects(results)
    if table.empty:
        return Text(
            "No two points differ in one setting alone, so no effect of a setting can be told.", WARNING
        )
    text = f"Of {count(len(table), 'comparison')} between levels of a setting, "
    tested = table[table["verdict"] != NOT_TESTED]
    if tested.empty:
        return Text(f"{text}none could be tested: nights or runs are too few.", WARNING)
    differ = tested[tested["verdict"].isin([HIGHER, LOWER])]
    equal = int(is_equal(tested).sum())
    same = (
        f" In {equal:,} of them all runs are equal in pairs: there the setting changed nothing."
        if equal
        else ""
    )
    if differ.empty:
        text += f"none shows a difference in {_primary(results)}."
        least = tested["minimum_detectable_effect"].astype(float).dropna()
        if len(least):
            bluntest = f"of {share(least.max(), 3)}" if least.max() < 1 else "none at all, however large,"
            text += (
                f" That is not the same as no difference: with {percent(POWER)} probability this stage would have "
                f"found one of {share(least.min(), 3)} in the sharpest comparison, and {bluntest} in the bluntest."
            )
        return Text(f"{text}{same}")
    said = " ".join(difference_words(row) for _, row in differ.head(SAID).iterrows())
    more = f" And {len(differ) - SAID:,} more, below." if len(differ) > SAID else ""
    return Text(
        f"{text}{len(differ):,} {'shows' if len(differ) == 1 else 'show'} a difference. {said}{more}{same}"
    )


def without_threshold(results: StageResults) -> str:
    """That there is no threshold, why, and what a person can do."""
    return (
        f"`{results.deployed}` has no threshold: {results.no_threshold}. Its scores order the {_units(results)}, and "
        "metrics that need no threshold stand; how many it would find or flag is not known. Clips of both classes in "
        f"{VALIDATION} mend that. To detect without, choose a confidence yourself: detection.min_confidence."
    )


def _units(results: StageResults) -> str:
    return UNIT_NAMES[results.options.unit]


def _unmet(results: StageResults) -> str:
    """What is to be said of a goal that is not reached on validation, or cannot be told to be."""
    notes = results.thresholds[results.thresholds["point"] == results.deployed]["note"]
    return f" ({notes.iloc[0]})" if len(notes) and notes.iloc[0] else ""


def _deploy(results: StageResults) -> Text:
    if results.no_threshold:
        return Text(f"To use: {without_threshold(results)}", BAD)
    point, split, unit = results.deployed, results.primary_split, _units(results)
    logit = results.threshold(point)
    recall, fpr = (results.number(point, f"{split}_{name}") for name in ("recall", "fpr"))
    confidence = share(float(sigmoid(logit)), 3)
    text = (
        f"To use: `{point}`, which flags from confidence {confidence} (logit {share(logit, 3)}) on; that threshold was "
        f"chosen on validation for {results.goal}{_unmet(results)}."
    )
    if np.isfinite(recall):
        text += f" On {split} it finds {percent(recall)} of the {unit} with {results.target}"
        flagged = "none" if fpr == 0 else percent(fpr)
        text += f" and flags {flagged} of those without." if np.isfinite(fpr) else "."
    return Text(text)


def _night(results: StageResults) -> Text | None:
    options, split, texts = results.options, results.primary_split, []
    spent, missed, present = (
        results.number(results.deployed, f"{split}_{name}")
        for name in ("review_minutes", "missed_nights", "n_present")
    )
    if np.isfinite(spent):
        clips = f"{options.clips_per_night:,.0f} clips a night without the target, {options.seconds_per_clip:g} s each"
        texts.append(f"At {clips}, checking its false alarms takes {_review_words(results, spent)}.")
    if present > 0 and np.isfinite(missed):
        lost = "None" if missed == 0 else f"{missed:,.0f}"
        fits = exact_words(missed, present)
        texts.append(
            f"{lost} of {count(present, 'night')} with {results.target} missed after that review{fits}."
        )
    texts += _invented(results, present)
    return Text(" ".join(texts)) if texts else None


def _invented(results: StageResults, present: float) -> list[str]:
    """Nights without the target that are reported all the same; not known where none was tested."""
    nights, invented = (
        results.number(results.deployed, f"{results.primary_split}_{name}")
        for name in ("n_nights", "false_presences")
    )
    if nights > 0 and nights == present:
        return [f"No night without {results.target} was tested: false presences are not known."]
    if not (nights > present and np.isfinite(invented)):
        return []
    absent = nights - present
    said = f"{invented:,.0f} of {count(absent, 'night')} without it reported all the same"
    return [f"{said}{exact_words(invented, absent)}."]


def exact_words(n: float, out_of: float) -> str:
    """The shares that a count of nights still fits.

    >>> exact_words(0, 10)
    ' (exact interval 0\\xa0% to 26\\xa0%)'
    """
    low, high = exact_interval(int(n), int(out_of))
    return f" (exact interval {percent(low)} to {percent(high)})"


def _review_words(results: StageResults, spent: float) -> str:
    """Minutes a night with their interval; no false alarm among few negatives is not none at night."""
    split = results.primary_split
    low, high = (
        results.review_minutes(results.number(results.deployed, f"{split}_fpr_{end}"))
        for end in ("low", "high")
    )
    level = percent(results.options.level)
    if spent > 0:
        interval = f" ({level} interval {amount(low)} to {amount(high)})" if np.isfinite(low) else ""
        return f"about {minutes(spent)} a night{interval}"
    negatives = results.number(results.deployed, f"{split}_n_negative")
    bound = (
        f"up to {minutes(high)} a night ({level} interval)"
        if np.isfinite(high)
        else "a time that is not known"
    )
    return (
        f"{bound}: none of the {negatives:,.0f} negatives of {split} was flagged, which is not none at night"
    )


def _chosen(results: StageResults) -> list[Text]:
    """How the configuration was chosen, and what the test would have flattered had it been asked."""
    said = []
    if results.primary_split == VALIDATION:
        chose = "" if results.no_threshold else ", which chose the threshold"
        said.append(Text(f"No test split holds both classes: all numbers are of validation{chose}.", BAD))
    if results.n_configurations < 2:
        return said
    how, *reasons = results.choice_notes or [f"configurations were put in order by {results.choice_name}"]
    compared = f"{count(results.n_configurations, 'configuration')} were compared: {how}."
    not_as_asked = f" Not otherwise, since {listed(reasons)}." if reasons else ""
    said.append(Text(f"{compared}{not_as_asked}", WARNING if reasons or not results.chosen_by else ""))
    if results.primary_split != VALIDATION and results.chosen_by and np.isfinite(results.flattery):
        said.append(_flattered(results))
    return said


def _flattered(results: StageResults) -> Text:
    split, gain = results.primary_split, results.flattery
    n_measured = results.points.loc[results.points[results.primary].notna(), "config_hash"].nunique()
    asked = f"{split} was measured once for each of {count(n_measured, 'classifier')} and had no part in that choice"
    if not gain:
        return Text(f"{asked}. It puts none above it: it would have flattered by nothing.", GOOD)
    best = results.compared[f"{results.primary}_mean"].astype(float).max()
    return Text(
        f"{asked}. Had it chosen, this page would report {share(best, 3)}, higher by {share(gain, 3)}: so much the "
        "test would have flattered."
    )
