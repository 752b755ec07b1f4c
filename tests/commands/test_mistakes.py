"""A person's mistakes in every command: one message, no traceback, and an exit that scripts notice."""

import click
import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from kedro_viz.launchers.cli.main import viz_cli

from vernal.cli import cli
from vernal.commands.run_mistakes import check_run, parameter_words
from vernal.docs_pages.reference import project_commands
from vernal.problems import InputError


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    bootstrap_project(project)
    return project


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"pipelines": ["stage55"]}, r"There is no pipeline 'stage55'; did you mean 'stage5'\?"),
        ({"params": {"data_rot": "x"}}, r"There is no parameter 'data_rot'; did you mean 'data_root'\?"),
        ({"env": "tests"}, r"There is no environment 'tests' in .*conf; did you mean 'test'\?"),
        ({"runner": "Nosuch"}, "There is no runner 'Nosuch'"),
        ({"tags": ["nosuch"], "pipelines": ["ingest"]}, "ingest: .*no nodes.*kedro registry describe ingest"),
        ({"node_names": ["nosuch"]}, r"does not contain nodes named \['nosuch'\]"),
        ({"namespaces": ["nosuch"]}, r"namespaces: \['nosuch'\]"),
        ({"to_outputs": ["nosuch"]}, r"does not contain datasets named \['nosuch'\]"),
    ],
)
def test_what_kedro_run_cannot_find_is_told(here, mistake, said):
    with pytest.raises(InputError, match=said):
        check_run(mistake)


def test_what_is_there_is_accepted(here):
    check_run(
        {"pipelines": ["stage5"], "env": "test", "params": {"data_root": "x", "source": {"field": "y"}}}
        | {"namespaces": ["mining"], "runner": "SequentialRunner"}
    )


def test_wrong_parameters_are_told_in_our_words(here, tmp_path):
    wrong = "--params=features.splits.folds_by=sites,features.audio.hop=0"
    result = CliRunner().invoke(cli, ["run", "--pipeline=features", wrong])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "features.splits: features.splits.folds_by is 'sites'; give site or group" in result.output
    assert "hop is 0: give a whole number, 32 or more" in result.output
    assert "FoldOptions" not in result.output and "Traceback" not in result.output


def test_a_setting_that_does_not_exist_is_told_in_our_words():
    kedros = (
        "Parameter validation failed:\n- Parameter 'a.b': Failed to instantiate Options for parameter 'a.b': "
    )
    kedros += "Options.__init__() got an unexpected keyword argument 'sede'"
    assert parameter_words(kedros) == "Wrong parameters:\n- a.b: there is no setting 'sede'"


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


@pytest.mark.parametrize(
    "path", [path for path, command in project_commands() if not isinstance(command, click.Group)]
)
def test_a_mistake_is_one_message(here, tmp_path, path):
    group = viz_cli if path.startswith("viz") else cli
    result = CliRunner().invoke(group, [*path.split(), *MISTAKES.get(path, ["--no-such-option"])])
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Error: " in result.output and "Traceback" not in result.output
