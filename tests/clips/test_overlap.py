"""Who has heard what."""

import numpy as np
import pandas as pd
import pytest

from vernal.clips.overlap import drop_held_out, shares_audio, shares_group, shares_night


def clips(**columns):
    length = len(next(iter(columns.values())))
    return pd.DataFrame({"clip_id": [f"c{i}" for i in range(length)]} | columns)


def test_neighbouring_parts_of_a_labelled_recording_are_not_the_same_audio():
    mine = clips(content_hash=["a", "a", "a"], start_s=[0.0, 3.0, 2.9], end_s=[3.0, 6.0, 5.9])
    others = clips(content_hash=["a"], start_s=[0.0], end_s=[3.0])
    assert shares_audio(mine, others).tolist() == [True, False, True]


def test_a_whole_file_shares_audio_with_every_part_of_it():
    whole = clips(content_hash=["a", "b"], start_s=[np.nan, np.nan], end_s=[np.nan, np.nan])
    part = clips(content_hash=["a"], start_s=[60.0], end_s=[63.0])
    assert shares_audio(whole, part).tolist() == [True, False]
    assert shares_audio(part, whole).tolist() == [True]


def test_any_part_of_a_field_recording_counts():
    mine = clips(content_hash=["a", "a"], start_s=[3.0, 3.0], end_s=[6.0, 6.0], source=["field", "labelled"])
    others = clips(content_hash=["a"], start_s=[0.0], end_s=[3.0])
    assert shares_audio(mine, others).tolist() == [True, False]


def test_unknown_audio_groups_and_nights_share_nothing():
    unknown = clips(content_hash=[np.nan], group=[np.nan], recorder_id=["r"], night=[np.nan])
    assert not shares_audio(unknown, unknown).any()
    assert not shares_group(unknown, unknown).any()
    assert not shares_night(clips(group=["g"]), clips(group=["g"])).any()


def test_a_night_is_that_of_the_recorder_and_of_its_site():
    mine = clips(recorder_id=["r1", "r1", "r2"], night=["2025-01-01", "2025-01-02", "2025-01-01"])
    others = clips(recorder_id=["r1"], night=["2025-01-01"])
    assert shares_night(mine, others).tolist() == [True, False, False]
    assert shares_group(mine, others).tolist() == [True, False, False]
    at_sites = shares_night(mine.assign(site=["a", "a", "a"]), others.assign(site=["a"]))
    assert at_sites.tolist() == [True, False, True]


@pytest.mark.parametrize("split", ["val", "test_iid", "test_ood"])
def test_external_clips_of_held_out_nights_are_set_aside_with_the_reason(split):
    splits = clips(content_hash=["a", "b"], group=["g1", "g2"], split=["train", split])
    pool = clips(
        content_hash=["x", "y", "b", "b"], group=["g1", "g2", "g9", "g9"], source=["field"] * 3 + ["labelled"]
    )
    pool["clip_id"] = ["p0", "p1", "p2", "p3"]
    kept, dropped = drop_held_out(pool, splits)
    assert kept.clip_id.tolist() == ["p0", "p3"]
    assert dropped.reason.tolist() == [
        "the group or night of a validation or test clip",
        "the same audio as a validation or test clip",
    ]
    empty_kept, empty_dropped = drop_held_out(pool.iloc[:0], splits)
    assert empty_kept.empty and list(empty_dropped.columns) == [*pool.columns, "reason"]
