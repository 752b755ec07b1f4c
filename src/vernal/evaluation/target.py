"""Whether a stage meets what the problem card asks: the detector that would be used, with its interval.

The detector is the stage's deployed point, which was chosen without a test split (see `vernal.evaluation.choice`); a
target is met only where the whole interval says so (see `vernal.clips.problem_card.verdict`).
"""

from vernal.clips.problem_card import NOT_ASKED, ProblemCard, Verdict, verdict
from vernal.clips.splits import SPLITS
from vernal.evaluation.metrics import AT_THRESHOLD
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults

NOT_MEASURED = "not measured"


def target_verdict(card: ProblemCard, results: StageResults) -> Verdict:
    """The card's target beside what the deployed point reaches.

    `status` is one of `vernal.clips.problem_card.Verdict`'s, or `not asked` where the card is about another target.
    """
    wanted, asked = card.performance, card.wanted
    if wanted is None:
        return verdict(card, float("nan"), float("nan"), float("nan"))
    if card.find(results.target) != card.target and card.target != results.target:
        sentence = f"The problem card is about {card.target}; it sets no target for {results.target}."
        return Verdict(NOT_ASKED, sentence)
    metric, split = _known(wanted.metric, METRIC_NAMES), _known(wanted.split, {name: name for name in SPLITS})
    if metric is None or split is None:
        known = f"metrics {', '.join(METRIC_NAMES.values())}; splits {', '.join(SPLITS)}"
        return Verdict(NOT_MEASURED, f"The target ({asked}) is not something a stage measures ({known}).")
    if split not in results.measured_splits:
        return Verdict(NOT_MEASURED, f"The target ({asked}) was not measured: {split} holds no clips.")
    if metric in AT_THRESHOLD and results.no_threshold:
        why = f"no threshold could be chosen, as {results.no_threshold}"
        return Verdict(NOT_MEASURED, f"The target ({asked}) was not measured: {why}.")
    return verdict(card, *target_numbers(card, results))


def target_numbers(card: ProblemCard, results: StageResults) -> list[float]:
    """What the deployed point reaches in the card's metric and split, and its interval; NaN where it is not known."""
    wanted = card.performance
    if wanted is None:
        return [float("nan")] * 3
    metric, split = _known(wanted.metric, METRIC_NAMES), _known(wanted.split, {name: name for name in SPLITS})
    return [results.number(results.deployed, f"{split}_{metric}{end}") for end in ("", "_low", "_high")]


def _known(name: str, names: dict[str, str]) -> str | None:
    """The key that a person's words mean, by key or by name, whatever the case."""
    wanted = name.strip().casefold().replace("_", " ")
    return next(
        (key for key, said in names.items() if wanted in (key.replace("_", " "), said.casefold())), None
    )
