"""How to read each figure, in a sentence or two."""

from vernal.reports.blocks import Picture

CAPTIONS = {
    "leaderboard": ("The order is by {order}. Intervals are over {blocks} and seeds."),
    "effects": (
        "Pairs of points that differ in this one setting and share the seed; change from the first level to the "
        "second. An interval that leaves out zero is not yet a difference shown: the verdict also counts how "
        "many comparisons were made."
    ),
    "precision_recall": (
        "Each line is one trained classifier; bands say how far it would move with other {blocks}. The precision at a "
        "recall is the best that finds at least so much, so a threshold may lie below its line."
    ),
    "roc": "The same classifiers. Both classes count by their own number, so prevalence has no part in it.",
    "thresholds": (
        "Higher thresholds flag less: precision tends to rise, recall falls. A chosen one is the same in all panels."
    ),
    "reliability": (
        "Points on the line mean what they say. Calibration is fitted on validation, so its own panel looks too good; "
        "it holds where positives are as common as there."
    ),
    "scores": "Each row of histograms has its own height. What lies right of a line, the threshold, is flagged.",
    "confusion": "Counts at the chosen threshold.",
    "nights": (
        "Every recorder-night of the test splits at the chosen threshold. Clips were picked by people, so a night here "
        "holds fewer clips than a whole night of recording."
    ),
    "review": (
        "From right to left the threshold rises: less to check, more nights missed. A night counts as found when a "
        "person who checks its flagged clips finds a true one."
    ),
    "learning_curves": (
        "Held-out clips decide when training stops. Unless `use_validation` is true they come from the same nights as "
        "the training clips, and say nothing about other nights."
    ),
}


def picture(name: str, **words: float | str) -> Picture:
    """A figure with its caption; `words` fill its gaps."""
    return Picture(name, CAPTIONS[name].format(**words))
