"""A person's mistakes in every command: one message, no traceback, and an exit that scripts notice."""

import shutil

import click
import pytest
from click.testing import CliRunner
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro_viz.launchers.cli.main import viz_cli

from tools.docs_site.reference import project_commands
from vernal.cli import cli
from vernal.commands.run_mistakes import check_run
from vernal.common.problems import InputError


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    bootstrap_project(project)
    return project


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"pipelines": ["stage55"]}, r"There is no pipeline 'stage55'; did you mean 'stage5'\?"),
        ({"params": {"data_rot": "x"}}, r"data_rot in --params \(did you mean 'data_root'\?\)"),
        ({"params": {"features": {"audoi": {}}}}, r"features\.audoi in --params \(did you mean 'audio'\?\)"),
        ({"params": {"source": {"manfest": "x"}}}, r"source\.manfest \(did you mean 'manifest'\?\)"),
        ({"params": {"tracking": {"enable": True}}}, r"tracking\.enable \(did you mean 'enabled'\?\)"),
        ({"params": {"miner": {"epoch": 5}}}, r"miner\.epoch \(did you mean 'epochs'\?\)"),
        ({"params": {"miner": {"epochs": -3}}}, r"miner\.epochs is -3; give a whole number from 0 to 10000"),
        ({"params": {"curation": {"package_settings": {"qality": []}}}}, "did you mean 'quality'"),
        (
            {"params": {"ingest": {"max_rejected_share": "abc"}}},
            "ingest.max_rejected_share is 'abc'; give a share",
        ),
        (
            {"params": {"ingest": {"max_rejected_share": 3}}},
            "max_rejected_share is 3; give a share from 0 to 1",
        ),
        ({"params": {"training": {"overfit_check": 3}}}, "training.overfit_check is 3; give true or false"),
        ({"params": {"evaluation": {"n_draws": None}}}, "n_draws is None; give a whole number, 100 or more"),
        ({"params": {"source": "x.csv"}}, "source is 'x.csv'; give settings as name: value"),
        ({"params": {"workers": 0}}, "workers is 0; give a whole number, 1 or more"),
        ({"params": {"data_root": None}}, "data_root is empty"),
        ({"params": {"mining": [3]}}, r"list in the place of settings \(1\): mining in --params"),
        (
            {"params": {"mining": {"hard_negatives": []}}},
            r"settings \(1\): mining\.hard_negatives in --params",
        ),
        (
            {"params": {"source": {"folder": "${x}"}}},
            r"source\.folder: Interpolation key 'x' not found\. Correct",
        ),
        ({"env": "tests"}, r"There is no environment 'tests' in .*conf; did you mean 'test'\?"),
        ({"runner": "Nosuch"}, "There is no runner 'Nosuch'"),
        ({"is_async": True}, "cannot be run with --async"),
        ({"runner_params": {"is_async": True}}, "cannot be run with --async"),
        ({"tags": ["nosuch"], "pipelines": ["ingest"]}, "ingest: .*no nodes.*kedro registry describe ingest"),
        ({"node_names": ["nosuch"]}, r"does not contain nodes named \['nosuch'\]"),
        ({"namespaces": ["nosuch"]}, r"namespaces: \['nosuch'\]"),
        ({"to_outputs": ["nosuch"]}, r"does not contain datasets named \['nosuch'\]"),
    ],
)
def test_what_kedro_run_cannot_find_is_told(here, mistake, said):
    with pytest.raises(InputError, match=said):
        check_run(mistake)


@pytest.mark.parametrize(
    "command", [["sweep", "list"], ["store", "info"], ["export", "stage5", "1", "--out=x"]]
)
def test_project_commands_refuse_parameters_that_there_are_not(here, command):
    result = CliRunner().invoke(cli, [*command, "--params=data_rot=x"])
    assert result.exit_code == 2
    assert "data_rot in --params (did you mean 'data_root'?)" in result.output


def test_all_misspelt_parameters_are_told_at_once_with_the_file_they_are_in(here, tmp_path):
    shutil.copytree(here / "conf", tmp_path / "conf")
    (tmp_path / "conf/local/parameters.yml").write_text("dta_root: x\nsource: {feild: y}\n", encoding="utf-8")
    options = {"conf_source": str(tmp_path / "conf")}
    with pytest.raises(
        InputError, match=r"dta_root in conf/local/parameters\.yml \(did you mean 'data_root'"
    ):
        check_run(options)
    (tmp_path / "conf/local/parameters.yml").write_text("source: {feild: y}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no source\.feild .*\nThere is no ingest\.silense_db"):
        check_run(options | {"params": {"ingest": {"silense_db": -50}}})


def test_a_setting_that_moved_is_told_with_its_new_name(here):
    with pytest.raises(InputError, match=r"night_starts_hour in --params is nights\.start_hour"):
        check_run({"params": {"detection": {"night_starts_hour": 12}}})


