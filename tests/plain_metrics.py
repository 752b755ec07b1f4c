"""The metrics written for clarity, one unit at a time, to hold the fast ones against."""

from __future__ import annotations

import math


def confusion(scores, is_positive, threshold):
    tp = sum(1 for s, y in zip(scores, is_positive, strict=True) if y and s >= threshold)
    fp = sum(1 for s, y in zip(scores, is_positive, strict=True) if not y and s >= threshold)
    fn = sum(1 for s, y in zip(scores, is_positive, strict=True) if y and s < threshold)
    tn = sum(1 for s, y in zip(scores, is_positive, strict=True) if not y and s < threshold)
    return tp, fp, fn, tn


def share(part, whole):
    return part / whole if whole else math.nan


def rates(scores, is_positive, threshold):
    tp, fp, fn, tn = confusion(scores, is_positive, threshold)
    return {
        "precision": share(tp, tp + fp),
        "recall": share(tp, tp + fn),
        "f1": share(tp, tp + (fp + fn) / 2),
        "fpr": share(fp, fp + tn),
    }


def pairs(scores, is_positive, groups=None):
    """Pairs of a positive and a negative (of one group), those ordered right counted whole and ties half."""
    groups = [None] * len(scores) if groups is None else groups
    units = list(zip(scores, is_positive, groups, strict=True))
    won = total = 0.0
    for positive, is_true, group in units:
        for negative, is_other_true, other in units:
            if is_true and not is_other_true and group == other:
                total += 1
                won += 1 if positive > negative else 0.5 if positive == negative else 0
    return share(won, total)


def average_precision(scores, is_positive):
    if all(is_positive) or not any(is_positive):
        return math.nan
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = rates(scores, is_positive, threshold)
        total += (found["recall"] - before) * found["precision"]
        before = found["recall"]
    return total
