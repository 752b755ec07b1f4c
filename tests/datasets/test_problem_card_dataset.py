"""The project's card speaks for the project's target; for any other, somebody has to write one."""

import shutil

import pytest

from vernal.datasets.problem_card_dataset import SHIPPED, ProblemCardDataset


@pytest.fixture
def shipped(project, tmp_path):
    place = tmp_path / SHIPPED
    place.parent.mkdir(parents=True)
    return shutil.copy(project / SHIPPED, place)


@pytest.mark.parametrize("target", ["RADR", "rana draytonii", None])
def test_the_projects_card_is_about_the_projects_target(shipped, target):
    card = ProblemCardDataset(str(shipped), target).load()
    assert card.target == "RADR" and card.performance


def test_of_another_target_it_says_nothing(shipped):
    card = ProblemCardDataset(str(shipped), "Turdus").load()
    assert card.names == ["Turdus"] and card.performance is None


@pytest.mark.parametrize(
    ("targets", "names"), [(["Turdus", "Parus"], ["Turdus", "Parus"]), (["RADR", "Parus"], ["RADR", "Parus"])]
)
def test_of_several_other_targets_it_says_nothing(shipped, targets, names):
    card = ProblemCardDataset(str(shipped), "RADR", targets).load()
    assert card.names == names and card.target == names[0] and card.performance is None


@pytest.mark.parametrize("targets", [["RADR", "owl"], "all", None])
def test_several_targets_of_the_project_are_its_cards(shipped, targets):
    assert ProblemCardDataset(str(shipped), "RADR", targets).load().performance


def test_a_card_that_somebody_named_counts_whatever_the_target(shipped, tmp_path):
    named = shutil.copy(shipped, tmp_path / "mine.yml")
    assert ProblemCardDataset(str(named), "Turdus").load().target == "RADR"
