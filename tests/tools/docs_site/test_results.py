"""The page of features shows what was measured, and what the lab printed."""

import shutil

import pandas as pd
import pytest
import yaml

from tools.docs_site.numbers import features_companion, features_esc10, features_lab
from tools.docs_site.results import read_features, write_features
from vernal.common.problems import InputError
from vernal.studies.features.lab_tables import lab_tables


@pytest.fixture
def copied(project, tmp_path):
    """The results and settings that the page's tables are made from, free to be changed."""
    shutil.copytree(project / "docs" / "results", tmp_path / "docs" / "results")
    shutil.copytree(project / "conf" / "base" / "features", tmp_path / "conf" / "base" / "features")
    return tmp_path


def test_the_table_has_a_line_a_configuration(project):
    board = read_features(project, "companion")
    assert len(features_companion(project).splitlines()) == len(board) + 2


def test_a_number_that_changes_changes_the_table(project, copied):
    file = copied / "docs" / "results" / "features_esc10.csv"
    pd.read_csv(file).assign(accuracy_mean=0.123).to_csv(file, index=False)
    before, after = features_esc10(project).splitlines(), features_esc10(copied).splitlines()
    assert before[:2] == after[:2] and before[2:] != after[2:]
    assert all("| 0.12 |" in line for line in after[2:])


def test_numbers_of_other_settings_are_refused(copied):
    parameters = copied / "conf" / "base" / "features" / "parameters.yml"
    changed = yaml.safe_load(parameters.read_text(encoding="utf-8"))
    changed["features"]["study"]["base_params"]["units"] = 64
    parameters.write_text(yaml.safe_dump(changed), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"features_esc10\.csv is of other configurations .* features DATA_ROOT esc10"
    ):
        features_esc10(copied)


def test_a_finished_study_is_copied_and_a_missing_one_is_told(copied):
    folder = copied / "data" / "08_reporting" / "features"
    with pytest.raises(InputError, match="has no finished features study"):
        write_features(copied / "data", "esc10", copied)
    folder.mkdir(parents=True)
    (folder / "leaderboard.csv").write_text("rank\n1\n")
    write_features(copied / "data", "esc10", copied)
    assert (copied / "features_esc10.csv").read_text() == "rank\n1\n"


def test_what_the_page_says_of_the_esc10_table_holds(project):
    board = read_features(project, "esc10")
    ranked = board[board["split"] == "by_site"].sort_values("accuracy_mean", ascending=False)
    assert ranked.feature.tolist()[:2] == ["birdnet", "mel"] and ranked.model.tolist()[1] == "conv"
    best = ranked[ranked.feature != "birdnet"].iloc[0]
    others = ranked[ranked.feature != "birdnet"].accuracy_mean.iloc[1]
    assert best.accuracy_low < others < best.accuracy_mean
    assert (ranked.accuracy_low > ranked.chance).all()
    conv, lstm, fused = (
        ranked[(ranked.feature == feature) & (ranked["sync"] == "raw") & (ranked.model == model)].iloc[0]
        for feature, model in (("mel", "conv"), ("mel", "lstm"), ("fused", "lstm"))
    )
    assert conv.n_parameters * 9 < lstm.n_parameters
    assert fused.accuracy_low < lstm.accuracy_mean < fused.accuracy_mean


def test_the_labs_gain_by_beats_is_what_the_page_says(project):
    page = (project / "docs" / "features.md").read_text(encoding="utf-8")
    raw, synced = (lab_tables()[name].accuracy for name in ("Mel raw", "Mel beat-sync"))
    assert f"({raw:.2f} to {synced:.2f})" in page
    assert lab_tables()["Mel raw"].text() in features_lab(project)
