"""From several people's votes to one label: by majority, or by a model of how each of them errs.

The model is Dawid and Skene's: every clip has one true value, every annotator a rate of each mistake,
and mistakes are made independently. Who judged what is rarely left to chance (one labels the pond alone, another
the quiet wood), so each set of annotators has clips of its own, with a prevalence of their own, and error rates
are learned where at least two judged. Expectation maximisation finds rates and labels together. Where it
remains unsure, the label says so and the clip goes on the list for another pair of ears. Intervals of the
rates are bootstrapped over whole recordings. No kept library offers it with intervals, and it is thirty
lines.
"""

from dataclasses import dataclass
from itertools import product
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.clips.problem_card import ProblemCard
from vernal.collection.votes import single_labels
from vernal.common.settings import InnerShare, Number, one_of, settings
from vernal.evaluation.bootstrap import MIN_BLOCKS, draw_counts

METHODS = ("dawid_skene", "vote")
NO_VOTE = -1
CONSENSUS_COLUMNS = (
    "clip_id", "label", "value", "probability", "n_votes", "n_differing", "is_sure", "rests_on"
)  # fmt: skip
RATE_COLUMNS = ("label", "annotator", "true_value", "said_value", "rate", "low", "high", "n_clips")
# Kinds of columns where there is no row to take them from; the others are text.
_KINDS = {
    "value": "bool", "is_sure": "bool", "probability": "float64", "n_votes": "int64", "n_differing": "int64",
    "rate": "float64", "low": "float64", "high": "float64", "n_clips": "int64",
}  # fmt: skip
# What a consensus rests on, and the name under which labels of a closed set are settled together.
MODEL, MAJORITY, UNCHECKED = "model of annotators", "majority", "one annotator, unchecked"
ALL_CLASSES = "all classes"
_MIN_SHARED = 10
_MAX_ROUNDS = 500
_TOLERANCE = 1e-8
# Clips of all annotators that the prevalence among the clips of one set of them is drawn to.
_GROUP_PRIOR = 5.0
# Pseudo-counts, in clips: they keep a rate from sticking at 0 or 1 and weigh less than one vote each.
_SAME, _OTHER, _PRIOR = 0.6, 0.2, 0.5


@settings("collection.consensus")
class ConsensusOptions:
    """How votes become labels.

    `method`: `dawid_skene` or `vote`. A label is sure when its probability (its share of votes, under
    `vote`) reaches `sure_from`, in (0.5, 1]; others are listed. `n_draws`, `level`, `seed`: bootstrap of
    the annotators' rates.
    """

    method: Annotated[str, one_of(METHODS)] = "dawid_skene"
    sure_from: Annotated[Number, Field(gt=0.5, le=1, description="a share")] = 0.9
    n_draws: Annotated[int, Field(ge=50)] = 300
    level: InnerShare = 0.95
    seed: int = 0


@dataclass(frozen=True)
class AnnotatorModel:
    """What was fitted: `posterior` (n_patterns, n_values), `confusion` (n_annotators, true, said), `prior`."""

    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]


def majority(patterns: NDArray[np.int64], n_values: int) -> NDArray[np.float64]:
    """Shares of the votes: (n_patterns, n_values); rows add up to 1."""
    counts = np.stack([(patterns == value).sum(axis=1) for value in range(n_values)], axis=1).astype(float)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def dawid_skene(
    patterns: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_values: int,
    start: NDArray[np.float64] | None = None,
) -> AnnotatorModel:
    """Fit the model to patterns of votes, for one set of clips or for many draws of them at once.

    Args:
        patterns: (n_patterns, n_annotators) codes of the values said, `NO_VOTE` where there is none.
        weights: (..., n_patterns) how many clips have each pattern; fractions are fine.
        n_values: how many values there are.
        start: (n_patterns, n_values) first guess of the posterior; None = shares of the votes.
    Returns:
        The fit, every array with the leading dimensions of `weights`; `prior` is that of all clips. Without any
        vote on a pattern its posterior is the prior.
    Source: Dawid & Skene (1979), doi:10.2307/2346806; with small pseudo-counts and a prior for each set of
    annotators.
    """
    said = np.stack([patterns == value for value in range(n_values)], axis=2).astype(float)
    voted = patterns != NO_VOTE
    sets, set_of = np.unique(voted, axis=0, return_inverse=True)
    in_set = np.eye(len(sets))[set_of.reshape(-1)]
    informs = _informs(patterns)[:, None]
    first = majority(patterns, n_values) if start is None else start
    posterior = np.broadcast_to(first, (*weights.shape, n_values))
    pseudo = np.full((n_values, n_values), _OTHER) + np.eye(n_values) * (_SAME - _OTHER)
    previous = np.full(weights.shape[:-1], np.inf)
    for _ in range(_MAX_ROUNDS):
        weighted = posterior * weights[..., None]
        prior = weighted.sum(axis=-2) + _PRIOR
        prior = prior / prior.sum(axis=-1, keepdims=True)
        of_set = in_set.T @ weighted + _GROUP_PRIOR * prior[..., None, :]
        of_set = of_set / of_set.sum(axis=-1, keepdims=True)
        confusion = np.einsum("...pt,pas->...ats", weighted * informs, said) + pseudo
        confusion = confusion / confusion.sum(axis=-1, keepdims=True)
        log_joint = np.log(in_set @ of_set) + np.einsum("pas,...ats->...pt", said, np.log(confusion))
        top = log_joint.max(axis=-1, keepdims=True)
        evidence = np.exp(log_joint - top)
        posterior = evidence / evidence.sum(axis=-1, keepdims=True)
        likelihood = (weights * (top[..., 0] + np.log(evidence.sum(axis=-1)))).sum(axis=-1)
        if (np.abs(likelihood - previous) < _TOLERANCE * np.maximum(1.0, np.abs(likelihood))).all():
            break
        previous = likelihood
    return AnnotatorModel(posterior, confusion, prior)


