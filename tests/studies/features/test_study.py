import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.studies.features.made_features import make_class_clips
from vernal.common.problems import InputError
from vernal.studies.features.class_mapping import ClassMapping, map_classes
from vernal.studies.features.folds import BY_SITE, LEAKY, FoldOptions, deal_folds, keep_sites_whole
from vernal.studies.features.point_settings import point_options
from vernal.studies.features.study import StudyOptions, expand_study


def labels(**counts: int) -> pd.DataFrame:
    return pd.DataFrame({"label": [label for label, n in counts.items() for _ in range(n)]})


def test_labels_are_merged_dropped_and_counted():
    clips = labels(rain=6, rooster=4, owl=3, saw=7)
    kept, counts = map_classes(clips, ClassMapping(merge={"bird": ["rooster", "owl"]}, drop=["saw"]))
    assert kept["class"].value_counts().to_dict() == {"bird": 7, "rain": 6}
    assert counts.label.tolist() == ["owl", "rain", "rooster", "saw"]
    assert counts["class"].fillna("-").tolist() == ["bird", "rain", "bird", "-"]
    assert counts.clips.sum() == len(clips)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (ClassMapping(drop=["rian"]), r"label that no clip has \(1\): 'rian' \(did you mean 'rain'"),
        (ClassMapping(merge={"a": ["rain"]}, drop=["rain"]), "label named more than once .*'rain'"),
        (ClassMapping(merge={"a": []}), "class without labels"),
        (ClassMapping(merge={"a": ["rain", "saw"]}), "fewer than two classes .*left: a"),
        (ClassMapping(min_clips=7), r"class with fewer than 7 clips \(1\): rain: 6"),
    ],
)
def test_a_mapping_that_cannot_work_says_why(mapping, message):
    with pytest.raises(InputError, match=message):
        map_classes(labels(rain=6, saw=7), mapping)


def test_one_label_may_stand_without_brackets_and_an_empty_setting_is_none():
    clips = labels(rain=6, rooster=7, saw=8)
    kept, _ = map_classes(clips, ClassMapping(merge={"bird": "rooster"}, drop="saw"))
    assert sorted(set(kept["class"])) == ["bird", "rain"]
    kept, _ = map_classes(clips, ClassMapping(merge=None, drop=None))
    assert sorted(set(kept["class"])) == ["rain", "rooster", "saw"]


def test_mapping_settings_of_another_form_are_all_named():
    with pytest.raises(
        InputError, match=r"(?s)merge is \['rain'\]; give class.*min_clips is '6'; give a whole"
    ):
        ClassMapping(merge=["rain"], min_clips="6")
    with pytest.raises(InputError, match="min_clips is 1; give a whole number, 2 or more"):
        ClassMapping(min_clips=1)


def test_sites_take_turns_and_no_group_is_divided(class_clips):
    clips = class_clips()
    folds = deal_folds(clips, FoldOptions())
    grouped = folds[folds.split == BY_SITE].merge(clips, on="clip_id")
    assert sorted(grouped.fold.unique()) == ["s0", "s1", "s2"]
    assert (grouped.site[grouped.role == "test"] == grouped.fold[grouped.role == "test"]).all()
    assert grouped.groupby(["fold", "group"]).role.nunique().max() == 1
    assert (grouped[grouped.role == "test"].clip_id.value_counts() == 1).all()
    shares = (
        grouped[grouped.role != "test"]
        .groupby(["fold", "class"])
        .role.agg(lambda role: (role == "val").mean())
    )
    assert shares.between(0.15, 0.35).all()


def test_the_leaky_split_divides_groups_and_tests_everything_once(class_clips):
    clips = class_clips()
    folds = deal_folds(clips, FoldOptions())
    leaky = folds[folds.split == LEAKY].merge(clips, on="clip_id")
    assert (leaky[leaky.role == "test"].clip_id.value_counts() == 1).all()
    assert leaky.groupby(["fold", "group"]).role.nunique().max() > 1


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 5), st.sampled_from([None, "group"]))
def test_folds_do_not_depend_on_the_order_of_rows(random, seed, by):
    clips = make_class_clips(2, 3, 3, 1)
    order = list(range(len(clips)))
    random.shuffle(order)
    options = FoldOptions(seed=seed, folds_by=by, n_folds=3)
    pd.testing.assert_frame_equal(deal_folds(clips, options), deal_folds(clips.iloc[order], options))


