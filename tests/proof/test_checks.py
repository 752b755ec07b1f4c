"""Every check of a certificate passes on a stage that is in order, and fails on one that was spoilt for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.proof.conftest import AUDIO, OPTIONS, MadeStage, with_row
from vernal.proof import checks, score_checks
from vernal.proof.certificate import Finding
from vernal.proof.near_duplicates import MISSED
from vernal.proof.options import CHECKS, ProofOptions

PROOF = ProofOptions()


def all_findings(stage: MadeStage, options: ProofOptions = PROOF) -> dict[str, Finding]:
    found = [
        checks.nights_apart(stage.splits),
        checks.content_hashes(stage.splits),
        checks.near_duplicates(
            stage.near_duplicates["pairs"], stage.near_duplicates["summary"], stage.splits, options
        ),
        checks.miner_training(stage.subsets, stage.miner_clips),
        checks.mined_held_out(stage.subsets, stage.splits),
        checks.training_apart(stage.training_sets, stage.splits, stage.clips),
        score_checks.thresholds(stage.points, stage.plan, stage.scores, stage.splits, OPTIONS),
        score_checks.audio_settings(stage.plan, stage.models, stage.scores, stage.splits, AUDIO, stage.store),
        score_checks.every_clip_scored(stage.plan, stage.failures, stage.scores, stage.splits),
    ]
    return {finding.check: finding for finding in found}


def test_a_stage_in_order_passes_every_check(made: MadeStage):
    found = all_findings(made)
    assert list(found) == list(CHECKS)
    assert {name: finding.cases for name, finding in found.items() if not finding.holds} == {}


def test_a_shared_night_is_found(made: MadeStage):
    night = made.splits[made.splits.split == "test_ood"].iloc[0]
    splits = with_row(made.splits, made.splits.split == "train", site=night.site, night=night.night)
    finding = checks.nights_apart(splits)
    assert finding.cases == [f"{night.site} {night.night}: test_ood, train"]


def test_clips_without_night_are_counted_and_share_none(made: MadeStage):
    finding = checks.nights_apart(with_row(made.splits, made.splits.split == "val", night=np.nan))
    assert finding.holds
    assert finding.evidence["clips_without"] == 1


def test_where_no_night_is_known_nothing_was_checked(made: MadeStage):
    finding = checks.nights_apart(made.splits.assign(night=np.nan))
    assert not finding.holds and not finding.is_checked and not finding.cases
    assert finding.evidence["clips_without"] == len(made.splits)
    assert "site or recorder_id" in finding.remedy


def test_where_no_sound_was_compared_nothing_was_checked(made: MadeStage):
    near = made.near_duplicates
    summary = near["summary"].assign(n_windows=0, n_close_pairs=0)
    assert not checks.near_duplicates(near["pairs"].iloc[:0], summary, made.splits, PROOF).is_checked


def test_a_shared_file_is_found(made: MadeStage):
    content = made.splits.content_hash[made.splits.split == "test_iid"].iloc[0]
    splits = with_row(made.splits, made.splits.split == "val", content_hash=content)
    assert checks.content_hashes(splits).cases == [f"{content[:16]}: test_iid, val"]


def test_the_same_recording_in_two_splits_is_found(made: MadeStage):
    pairs = made.near_duplicates["pairs"].assign(correlation=0.7)
    finding = checks.near_duplicates(pairs, made.near_duplicates["summary"], made.splits, PROOF)
    assert len(finding.cases) == 1
    assert finding.cases[0].startswith(f"{made.splits.file_path[0]} (")
    assert "correlation 0.700" in finding.cases[0]
    assert "same group" in finding.remedy


def test_the_closest_pairs_are_those_that_were_compared_in_full(made: MadeStage):
    pair = made.near_duplicates["pairs"].iloc[:1]
    pairs = pd.concat([pair, pair.assign(clip_id="ruled out", correlation=np.nan)], ignore_index=True)
    assert [shown["clip_id"] for shown in checks.closest_pairs(pairs, PROOF)] == [pair.clip_id.iloc[0]]


def test_pairs_that_were_not_listened_to_are_told(made: MadeStage):
    summary = made.near_duplicates["summary"].assign(n_close_pairs=11)
    said = checks.near_duplicates(made.near_duplicates["pairs"], summary, made.splits, PROOF).said
    assert "Not listened to: 10 more, less close ones (proof.listened_pairs is" in said
    all_heard = checks.near_duplicates(
        made.near_duplicates["pairs"], made.near_duplicates["summary"], made.splits, PROOF
    )
    assert "Not listened" not in all_heard.said


def test_a_search_that_found_nothing_says_what_it_looked_for_and_what_it_misses(made: MadeStage):
    finding = checks.near_duplicates(
        made.near_duplicates["pairs"], made.near_duplicates["summary"], made.splits, PROOF
    )
    assert CHECKS["near_duplicates"] == "No copy of a recording was found in another split"
    measured = pd.read_csv(MISSED).set_index("change")
    missed = 1 - measured.found / measured.copies
    assert (
        missed["reversed"] > 0.9 and missed["cut 0.2 s later"] < 0.1
    )  # what the search is for, and what it is not
    told = [change for change in measured.index if f" {change}, " in finding.said]
    assert told == [change for change in measured.index if missed[change] >= 0.1]


@pytest.mark.parametrize("shared", ["clip_id", "content_hash"])
def test_a_mined_clip_that_trained_the_miner_is_found(made: MadeStage, shared: str):
    known = made.miner_clips.iloc[0]
    subset = with_row(
        made.subsets["hardNeg/x"], made.subsets["hardNeg/x"].is_positive.eq(False), **{shared: known[shared]}
    )
    finding = checks.miner_training({"hardNeg/x": subset}, made.miner_clips)
    assert len(finding.cases) == 1
    assert "a clip that trained the miner (hardNeg/x)" in finding.cases[0]


@pytest.mark.parametrize("split", ["val", "test_iid", "test_ood", "sealed"])
@pytest.mark.parametrize("shared", [["clip_id"], ["content_hash"], ["recorder_id", "night"]])
def test_a_mined_clip_of_a_held_out_one_is_found(made: MadeStage, split: str, shared: list[str]):
    splits = made.splits.assign(
        split=made.splits.split.replace({"test_iid": "sealed"}) if split == "sealed" else made.splits.split
    )
    other = splits[splits.split == split].iloc[0]
    subset = with_row(
        made.subsets["hardNeg/x"],
        made.subsets["hardNeg/x"].is_positive.eq(False),
        **{name: other[name] for name in shared},
    )
    assert len(checks.mined_held_out({"hardNeg/x": subset}, splits).cases) == 1


def test_subsets_may_be_empty(made: MadeStage):
    nothing = {"hardNeg/x": made.subsets["hardNeg/x"].iloc[:0]}
    assert checks.miner_training(nothing, made.miner_clips).holds
    assert checks.mined_held_out({}, made.splits).holds


@pytest.mark.parametrize(
    ("role", "split", "is_wrong"),
    [
        ("fit", "test_ood", True),
        ("fit", "test_iid", True),
        ("stop", "test_iid", True),
        ("fit", "val", True),
        ("stop", "val", False),
    ],
)
def test_a_clip_on_both_sides_of_training_is_found(made: MadeStage, role: str, split: str, is_wrong: bool):
    clip = made.splits.clip_id[made.splits.split == split].iloc[0]
    sets = made.training_sets.astype({"role": "str"})
    finding = checks.training_apart(with_row(sets, sets.role == role, clip_id=clip), made.splits, made.clips)
    assert [case.split(":")[0] for case in finding.cases] == ([clip] if is_wrong else [])


def test_the_audio_of_a_test_clip_under_another_name_is_found(made: MadeStage):
    test = made.splits[made.splits.split == "test_ood"].iloc[0]
    used = made.training_sets.clip_id.iloc[0]
    clips = made.clips.assign(
        content_hash=made.clips.content_hash.mask(made.clips.clip_id == used, test.content_hash)
    )
    finding = checks.training_apart(made.training_sets, made.splits, clips)
    assert [case.split(":")[0] for case in finding.cases] == [used]
