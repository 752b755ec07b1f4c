"""The plan of a demo season: its structure, and that nothing but the options decides it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.synthesis import MANIFEST_COLUMNS, SeasonOptions, manifest, plan_season, recipe
from vernal.clips.synthesis.season import dates_of_nights

TABLES = ("clips", "field", "unlabelled")


def evenings(clips: pd.DataFrame) -> pd.Series:
    """The date of the evening that each recording's night began on."""
    return with_nights(clips, NightOptions()).night


@pytest.fixture(scope="module")
def season():
    return plan_season(SeasonOptions())


@st.composite
def season_options(draw) -> SeasonOptions:
    recorders = []
    for number in range(draw(st.integers(1, 5))):
        positives, negatives = draw(st.integers(0, 40)), draw(st.integers(0, 40))
        if positives + negatives == 0:
            negatives = 1
        recorders.append(
            {
                "name": f"Moth{number:02d}",
                "site": draw(st.sampled_from(["A", "B", "C"])),
                "first_night": "2025-02-14",
                "nights": draw(st.integers(1, positives + negatives)),
                "positives": positives,
                "negatives": negatives,
            }
        )
    names = [recorder["name"] for recorder in recorders]
    high = draw(st.floats(0, 1))
    return SeasonOptions(
        seed=draw(st.integers(0, 2**63 - 1)),
        share_high=high,
        share_medium=draw(st.floats(0, 1 - high)),
        sites=[{"name": "A"}, {"name": "B"}, {"name": "C"}],
        recorders=recorders,
        field_recorders=names[:2],
        field_recordings=draw(st.integers(0, 30)),
        unlabelled_recorders=names[:1],
        unlabelled_recordings=draw(st.integers(0, 20)),
    )


def test_shipped_season_has_the_structure_of_the_study(season):
    clips = season.clips
    assert 600 <= len(clips) <= 800
    assert set(clips.recorder_id[clips.site == "Sylvan Pond"]) == {"Moth11", "Moth12"}
    assert clips.groupby("recorder_id").site.nunique().eq(1).all()
    positives = clips.label.eq("positive").groupby(clips.recorder_id).sum()
    negatives = clips.label.eq("negative").groupby(clips.recorder_id).sum()
    assert set(positives.index[positives == 0]) == {"Moth07", "Moth09", "Moth10"}
    assert set(negatives.index[negatives == 0]) == {"Moth01", "Moth02"}
    nights = evenings(clips).groupby(clips.recorder_id).nunique()
    assert nights.min() == 3 and nights.max() == 16
    assert clips.date.between("2025-02-01", "2025-05-31").all()


def test_positives_have_quality_and_call_type_and_negatives_have_none(season):
    is_positive = season.clips.label == "positive"
    for column in ("quality", "call_type"):
        assert season.clips[column].notna().equals(is_positive)
    assert season.clips.n_calls.eq(is_positive.astype(int)).all()


def test_qualities_and_call_types_come_in_about_the_shares_of_the_study(season):
    positives = season.clips[season.clips.label == "positive"]
    quality = positives.quality.value_counts(normalize=True)
    assert quality["low"] > quality["medium"] > quality["high"] > 0.04
    call_type = positives.call_type.value_counts(normalize=True)
    assert call_type["grunt"] > call_type["both"] > call_type["growl"] > 0.02


def test_chorus_nights_hold_most_positives(season):
    positives = season.clips[(season.clips.label == "positive") & (season.clips.recorder_id == "Moth08")]
    counts = evenings(positives).value_counts()
    assert len(counts) == 16 and counts.max() >= 3 * counts.median()


def test_field_recordings_hold_no_call_and_share_no_night_with_the_clips(season):
    assert season.field.n_calls.eq(0).all() and season.field.label.eq("negative").all()
    assert set(season.field.recorder_id) == {"Moth02", "Moth09", "Moth10"}
    nights = [set(zip(table.recorder_id, evenings(table), strict=True)) for table in vars(season).values()]
    assert not nights[0] & nights[1] and not nights[0] & nights[2] and not nights[1] & nights[2]


def test_some_unlabelled_recordings_hold_calls_and_some_do_not(season):
    assert 0 < season.unlabelled.n_calls.gt(0).sum() < len(season.unlabelled)
    assert season.unlabelled[["label", "quality", "call_type"]].isna().all(axis=None)


def test_the_season_records_through_midnight(season):
    hours = season.clips.time.str.slice(0, 2).astype(int)
    assert (hours >= 20).any() and (hours < 2).any()
    by_date = season.clips.groupby("recorder_id").date.nunique()
    assert (by_date > evenings(season.clips).groupby(season.clips.recorder_id).nunique()).any()


def test_file_names_carry_recorder_date_and_time(season):
    for name in TABLES:
        for row in getattr(season, name).itertuples():
            assert re.fullmatch(r"(Moth\d\d)/\1_\d{8}_\d{6}\.wav", row.file_path)
            stamp = f"{row.date.replace('-', '')}_{row.time.replace(':', '')}"
            assert row.file_path == f"{row.recorder_id}/{row.recorder_id}_{stamp}.wav"


