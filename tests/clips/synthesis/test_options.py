"""Settings of the demo season: what ships, what the configuration says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vernal.clips.synthesis import SeasonOptions, plan_season
from vernal.clips.synthesis.options import CONFUSERS
from vernal.common.problems import InputError

CONF = Path(__file__).resolve().parents[3] / "conf"


def _conf(environment: str) -> dict:
    path = CONF / environment / "demo" / "parameters.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["demo"]


def test_base_configuration_states_every_setting_as_it_ships():
    stated = _conf("base")
    assert set(stated) == set(SeasonOptions.__dataclass_fields__)
    assert SeasonOptions(**stated) == SeasonOptions()


def test_test_configuration_is_the_same_season_in_small():
    from vernal.clips.splits import SplitOptions, _deal

    options = SeasonOptions(**_conf("test"))
    season = plan_season(options)
    clips = season.clips
    assert len(clips) < 80
    assert set(clips.site) == {site["name"] for site in SeasonOptions().sites}
    assert set(clips.quality.dropna()) == {"high", "medium", "low"}
    assert set(clips.call_type.dropna()) == {"grunt", "growl", "both"}
    assert len(season.field) == 3 and set(season.field.duration_s) == {12.0}
    assert len(season.unlabelled) == 2
    elsewhere = clips[clips.site != "Sylvan Pond"]
    split = (elsewhere.recorder_id + " " + elsewhere.date).map(lambda block: _deal(block, SplitOptions()))
    for name in ("train", "val", "test_iid"):
        assert set(elsewhere.label[split == name]) == {"positive", "negative"}, name
    assert set(elsewhere.quality[split == "train"].dropna()) == {"high", "medium", "low"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": -1}, "demo.seed is -1; give a whole number from 0"),
        ({"seed": True}, "seed is True"),
        ({"individuals": 0}, "individuals is 0"),
        ({"field_s": 2}, "field_s is 2; give whole seconds from 3 to 600"),
        ({"unlabelled_s": 12.5}, "unlabelled_s is 12.5"),
        ({"snr_high_db": "loud"}, "snr_high_db is 'loud'; give decibels from -60 to 60"),
        ({"snr_low_db": float("nan")}, "snr_low_db is nan"),
        ({"snr_spread_db": -1}, "snr_spread_db is -1; give decibels from 0 to 40"),
        ({"share_high": 1.5}, "share_high is 1.5; give a share from 0 to 1"),
        ({"share_high": 0.6, "share_medium": 0.6}, "share_high + share_medium is 1.2; give 1 at most"),
        ({"confuser_scale": -0.1}, "confuser_scale is -0.1"),
        ({"site_shift": 11}, "site_shift is 11"),
        ({"unlabelled_frog_share": 2}, "unlabelled_frog_share is 2"),
        ({"field_recorders": ["Moth99"]}, "field_recorders names 'Moth99'"),
        ({"field_recorders": ["Moht02"]}, "did you mean 'Moth02'"),
        ({"field_recorders": []}, "field_recorders is empty, though 30 recordings are asked for"),
        ({"unlabelled_recorders": ["Moth03", "Moth03"]}, "names a recorder twice"),
        ({"unlabelled_recorders": "Moth03"}, "unlabelled_recorders is 'Moth03'; give a list"),
        ({"sites": []}, "demo.sites is []; give a list of at least one entry"),
        ({"recorders": None}, "demo.recorders is None; give a list of at least one entry"),
        ({"sites": ["Wheatley"]}, "demo.sites is 'Wheatley'; give names with values"),
    ],
)
def test_refused_settings_say_what_was_found_and_expected(settings, words):
    with pytest.raises(InputError) as caught:
        SeasonOptions(**settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"site": "Sylvan Pnod"}, "did you mean 'Sylvan Pond'"),
        ({"site": ["Wheatley"]}, "site is ['Wheatley']; give text"),
        ({"name": "../Moth01"}, "name is '../Moth01'; give letters, digits and hyphens"),
        ({"name": "moth02"}, "recorder 'Moth02' is listed twice"),
        ({"name": None}, "name is None; give letters"),
        (
            {"first_night": "3 April"},
            "first_night is '3 April'; give a date in quotes such as '2025-04-03'",
        ),
        ({"first_night": "2025-02-30"}, "first_night is '2025-02-30'"),
        ({"first_night": "9999-12-31"}, "first_night is '9999-12-31'"),
        ({"nights": 0}, "demo.recorders.Moth01.nights is 0; give a whole number, 1 or more"),
        ({"negatives": -3}, "negatives is -3"),
        ({"positives": 2, "negatives": 1, "nights": 9}, "3 clips cannot fill 9 nights"),
        ({"positives": 5001}, "5,001 clips; give 5,000 at most"),
        ({"night": 3}, "There is no demo.recorders.Moth01.night (did you mean 'nights'"),
    ],
)
def test_refused_recorders_say_what_was_found_and_expected(change, words):
    recorders = [dict(recorder) for recorder in SeasonOptions().recorders]
    recorders[0] |= change
    with pytest.raises(InputError) as caught:
        SeasonOptions(recorders=recorders)
    assert words in str(caught.value)


def test_refused_site_settings_are_listed_together():
    sites = [{"name": "Wheatley", "owls": 1.2, "wnid": 0.1}, {"name": "Wheatley"}]
    with pytest.raises(InputError) as caught:
        SeasonOptions(sites=sites, seed=-1)
    for words in (
        "demo.sites.Wheatley.owls is 1.2; give a share from 0 to 1",
        "There is no demo.sites.Wheatley.wnid (did you mean 'wind'",
        "site 'Wheatley' is listed twice",
        "seed is -1",
    ):
        assert words in str(caught.value)
    with pytest.raises(InputError, match="recorder Moth08: unknown site 'Cole Creek'"):
        SeasonOptions(sites=sites[1:])


def test_site_shift_moves_sites_from_all_alike_to_as_listed():
    listed = SeasonOptions(site_shift=1.0)
    alike = SeasonOptions(site_shift=0.0)
    names = [site["name"] for site in listed.sites]
    assert all(alike.site(name) == alike.site(names[0]) for name in names)
    for site in listed.sites:
        assert listed.site(site["name"]) == pytest.approx({k: v for k, v in site.items() if k != "name"})


def test_sites_all_alike_are_the_average_site_in_whatever_order_they_are_listed():
    sites = [{"name": "A", "owls": 0.1}, {"name": "B", "owls": 0.2}, {"name": "C", "owls": 0.6}]
    recorder = {
        "name": "M",
        "site": "A",
        "first_night": "2025-04-03",
        "nights": 1,
        "positives": 1,
        "negatives": 0,
    }
    for listed in (sites, sites[::-1]):
        for shift, owls in ((0.0, 0.3), (0.5, 0.2), (1.0, 0.1)):
            options = SeasonOptions(
                site_shift=shift,
                sites=listed,
                recorders=[recorder],
                field_recorders=["M"],
                unlabelled_recorders=["M"],
            )
            assert options.site("A")["owls"] == pytest.approx(owls)


def test_site_profiles_stay_in_range_however_far_they_are_moved():
    options = SeasonOptions(site_shift=10.0)
    for site in options.sites:
        profile = options.site(site["name"])
        assert all(0 <= profile[kind] <= 1 for kind in CONFUSERS)
        assert 0.5 <= profile["call_pitch"] <= 2


def test_defaults_are_not_shared_between_instances():
    SeasonOptions().recorders[0]["positives"] = 999
    assert SeasonOptions().recorders[0]["positives"] == 12
