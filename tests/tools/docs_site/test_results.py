"""The page of features shows what was measured, and what the lab printed."""

import shutil

import pandas as pd
import pytest
import yaml

from tools.docs_site.numbers import (
    encoders_boobook,
    encoders_esc10,
    features_companion,
    features_esc10,
    features_lab,
)
from tools.docs_site.results import read_features, write_encoders, write_features
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


def test_what_the_page_says_of_encoders_holds(project):
    for name, made in (("boobook", encoders_boobook), ("esc10", encoders_esc10)):
        found = pd.read_csv(project / "docs" / "results" / f"encoders_{name}.csv").set_index("encoder")
        assert set(found.index) == {"birdnet_v2.4", "birdnet_file", "logmel", "speech_embedding"}
        assert found.average_precision["birdnet_file"] == found.average_precision["birdnet_v2.4"]
        others = found.drop("birdnet_v2.4")
        assert (others.n_pairs == 3).all() and (others.low <= others.effect).all()
        is_shown = others.verdict != "no difference shown"
        assert (others.high[is_shown] < 0).all() and set(others.index[is_shown]) <= {"logmel"}
        assert len(made(project).splitlines()) == 6


def test_a_finished_sweep_over_encoders_is_copied_and_a_missing_one_is_told(tmp_path):
    with pytest.raises(InputError, match="has no finished stage `encoders`"):
        write_encoders(tmp_path, "esc10", tmp_path)
    reporting = tmp_path / "08_reporting" / "encoders"
    reporting.mkdir(parents=True)
    board = {"encoder": ["a", "b"], "test_ood_average_precision_mean": [0.9, 0.5], "rank": [1, 2]}
    pd.DataFrame(board).to_csv(reporting / "leaderboard.csv", index=False)
    effect = {"metric": "average_precision", "level_a": "a", "level_b": "b", "n_pairs": 3, "effect": -0.4, "low": -0.5,
              "high": -0.3, "verdict": "lower"}  # fmt: skip
    rows = [
        {"split": split, "within": within, **effect}
        for split, within in (("test_ood", None), ("test_iid", None), ("test_ood", "seed=1"))
    ]
    pd.DataFrame(rows).to_csv(reporting / "effects.csv", index=False)
    write_encoders(tmp_path, "esc10", tmp_path)
    text = (tmp_path / "encoders_esc10.csv").read_text(encoding="utf-8").splitlines()
    assert text[0] == "encoder,average_precision,n_pairs,effect,low,high,verdict"
    assert text[1].startswith("a,0.9,") and text[2] == "b,0.5,3.0,-0.4,-0.5,-0.3,lower"
