"""Numbers of the pages: results copied into `docs/results` by a command, shown from there, never typed.

After a new run: `python -m tools.docs_site demo DATA_ROOT`, or `features DATA_ROOT esc10`; after a change of the
checks: `python -m tools.docs_site published EXPERIMENTS.csv LEADERBOARDS`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import write_bytes, write_text
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.common.table_files import read_table, write_table

STAGE = "stage5"
FIGURES = ("leaderboard", "effects", "nights")
# What a demo run's numbers depend on; its digest stands beside them.
_SETTINGS = ("demo", "ingest", "quality_splitting", "embedding", "mining", "curation", "stages")
_SHOWN_LINES = 5
_HELD_OUT, _MEASURE = "test_ood", "average_precision"


def demo_digest(project: Path) -> str:
    """A hash of the shipped settings that the demo season's stage 5 depends on."""
    files = [project / "conf" / "base" / name / "parameters.yml" for name in _SETTINGS]
    files.append(project / "conf" / "sweeps" / f"{STAGE}.yml")
    return digest(*(read_yaml(file) for file in files if file.is_file()))


def write_demo(project: Path, data_root: Path, folder: Path) -> None:
    """Copy what the pages show of a finished stage 5 on the demo season.

    Raises:
        InputError: the run is not there, or is not of the demo season.
    """
    from vernal.clips.demo_season import is_demo_data

    reporting = data_root / "08_reporting" / STAGE
    if not (reporting / "certificate.json").is_file() or not is_demo_data(data_root):
        raise InputError(f"{data_root} has no finished {STAGE} of the demo season; run it there first.")
    certificate = json.loads((reporting / "certificate.json").read_text(encoding="utf-8"))
    board = read_table(reporting / "leaderboard.csv")
    effects = read_table(reporting / "effects.csv")
    subsets = {
        path.relative_to(data_root / "03_primary" / "curated").with_suffix("").as_posix(): len(
            read_table(path)
        )
        for path in sorted((data_root / "03_primary" / "curated").rglob("*.parquet"))
    }
    record = {
        "settings": demo_digest(project),
        "verdict": certificate["verdict"],
        "checks": len(certificate["checks"]),
        "points": int(board.n_points.sum()),
        "configurations": len(board),
        "rejects": len(read_table(data_root / "02_intermediate" / "rejects.csv")),
        "subsets": subsets,
        "splits": _plain(_splits(data_root)),
        "leaderboard": _plain(board.head(_SHOWN_LINES)),
        "last": _plain(board.tail(1)),
        "effects": _plain(
            effects[(effects.split == "test_ood") & (effects.metric == "f1") & effects.within.isna()]
        ),
        "verdicts": {str(name): int(n) for name, n in effects.verdict.value_counts().items()},
    }
    write_text(folder / "demo_season.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    for name in FIGURES:
        write_bytes(folder / f"demo_{name}.svg", (reporting / "plots" / f"{name}.svg").read_bytes())


def read_demo(project: Path) -> dict[str, Any]:
    """The demo season's results as the pages show them.

    Raises:
        InputError: they are of other settings than those that ship.
    """
    file = project / "docs" / "results" / "demo_season.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    if record["settings"] != demo_digest(project):
        raise InputError(
            f"{file} is of other settings than those in conf/base and conf/sweeps/{STAGE}.yml. Run kedro run "
            f"--pipeline={STAGE}, then python -m tools.docs_site demo data."
        )
    return record


def write_features(data_root: Path, name: str, folder: Path) -> None:
    """Copy the leaderboard of a finished features study.

    Args:
        name: of the recordings, `esc10` or `companion`.
    Raises:
        InputError: the run is not there.
    """
    board = data_root / "08_reporting" / "features" / "leaderboard.csv"
    if not board.is_file():
        raise InputError(f"{data_root} has no finished features study; run it there first.")
    write_bytes(folder / f"features_{name}.csv", board.read_bytes())


def read_features(project: Path, name: str) -> pd.DataFrame:
    """A features study's leaderboard as the page shows it.

    Raises:
        InputError: it is of other configurations than those that ship.
    """
    from vernal.studies.features.study import StudyOptions, expand_study

    file = project / "docs" / "results" / f"features_{name}.csv"
    board = pd.read_csv(
        file, dtype={"sync": "str", "variant": "str"}, keep_default_na=False, na_values={"rank": [""]}
    )
    settings = read_yaml(project / "conf" / "base" / "features" / "parameters.yml")["features"]["study"]
    if set(board.configuration_hash) != set(expand_study(StudyOptions(**settings)).configuration):
        raise InputError(
            f"{file} is of other configurations than features.study in conf/base. Run kedro run --pipeline=features, "
            f"then python -m tools.docs_site features DATA_ROOT {name}."
        )
    return board


def write_encoders(data_root: Path, name: str, folder: Path) -> None:
    """Copy what a finished sweep over encoders found in the test that was held out: each against the first, and alone.

    Args:
        data_root: with a stage `encoders`, whose one axis beside the seed is `encoder`.
        name: of the recordings, `esc10` or `boobook`.
    Raises:
        InputError: the run is not there.
    """
    reporting = data_root / "08_reporting" / "encoders"
    if not (reporting / "effects.csv").is_file():
        raise InputError(f"{data_root} has no finished stage `encoders`; run it there first.")
    board, effects = (read_table(reporting / f"{file}.csv") for file in ("leaderboard", "effects"))
    effects = effects[(effects.split == _HELD_OUT) & (effects.metric == _MEASURE) & effects.within.isna()]
    mean = board[["encoder", f"{_HELD_OUT}_{_MEASURE}_mean"]].set_axis(["encoder", _MEASURE], axis=1)
    changes = effects[["level_b", "n_pairs", "effect", "low", "high", "verdict"]]
    found = mean.merge(changes, left_on="encoder", right_on="level_b", how="left").drop(columns="level_b")
    found = found.sort_values("effect", ascending=False, na_position="first", kind="stable")
    write_table(found, folder / f"encoders_{name}.csv")


def write_published(experiments: Path, leaderboards: Path, folder: Path) -> None:
    """Recompute a study's leaderboards and audit its table of runs."""
    from vernal.pipelines.published.nodes import compare_published
    from vernal.studies.audit import AuditOptions, audit
    from vernal.studies.published.experiments import read_experiments
    from vernal.studies.published.leaderboards import PublishedOptions

    paths = PublishedOptions(experiments=experiments.as_posix(), leaderboards=leaderboards.as_posix())
    _, _, summary, _ = compare_published(paths)
    runs = read_experiments(experiments)
    sizes = runs.configurations.groupby([runs.families, runs.configurations]).size()
    found = audit(AuditOptions(experiments=experiments.as_posix()), "RADR").findings
    findings = pd.DataFrame(
        [
            {"check": one.check, "severity": one.severity, "rows": len(one.rows), "message": one.message}
            for one in found
        ]
    )
    counts = {
        "configurations": len(sizes),
        "single_runs": int((sizes == 1).sum()),
        "runs": len(runs),
    }
    write_table(summary, folder / "published_tables.csv")
    write_table(findings, folder / "published_findings.csv")
    write_text(folder / "published_counts.json", json.dumps(counts, indent=1) + "\n")


def _splits(data_root: Path) -> pd.DataFrame:
    counts = read_table(data_root / "03_primary" / "split_counts.csv")
    return counts.loc[counts.by == "all", ["split", "n_positive", "n_negative", "n_blocks"]]


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them, numbers in full."""
    return json.loads(table.to_json(orient="records", double_precision=12))
