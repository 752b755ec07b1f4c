"""What a stage found, in sentences, and the few numbers that stand for them.

Every sentence is made from the tables, and each says what it rests on. Where the tables leave something open
the sentence says so. The words are in `templates/sentences/answer.j2`.
"""

import numpy as np
import pandas as pd

from vernal.common.formatting import percent
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.effects import HIGHER, LOWER, NOT_TESTED, POWER
from vernal.evaluation.proportions import exact_interval
from vernal.evaluation.stage_results import METRIC_NAMES, UNIT_NAMES, VALIDATION, StageResults, level_words
from vernal.evaluation.target import target_verdict
from vernal.reports.blocks import BAD, GOOD, WARNING, Bullets, Section, Text
from vernal.reports.figures.comparisons import main_effects
from vernal.reports.sentences import sentence
from vernal.reports.training import training_words

WITHIN_GAP = 0.1  # a fall of the AUROC within recorders by this much is worth a warning
SAID = 4  # differences named in the answer; the table has all
TARGET_TONES = {"met": GOOD, "not met": BAD, "not shown": WARNING}


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
    return Section("basis", "What it rests on", [Bullets([text for text in said if text])])


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
        return Text(sentence("answer.nothing_leads", floor=results.options.precision_floor), BAD)
    low, high = leader_interval(results)
    text = sentence(
        "answer.leader",
        results=results,
        metric=METRIC_NAMES[results.primary_metric],
        split=results.primary_split,
        place=_place(results, row),
        settings=configuration_text(results, row),
        value=float("nan") if results.choice_column is None else row[results.choice_column],
        mean=row[f"{results.primary}_mean"],
        std=row[f"{results.primary}_std"],
        runs=int(row["n_runs"]),
        low=low,
        high=high,
        meaning=sentence("answer.meaning", metric=results.primary_metric),
        over=str(row["interval_covers"]).removesuffix(" only").replace("nights", results.block_name),
    )
    return Text(text)


def _place(results: StageResults, row: pd.Series) -> str:
    """Which place the chosen configuration has: `unranked`, `tied`, `first` or `highest`."""
    if results.choice_column is None:
        return "unranked"
    if len(results.tied) > 1:
        return "tied"
    return "first" if pd.notna(row["rank"]) else "highest"


def _target(results: StageResults) -> Text | None:
    """What the problem card asks, and whether the point to use reaches it."""
    if results.card is None or results.leader is None:
        return None
    found = target_verdict(results.card, results)
    is_measured = found.status in TARGET_TONES
    text = sentence("answer.target", results=results, verdict=found.sentence, is_measured=is_measured)
    return Text(text, TARGET_TONES.get(found.status, ""))


def _order(results: StageResults) -> Text | None:
    """Whether the leader can be told from the others."""
    if results.n_configurations < 2:
        return None
    low, high = leader_interval(results)
    others = results.compared[f"{results.primary}_mean"].iloc[1:].astype(float)
    reached = int((others >= low).sum())
    case = "no interval" if not np.isfinite(low) else "inside" if reached else "below"
    is_above = bool((others > high).any())
    text = sentence("answer.order", case=case, reached=reached, n=len(others), is_above=is_above)
    return Text(text, GOOD if case == "below" else WARNING)


def _subject(results: StageResults) -> str:
    """Whose the leader's numbers are: several runs' mean is no single point's number."""
    return "the mean of this configuration" if len(results.leading_points) > 1 else "the detector"


def _without_listening(results: StageResults) -> Text | None:
    """The leader beside what is reached without audio."""
    split, metric = results.primary_split, results.primary_metric
    source = results.guessed_from(split)
    everything = results.baseline(ALL_POSITIVE, split, metric)
    guess = results.baseline(METADATA, split, metric) if source else float("nan")
    if results.leader is None or not np.isfinite([everything, guess]).any():
        return None
    best, mean = np.nanmax([everything, guess]), float(results.leader[f"{results.primary}_mean"])
    low, _ = leader_interval(results)
    case, tone = "no interval", WARNING
    if mean <= best:
        case, tone = "no better", BAD
    elif low > best:
        case, tone = "better", GOOD
    elif np.isfinite(low):
        case = "not shown"
    facts = {"everything": everything, "guess": guess, "source": source, "subject": _subject(results)}
    facts["metric"] = METRIC_NAMES[metric]
    return Text(sentence("answer.without_listening", case=case, **facts), tone)


