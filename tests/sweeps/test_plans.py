"""The plan of a stage: spec and files settled, equal runs joined, points chosen, states told."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.sweeps.plans import (
    make_plan,
    point_states,
    resolve_points,
    select_points,
    selected_names,
    size_of,
)
from vernal.sweeps.point_settings import SETTINGS, PointSettings, config_hash
from vernal.sweeps.points import fingerprint, point_record
from vernal.sweeps.setting_problems import KNOWN_SUBSETS
from vernal.sweeps.spec import expand, parse_spec, read_stage


def spec_of(**axes):
    return parse_spec({"stage": "x", "axes": axes}, "x.yml")


SMALL = spec_of(seed=[1, 2], upsampling_mode=["mean", "smote"], upsampling_ratio=[0, 0.5])


def files_of(spec) -> dict:
    return {point.name: point_record(point) for point in expand(spec)}


def test_a_plan_has_a_row_a_point_with_every_setting():
    plan = resolve_points(SMALL, {})
    told = ["point", "config_hash", "configuration_hash", "fit_hash", "is_edited", "shares_with"]
    assert list(plan.columns) == [*told, *(name for name in SETTINGS if name != "encoder")]
    assert plan.point.tolist() == [f"x_00{number}" for number in range(1, 9)]
    assert plan.quality.unique().tolist() == ["high;medium;low"]
    assert plan.positive_subsets.unique().tolist() == ["none"]
    assert plan.sites.unique().tolist() == ["all"]
    assert not plan.isna().any().any()
    assert not plan.is_edited.any()
    rows = plan.to_dict("records")
    assert [config_hash(PointSettings.from_row(row)) for row in rows] == plan.config_hash.tolist()


def test_the_size_counts_runs_apart_from_points(project):
    size = size_of(expand(read_stage(project / "conf" / "sweeps", "imbalance")))
    assert (size.points, size.runs, size.configurations) == (108, 84, 28)
    assert size_of(expand(read_stage(project / "conf" / "sweeps", "stage15"))).trainings == 7


def test_points_of_equal_hash_share_with_the_first_of_them():
    plan = resolve_points(SMALL, {}).set_index("point")
    assert plan.shares_with.to_dict() == {
        "x_001": "x_001", "x_002": "x_002", "x_003": "x_001", "x_004": "x_004",
        "x_005": "x_005", "x_006": "x_006", "x_007": "x_005", "x_008": "x_008",
    }  # fmt: skip
    assert (plan.config_hash["x_001"], plan.upsampling_mode["x_003"]) == (plan.config_hash["x_003"], "smote")


def test_imbalance_shares_24_of_its_108_points(project: Path):
    plan = resolve_points(read_stage(project / "conf" / "sweeps", "imbalance"), {})
    assert (plan.shares_with != plan.point).sum() == 24
    assert (plan.config_hash.nunique(), plan.configuration_hash.nunique()) == (84, 28)
    assert (plan.groupby("configuration_hash").seed.nunique() == 3).all()


def test_files_as_written_change_nothing():
    pd.testing.assert_frame_equal(resolve_points(SMALL, files_of(SMALL)), resolve_points(SMALL, {}))


def test_an_edited_file_changes_its_point_alone():
    files = files_of(SMALL)
    files["x_003"] = {**files["x_003"], "dropout": 0.5}
    before, after = resolve_points(SMALL, {}), resolve_points(SMALL, files)
    assert after.point[after.is_edited].tolist() == ["x_003"]
    assert after.point[after.config_hash != before.config_hash].tolist() == ["x_003"]
    assert after.dropout.tolist() == [0.25, 0.25, 0.5, *[0.25] * 5]
    assert after.shares_with[2] == "x_003"


def test_an_edit_of_an_idle_setting_is_shown_and_keeps_the_run():
    files = files_of(SMALL)
    files["x_001"] = {**files["x_001"], "focal_loss_gamma": 3}
    plan = resolve_points(SMALL, files)
    assert plan.is_edited.tolist() == [True] + [False] * 7
    assert plan.config_hash.equals(resolve_points(SMALL, {}).config_hash)


def test_a_file_with_a_few_settings_takes_the_others_from_the_spec():
    plan = make_plan(SMALL, {"x_008": {"dropout": 0.5}})
    edited = plan.points[7].settings
    assert (edited.dropout, edited.seed, edited.upsampling_mode) == (0.5, 2, "smote")
    assert not make_plan(SMALL, {"x_008": {}}).points[7].is_edited


def test_growing_an_axis_leaves_unedited_files_without_a_say():
    grown = spec_of(seed=[0, 1, 2], upsampling_mode=["mean", "smote"], upsampling_ratio=[0, 0.5])
    plan = resolve_points(grown, files_of(SMALL))
    pd.testing.assert_frame_equal(plan, resolve_points(grown, {}))
    assert set(plan.config_hash) > set(resolve_points(SMALL, {}).config_hash)


def test_shrinking_an_axis_names_the_files_that_are_left_over():
    plan = make_plan(
        spec_of(seed=[1], upsampling_mode=["mean", "smote"], upsampling_ratio=[0, 0.5]), files_of(SMALL)
    )
    assert len(plan.points) == 4
    assert plan.leftovers == ("x_005", "x_006", "x_007", "x_008")


def test_an_edit_made_for_another_spec_must_be_decided_by_a_person():
    files = files_of(SMALL)
    files["x_002"] = {**files["x_002"], "dropout": 0.5}
    grown = spec_of(seed=[0, 1, 2], upsampling_mode=["mean", "smote"], upsampling_ratio=[0, 0.5])
    with pytest.raises(
        InputError, match=r"edited from an older spec \(1\): x_002.yml. .* delete the file's made_from"
    ):
        make_plan(grown, files)
    # The first way out that the message names:
    del files["x_002"]["made_from"]
    assert make_plan(grown, files).points[1].settings.dropout == 0.5


def test_a_setting_that_older_files_do_not_have_makes_no_edit_outdated():
    files = {}
    for name, record in files_of(SMALL).items():
        # As if written by a release without the setting.
        older = {key: value for key, value in record.items() if key in SETTINGS and key != "overlap"}
        files[name] = {"point": name, **older, "made_from": fingerprint(name, older)}
    files["x_002"]["dropout"] = 0.5
    plan = make_plan(SMALL, files)
    assert [point.name for point in plan.points if point.is_edited] == ["x_002"]


def test_wrong_point_files_stop_the_plan_with_every_problem():
    files = {
        "x_001": {"drpout": 1},
        "x_002": {"fmin": 9000, "fmax": 100},
    }
    with pytest.raises(InputError, match=r"x_001\.yml: 'drpout'"):
        make_plan(SMALL, files)
    files = {
        "x_002": {"fmin": 9000, "fmax": 100},
        "x_003": {"positive_subsets": ["bestLowQuality/big"]},
        "x_009": {"dropout": 0.5},
    }
    with pytest.raises(InputError) as caught:
        make_plan(SMALL, files)
    for expected in (
        "x_002.yml: fmin 9000 is not below fmax 100", "x_003.yml: positive_subsets: 'bestLowQuality/big'",
        "edited point file without a point (1): x_009.yml",
    ):  # fmt: skip
        assert expected in str(caught.value)


def test_subsets_of_the_spec_are_checked_where_they_are_known():
    spec = parse_spec({"stage": "x", "axes": {"positive_subsets": [["bestLowQuality/top40"]]}}, "x.yml", None)
    assert len(make_plan(spec, {}, known_subsets=None).points) == 1
    with pytest.raises(InputError, match="'bestLowQuality/top40'"):
        make_plan(spec, {})
    known = {**KNOWN_SUBSETS, "positive_subsets": ["bestLowQuality/top40"]}
    assert len(make_plan(spec, {}, known).points) == 1


# Choosing points

NAMES = [f"stage5_{number:03d}" for number in range(1, 121)]
HASHES = [f"{number:016x}" for number in range(120)]

CHOSEN = {
    "all": (None, range(1, 121)),
    "nothing said": ([], range(1, 121)),
    "name": ("stage5_017", [17]),
    "number": (17, [17]),
    "number as text": ("017", [17]),
    "list": (["stage5_017", 3], [3, 17]),
    "range of names": ("stage5_010-stage5_012", [10, 11, 12]),
    "range of numbers": ("10 - 12", [10, 11, 12]),
    "several in one text": ("1;stage5_003, 119-120", [1, 3, 119, 120]),
    "missing": ("missing", range(3, 121)),
    "missing and more": (["missing", 1], [1, *range(3, 121)]),
}


@pytest.mark.parametrize(("selection", "numbers"), CHOSEN.values(), ids=CHOSEN.keys())
def test_points_are_chosen_by_name_number_range_or_state(selection, numbers):
    chosen = selected_names(NAMES, HASHES, selection, finished_hashes=set(HASHES[:2]))
    assert sorted(chosen) == [NAMES[number - 1] for number in numbers]


NOT_CHOSEN = {
    "misspelt": ("stage5_17", r"'stage5_17' \(did you mean 'stage5_017'\?\)"),
    "too far": (121, r"121 \(known: stage5_001 .. stage5_120\)"),
    "zero": (0, "point that the stage does not have .1.: 0 "),
    "backwards": ("20-10", "the range runs backwards"),
    "several": (["a", "stage4_001", 2.5, True, None, {}], r"does not have \(6\)"),
    "half a range": ("stage5_100-stage5_130", "'stage5_100-stage5_130'"),
}


@pytest.mark.parametrize(("selection", "message"), NOT_CHOSEN.values(), ids=NOT_CHOSEN.keys())
def test_points_that_do_not_exist_are_all_named(selection, message):
    with pytest.raises(InputError, match=message):
        selected_names(NAMES, HASHES, selection)


def test_a_selection_keeps_the_plans_order_and_shares_within_itself():
    plan = resolve_points(SMALL, {})
    chosen = select_points(plan, ["x_007", "x_003", "x_002"])
    assert chosen.point.tolist() == ["x_002", "x_003", "x_007"]
    assert chosen.shares_with.tolist() == ["x_002", "x_003", "x_007"]
    both = select_points(plan, "1-4")
    assert both.shares_with.tolist() == ["x_001", "x_002", "x_001", "x_004"]
    assert len(select_points(plan, "missing", set(plan.config_hash))) == 0
    pd.testing.assert_frame_equal(select_points(plan), plan)


@given(st.lists(st.integers(1, 120), min_size=1), st.integers(1, 120), st.integers(1, 120))
def test_every_way_to_name_points_means_the_same(numbers, one, other):
    by_number = selected_names(NAMES, HASHES, numbers)
    assert by_number == selected_names(NAMES, HASHES, [NAMES[number - 1] for number in numbers])
    assert by_number == selected_names(NAMES, HASHES, ";".join(map(str, numbers)))
    low, high = sorted((one, other))
    assert len(selected_names(NAMES, HASHES, f"{low}-{high}")) == high - low + 1


# States


def test_states_go_by_hash_not_by_number(tmp_path: Path):
    table = tmp_path / "points.csv"
    points = {"x_001": "aaa", "x_002": "bbb", "x_003": "ccc", "x_004": "ddd"}
    assert set(point_states(points, table).values()) == {"missing"}
    # x_001 was run under another number; x_002 ran with other settings; x_003 failed.
    table.write_text(
        "point,config_hash,error\nx_007,aaa,\nx_002,zzz,\nx_003,ccc,too few clips\n", encoding="utf-8"
    )
    assert point_states(points, table) == {
        "x_001": "done",
        "x_002": "stale",
        "x_003": "failed",
        "x_004": "missing",
    }


def test_a_table_of_results_that_is_none_is_named(tmp_path: Path):
    table = tmp_path / "points.csv"
    table.write_text("name,hash\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"points.csv has no column config_hash, point; run the stage"):
        point_states({"x_001": "aaa"}, table)
    table.write_bytes(b"point,config_hash\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"points\.csv cannot be read"):
        point_states({"x_001": "aaa"}, table)