def _informs(patterns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which patterns tell of errors: where one annotator stands alone, a miss and an absence look the same."""
    together = (patterns != NO_VOTE).sum(axis=1) > 1
    return together if together.any() else np.ones(len(patterns), dtype=bool)


def find_consensus(
    ratings: pd.DataFrame, blocks: pd.Series, options: ConsensusOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One value for each clip and class, and how each annotator errs.

    Args:
        ratings: first votes: `clip_id`, `label`, `annotator`, `value`.
        blocks: what is drawn together, by `clip_id` (the recording).
        options: method, certainty, draws.
    Returns:
        `consensus` with `CONSENSUS_COLUMNS`: `value` with its `probability`, `n_votes`, `n_differing` from
        it, `is_sure`, and what it `rests_on`. Annotators who share fewer than ten clips with anybody are
        outside the model: what they alone say is taken as said. `annotators`: `label`, `annotator`,
        `true_value`, `said_value`, `rate`, `low`, `high`, `n_clips` voted on. Rates are the model's
        whatever the method; with fewer than three annotators they rest on its assumptions alone and have no
        interval.
    """
    agreed, erring = [], []
    for label, votes in ratings.groupby("label", sort=True):
        values = sorted(votes.value.unique(), key=str)
        coded = votes.assign(value=votes.value.map(values.index))
        table = coded.pivot(index="clip_id", columns="annotator", values="value").sort_index()
        alone = _alone(table)
        together = table.drop(columns=alone).dropna(how="all")
        unchecked = table.loc[table.index.difference(together.index)]
        agreed.append(_as_said(str(label), unchecked, values, options))
        if len(together):
            consensus, rates = _model(str(label), together, blocks, values, options)
            agreed.append(consensus)
            erring.append(rates)
    return _join(agreed, CONSENSUS_COLUMNS), _join(erring, RATE_COLUMNS)


def _join(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    return pd.DataFrame(columns=list(columns)).astype({name: _KINDS.get(name, "str") for name in columns})


def _alone(table: pd.DataFrame) -> list[str]:
    """Annotators who share too few clips with anybody for a model to know how they err."""
    voted = table.notna().to_numpy(dtype=int)
    shared = voted.T @ voted
    np.fill_diagonal(shared, 0)
    return list(table.columns[shared.max(axis=1, initial=0) < _MIN_SHARED])


def _as_said(label: str, table: pd.DataFrame, values: list, options: ConsensusOptions) -> pd.DataFrame:
    """Clips on which only annotators spoke whom nobody checks: what they say is the label, where they agree."""
    codes = table.fillna(NO_VOTE).to_numpy(dtype=np.int64)
    sure_from = options.sure_from if options.method == "vote" else 1.0
    consensus = _agreed(label, table, codes, majority(codes, len(values)), values, sure_from)
    rests_on = pd.Series(MAJORITY, index=consensus.index, dtype="str")
    return consensus.assign(rests_on=rests_on.mask(consensus.n_votes == 1, UNCHECKED))


def _model(
    label: str, table: pd.DataFrame, blocks: pd.Series, values: list, options: ConsensusOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    codes = table.fillna(NO_VOTE).to_numpy(dtype=np.int64)
    patterns, pattern_of, weights = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    pattern_of = pattern_of.reshape(-1)
    fit = dawid_skene(patterns, weights.astype(float), len(values))
    is_model = options.method == "dawid_skene"
    shares = fit.posterior if is_model else majority(patterns, len(values))
    consensus = _agreed(label, table, codes, shares[pattern_of], values, options.sure_from)
    who = blocks.reindex(table.index).to_numpy()
    draws = _draw_rates(patterns, pattern_of, who, fit.posterior, label, options)
    words = MODEL if is_model else MAJORITY
    named = consensus.assign(rests_on=pd.Series(words, index=consensus.index, dtype="str"))
    judged = (patterns != NO_VOTE) & _informs(patterns)[:, None]
    n_true = judged.T.astype(float) @ (fit.posterior * weights[:, None])
    return named, _rates(label, table, fit.confusion, n_true, draws, values, options)


def settle(
    votes: pd.DataFrame, blocks: pd.Series, card: ProblemCard, options: ConsensusOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Consensus in the form of the problem: each class by itself, or one label a clip.

    Args:
        votes: first votes, as `votes.first_sessions` gives them.
        blocks: the recording of each clip.
        card: its `labelling` decides. Classes below others are always settled by themselves.
        options: method, certainty, draws.
    Returns:
        As `find_consensus`; `consensus.value` is always whether the class of the row is there.
    """
    if card.labelling == "multi":
        return find_consensus(votes.assign(value=votes.is_present.astype(bool)), blocks, options)
    labels, _ = single_labels(votes, card)
    joint, rates = find_consensus(
        labels.rename(columns={"label": "value"}).assign(label=ALL_CLASSES), blocks, options
    )
    below = votes[~votes.label.isin(card.tops)]
    apart, other_rates = find_consensus(below.assign(value=below.is_present.astype(bool)), blocks, options)
    each = [joint.assign(label=name, value=joint.value == name) for name in card.tops]
    return pd.concat([*each, apart], ignore_index=True), pd.concat([rates, other_rates], ignore_index=True)


def _agreed(
    label: str, table: pd.DataFrame, codes: NDArray, shares: NDArray, values: list, sure_from: float
) -> pd.DataFrame:
    best = shares.argmax(axis=1)
    probability = shares[np.arange(len(best)), best]
    n_votes = (codes != NO_VOTE).sum(axis=1)
    n_differing = ((codes != NO_VOTE) & (codes != best[:, None])).sum(axis=1)
    return pd.DataFrame({
        "clip_id": table.index.astype("str"), "label": label, "value": [values[code] for code in best],
        "probability": probability, "n_votes": n_votes, "n_differing": n_differing,
        "is_sure": probability >= sure_from - 1e-12,
    })  # fmt: skip


def _draw_rates(
    patterns: NDArray,
    pattern_of: NDArray,
    who: NDArray,
    start: NDArray,
    label: str,
    options: ConsensusOptions,
) -> NDArray | None:
    """Confusions of the model fitted to draws of whole blocks: (n_draws, n_annotators, true, said)."""
    names, code = np.unique(who.astype(str), return_inverse=True)
    if len(names) < MIN_BLOCKS:
        return None
    per_block = np.zeros((len(names), len(patterns)))
    np.add.at(per_block, (code, pattern_of), 1)
    drawn = draw_counts(options.seed, f"consensus {label}", len(names), options.n_draws) @ per_block
    return dawid_skene(patterns, drawn, start.shape[1], start).confusion


def _rates(
    label: str,
    table: pd.DataFrame,
    confusion: NDArray,
    n_true: NDArray,
    draws: NDArray | None,
    values: list,
    options: ConsensusOptions,
) -> pd.DataFrame:
    if len(table.columns) < 3:
        # Two annotators who differ could each be wrong; what one of them misses the other invents.
        draws = None
    rows = []
    coded = list(enumerate(values))
    for (a, annotator), (t, true_value), (s, said_value) in product(enumerate(table.columns), coded, coded):
        rate = float(confusion[a, t, s])
        low, high = np.nan, np.nan
        if draws is not None:
            low, high = rate_interval(rate, draws[:, a, t, s], float(n_true[a, t]), options.level)
        n_clips = int(table[annotator].notna().sum())
        rows.append((label, annotator, true_value, said_value, rate, low, high, n_clips))
    return pd.DataFrame(rows, columns=list(RATE_COLUMNS))


def rate_interval(rate: float, draws: NDArray, n_true: float, level: float) -> tuple[float, float]:
    """Interval of a rate from the spread of its draws, as that of so many independent clips (Jeffreys).

    Percentiles of the draws alone are too narrow where an annotator errs once or never (simulated: they
    hold the truth in 90 to 92 of 100 studies, these in 93 to 94).

    Args:
        rate: the estimate.
        draws: its values over bootstrap draws of whole recordings.
        n_true: clips that the rate is of; no more are assumed.
        level: coverage.
    """
    from scipy.stats import beta

    n = min(n_true, rate * (1 - rate) / max(float(draws.var()), 1e-12))
    low, high = beta.ppf([(1 - level) / 2, (1 + level) / 2], rate * n + 0.5, (1 - rate) * n + 0.5)
    # Less than one expected mistake may be none at all.
    return 0.0 if rate * n < 1 else float(low), 1.0 if (1 - rate) * n < 1 else float(high)