def test_every_shipped_parameter_is_accepted(here):
    # What gets recordings ready for a loop of listening writes what other pipelines write, and runs alone.
    check_run({"pipelines": [name for name in pipelines if name != "listening"]})
    check_run({"pipelines": ["listening"]})


def test_what_is_there_is_accepted(here):
    check_run(
        {"pipelines": ["stage5"], "env": "test", "params": {"data_root": "x", "source": {"field": "y"}}}
        | {"namespaces": ["mining"], "runner": "SequentialRunner"}
    )


def test_wrong_parameters_are_told_in_our_words(here, tmp_path):
    pytest.importorskip("vernal.studies.features")
    wrong = "--params=features.splits.folds_by=sites,features.audio.hop=0"
    result = CliRunner().invoke(cli, ["run", "--pipeline=features", wrong])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "Error: features.splits.folds_by is 'sites'; did you mean 'site'?" in result.output
    assert "features.audio.hop is 0; give a whole number, 32 or more" in result.output
    assert "FoldOptions" not in result.output and "Traceback" not in result.output


MISTAKES = {
    "sweep list": ["--params=data_root"],
    "sweep show": ["nosuch"],
    "sweep expand": ["nosuch"],
    "sweep diff": ["stage5_001", "stage5_999"],
    "store info": ["--params=data_root=/no/such/folder"],
    "store verify": ["--params=data_root=/no/such/folder"],
    "store prune": ["--params=data_root=/no/such/folder"],
    "runs list": ["--params=x"],
    "runs show": ["nosuch", "--params=data_root=/no/such/folder"],
    "runs diff": ["a", "b", "--params=data_root=/no/such/folder"],
    "export": ["nosuch", "1", "--out=x", "--params=data_root=/no/such/folder"],
    "bench embed": ["--folder=/no/such/folder"],
    "bench train": ["--clips=none"],
    "bench sweep": ["--scale=7"],
    "review": ["nosuch", "--no-browser", "--params=data_root=/no/such/folder"],
    "run": ["--pipeline=stage55"],
    "viz run": ["--params=x"],
    "viz build": ["--params=x"],
}


def test_a_broken_manifest_is_told_without_kedros_words(here, tmp_path):
    (tmp_path / "m.csv").write_text("file_path\n", encoding="utf-8")
    params = f"--params=source.manifest={tmp_path / 'm.csv'},data_root={tmp_path / 'out'}"
    result = CliRunner().invoke(cli, ["run", "--pipelines=demo,ingest", params])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith(f"Error: The manifest {tmp_path / 'm.csv'} has no rows")


@pytest.mark.parametrize(
    "path", [path for path, command in project_commands() if not isinstance(command, click.Group)]
)
def test_a_mistake_is_one_message(here, tmp_path, path):
    group = viz_cli if path.startswith("viz") else cli
    result = CliRunner().invoke(group, [*path.split(), *MISTAKES.get(path, ["--no-such-option"])])
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Error: " in result.output and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--port=99999"], "99999 is not in the range"),
        (["--env=tests"], "There is no environment 'tests'"),
        (["--params=data_rot=x"], "data_rot in --params (did you mean 'data_root'?)"),
    ],
)
def test_what_kedro_viz_cannot_find_is_told(here, typed, said):
    result = CliRunner().invoke(viz_cli, ["viz", "run", "--no-browser", *typed])
    assert isinstance(result.exception, SystemExit) and said in result.output


def test_one_line_helps_are_whole_sentences():
    for path, command in project_commands():
        # As wide as the list of a group's commands in a terminal of 80 characters.
        assert not command.get_short_help_str(66).endswith("..."), f"kedro {path}"


def test_a_dataset_that_tells_a_mistake_needs_nothing_before_it(here, tmp_path):
    params = f"--params=source.manifest={tmp_path / 'no.csv'},data_root={tmp_path / 'out'}"
    result = CliRunner().invoke(cli, ["run", "--pipeline=ingest", params])
    assert result.exit_code == 1
    assert "Error: The manifest " in result.output and "Failed while loading" not in result.output


def test_what_has_to_be_run_first_is_named(here, tmp_path):
    manifest = f"source.manifest={tmp_path / 'no.csv'},data_root={tmp_path / 'out'}"
    result = CliRunner().invoke(cli, ["run", "--pipeline=quality_splitting", f"--params={manifest}"])
    assert result.exit_code == 1
    assert "That is: kedro run --pipeline=ingest, with the same parameters." in result.output


def test_a_stage_without_a_run_is_told_with_the_folder(here, tmp_path):
    result = CliRunner().invoke(cli, ["runs", "list", "stage5", f"--params=data_root={tmp_path}"])
    assert f"No run of stage5 is recorded in {tmp_path} yet." in result.output
