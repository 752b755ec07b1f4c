"""Are the labels right? Clips whose label disagrees with what the other nights teach, as a queue to review.

Confident learning: a clip is suspect when a model that never saw its night is more sure of another class than
it usually is of clips of that class. The method is cleanlab's. A suspect label is a question, not a mistake:
whoever listens decides.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SUSPECT_COLUMNS = ("rank", "clip_id", "label", "is_positive", "probability", "label_quality")


def suspect_labels(clip_ids: NDArray, y: NDArray, probability: NDArray, label: str) -> pd.DataFrame:
    """The clips whose label of one class is suspect.

    Args:
        clip_ids: (n,) names.
        y: (n,) bool, the labels as they are.
        probability: (n,) out-of-fold probability of the positive class; NaN is left out.
        label: the class.
    Returns:
        `SUSPECT_COLUMNS`, the most suspect first; `label_quality` is the probability of the label as it is,
        in [0, 1]. Empty when a class has too few clips to know its usual probability.
    Source: Northcutt, Jiang & Chuang (2021), doi:10.1613/jair.1.12125; cleanlab's `find_label_issues`.
    """
    known = np.isfinite(probability)
    ids, given, p = clip_ids[known], np.asarray(y, dtype=int)[known], probability[known]
    if min(int(given.sum()), int((1 - given).sum())) < 2:
        return pd.DataFrame(columns=list(SUSPECT_COLUMNS))
    from cleanlab.filter import find_label_issues

    both = np.stack([1 - p, p], axis=1)
    is_suspect = find_label_issues(given, both, filter_by="prune_by_noise_rate", n_jobs=1)
    quality = both[np.arange(len(given)), given]
    table = pd.DataFrame({
        "clip_id": ids.astype(str), "label": label, "is_positive": given.astype(bool), "probability": p,
        "label_quality": quality,
    })  # fmt: skip
    table = table[np.asarray(is_suspect)].sort_values(["label_quality", "clip_id"], ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table
