"""What a choice among configurations by the test, by validation and by folds of the train split is worth.

Sites shift what is heard, so that a classifier is worse at a new one. Configurations hear different parts of the sound,
some of which are more alike between sites than others. Each is a ridge regression, trained anew for every fold. The
truth of a configuration is its value over many new sites. `python -m tests.simulated_choices` prints the table of
docs/simulated.md; it writes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.clips.folds import folds_of
from vernal.evaluation import metrics
from vernal.evaluation.choice import cross_validated
from vernal.evaluation.options import EvaluationOptions
from vernal.sweeps.settings_table import CONFIGURATION

N_CONFIGURATIONS, N_HEARD, N_FEATURES, N_SITES = 20, 4, 24, 4
METRIC = "auroc"
WAYS = ("test", "validation", "sites", "nights")
OPTIONS = EvaluationOptions(primary_metric=METRIC)


def _clips(
    n_sites: int, n_nights: int, n_clips: int, shift: np.ndarray, rng: np.random.Generator, first: int = 0
):
    """Clips of some sites and what is heard of them, (n_clips, n_features); sites shift each feature by `shift`."""
    site, night = (part.ravel() for part in np.indices((n_sites, n_nights)))
    rows = np.repeat(np.arange(site.size), n_clips)
    is_positive = rng.random(rows.size) < 0.5
    at_site = rng.normal(size=(n_sites, 2, N_FEATURES)) * shift
    heard = rng.normal(size=(rows.size, N_FEATURES)) + 0.3 * rng.normal(size=(site.size, N_FEATURES))[rows]
    # What a call adds differs between sites, and so does what everything else sounds like.
    heard += is_positive[:, None] * (0.5 + at_site[site[rows], 0]) + at_site[site[rows], 1]
    names = np.char.add("s", (site + first).astype(str))[rows]
    table = pd.DataFrame({"site": names, "night": night[rows].astype(str), "is_positive": is_positive})
    return table.assign(recorder_id=table.site, block=table.site + " " + table.night), heard


def _fitted(heard: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
    """Weights of a ridge regression on the two classes."""
    centred = heard - heard.mean(axis=0)
    return np.linalg.solve(centred.T @ centred + 10 * np.eye(heard.shape[1]), centred.T @ (is_positive - 0.5))


def study(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each configuration's value by every way of choosing, on the test, and in truth: (n_configurations,) each."""
    shift = rng.uniform(0.1, 0.6, N_FEATURES)
    heard_by = [rng.choice(N_FEATURES, N_HEARD, replace=False) for _ in range(N_CONFIGURATIONS)]
    train, x_train = _clips(N_SITES, 6, 10, shift, rng)
    train = train.assign(split="train", clip_id=[f"c{at:05d}" for at in range(len(train))])
    known = rng.random(len(train)) < 0.2  # validation is of the training sites
    parts = {
        "validation": (train[known], x_train[known]),
        "test": _clips(1, 8, 20, shift, rng, N_SITES),
        "truth": _clips(200, 1, 20, shift, rng),
    }
    train, x_train = train[~known].reset_index(drop=True), x_train[~known]
    values = {name: np.empty(N_CONFIGURATIONS) for name in (*parts, "sites", "nights")}
    truth = train.is_positive.to_numpy()
    weights = [_fitted(x_train[:, used], truth) for used in heard_by]
    for name, (table, heard) in parts.items():
        for at, used in enumerate(heard_by):
            scores, is_positive = heard[:, used] @ weights[at], table.is_positive.to_numpy()
            values[name][at] = metrics.auroc(scores, is_positive)
    for by in ("sites", "nights"):
        folds = folds_of(train, by)
        found, _ = cross_validated(_fold_scores(train, x_train, folds.clips, heard_by), train, folds, OPTIONS)
        values[by] = found[f"cv_{METRIC}"].to_numpy()
    return values


def _fold_scores(train: pd.DataFrame, heard: np.ndarray, clips: pd.DataFrame, heard_by: list) -> pd.DataFrame:
    fold, truth = clips.set_index("clip_id").fold.loc[train.clip_id].to_numpy(), train.is_positive.to_numpy()
    scores = np.empty((len(heard_by), len(train)))
    for name in np.unique(fold):
        inside = fold == name
        for at, used in enumerate(heard_by):
            scores[at, inside] = heard[inside][:, used] @ _fitted(heard[~inside][:, used], truth[~inside])
    return pd.DataFrame({
        CONFIGURATION: np.repeat([f"{at:02d}" for at in range(len(heard_by))], len(train)),
        "fold": np.tile(fold, len(heard_by)), "clip_id": np.tile(train.clip_id, len(heard_by)), "logit": scores.ravel(),
    })  # fmt: skip


def chosen(n_studies: int) -> pd.DataFrame:
    """By way of choosing, over studies: the chosen one's mean test value and truth, and the best truth there was."""
    rng, rows = np.random.default_rng(17), []
    for _ in range(n_studies):
        values = study(rng)
        for way in WAYS:
            at = int(np.argmax(values[way]))
            rows.append((way, values["test"][at], values["truth"][at], values["truth"].max()))
    return pd.DataFrame(rows, columns=["way", "test", "truth", "best"]).groupby("way", sort=False).mean()


def main() -> None:
    """Print the table, for 400 studies."""
    for way, row in chosen(400).iterrows():
        cells = [f"{row[name]:.3f}" for name in ("test", "truth")]
        cells += [f"{row['test'] - row['truth']:+.3f}", f"{row['best'] - row['truth']:.3f}"]
        print("|", " | ".join([str(way), *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
