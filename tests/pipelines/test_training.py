"""A small collection of real recordings is learnt by what `kedro run` trains."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import boobook


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
