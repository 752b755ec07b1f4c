"""Stages are found, loaded whole or refused in words, and said to be stale."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.web.results.conftest import SPECS, write_record, write_spec
from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.common.table_files import read_table, write_table
from vernal.web.results.stages import found_stages, load_stage, stamp


def test_stages_with_and_without_results_are_listed(made_once):
    listed = {stage.name: stage for stage in found_stages(made_once.data_root, made_once.sweeps)}
    assert list(listed) == ["made", "waiting"]
    assert (
        listed["made"].has_results and listed["made"].n_points == 12 and listed["made"].n_configurations == 4
    )
    assert listed["made"].verdict == "pass" and listed["made"].finished.startswith("2026-03-01")
    assert not listed["waiting"].has_results and not listed["waiting"].problem


def test_tables_of_other_pipelines_are_no_stages(made):
    write_text(made.data_root / "08_reporting" / "published" / "leaderboard.csv", "config,f1\na,0.5\n")
    assert "published" not in [one.name for one in found_stages(made.data_root, made.sweeps)]


def test_a_fresh_stage_has_nothing_to_remark(loaded):
    assert loaded.remarks == ()
    assert loaded.results.primary == "test_ood_f1" and loaded.results.options.n_draws == 100
    assert loaded.results.target == "RADR" and not loaded.results.is_demo


def test_the_demo_season_is_known_by_its_folder(made):
    write_text(
        made.data_root / "02_intermediate" / "audio_roots.json", json.dumps({"labelled": "/x/01_raw/demo"})
    )
    assert made.load().results.is_demo


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("nope", "no stage 'nope'"),
        (
            "waiting",
            'waiting has no results in .* yet; run `kedro run --pipeline=waiting --params="data_root=.* .*/out"`',
        ),
    ],
)
def test_stages_without_results_are_refused_in_words(made_once, stage, words):
    with pytest.raises(InputError, match=words):
        made_once.load(stage)


def test_half_written_results_name_what_is_missing(made):
    (made.data_root / "08_reporting" / "made" / "effects.csv").unlink()
    with pytest.raises(
        InputError, match=r"Not there: 08_reporting/made/effects.csv.*run `kedro run --pipelines=made`"
    ):
        made.load()
    assert "effects.csv" in next(
        one.problem for one in found_stages(made.data_root, made.sweeps) if one.name == "made"
    )


def test_a_damaged_table_is_refused_in_words(made):
    (made.data_root / "05_model_input" / "made" / "plan.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="results of made cannot be read"):
        made.load()


def test_changed_data_make_results_stale(made):
    splits = made.data_root / "03_primary" / "splits.parquet"
    write_table(read_table(splits).iloc[1:], splits)
    words = [text for text, tone in made.load().remarks if tone == "bad"]
    assert words and "stale: splits changed" in words[0]


def test_a_changed_spec_is_said_with_its_points(made):
    content = {**SPECS["made"], "axes": {**SPECS["made"]["axes"], "seed": [1, 2, 3, 4]}}
    write_spec(made.sweeps, content)
    (words, tone), *more = made.load().remarks
    assert not more and tone == "warning"
    assert words.startswith("4 of the 16 points of conf/sweeps/made.yml have no result as they are now")


def test_a_spec_that_is_gone_or_broken_leaves_results_readable(made):
    (made.sweeps / "made.yml").unlink()
    assert "not there any more" in made.load().remarks[0][0]
    write_text(made.sweeps / "made.yml", "stage: made\naxes: {nonsense: [1]}\n")
    stage = made.load()
    assert "spec cannot be read now" in stage.remarks[0][0] and len(stage.results.points) == 12


@pytest.mark.parametrize(
    ("outcome", "error", "words"),
    [
        ("failed", "InputError: no room", r"failed \(InputError: no room\)"),
        ("running", None, "at work, or was stopped"),
    ],
)
def test_a_later_run_that_broke_off_is_said(made, outcome, error, words):
    plan = read_table(made.data_root / "05_model_input" / "made" / "plan.parquet")
    write_record(
        made.data_root, "made", plan, run="2026-03-02T20.00.00.000Z", started="2026-03-02T20:00:00+00:00",
        outcome=outcome, error=error, results=None,
    )  # fmt: skip
    said = made.load().remarks
    assert pd.Series([text for text, _ in said]).str.contains(words).any()
    assert pd.Series([text for text, _ in said]).str.contains("of the run before").any()


def test_without_a_record_the_defaults_are_assumed_and_said(made):
    for file in (made.data_root / "08_reporting" / "made" / "runs").glob("*.json"):
        file.unlink()
    stage = made.load()
    assert stage.results.options.n_draws == 1000
    assert any("No record" in text for text, _ in stage.remarks)


def test_hashes_that_look_like_numbers_stay_text(made):
    file = made.data_root / "08_reporting" / "made" / "points.csv"
    table = read_table(file, ["config_hash", "configuration_hash", "point"])
    write_table(table.assign(config_hash=[f"{at:02d}e4567890123456"[:16] for at in range(len(table))]), file)
    assert made.load().results.points["config_hash"].iloc[1] == "01e4567890123456"[:16]


def test_the_stamp_changes_with_any_file(made):
    before = stamp(made.data_root, made.sweeps, "made")
    assert before == stamp(made.data_root, made.sweeps, "made")
    write_text(made.sweeps / "made.yml", "stage: made\n")
    assert before != stamp(made.data_root, made.sweeps, "made")


def test_results_without_a_spec_are_listed(made):
    (made.sweeps / "made.yml").unlink()
    stage = next(one for one in found_stages(made.data_root, made.sweeps) if one.name == "made")
    assert stage.has_results and not stage.has_spec
    assert len(load_stage(made.data_root, made.sweeps, "made", "RADR").results.points) == 12