def test_another_seed_of_the_split_takes_other_groups_for_validation(class_clips):
    clips = class_clips(groups=8)
    roles = [deal_folds(clips, FoldOptions(seed=seed)) for seed in (0, 1)]
    assert (roles[0].role != roles[1].role).any()


def test_groups_are_dealt_evenly_where_there_is_one_site(class_clips):
    clips = class_clips(sites=1, groups=6)
    folds = deal_folds(clips, FoldOptions(n_folds=3))
    sizes = (
        folds[(folds.split == BY_SITE) & (folds.role == "test")]
        .merge(clips, on="clip_id")
        .groupby(["fold", "class"])
        .size()
    )
    assert sizes.tolist() == [4] * 9


def test_validation_leaves_training_something_of_every_class(class_clips):
    """A night holds clips of several classes: taking it for one must not take the last of another."""
    nights = {"a": ["n1", "n2", "n2", "n2"], "b": ["n2", "n3", "n3", "n3"], "c": ["n1", "n3", "n3", "n3"]}
    rows = [
        {"class": name, "site": site, "group": f"{site} {night}"}
        for site in ("s0", "s1")
        for name, own in nights.items()
        for night in own
    ]
    clips = class_clips(1, 1, 1, len(rows)).assign(**pd.DataFrame(rows))
    for seed in range(20):
        folds = deal_folds(clips, FoldOptions(seed=seed))
        grouped = folds[folds.split == BY_SITE].merge(clips, on="clip_id")
        trained = grouped[grouped.role == "train"].groupby("fold")["class"].nunique()
        assert trained.to_dict() == {"s0": 3, "s1": 3}
        assert set(grouped.fold[grouped.role == "val"]) == {"s0", "s1"}


def test_sites_are_whole_unless_groups_are_dealt_or_sites_unknown(class_clips):
    clips = class_clips()
    assert keep_sites_whole(deal_folds(clips, FoldOptions()), clips)
    assert not keep_sites_whole(deal_folds(clips, FoldOptions(folds_by="group")), clips)
    nowhere = clips.assign(site=pd.Series([np.nan] * len(clips), dtype="str"))
    assert not keep_sites_whole(deal_folds(nowhere, FoldOptions()), nowhere)


def test_many_sites_are_gathered_into_folds(class_clips):
    clips = class_clips(sites=8, groups=2)
    folds = deal_folds(clips, FoldOptions(n_folds=4))
    tested = folds[(folds.split == BY_SITE) & (folds.role == "test")].merge(clips, on="clip_id")
    assert tested.fold.nunique() == 4
    assert tested.groupby("site").fold.nunique().max() == 1


def test_groups_over_two_sites_and_classes_of_one_site_are_refused(class_clips):
    clips = class_clips()
    torn = clips.assign(group=clips.group.replace("0 1 0", "0 0 0"))
    with pytest.raises(InputError, match=r"group that reaches over sites \(1\): group 0 0 0: s0, s1"):
        deal_folds(torn, FoldOptions())
    alone = clips.assign(
        **{"class": clips["class"].mask(clips.site == "s2", "rare").mask(clips.site != "s2", "c0")}
    )
    with pytest.raises(InputError, match="rare when s2 is tested"):
        deal_folds(alone, FoldOptions())
    with pytest.raises(InputError, match="too few groups"):
        deal_folds(class_clips(1, 1, 1, 4), FoldOptions(folds_by="group"))
    with pytest.raises(ValueError, match="folds_by is 'sites'"):
        FoldOptions(folds_by="sites")


SPEC = StudyOptions(
    axes={"feature": ["mel", "chroma"], "sync": ["raw", "beat_synced"], "seed": [1, 2]},
    base_params={"units": 8},
    also=[{"feature": ["birdnet"], "model": ["linear"], "seed": [1, 2]}],
)


