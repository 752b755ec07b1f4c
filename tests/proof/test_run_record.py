"""Run records: written for runs that end well, badly or not at all, found by name, and compared."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from tests.proof.conftest import MadeStage
from vernal.commands.runs import runs
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.proof.environment import code_version, package_versions
from vernal.proof.run_record import (
    RunRecord,
    differences,
    find_record,
    read_records,
    record_path,
    stale_because,
)

PARAMETERS = {"data_root": "data", "source": {"manifest": None}, "demo": {"seed": 1}, "workers": 2}


def begun(
    data_root: Path,
    run: str,
    stages: tuple[str, ...] = ("made",),
    parameters: dict | None = None,
    minute: int = 0,
) -> RunRecord:
    started = datetime(2026, 1, 2, 3, tzinfo=UTC) + timedelta(minutes=minute)
    record = RunRecord(run, data_root, data_root, stages, parameters or PARAMETERS, "kedro run", started)
    record.begin()
    return record


@pytest.fixture
def data_root(made: MadeStage, tmp_path: Path) -> Path:
    write_table(made.clips, tmp_path / "02_intermediate" / "clips.parquet")
    write_table(made.splits, tmp_path / "03_primary" / "splits.parquet")
    write_table(made.plan, tmp_path / "05_model_input" / "made" / "plan.parquet")
    certificate = {"results": "abc", "verdict": "pass", "checks": [{"check": "coverage", "verdict": "pass"}]}
    folder = tmp_path / "08_reporting" / "made"
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_text(json.dumps(certificate), encoding="utf-8")
    return tmp_path


def test_a_record_holds_data_settings_seeds_code_packages_machine_and_nodes(data_root: Path):
    record = begun(data_root, "r1")
    record.add_node("made.train", 1.5)
    record.end()
    (kept,) = read_records(data_root)
    assert kept["outcome"] == "finished"
    assert kept["data"]["clips"]["rows"] > 0 and len(kept["data"]["clips"]["digest"]) == 32
    assert kept["seeds"] == {"demo.seed": 1}
    assert kept["settings"]["dropout"] == 0.25
    assert kept["points"]["made_002"]["seed"] == 2
    assert kept["environment"]["packages"]["numpy"] == package_versions()["numpy"]
    assert kept["nodes"][0]["node"] == "made.train" and kept["nodes"][0]["duration_s"] == 1.5
    assert (kept["results"], kept["verdict"], kept["checks"]) == ("abc", "pass", {"coverage": "pass"})


def test_a_failed_run_keeps_its_error_and_no_results_of_an_older_run(data_root: Path):
    begun(data_root, "r1").end(InputError("no disk left"), is_whole=False)
    (kept,) = read_records(data_root)
    assert (kept["outcome"], kept["error"]) == ("failed", "InputError: no disk left")
    assert "results" not in kept


def test_a_killed_run_leaves_a_record_that_says_so(data_root: Path):
    begun(data_root, "r1")
    assert read_records(data_root)[0]["outcome"] == "running"


def test_a_run_without_a_stage_has_a_record_of_its_own(data_root: Path):
    begun(data_root, "r1", ()).end()
    (kept,) = read_records(data_root)
    assert kept["stage"] == ""
    assert record_path(data_root, "", "r1").parent == data_root / "08_reporting" / "runs"


def test_records_are_found_by_run_beginning_stage_and_steps_back(data_root: Path):
    for at, name in enumerate(("2026-a", "2026-b", "2027-c")):
        begun(data_root, name, minute=at)
    records = read_records(data_root, "made")
    assert find_record(records, "made")["run"] == "2027-c"
    assert find_record(records, "made~2")["run"] == "2026-a"
    assert find_record(records, "2027")["run"] == "2027-c"
    assert find_record(records, "made/2026-b")["run"] == "2026-b"
    for name, words in (
        ("2026", "means 2 runs"),
        ("none", "means no run"),
        ("made~7", "one before the first"),
    ):
        with pytest.raises(InputError, match=words):
            find_record(records, name)


def test_a_damaged_record_is_named(data_root: Path):
    begun(data_root, "r1")
    record_path(data_root, "made", "r1").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"r1.json cannot be read as a run record"):
        read_records(data_root)


@pytest.fixture
def two_runs(data_root: Path, made: MadeStage) -> Path:
    begun(data_root, "r1").end()
    changed = made.clips.assign(label=made.clips.label.mask(made.clips.index == 0, "other"))
    write_table(changed, data_root / "02_intermediate" / "clips.parquet")
    write_table(made.plan.assign(dropout=0.5), data_root / "05_model_input" / "made" / "plan.parquet")
    begun(
        data_root,
        "r2",
        parameters={**PARAMETERS, "target": "rooster", "data_root": "/elsewhere", "workers": 9},
        minute=1,
    ).end()
    return data_root


def test_the_differences_say_data_or_settings_or_code_or_environment(two_runs: Path):
    a, b = read_records(two_runs)
    b["environment"]["packages"]["numpy"] = "0.1"
    found = differences(a, b)
    assert [name for name, *_ in found["data"]] == ["data.clips.digest"]
    assert [(name, old, new) for name, old, new in found["settings"]] == [
        ("parameters.target", None, "rooster"),
        ("settings.dropout", 0.25, 0.5),
    ]
    assert found["code"] == []
    assert [name for name, *_ in found["environment"]] == ["environment.packages.numpy"]
    assert found["results"] == []


def test_the_commands_list_show_and_compare(two_runs: Path):
    params = f"--params=data_root={two_runs}"
    listed = CliRunner().invoke(runs, ["list", params])
    assert listed.exit_code == 0
    assert [line.split()[:3] for line in listed.output.splitlines()[1:]] == [
        ["r1", "made", "finished"],
        ["r2", "made", "finished"],
    ]
    shown = CliRunner().invoke(runs, ["show", "made~1", params])
    assert (
        "r1  made: finished" in shown.output and "demo.seed  1" in shown.output and "pandas" in shown.output
    )
    compared = CliRunner().invoke(runs, ["diff", "made~1", "made", params])
    assert "data: 1 different" in compared.output
    assert "settings.dropout" in compared.output
    assert "code: the same" in compared.output
    assert "Traceback" not in CliRunner().invoke(runs, ["show", "nothing", params]).output


def test_a_folder_without_runs_says_so(tmp_path: Path):
    assert "No run is recorded" in CliRunner().invoke(runs, ["list", f"--params=data_root={tmp_path}"]).output


def test_the_code_version_knows_commit_and_changes(tmp_path: Path):
    assert code_version(tmp_path)["commit"] is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "f").write_text("1")
    for words in (["init", "-q"], ["add", "f"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    clean = code_version(tmp_path)
    assert len(clean["commit"]) == 40 and clean["is_dirty"] is False
    (tmp_path / "f").write_text("2")
    assert code_version(tmp_path)["is_dirty"] is True


def test_a_manifest_is_known_by_its_bytes(data_root: Path):
    manifest = data_root / "m.csv"
    pd.DataFrame({"file_path": ["a"]}).to_csv(manifest, index=False)
    begun(data_root, "r1", parameters={"source": {"manifest": str(manifest)}}).end()
    assert len(read_records(data_root)[0]["data"]["manifest"]["sha256"]) == 64


def test_results_of_other_data_or_an_older_version_are_stale(
    data_root: Path, made: MadeStage, monkeypatch: pytest.MonkeyPatch
):
    assert stale_because(data_root, "made") == []
    begun(data_root, "r1").end()
    assert stale_because(data_root, "made") == []
    write_table(made.splits.iloc[1:], data_root / "03_primary" / "splits.parquet")
    write_table(made.subsets["hardNeg/x"], data_root / "03_primary" / "curated" / "hardNeg" / "x.parquet")
    assert stale_because(data_root, "made") == ["splits changed", "hardNeg/x is new"]
    begun(data_root, "r2", minute=1).end()
    assert stale_because(data_root, "made") == []
    monkeypatch.setattr("vernal.proof.run_record.__version__", "99")
    assert "this is 99" in stale_because(data_root, "made")[0]


def test_a_run_that_broke_off_makes_nothing_fresh(data_root: Path, made: MadeStage):
    begun(data_root, "r1").end()
    write_table(made.splits.iloc[1:], data_root / "03_primary" / "splits.parquet")
    begun(data_root, "r2", minute=1).end(ValueError("x"), is_whole=False)
    assert stale_because(data_root, "made") == ["splits changed"]
