"""A stage's results come back as one object, with what it was asked and the tables that its run left."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.problem_cards import CARD
from vernal.clips.problem_card import make_problem_card
from vernal.common.table_files import write_table
from vernal.datasets.stage_results_dataset import StageResultsDataset
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import StageQuestion
from vernal.sweeps.spec import parse_spec
from vernal.sweeps.stage_folder import SEAL, StageFolder

SPEC = parse_spec(
    {
        "stage": "s",
        "description": "Which of them?",
        "axes": {"quality": [["high"], ["high", "medium"]], "dropout": [0.0, 0.25], "seed": [1, 2]},
        "base_params": {"balance": True},
    },
    "s.yml",
)
ASKED = StageQuestion(SPEC, "RADR", EvaluationOptions(goal="recall", goal_value=0.9), make_problem_card(CARD))


@pytest.fixture
def folder(tmp_path: Path) -> StageFolder:
    """A stage of one point, as its evaluation leaves it."""
    folder = StageFolder(tmp_path, "s")
    point = pd.DataFrame({"point": ["s_001"], "config_hash": ["0012"], "error": [None]})
    write_table(point, folder.plan)
    write_table(point, folder.points_table)
    write_table(pd.DataFrame({"configuration_hash": ["0034"], "points": ["s_001"]}), folder.leaderboard)
    write_table(pd.DataFrame({"axis": ["dropout"]}), folder.effects)
    write_table(pd.DataFrame({"key": ["abc"]}), folder.evaluation_tables / "key.parquet")
    (folder.evaluation_tables / SEAL).touch()
    folder.data.audio_roots.parent.mkdir()
    folder.data.audio_roots.write_text(json.dumps({"labelled": "/mnt/01_raw/demo"}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("card", [ASKED.card, None])
def test_what_was_asked_comes_back_with_the_tables(folder: StageFolder, card):
    dataset = StageResultsDataset(filepath=folder.results.as_posix())
    dataset.save(StageQuestion(SPEC, "RADR", ASKED.options, card))
    results = dataset.load()
    assert (results.spec, results.target, results.options, results.card) == (
        SPEC,
        "RADR",
        ASKED.options,
        card,
    )
    assert [type(value) for value in results.spec.axes["dropout"]] == [float, float]
    assert results.points["config_hash"].tolist() == ["0012"]
    assert results.leaderboard["configuration_hash"].tolist() == ["0034"]
    assert results.evaluation_key == "abc" and results.failures.empty and results.is_demo


def test_the_same_question_is_the_same_bytes_and_is_shown(folder: StageFolder):
    dataset = StageResultsDataset(filepath=folder.results.as_posix())
    dataset.save(ASKED)
    before = folder.results.read_bytes()
    dataset.save(dataset._question())
    assert folder.results.read_bytes() == before
    assert "Which of them?" in str(dataset.preview())


def test_results_without_their_tables_are_an_error_that_names_the_file(folder: StageFolder):
    dataset = StageResultsDataset(filepath=folder.results.as_posix())
    dataset.save(ASKED)
    folder.leaderboard.unlink()
    with pytest.raises(Exception, match=r"leaderboard\.csv"):
        dataset.load()


def test_results_are_read_again_only_when_a_file_is_another(folder: StageFolder):
    dataset = StageResultsDataset(filepath=folder.results.as_posix())
    dataset.save(ASKED)
    first = dataset.load()
    assert StageResultsDataset(filepath=folder.results.as_posix()).load() is first
    write_table(pd.DataFrame({"axis": ["epochs"]}), folder.effects)
    assert dataset.load().effects["axis"].tolist() == ["epochs"]
    (folder.evaluation_tables / SEAL).unlink()
    assert not dataset.load().tables
