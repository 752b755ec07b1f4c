"""Do people agree? Coefficients between annotators, and of one annotator with themselves, with intervals.

Cohen's kappa compares two, Fleiss' kappa several on clips that equally many judged, Krippendorff's alpha
anybody on anything, missing votes included. All are 1 for full agreement and 0 for what chance alone would
give. Intervals are bootstrapped over whole recordings, since clips of one recording are judged in one breath.
The coefficients are those of statsmodels and krippendorff.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.collection.block_bootstrap import block_interval
from vernal.common.settings import InnerShare, settings

COEFFICIENTS = ("agreement", "cohen", "fleiss", "krippendorff")
AGREEMENT_COLUMNS = ("label", "between", "coefficient", "value", "low", "high", "n_clips", "n_blocks")
EVERYBODY = "everybody"


@settings("collection.agreement")
class AgreementOptions:
    """How intervals are drawn: `n_draws` bootstrap draws, `level` their coverage, in (0, 1), and a `seed`."""

    n_draws: Annotated[int, Field(ge=50)] = 500
    level: InnerShare = 0.95
    seed: int = 0


def measure_agreement(ratings: pd.DataFrame, blocks: pd.Series, options: AgreementOptions) -> pd.DataFrame:
    """Agreement per class between each two annotators, between all of them, and of each with themselves.

    Args:
        ratings: one row a vote: `clip_id`, `label` (the class voted on), `annotator`, `session`, `value`
            (the vote, of any kind that can be compared: true or false, or a name).
        blocks: what is drawn together, by `clip_id` (the recording).
        options: draws, level, seed.
    Returns:
        `AGREEMENT_COLUMNS`, sorted; `between` names two annotators, `everybody`, or one annotator's two
        sessions. Values are NaN where there is nothing to compare, or where all votes are the same (chance
        agrees, too).
    """
    rows: list[dict] = []
    for label, votes in ratings.groupby("label", sort=True):
        name = str(label)
        codes, names = pd.factorize(votes.value, sort=True)
        coded = votes.assign(value=codes)
        first = coded.sort_values(["session"], kind="stable").drop_duplicates(["clip_id", "annotator"])
        table = first.pivot(index="clip_id", columns="annotator", values="value").sort_index()
        who = blocks.reindex(table.index).to_numpy()
        for one, other, pair in _pairs(table):
            rows += _rows(name, f"{one} and {other}", pair, who, len(names), COEFFICIENTS[:2], options)
        if len(table.columns) > 1:
            rows += _rows(name, EVERYBODY, table.to_numpy(), who, len(names), COEFFICIENTS[2:], options)
        rows += _with_themselves(name, coded, blocks, len(names), options)
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS)).sort_values(
        ["label", "between", "coefficient"], ignore_index=True
    )


def _pairs(table: pd.DataFrame) -> Iterator[tuple[Any, Any, NDArray]]:
    """Each two columns with their values, where there is a clip that both have."""
    for one, other in combinations(table.columns, 2):
        pair = table[[one, other]].to_numpy()
        if (~np.isnan(pair)).all(axis=1).any():
            yield one, other, pair


def _with_themselves(
    label: str, coded: pd.DataFrame, blocks: pd.Series, n_values: int, options: AgreementOptions
) -> list[dict]:
    rows: list[dict] = []
    for annotator, votes in coded.groupby("annotator", sort=True):
        table = votes.pivot(index="clip_id", columns="session", values="value").sort_index()
        who = blocks.reindex(table.index).to_numpy()
        for one, other, pair in _pairs(table):
            between = f"{annotator}, sessions {one} and {other}"
            rows += _rows(label, between, pair, who, n_values, COEFFICIENTS[:2], options)
    return rows


def _rows(
    label: str,
    between: str,
    table: NDArray,
    who: NDArray,
    n_values: int,
    names: tuple[str, ...],
    options: AgreementOptions,
) -> list[dict]:
    """One row a coefficient; draws are shared, so that coefficients of the same votes move together."""
    counts = value_counts(table, n_values)
    n_raters = counts.sum(axis=1)
    rows = []
    for name in names:
        used = n_raters >= 2
        if name == "fleiss" and used.any():
            # It wants equally many judges of each clip: the most usual number, of two the larger.
            sizes, often = np.unique(n_raters[used], return_counts=True)
            used = n_raters == sizes[len(often) - 1 - np.argmax(often[::-1])]
        votes = table[used] if name in ("agreement", "cohen") else counts[used]
        coefficient = partial(_of_rows, _MEASURES[name], votes)
        low, high = block_interval(
            coefficient, who[used], options.seed, f"agreement {label}", options.n_draws, options.level
        )
        rows.append({
            "label": label, "between": between, "coefficient": name, "value": coefficient(slice(None)), "low": low,
            "high": high, "n_clips": int(used.sum()), "n_blocks": len(set(who[used])),
        })  # fmt: skip
    return rows


def _of_rows(measure: Callable[[NDArray], float], votes: NDArray, rows: Any) -> float:
    return measure(votes[rows]) if len(votes) else np.nan


def value_counts(table: NDArray, n_values: int) -> NDArray[np.int64]:
    """How many annotators gave each value: (n_clips, n_values); NaN is no vote."""
    return np.stack([(table == value).sum(axis=1) for value in range(n_values)], axis=1).astype(np.int64)


def raw_agreement(pair: NDArray) -> float:
    """Share of clips on which two agree; unitless in [0, 1]."""
    return float((pair[:, 0] == pair[:, 1]).mean())


def cohen_kappa(pair: NDArray) -> float:
    """Cohen's kappa of two columns of codes; NaN when both always say the same one thing.

    Source: Cohen (1960), doi:10.1177/001316446002000104.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    codes = pair.astype(int)
    table = np.zeros((codes.max() + 1, codes.max() + 1))
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    if np.count_nonzero(table.sum(axis=0) + table.sum(axis=1)) < 2:
        return np.nan
    return float(cohens_kappa(table, return_results=False))


