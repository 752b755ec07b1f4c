"""What it costs to take unknown for absent: a second caller of the demo season that not every annotator listened for.

The season's recordings hold chorus frogs beside the red-legged frog, often both in a clip, and what is in each is known. Of
the training nights some were labelled by somebody who wrote down both, the others by somebody who listened for the
red-legged frog alone. A head is trained on the clips that say whether chorus frogs are there (open world), one on all
clips with silence taken for absence (closed world), and one on the truth; all are tested on the truth at other sites.
`python -m tests.simulated_labels` prints the table of docs/simulated.md; it writes nothing but its recordings, in a
temporary folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.clips.labels import WORLDS, LabelOptions, states
from vernal.clips.synthesis import mixing
from vernal.clips.synthesis.options import SeasonOptions
from vernal.clips.synthesis.season import plan_season
from vernal.common.files import sha256_of_file
from vernal.common.hashing import rng_for
from vernal.evaluation import metrics
from vernal.evaluation.operating_points import Goal, choose
from vernal.sweeps.point_settings import PointSettings
from vernal.training.rules import MOST_EPOCHS, HeadOptions
from vernal.training.train import FitJob, fit_heads, until_converged

FROG, CHORUS = "RADR", "PSCR"
TEST_SITES = ("Sylvan Pond", "Wheatley")
N_DRAWS = 10
SHARES = (0.25, 0.5)
TRUTH, MEASURES = "truth", ("auroc", "average_precision", "f1")
# More callers and fainter ones, as many beside the red-legged frog as without it.
SEASON = SeasonOptions(confuser_scale=2.0, positive_confuser_scale=2.0, confuser_snr_db=2.0)


def season(options: SeasonOptions = SEASON) -> pd.DataFrame:
    """The season's labelled clips with what is in them: `label` names every caller, and those that are absent."""
    clips = plan_season(options).clips
    has_chorus = [
        "chorus_frogs" in {kind for kind, *_ in mixing._drawn_confusers(mixing._scene(row, options))}
        for row in clips.to_dict("records")
    ]
    return clips.assign(
        is_frog=clips.label == "positive",
        is_chorus=has_chorus,
        night=clips.recorder_id + " " + clips.date,
        is_test=clips.site.isin(TEST_SITES),
    )


def embedded(clips: pd.DataFrame, folder: Path, options: SeasonOptions = SEASON) -> np.ndarray:
    """(n_clips, 1024) embeddings of the season's recordings, in the order of the table."""
    paths = [mixing.write_wav(row, options, folder) for row in clips.to_dict("records")]
    table = clips[["source", "file_path"]].assign(
        clip_id=[f"{at:05d}" for at in range(len(clips))],
        content_hash=[sha256_of_file(path) for path in paths],
        duration_s=clips.duration_s,
        sample_rate_hz=mixing.SAMPLE_RATE_HZ,
        start_s=np.nan,
        end_s=np.nan,
    )
    windows = plan_windows(table, EmbeddingOptions())
    parts = list(embed_windows(windows, {"labelled": str(folder)}, EmbeddingOptions()))
    vectors = {key: row for part in parts for key, row in zip(part.keys, part.vectors, strict=True)}
    return np.stack([vectors[key] for key in windows.key])


def labels_of(clips: pd.DataFrame, share: float, draw: int) -> pd.Series:
    """Labels as annotators wrote them: chorus frogs are named, or said to be absent, in a share of the nights."""
    nights = sorted(clips.night[~clips.is_test].unique())
    rng = rng_for(draw, "who listened", str(share))
    listened = set(rng.permutation(nights)[: max(2, round(share * len(nights)))])
    frog = np.where(clips.is_frog, FROG, f"not {FROG}")
    chorus = np.where(clips.is_chorus, f";{CHORUS}", f";not {CHORUS}")
    said = clips.night.isin(listened) | clips.is_test
    return pd.Series(np.char.add(frog.astype(str), np.where(said, chorus, "").astype(str)), index=clips.index)


def job(key: str, clips: pd.DataFrame, y: pd.Series) -> FitJob:
    """A head of the baseline's settings on the training clips that `y` is known of; a fifth of them end training."""
    settings = PointSettings(use_validation=False)
    options = HeadOptions.of(replace(settings, epochs=MOST_EPOCHS))
    rows = np.flatnonzero((~clips.is_test & y.notna()).to_numpy())
    rows = rng_for(0, "stop", key).permutation(rows)
    n_stop = len(rows) // 5
    own = y.to_numpy(dtype=np.float32)
    train, stop = np.sort(rows[n_stop:]), np.sort(rows[:n_stop])
    return until_converged(FitJob(key, settings.seed, options, train, own[train], stop, own[stop]))


def jobs(clips: pd.DataFrame) -> Iterator[FitJob]:
    """A head for chorus frogs of every share, draw and treatment."""
    truth = clips.is_chorus.astype(float)
    for share in SHARES:
        for draw in range(N_DRAWS):
            labels = labels_of(clips, share, draw)
            for world in WORLDS:
                y = states(labels, CHORUS, LabelOptions("multi", world, [FROG, CHORUS]))
                yield job(f"{share} {draw} {world}", clips, y)
    for draw in range(N_DRAWS):
        yield job(f"1.0 {draw} {TRUTH}", clips, truth)


def results(clips: pd.DataFrame, x: np.ndarray) -> pd.DataFrame:
    """Measures at the other sites: one row a share, draw and treatment.

    The threshold of F1 is the best one on the clips that ended training, as those who labelled them would choose it.
    """
    at = np.flatnonzero(clips.is_test)
    truth = clips.is_chorus.to_numpy()[at]
    listed = {one.key: one for one in jobs(clips)}
    rows = []
    for fitted in fit_heads(x, list(listed.values())):
        own = listed[fitted.key]
        chosen = choose(fitted.head.logits(x[own.val_rows])[:, 0], own.val_y > 0.5, Goal(), "val")
        scores = fitted.head.logits(x[at])[:, 0]
        share, draw, treatment = fitted.key.split()
        found = metrics.measured(scores, truth, chosen.logit)
        rows.append((float(share), int(draw), treatment, *(found[name] for name in MEASURES)))
    return pd.DataFrame(rows, columns=["listened", "draw", "treatment", *MEASURES])


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Means over draws, and by how much the open world beats the closed one, with a 95 % interval over draws."""
    from scipy import stats

    known, rows = found[found.treatment == TRUTH], []
    for share, part in found[found.treatment != TRUTH].groupby("listened", sort=True):
        for metric in MEASURES:
            wide = part.pivot(index="draw", columns="treatment", values=metric)
            gain = wide.open - wide.closed
            reach = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
            ends = {"gain": gain.mean(), "low": gain.mean() - reach, "high": gain.mean() + reach}
            row = {"listened": share, "metric": metric, **wide.mean(), TRUTH: known[metric].mean(), **ends}
            rows.append(row | {"wins": f"{(gain > 0).sum()} of {len(gain)}"})
    return pd.DataFrame(rows).round(3)


def main() -> None:
    clips = season()
    both = int((clips.is_frog & clips.is_chorus).sum())
    print(
        f"{len(clips)} clips: {clips.is_frog.sum()} with {FROG}, {clips.is_chorus.sum()} with {CHORUS}, {both} with both; "
        f"{(~clips.is_test).sum()} train, {clips.is_test.sum()} test"
    )
    with tempfile.TemporaryDirectory() as folder:
        x = embedded(clips, Path(folder))
    print(summary(results(clips, x)).to_string(index=False))


if __name__ == "__main__":
    main()
