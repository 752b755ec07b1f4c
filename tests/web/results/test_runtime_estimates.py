"""Times come from what was measured: golden values from a made record, and nothing where nothing is known."""

from __future__ import annotations

import os

import pytest

from tests.web.results.conftest import STARTED
from vernal.common.table_files import read_table
from vernal.sweeps.spec import expand, parse_spec
from vernal.web.results.runtime_estimates import (
    Measured,
    duration,
    embedded_audio,
    estimate,
    measured_runs,
    most_alike,
    trained_fits,
)


def points_of(**axes):
    return expand(
        parse_spec({"stage": "new", "axes": axes or {"seed": [1, 2, 3]}, "base_params": {"epochs": 50}}, "x")
    )


def measured(**changes) -> Measured:
    values = {
        "source": "a run", "trainings": 12, "training_s": 1.0, "run_s": 0.5,
        "extremes": {"hidden_units": 64, "epochs": 50, "batch_size": 32},
    } | changes  # fmt: skip
    return Measured(**values)


def test_a_record_tells_what_each_part_took(made_once):
    (found,) = measured_runs(made_once.data_root)
    assert found.trainings == 12
    assert found.training_s == pytest.approx(14.0 / 12)
    assert found.run_s == pytest.approx((1.0 + 2.0 + 9.0 + 0.5 + 4.0 + 1.5) / 12)
    assert found.embedding_s == 7.0
    assert found.extremes == {"hidden_units": 64, "epochs": 20, "batch_size": 32}
    assert "run of made of 2026-03-01 20:00:00 UTC: 12 trainings in 14.0 s" in found.source


def test_heads_that_were_there_before_do_not_count_as_trained(made):
    from datetime import datetime

    before = datetime.fromisoformat(STARTED).timestamp() - 3_600
    heads = sorted((made.data_root / "06_models" / "heads").glob("*.npz"))
    for head in heads[:8]:
        os.utime(head, (before, before))
    (found,) = measured_runs(made.data_root)
    assert found.trainings == 4 and found.training_s == pytest.approx(14.0 / 4)
    for head in heads:
        os.utime(head, (before, before))
    assert measured_runs(made.data_root) == []


def test_an_estimate_adds_up_its_parts():
    found = estimate(points_of(), measured())
    assert found.seconds == pytest.approx(3 * 1.0 + 3 * 0.5)
    assert found.remarks == () and found.source == "a run"


def test_points_that_share_a_run_count_once():
    shared = points_of(upsampling_mode=["linear", "mean", "smote"])  # ratio 0: one run
    assert estimate(shared, measured()).seconds == pytest.approx(1.0 + 0.5)
    scores_only = points_of(sensitivity=[0.5, 1.0, 1.5])  # one training, three runs
    assert estimate(scores_only, measured()).seconds == pytest.approx(1.0 + 1.5)


def test_trainings_that_are_there_are_not_counted_again(made_once):
    trained = trained_fits(made_once.data_root)
    plan = read_table(made_once.data_root / "05_model_input" / "made" / "plan.parquet")
    assert trained == set(plan["fit_hash"])
    known = expand(made_once.load().results.spec)
    found = estimate(known, measured(), trained)
    assert found.parts[0] == ("no training", 0.0) and "12 of 12 trainings are there" in found.remarks[0]


def test_new_audio_settings_cost_an_embedding(made_once):
    embedded = embedded_audio(made_once.data_root)
    assert embedded == {("", 0.0, 15_000.0, 0.0)}
    points = points_of(fmax=[15_000, 4_000, 8_000])
    parts = dict(estimate(points, measured(embedding_s=7.0), frozenset(), embedded).parts)
    assert parts["embedding with 2 new audio settings"] == 14.0


def test_more_costly_settings_than_measured_are_said():
    found = estimate(points_of(hidden_units=[0, 512], batch_size=[16]), measured())
    (words,) = found.remarks
    assert found.is_least and not estimate(points_of(hidden_units=[64]), measured()).is_least
    assert (
        "will take longer" in words
        and "hidden_units, batch_size (up to hidden_units 64, batch_size 32)" in words
    )


def test_the_run_most_alike_is_taken():
    small, large = measured(source="small", trainings=4), measured(source="large", trainings=120)
    wide = measured(
        source="wide", trainings=4, extremes={"hidden_units": 512, "epochs": 50, "batch_size": 32}
    )
    points = points_of()
    assert most_alike([], points, 3) is None
    assert most_alike([small, large], points, 3).source == "small"
    assert (
        most_alike([small, large], points, 20).source == "large"
    )  # rather fewer than more of what was measured
    assert most_alike([small, large], points, 500).source == "large"
    assert most_alike([small, large, wide], points_of(hidden_units=[512]), 100).source == "wide"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (899, "14 min"),
        (5_400, "1 h 30 min"),
        (7_200, "2 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_damaged_files_of_other_pipelines_are_passed_over(made):
    other = made.data_root / "05_model_input" / "features"
    other.mkdir()
    (other / "plan.parquet").write_bytes(b"broken")
    assert len(trained_fits(made.data_root)) == 12 and len(embedded_audio(made.data_root)) == 1
