"""The sweeps over encoders of the page on embedding, each from the recordings to its table.

A project of its own is made for them, since a stage is a file of a project: with this one's settings, the stage, and
BirdNET's own file described as anybody would describe theirs.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import boobook
from tools.docs_site.results import write_encoders
from vernal.audio.birdnet.licence import MODEL_LICENCE
from vernal.audio.birdnet.model import N_DIMS, model_path
from vernal.common.files import write_text
from vernal.common.problems import InputError

STAGE = {
    "stage": "encoders",
    "description": "Is another encoder better here?",
    "axes": {
        "seed": [123, 456, 789],
        "encoder": ["birdnet_v2.4", "birdnet_file", "logmel", "speech_embedding"],
    },
}
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Recordings:
    """A data set: what is looked for, the sites to test on, and the rows of its manifest, of its folder."""

    target: str
    test_sites: tuple[str, ...]
    rows: Callable[[Path], Rows]


def _esc10(folder: Path) -> Rows:
    """The folds as sites, and excerpts of one recording as one group."""
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {
                "file_path": row["filename"],
                "label": row["category"],
                "site": f"fold {row['fold']}",
                "group": row["source_id"],
            }


def _boobook(folder: Path) -> Rows:
    """One recorder a site; date and time stand in the names."""
    with tempfile.TemporaryDirectory() as scratch:
        manifest = boobook.write_manifest(folder, Path(scratch) / "manifest.csv")
        with manifest.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                day, time = row["file_path"].split("_")[-4:-2]
                yield row | {
                    "date": f"{day[:4]}-{day[4:6]}-{day[6:]}",
                    "time": f"{time[:2]}:{time[2:4]}:{time[4:]}",
                    "recorder_id": row["site"],
                }


SETS = {
    "boobook": Recordings("boobook", ("dalby cotton", "miles cotton", "st george cotton"), _boobook),
    "esc10": Recordings("rooster", ("fold 3",), _esc10),
}


def compare_encoders(project: Path, name: str, recordings: Path, data_root: Path, folder: Path) -> None:
    """Run the sweep over encoders on a data set, and copy what it found (see `write_encoders`).

    Args:
        project: this one, whose settings are taken.
        name: of the set, one of `SETS`.
        recordings: the set's folder.
        data_root: where the run's data go; what stands there is not done again.
        folder: of the tables.
    Raises:
        InputError: the run failed; it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-encoders-") as scratch:
        made = make_project(project, Path(scratch), name, recordings, data_root)
        paths = os.pathsep.join(filter(None, [str(project / "src"), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "kedro", "run", f"--pipeline={STAGE['stage']}"]
        done = subprocess.run(command, cwd=made, env=os.environ | {"PYTHONPATH": paths})
    if done.returncode:
        raise InputError(f"The sweep over encoders on {name} failed, see above; no table was written.")
    write_encoders(data_root, name, folder)


def make_project(project: Path, made: Path, name: str, recordings: Path, data_root: Path) -> Path:
    """A project with the stage, the manifest of a set, and settings that name them."""
    (made / "src").mkdir()
    for file in ("pyproject.toml", ".telemetry"):  # the second keeps Kedro from sending what was done
        shutil.copyfile(project / file, made / file)
    shutil.copytree(project / "conf", made / "conf", ignore=shutil.ignore_patterns("local"))
    of = SETS[name]
    rows = list(of.rows(recordings))
    with (made / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    birdnet = {
        "file": str(model_path()),
        "sample_rate_hz": 48_000,
        "window_s": 3.0,
        "n_dims": N_DIMS,
        "output": "model/GLOBAL_AVG_POOL/Mean",
        "licence": MODEL_LICENCE,
    }
    settings = {
        "data_root": str(data_root.absolute()),
        "target": of.target,
        "source": {"manifest": str(made / "manifest.csv"), "audio_root": str(recordings.absolute())},
        "quality_splitting": {"test_ood_sites": list(of.test_sites)},
        "encoders": {"birdnet_file": birdnet},
    }
    (made / "conf" / "local").mkdir()
    write_text(made / "conf" / "local" / "parameters.yml", yaml.safe_dump(settings))
    write_text(made / "conf" / "sweeps" / f"{STAGE['stage']}.yml", yaml.safe_dump(STAGE, sort_keys=False))
    return made
