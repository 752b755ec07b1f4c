"""What a stage trains: heads and references, kept by what they depend on; and a small real collection is learnt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.proof.conftest import AUDIO, embedded, labelled_clips
from tools import boobook
from vernal.pipelines.evaluation.nodes import score_points
from vernal.pipelines.training.nodes import train_points
from vernal.sweeps.plans import resolve_points
from vernal.sweeps.spec import Spec
from vernal.training import fitting, scoring
from vernal.training.fitting import TrainingOptions
from vernal.training.head_library import HeadLibrary
from vernal.training.sets import FOLD_SET_COLUMNS, draw_training_sets

NO_FOLDS = pd.DataFrame(columns=list(FOLD_SET_COLUMNS))


@pytest.mark.slow
def test_a_plain_run_learns_the_boobook_with_each_of_three_seeds(
    project: Path, shared_data: Path, tmp_path: Path
) -> None:
    recordings = shared_data / "boobook"
    if not recordings.is_dir():
        pytest.skip("the boobook's recordings are not beside this checkout")
    copy = tmp_path / "project"
    unwanted = shutil.ignore_patterns(".git", ".venv*", "data", "site", "__pycache__", ".*_cache")
    shutil.copytree(project, copy, ignore=unwanted)
    spec = copy / "conf" / "sweeps" / "baseline.yml"
    plain = spec.read_text(encoding="utf-8")
    assert "seed: [123]" in plain
    spec.write_text(plain.replace("seed: [123]", "seed: [123, 456, 789]"), encoding="utf-8")
    manifest = boobook.write_manifest(recordings, tmp_path / "boobook.csv")
    params = (
        f"source.manifest={manifest},source.audio_root={recordings},target={boobook.TARGET},"
        f"quality_splitting.test_ood_sites={boobook.HELD_OUT},data_root={tmp_path / 'out'}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run", f"--params={params}"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(tmp_path / "out" / "08_reporting" / "baseline" / "points.csv").set_index("seed")
    assert points.index.tolist() == [123, 456, 789]
    assert (points.test_ood_n_positive == 17).all() and (points.test_ood_n_negative == 41).all()
    assert (points.test_ood_auroc >= 0.90).all(), points.test_ood_auroc
    assert (points.test_ood_average_precision >= 0.85).all(), points.test_ood_average_precision


def test_the_references_of_a_stage_are_solved_once_and_shared_by_points_that_train_on_the_same_clips(
    tmp_path: Path,
) -> None:
    splits = labelled_clips()
    store, library = embedded(splits, tmp_path / "store"), HeadLibrary(tmp_path / "heads")
    axes = {"seed": (1, 2), "hidden_units": (0, 4)}
    plan = resolve_points(Spec("made", axes, {"epochs": 1}), {}, None).assign(is_selected=True)
    sets, _, undrawn = draw_training_sets(plan, splits, {})
    fits = fitting.list_fits(plan, sets, splits, AUDIO)
    assert len({fit.key for fit in fits}) == 4 and len({fit.reference_key for fit in fits}) == 2
    node = partial(train_points, plan, sets, NO_FOLDS, splits, store, library, AUDIO, TrainingOptions(), 1)
    for results in node():
        library.add(results)
    assert library.keys() == {key for fit in fits for key in (fit.key, fit.reference_key)}
    # What the library has is neither trained nor solved again.
    assert list(node()) == [[]]
    scored = score_points(
        plan, sets, undrawn, splits, splits, store, library, AUDIO, TrainingOptions(), "RADR"
    )
    scores, _, failures, references = scored
    assert failures.empty and set(references.fit_hash) == set(plan.fit_hash)
    assert len(references) == len(scores)
    for _, points in plan.groupby("seed"):
        first, second = (references[references.fit_hash == fit].logit.to_numpy() for fit in points.fit_hash)
        assert (first == second).all()
    evaluated = splits[splits.split != "train"]
    for fit in fits:
        logits = scoring.clip_logits([library.load(fit.reference_key).head], evaluated, AUDIO, store)[0]
        assert (references[references.fit_hash == fit.fit_hash].logit.to_numpy() == logits).all()