def fleiss_kappa(counts: NDArray) -> float:
    """Fleiss' kappa of clips that equally many judged; NaN when everybody says the same one thing.

    Source: Fleiss (1971), doi:10.1037/h0031619.
    """
    from statsmodels.stats import inter_rater

    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return np.nan
    return float(inter_rater.fleiss_kappa(counts))


def krippendorff_alpha(counts: NDArray) -> float:
    """Krippendorff's alpha for names; NaN when everybody says the same one thing.

    Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    """
    import krippendorff

    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return np.nan
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


_MEASURES: dict[str, Callable[[NDArray], float]] = {
    "agreement": raw_agreement,
    "cohen": cohen_kappa,
    "fleiss": fleiss_kappa,
    "krippendorff": krippendorff_alpha,
}


def list_disagreements(votes: pd.DataFrame) -> pd.DataFrame:
    """The clips on which annotators disagree: a list to listen to together.

    Args:
        votes: first votes, as `votes.first_sessions` gives them.
    Returns:
        `clip_id`, `label`, `present` and `absent` (who says so), `n_present`, `n_absent`; the most divided
        first.
    """
    keys = ["clip_id", "label"]
    said = (
        votes.sort_values([*keys, "annotator"], kind="stable")
        .groupby([*keys, "is_present"])
        .annotator.agg(", ".join)
    )
    table = said.unstack("is_present").reindex(columns=[True, False])
    table.columns = ["present", "absent"]
    table = table.dropna().reset_index().astype({"present": "str", "absent": "str"})
    counted = table.assign(
        n_present=table.present.str.count(", ") + 1, n_absent=table.absent.str.count(", ") + 1
    )
    share = counted.n_present / (counted.n_present + counted.n_absent)
    ordered = counted.assign(distance=(share - 0.5).abs()).sort_values(["distance", *keys], kind="stable")
    return ordered.drop(columns="distance").reset_index(drop=True)
