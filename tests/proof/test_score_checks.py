"""What is computed again agrees on a stage that is in order, and does not on one that was spoilt for it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.proof.conftest import AUDIO, OPTIONS, MadeStage, head, with_row
from vernal.proof import score_checks
from vernal.training.models import Model


def test_a_threshold_that_validation_does_not_give_is_found(made: MadeStage):
    points = made.points.assign(threshold_logit=made.points.threshold_logit + np.array([0.0, 1e-6]))
    finding = score_checks.thresholds(points, made.plan, made.scores, made.splits, OPTIONS)
    assert [case.split(":")[0] for case in finding.cases] == ["made_002"]


def test_test_scores_cannot_move_a_threshold(made: MadeStage):
    test = made.scores.split.astype(str).str.startswith("test")
    scores = made.scores.assign(logit=made.scores.logit.where(~test, made.scores.logit * -3 + 1))
    assert score_checks.thresholds(made.points, made.plan, scores, made.splits, OPTIONS).holds


def test_no_threshold_that_validation_could_not_choose_is_not_checked_and_one_that_is_there_is_found(
    made: MadeStage,
):
    splits = made.splits[(made.splits.split != "val") | ~made.splits.is_positive]
    scores = made.scores[made.scores.clip_id.isin(splits.clip_id)]
    none = made.points.assign(threshold_logit=np.nan)
    for table, labels in ((scores, splits), (scores[scores.split != "val"], splits[splits.split != "val"])):
        finding = score_checks.thresholds(none, made.plan, table, labels, OPTIONS)
        assert not finding.is_checked and not finding.cases
        assert finding.said.startswith("No threshold can be chosen: val has no ")
        spoilt = score_checks.thresholds(
            none.assign(threshold_logit=[np.nan, 0.0]), made.plan, table, labels, OPTIONS
        )
        assert [case.split(":")[0] for case in spoilt.cases] == ["made_002"]


def changed_audio(model: Model, **settings) -> Model:
    return dataclasses.replace(
        model, parameters={**model.parameters, "audio": {**model.parameters["audio"], **settings}}
    )


@pytest.mark.parametrize("settings", [{"fmax": 8000}, {"encoder_version": "0-other"}, {"overlap": 1.0}])
def test_a_model_that_reads_audio_otherwise_is_found(made: MadeStage, settings: dict):
    models = {**made.models, "made_001": changed_audio(made.models["made_001"], **settings)}
    finding = score_checks.audio_settings(made.plan, models, made.scores, made.splits, AUDIO, made.store)
    ((name, value),) = settings.items()
    assert finding.cases == [f"made_001: {name} is {value!r}, trained with {AUDIO.settings[name]!r}"]


def test_a_score_that_the_model_does_not_give_is_found(made: MadeStage):
    models = {**made.models, "made_002": dataclasses.replace(made.models["made_002"], head=head(99))}
    finding = score_checks.audio_settings(made.plan, models, made.scores, made.splits, AUDIO, made.store)
    assert len(finding.cases) == score_checks.RESCORED_CLIPS
    assert all(case.startswith("made_002: clip") for case in finding.cases)


def test_scores_without_a_model_are_found(made: MadeStage):
    models = {"made_001": made.models["made_001"]}
    finding = score_checks.audio_settings(made.plan, models, made.scores, made.splits, AUDIO, made.store)
    assert finding.cases == ["made_002: has scores, but no model is kept"]


def test_a_clip_that_a_point_did_not_score_is_found(made: MadeStage):
    gone = (made.scores.point == "made_002") & (made.scores.split == "test_ood")
    scores = made.scores.drop(made.scores.index[gone][:1])
    (case,) = score_checks.every_clip_scored(made.plan, made.failures, scores, made.splits).cases
    assert case.startswith("made_002 misses 1 (first: ")


def test_a_point_without_scores_is_found_unless_it_is_listed_as_failed(made: MadeStage):
    scores = made.scores[made.scores.point == "made_001"]
    finding = score_checks.every_clip_scored(made.plan, made.failures, scores, made.splits)
    assert finding.cases == ["made_002: no score at all"]
    failures = pd.DataFrame({"point": ["made_002"], "step": ["train"], "message": ["x"]})
    assert score_checks.every_clip_scored(made.plan, failures, scores, made.splits).holds


def test_doubled_moved_and_stray_scores_are_found(made: MadeStage):
    twice = pd.concat([made.scores, made.scores.head(1)], ignore_index=True)
    assert (
        "scored 1 clips twice"
        in score_checks.every_clip_scored(made.plan, made.failures, twice, made.splits).cases[0]
    )
    text = made.scores.astype({"split": "str", "clip_id": "str"})
    moved = with_row(text, text.split == "val", split="test_iid")
    assert (
        "another split for 1"
        in score_checks.every_clip_scored(made.plan, made.failures, moved, made.splits).cases[0]
    )
    stray = with_row(text, text.split == "val", clip_id="stray")
    cases = " ".join(score_checks.every_clip_scored(made.plan, made.failures, stray, made.splits).cases)
    assert "no evaluated clip: 1 (first: stray)" in cases