def test_points_are_numbered_in_the_order_of_the_axes():
    plan = expand_study(SPEC)
    assert plan.point.tolist() == [f"features_{number:03d}" for number in range(1, 11)]
    assert plan.feature.tolist() == ["mel"] * 4 + ["chroma"] * 4 + ["birdnet"] * 2
    assert plan.seed.tolist() == [1, 2] * 5
    assert plan.configuration.nunique() == 5 and plan.config_hash.nunique() == 10
    assert point_options(plan.iloc[0].to_dict()).network.units == 8


def test_configurations_of_one_name_say_what_tells_them_apart():
    spec = StudyOptions(
        axes={"sync": ["raw", "beat_synced"], "frames_per_step": [1, 8], "bidirectional": [True, False]},
        also=[{"model": ["conv"], "units": [8]}, {"feature": ["birdnet"], "model": ["linear"]}],
    )
    plan = expand_study(spec)
    assert plan.variant.tolist() == [
        "frames per step 1, bidirectional true",
        "frames per step 1, bidirectional false",
        "frames per step 8, bidirectional true",
        "frames per step 8, bidirectional false",
        *["bidirectional true", "bidirectional false"] * 2,
        "",
        "",
    ]
    assert plan.groupby("configuration").variant.nunique().max() == 1
    assert set(expand_study(SPEC).variant) == {""}


def test_settings_without_effect_make_no_other_point():
    def hashes(**values):
        return expand_study(StudyOptions(axes={name: [value] for name, value in values.items()})).config_hash[
            0
        ]

    birdnet = {"feature": "birdnet", "model": "linear"}
    assert hashes(**birdnet) == hashes(**birdnet, units=7, sync="beat_synced")
    assert hashes(**birdnet) != hashes(**birdnet, epochs=7)
    assert hashes(sync="beat_synced") == hashes(sync="beat_synced", frames_per_step=2)
    assert hashes(sync="raw") != hashes(sync="raw", frames_per_step=2)


def test_everything_wrong_with_a_spec_is_said_at_once():
    spec = StudyOptions(
        axes={"featrue": ["mel"], "sync": "raw", "seed": [1, 1], "units": [0, True]},
        base_params={"pooling": "sum"},
        also=[{"model": ["linear"]}, 3],
    )
    with pytest.raises(InputError) as error:
        expand_study(spec)
    for words in (
        "'featrue' (did you mean 'feature'?)",
        "sync is 'raw'",
        "seed [1, 1]",
        "units is 0 (give a whole number from 1 to 4096)",
        "units is True",
        "pooling is 'sum' (give mean, max, mean_max, last)",
        "entry 2: 3",
    ):
        assert words in str(error.value)
    with pytest.raises(InputError, match="features_001: mel with linear"):
        expand_study(StudyOptions(axes={"model": ["linear"]}))
    with pytest.raises(InputError, match="axes is empty"):
        expand_study(StudyOptions())
    with pytest.raises(InputError) as error:
        StudyOptions(base_params=["units"], also={"feature": ["mel"]}, overfit_check="yes")
    for words in (
        "base_params is ['units']; give setting: value",
        "also is {'feature'",
        "overfit_check is 'yes'",
    ):
        assert words in str(error.value)


def test_the_shipped_study_has_every_feature_both_ways(project):
    import yaml

    parameters = yaml.safe_load((project / "conf/base/features/parameters.yml").read_text(encoding="utf-8"))[
        "features"
    ]
    plan = expand_study(StudyOptions(**parameters["study"]))
    grid = plan[(plan.model == "lstm") & (plan.split == "by_site")]
    assert set(zip(grid.feature, grid["sync"], strict=True)) == {
        (feature, sync) for feature in ("mel", "chroma", "fused", "pcen") for sync in ("raw", "beat_synced")
    }
    assert grid.groupby(["feature", "sync"]).seed.nunique().min() >= 2
    assert {"conv", "linear"} < set(plan.model) and LEAKY in set(plan.split)
    assert np.isfinite(plan.learning_rate).all()