def test_manifest_has_only_what_a_person_would_hand_in(season):
    table = manifest(season)
    assert tuple(table.columns) == MANIFEST_COLUMNS
    assert set(table.label) == {"positive", "negative"}
    assert table.licence.str.contains("demo season").all()
    table["site"] = "elsewhere"
    assert "elsewhere" not in set(season.clips.site)


@given(options=season_options())
def test_every_plan_keeps_its_counts_names_and_nights(options):
    season = plan_season(options)
    for recorder in options.recorders:
        clips = season.clips[season.clips.recorder_id == recorder["name"]]
        assert clips.label.eq("positive").sum() == recorder["positives"]
        assert clips.label.eq("negative").sum() == recorder["negatives"]
        assert sorted(set(evenings(clips))) == dates_of_nights(recorder)
        qualities = clips.quality.value_counts()
        for quality, share in options.quality_shares().items():
            assert abs(qualities.get(quality, 0) - share * recorder["positives"]) <= 1 + 1e-6
    paths = pd.concat([getattr(season, name).file_path for name in TABLES])
    assert paths.is_unique
    assert all(getattr(season, name).file_path.is_monotonic_increasing for name in TABLES)
    assert len(season.field) == options.field_recordings
    assert len(season.unlabelled) == options.unlabelled_recordings


@given(options=season_options(), order=st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_plan_does_not_depend_on_the_order_of_sites_and_recorders(options, order):
    shuffled = {
        name: order.sample(getattr(options, name), len(getattr(options, name)))
        for name in ("sites", "recorders", "field_recorders", "unlabelled_recorders")
    }
    first, second = plan_season(options), plan_season(replace(options, **shuffled))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_a_further_recorder_changes_no_other(season):
    options = SeasonOptions()
    further = {
        "name": "Moth14",
        "site": "Wheatley",
        "first_night": "2025-03-01",
        "nights": 2,
        "positives": 3,
        "negatives": 3,
    }
    grown = plan_season(replace(options, recorders=[*options.recorders, further])).clips
    kept = grown[grown.recorder_id != "Moth14"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, season.clips)


def test_another_seed_gives_another_season_of_the_same_size(season):
    other = plan_season(SeasonOptions(seed=1))
    assert len(other.clips) == len(season.clips)
    assert set(other.clips.file_path) != set(season.clips.file_path)


def test_a_share_of_nothing_is_nobody():
    options = SeasonOptions(share_high=0.1, share_medium=0.9, share_grunt=0.3, share_growl=0.7)
    clips = plan_season(options).clips
    assert "low" not in set(clips.quality) and "both" not in set(clips.call_type)


def test_a_night_gives_unlabelled_recordings_without_frogs_where_none_are_wanted():
    assert plan_season(SeasonOptions(unlabelled_frog_share=0.0)).unlabelled.n_calls.eq(0).all()
    assert plan_season(SeasonOptions(unlabelled_frog_share=1.0)).unlabelled.n_calls.gt(0).all()


def test_empty_folders_are_empty_tables_with_all_columns(season):
    none = plan_season(SeasonOptions(field_recordings=0, unlabelled_recordings=0, field_recorders=[]))
    assert len(none.field) == len(none.unlabelled) == 0
    assert list(none.field.columns) == list(season.field.columns)
    assert (none.field.dtypes == season.field.dtypes).all()


@pytest.mark.parametrize(
    "name", [n for n in SeasonOptions.__dataclass_fields__ if n not in ("sites", "recorders")]
)
def test_recipe_changes_with_every_setting(name):
    options = SeasonOptions()
    value = getattr(options, name)
    other = value[1:] if isinstance(value, list) else value * 0.5 if isinstance(value, float) else value + 1
    assert recipe(replace(options, **{name: other}), "1") != recipe(options, "1")


def test_recipe_is_a_short_name_that_changes_with_sites_recorders_and_version():
    options = SeasonOptions()
    name = recipe(options, "1.0")
    assert re.fullmatch(r"[0-9a-f]{16}", name)
    assert name == recipe(SeasonOptions(), "1.0")
    assert name != recipe(options, "1.1")
    assert name != recipe(replace(options, sites=[*options.sites, {"name": "New Pond"}]), "1.0")
    assert name != recipe(
        replace(options, recorders=[*options.recorders[:-1], {**options.recorders[-1], "nights": 9}]), "1.0"
    )


def test_recipe_takes_whole_numbers_for_what_they_are():
    assert recipe(SeasonOptions(snr_high_db=17), "1") == recipe(SeasonOptions(snr_high_db=17.0), "1")


def test_nights_come_in_weeks_with_a_week_between():
    nights = dates_of_nights({"first_night": "2025-02-14", "nights": 16})
    steps = np.diff(pd.to_datetime(nights).to_numpy()).astype("timedelta64[D]").astype(int)
    assert steps.tolist() == [1] * 6 + [8] + [1] * 6 + [8] + [1]
