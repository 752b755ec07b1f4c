"""Several targets beside each of them alone: the same clips, the same splits, what each reaches and what it costs.

A folder of class folders is run with `targets=all`, then once for each class with `target`, on the splits that the
first run dealt. Runs alone share embeddings with the first and nothing else, so each trains its own heads; one of them
also embeds, for the ratio of processor time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from tools.benchmarks.page import write_between
from tools.docs_site.markdown import table
from vernal.commands.benchmarks.usage import watched
from vernal.common.data_folder import DataFolder
from vernal.common.table_files import read_table, write_table
from vernal.common.target_folders import TargetFolders
from vernal.pipeline_registry import BASELINE
from vernal.sweeps.stage_folder import StageFolder

START, END = "<!-- targets beside single runs -->", "<!-- end of targets beside single runs -->"


def bench_targets(folder: Path, say: Callable[[str], Any] = lambda text: None) -> dict[str, Any]:
    """Run all classes of a folder together, and each alone.

    Args:
        folder: a folder of clips for each class.
        say: told what is being done.
    Returns:
        `cpu_s` and `peer_cpu_s` (processor time of the run of all and of one alone, embedding included), their
        `ratio`, and `targets`: a dict a class with `n_positive` and `n_negative` test clips, `auroc` and `peer_auroc`,
        `average_precision` and `peer_average_precision`, and `difference`, the largest of any held-out clip's logit.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-targets-") as scratch:
        together = Path(scratch) / "together"
        say("all targets together ...")
        cpu_s = _run(folder=folder, targets="all", data_root=together)
        of = TargetFolders(together).read()
        manifest = _manifest(next(iter(of.values())), Path(scratch) / "clips.csv")
        found, peer_cpu_s = {}, float("nan")
        for number, (name, theirs) in enumerate(of.items()):
            say(f"{name} alone ...")
            alone = Path(scratch) / f"alone_{number}"
            if number:
                shutil.copytree(DataFolder(together).embeddings, DataFolder(alone).embeddings)
            used = _run(manifest=manifest, audio_root=folder, target=name, data_root=alone)
            peer_cpu_s = peer_cpu_s if number else used
            found[name] = _beside(theirs, alone)
        return {
            "cpu_s": round(cpu_s, 1),
            "peer_cpu_s": round(peer_cpu_s, 1),
            "ratio": round(cpu_s / peer_cpu_s, 2),
            "targets": found,
        }


def _run(**given: Any) -> float:
    """Processor seconds of `kedro run` with some parameters, those of sources by their short names."""
    sources = ("folder", "manifest", "audio_root")
    params = [
        f"source.{name}={value}" if name in sources else f"{name}={value}" for name, value in given.items()
    ]
    with watched() as usage:
        before = usage().cpu_s
        command = [sys.executable, "-m", "kedro", "run", f"--params={','.join(params)}"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise click.ClickException(
                f"{' '.join(command[1:])}:\n{run.stdout[-4_000:]}{run.stderr[-4_000:]}"
            )
        after = usage().cpu_s
    return float("nan") if before is None or after is None else after - before


def _manifest(one: Path, file: Path) -> Path:
    """The clips that were run, with the split that each was dealt."""
    splits = read_table(DataFolder(one).splits)
    write_table(splits[["file_path", "label", "split"]], file)
    return file


def _beside(theirs: Path, alone: Path) -> dict[str, Any]:
    """A target's deployed point in a run of several, and in one of its own."""
    results = [read_table(StageFolder(root, BASELINE).points_table) for root in (theirs, alone)]
    row, peer = (table.iloc[0] for table in results)
    split = next(name for name in ("test_ood", "test_iid", "val") if f"{name}_auroc" in row)
    ours, own = (
        read_table(StageFolder(root, BASELINE).scores).set_index("clip_id") for root in (theirs, alone)
    )
    return {
        "n_positive": int(row[f"{split}_n_positive"]),
        "n_negative": int(row[f"{split}_n_negative"]),
        **{f"{prefix}{metric}": float(one[f"{split}_{metric}"])
           for metric in ("auroc", "average_precision") for prefix, one in (("", row), ("peer_", peer))},
        "difference": float(np.abs(ours.logit - own.logit.reindex(ours.index)).max(skipna=False)),
    }  # fmt: skip


def write_targets(page: Path, results: dict[str, Any]) -> None:
    """Write the table between the page's marks."""
    write_between(page, START, END, _table(results))


def _table(results: dict[str, Any]) -> str:
    columns = ("target", "test clips with and without it", "AUROC together", "alone",
               "average precision together", "alone", "largest difference of a score")  # fmt: skip
    measures = ("auroc", "peer_auroc", "average_precision", "peer_average_precision")
    rows = [
        [name, f"{row['n_positive']} and {row['n_negative']}", *(f"{row[measure]:.3f}" for measure in measures),
         f"{row['difference']:.1g}"]
        for name, row in results["targets"].items()
    ]  # fmt: skip
    said = (
        f"Processor time: {results['cpu_s']:.0f} s for all {len(rows)}, {results['peer_cpu_s']:.0f} s for one alone, "
        f"{results['ratio']:.2f} times."
    )
    return f"{table(columns, rows, columns[1:])}\n\n{said}"
