import pandas as pd
import pytest

from tests.small_stage import made_plan, made_scores, split_table
from vernal.common.problems import InputError
from vernal.evaluation import coverage


@pytest.fixture
def stage():
    splits, plan = split_table(), made_plan((1,), balance=[True, False])
    return plan, made_scores(plan, splits), splits


def test_every_clip_of_every_point_is_there_in_one_order(stage):
    plan, scores, splits = stage
    sheet = coverage.join(plan, scores.sample(frac=1, random_state=1), splits.sample(frac=1, random_state=2))
    assert sheet.runs == plan.config_hash.tolist() and sheet.run_of == {"made_001": 0, "made_002": 1}
    for split, units in sheet.units.items():
        assert units.clip_id.is_monotonic_increasing and (units.split == split).all()
        wanted = scores[(scores.point == "made_002") & (scores.split == split)].set_index("clip_id").logit
        assert sheet.logits[split][1].tolist() == wanted[units.clip_id].tolist()


def test_columns_of_categories_are_read_as_text(stage):
    plan, scores, splits = stage
    as_stored = scores.astype({"point": "category", "clip_id": "category", "split": "category"})
    one, other = coverage.join(plan, scores, splits), coverage.join(plan, as_stored, splits)
    assert (one.logits["val"] == other.logits["val"]).all() and one.run_of == other.run_of


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.iloc[1:], r"does not cover the evaluated clips \(1\): made_001 lacks 1 of 252"),
        (lambda s: s[s.point == "made_001"], r"point without any score \(1\): made_002"),
        (lambda s: pd.concat([s, s.iloc[:2]]), r"clip scored twice by one point \(2\)"),
        (
            lambda s: s.assign(clip_id=s.clip_id.replace(s.clip_id[0], "0" * 16)),
            r"not evaluated \(1\): 0{16}",
        ),
        (lambda s: s.assign(point=s.point.replace("made_002", "made_009")), "not in the plan .*: made_009"),
        (lambda s: s.assign(is_positive=~s.is_positive), "clip whose label differs between scores and split"),
        (lambda s: s.assign(split=s.split.replace("val", "test_ood")), "clip whose split differs"),
        (lambda s: s.assign(logit=s.logit.mask(s.index == 3)), r"not a finite number \(1\)"),
        (lambda s: s.drop(columns="logit"), r"column missing from the scores \(1\): logit"),
    ],
)
def test_whatever_does_not_fit_is_an_error(stage, spoil, words):
    plan, scores, splits = stage
    with pytest.raises(InputError, match=words):
        coverage.join(plan, spoil(scores), splits)


def test_scores_of_training_clips_are_refused(stage):
    plan, scores, splits = stage
    clip = splits[splits.split == "train"].iloc[0]
    extra = scores.iloc[[0]].assign(clip_id=clip.clip_id, split="train")
    with pytest.raises(InputError, match="Only clips of the evaluated splits"):
        coverage.join(plan, pd.concat([scores, extra]), splits)


def test_all_kinds_of_problem_are_told_at_once(stage):
    plan, scores, splits = stage
    spoilt = pd.concat([scores[scores.point == "made_001"].iloc[1:], scores.iloc[[5]]])
    with pytest.raises(InputError, match="3 problems"):
        coverage.join(plan, spoilt, splits)


def test_a_failed_point_needs_no_scores(stage):
    plan, scores, splits = stage
    sheet = coverage.join(plan, scores[scores.point == "made_001"], splits, failed={"made_002": "no clips"})
    assert sheet.run_of == {"made_001": 0}


def test_points_of_one_run_share_its_scores(stage):
    plan, scores, splits = stage
    plan = plan.assign(config_hash="0" * 16)
    sheet = coverage.join(plan, scores[scores.point == "made_002"], splits)
    assert sheet.run_of == {"made_001": 0, "made_002": 0} and len(sheet.runs) == 1
    with pytest.raises(
        InputError, match=r"same configuration but different scores \(1\): made_001 and made_002"
    ):
        coverage.join(plan, scores, splits)


def test_no_scores_at_all_is_an_empty_sheet(stage):
    plan, scores, splits = stage
    sheet = coverage.join(plan, scores.iloc[:0], splits, failed=dict.fromkeys(plan.point, "not run"))
    assert sheet.runs == [] and sheet.logits["val"].shape == (0, 72)


def test_an_absent_split_has_no_units(stage):
    plan, scores, splits = stage
    sheet = coverage.join(plan, scores[scores.split != "test_iid"], splits[splits.split != "test_iid"])
    assert len(sheet.units["test_iid"]) == 0 and sheet.logits["test_iid"].shape == (2, 0)


def test_a_night_takes_the_highest_logit_of_its_clips(stage):
    plan, scores, splits = stage
    by_clip, by_night = (coverage.join(plan, scores, splits, unit) for unit in ("clip", "night"))
    clips = by_clip.units["test_ood"].assign(logit=by_clip.logits["test_ood"][0])
    expected = clips.groupby(["recorder_id", "night"]).agg(
        logit=("logit", "max"), is_positive=("is_positive", "any")
    )
    assert by_night.logits["test_ood"][0].tolist() == expected.logit.tolist()
    assert by_night.units["test_ood"].is_positive.tolist() == expected.is_positive.tolist()


def test_a_file_takes_the_highest_logit_of_its_parts(stage):
    plan, scores, splits = stage
    splits = splits.assign(
        content_hash=splits.groupby(["split", "night", "recorder_id"]).content_hash.transform("first")
    )
    by_file, by_night = (coverage.join(plan, scores, splits, unit) for unit in ("file", "night"))
    assert sorted(by_file.logits["val"][0]) == sorted(by_night.logits["val"][0])


def test_a_unit_that_cannot_be_told_is_an_error(stage):
    plan, scores, splits = stage
    with pytest.raises(InputError, match="clip without recorder_id and night"):
        coverage.join(
            plan, scores, splits.assign(night=splits.night.mask(splits.recorder_id == "r1")), "night"
        )
    with pytest.raises(InputError, match=r"column missing from the split table \(1\): content_hash"):
        coverage.join(plan, scores, splits.drop(columns="content_hash"), "file")
    with pytest.raises(ValueError, match="unit is 'nights'; did you mean 'night'"):
        coverage.join(plan, scores, splits, "nights")