def _ranking(results: StageResults) -> Text | None:
    """AUROC beside that of place and hour, and within recorders."""
    split = results.primary_split
    whole, within = (
        float(np.mean([results.number(point, f"{split}_{name}") for point in results.leading_points]))
        for name in ("auroc", "auroc_within_recorder")
    )
    if not np.isfinite(whole):
        return None
    source = results.guessed_from(split)
    guess = results.baseline(METADATA, split, "auroc") if source else float("nan")
    case, tone = "", ""
    if whole <= 0.5:
        case, tone = "chance", BAD
    elif guess >= whole:
        case, tone = "shortcut", BAD
    elif whole - within >= WITHIN_GAP:
        case, tone = "recorders", WARNING
    pairs = results.number(results.deployed, f"{split}_n_pairs_within_recorder")
    facts = {
        "split": split,
        "whole": whole,
        "within": within,
        "pairs": pairs,
        "guess": guess,
        "source": source,
    }
    return Text(sentence("answer.ranking", case=case, subject=_subject(results), **facts), tone)


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
    levels = {name: level_words(row[name]) for name in ("level_a", "level_b")}
    facts = {name: row[name] for name in ("axis", "verdict", "low", "high")}
    return sentence("answer.difference", **levels, **facts, size=abs(row["effect"]))


def _effects(results: StageResults) -> Text | None:
    if results.n_configurations < 2:
        return None
    table = shown_effects(results)
    if table.empty:
        return Text(sentence("answer.no_pairs"), WARNING)
    tested = table[table["verdict"] != NOT_TESTED]
    differ = tested[tested["verdict"].isin([HIGHER, LOWER])]
    least = tested["minimum_detectable_effect"].astype(float)
    text = sentence(
        "answer.effects",
        case="untested" if tested.empty else "none" if differ.empty else "differ",
        n=len(table),
        metric=METRIC_NAMES[results.primary_metric],
        split=results.primary_split,
        power=POWER,
        least=least.min(),
        most=least.max(),
        n_differ=len(differ),
        differences=[difference_words(row) for _, row in differ.head(SAID).iterrows()],
        n_more=len(differ) - SAID,
        equal=int(is_equal(tested).sum()),
    )
    return Text(text, WARNING if tested.empty else "")


def without_threshold(results: StageResults) -> str:
    """That there is no threshold, why, and what a person can do."""
    return sentence("answer.without_threshold", results=results, units=UNIT_NAMES[results.options.unit])


def _deploy(results: StageResults) -> Text:
    notes = results.thresholds[results.thresholds["point"] == results.deployed]["note"].tolist() or [""]
    logit = results.threshold(results.deployed)
    text = sentence(
        "answer.deploy",
        results=results,
        without_threshold=without_threshold(results) if results.no_threshold else "",
        confidence=float(sigmoid(logit)),
        logit=logit,
        unmet=notes[0],
        split=results.primary_split,
        at=results.numbers(results.deployed, results.primary_split),
        units=UNIT_NAMES[results.options.unit],
    )
    return Text(text, BAD if results.no_threshold else "")


def _night(results: StageResults) -> Text | None:
    at = results.numbers(results.deployed, results.primary_split)
    # No false alarm among few negatives is not none at night: then the interval's end is said.
    low, high = (results.review_minutes(at[f"fpr_{end}"]) for end in ("low", "high"))
    text = sentence(
        "answer.night",
        results=results,
        split=results.primary_split,
        at=at,
        absent=at["n_nights"] - at["n_present"] if at["n_nights"] > 0 else float("nan"),
        low=low,
        high=high,
        level=percent(results.options.level),
        exact=exact_words,
    )
    return Text(text) if text else None


def exact_words(n: float, out_of: float) -> str:
    """The shares that a count of nights still fits.

    >>> exact_words(0, 10)
    '(exact interval 0\\xa0% to 26\\xa0%)'
    """
    low, high = exact_interval(int(n), int(out_of))
    return sentence("answer.exact", low=low, high=high)


def _chosen(results: StageResults) -> list[Text]:
    """How the configuration was chosen, and what the test would have flattered had it been asked."""
    said = []
    if results.primary_split == VALIDATION:
        said.append(Text(sentence("answer.no_test", results=results), BAD))
    if results.n_configurations < 2:
        return said
    how, *reasons = results.choice_notes or [f"configurations were put in order by {results.choice_name}"]
    tone = WARNING if reasons or not results.chosen_by else ""
    said.append(Text(sentence("answer.chosen", results=results, how=how, reasons=reasons), tone))
    if results.primary_split != VALIDATION and results.chosen_by and np.isfinite(results.flattery):
        said.append(_flattered(results))
    return said


def _flattered(results: StageResults) -> Text:
    text = sentence(
        "answer.flattered",
        split=results.primary_split,
        n_measured=results.points.loc[results.points[results.primary].notna(), "config_hash"].nunique(),
        best=results.compared[f"{results.primary}_mean"].astype(float).max(),
        gain=results.flattery,
    )
    return Text(text, "" if results.flattery else GOOD)
