"""The page of features shows what was measured, and what the lab printed."""

import pandas as pd

from vernal.features.documentation import LAB, PAGE, standings_markdown, with_results
from vernal.features.lab_tables import lab_tables


def test_the_page_shows_the_stored_results(project):
    page = (project / "docs" / PAGE).read_text(encoding="utf-8")
    made = with_results(page, project / "docs" / "results")
    assert made == page, "run `python -m vernal.features.documentation docs` after results were stored"
    assert page.count("<!-- end of ") == 3


def test_a_number_that_changes_changes_the_table(project):
    board = pd.read_csv(project / "docs" / "results" / "features_esc10.csv", keep_default_na=False)
    before = standings_markdown(board).splitlines()
    after = standings_markdown(board.assign(accuracy_mean=0.123)).splitlines()
    assert len(before) == len(board) + 2
    assert all("| 0.12 |" in line for line in after[2:]) and before[2:] != after[2:]


def test_what_the_page_says_of_the_esc10_table_holds(project):
    board = pd.read_csv(project / "docs" / "results" / "features_esc10.csv", keep_default_na=False)
    ranked = board[board["split"] == "by_site"].sort_values("accuracy_mean", ascending=False)
    assert ranked.feature.tolist()[:2] == ["birdnet", "fused"]
    best = ranked[ranked.feature != "birdnet"].iloc[0]
    others = ranked[ranked.feature != "birdnet"].accuracy_mean.iloc[1]
    assert best.accuracy_low < others < best.accuracy_mean
    assert (ranked.accuracy_low > ranked.chance).all()
    conv, lstm = (
        board[(board.feature == "mel") & (board["sync"] == "raw") & (board.model == m)].iloc[0]
        for m in ("conv", "lstm")
    )
    assert conv.n_parameters * 9 < lstm.n_parameters and conv.accuracy_std > lstm.accuracy_std


def test_the_page_prints_the_labs_table_as_the_lab_did(project):
    page = (project / "docs" / PAGE).read_text(encoding="utf-8")
    assert lab_tables()[LAB].text() in page


def test_the_labs_gain_by_beats_is_what_the_page_says(project):
    page = (project / "docs" / PAGE).read_text(encoding="utf-8")
    raw, synced = (lab_tables()[name].accuracy for name in ("Mel raw", "Mel beat-sync"))
    assert f"({raw:.2f} to {synced:.2f})" in page
