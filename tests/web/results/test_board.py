"""The leaderboard is filtered and ordered without changing a number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.web.results.board import (
    CONFIGURATIONS,
    POINTS,
    BoardQuery,
    BoardRow,
    above_floor,
    choices,
    configuration_rows,
    fits,
    fixed,
    in_order,
    make_board,
    parse_query,
    point_rows,
    selection_words,
)

NAN = float("nan")


def row(name: str, value: float = 0.5, precision: float = 0.9, **levels: str) -> BoardRow:
    named = {setting: (level,) for setting, level in levels.items()}
    return BoardRow(name, (name,), named, {"val_f1": value, "val_precision": precision})


def test_every_varying_setting_can_be_filtered_by(loaded):
    assert choices(loaded.results) == {
        "seed": ["1", "2", "3"],
        "negative_subsets": ["none", "hardNeg/hardneg_conf_min_50"],
        "hidden_units": ["0", "64"],
    }
    same = fixed(loaded.results)
    assert same["epochs"] == "20" and same["quality"] == "high, medium" and "hidden_units" not in same


def test_configurations_stand_as_in_the_leaderboard(loaded):
    results = loaded.results
    rows = configuration_rows(results)
    assert [one.rank for one in rows] == results.leaderboard["rank"].tolist()
    assert [one.number("test_ood_f1") for one in rows] == results.leaderboard["test_ood_f1_mean"].tolist()
    assert [one.number("test_ood_f1_low") for one in rows] == results.leaderboard["test_ood_f1_low"].tolist()
    assert all(one.levels["seed"] == ("1", "2", "3") for one in rows)


def test_points_stand_as_in_the_points_table(loaded):
    results = loaded.results
    rows = point_rows(results)
    assert [one.point for one in rows] == results.points["point"].tolist()
    assert [one.number("test_iid_auroc") for one in rows] == results.points["test_iid_auroc"].tolist()


def test_a_configuration_is_stood_for_by_its_best_point_on_validation(loaded):
    results = loaded.results
    for one in configuration_rows(results):
        values = {point: results.number(point, "val_average_precision") for point in one.points}
        assert len(values) == 3 and values[one.point] == max(values.values())


def test_a_filter_keeps_the_numbers(loaded):
    query = BoardQuery(levels={"hidden_units": frozenset({"64"})})
    board = make_board(loaded.results, query)
    assert board.n_all == 4 and board.n_by_level == 2 and len(board.rows) == 2
    whole = {one.point: one.numbers for one in configuration_rows(loaded.results)}
    for one in board.rows:
        assert one.levels["hidden_units"] == ("64",)
        assert one.numbers == pytest.approx(whole[one.point], nan_ok=True, abs=0)


def test_points_can_be_filtered_by_seed_and_configurations_cannot(loaded):
    asked = [("s.seed", "2"), ("s.hidden_units", "0")]
    query, words = parse_query(loaded.results, [("rows", "points"), *asked])
    assert words == [] and len(make_board(loaded.results, query).rows) == 2
    query, words = parse_query(loaded.results, asked)
    assert query.rows == CONFIGURATIONS and "means over all seeds" in words[0]
    assert len(make_board(loaded.results, query).rows) == 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("s.dropout", "0.5"), "'dropout' does not vary"),
        (("s.hidden_units", "65"), "hidden_units has no level '65'; known: 0, 64."),
        (("floor", "much"), "'much' is no number from 0 to 1"),
        (("floor", "1.2"), "'1.2' is no number from 0 to 1"),
        (("floor", "nan"), "'nan' is no number"),
        (("sort", "x; drop"), "no column 'x; drop'"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(loaded, asked, words):
    query, said = parse_query(loaded.results, [asked])
    assert words in said[0]
    assert query == parse_query(loaded.results, [])[0]


def test_a_floor_is_on_validation_unless_a_split_is_named(loaded):
    query, _ = parse_query(loaded.results, [("floor", "0,8")])
    assert query.floor == 0.8 and query.floor_split == "val"
    assert (
        parse_query(loaded.results, [("floor", "0.8"), ("floor_split", "test_ood")])[0].floor_split
        == "test_ood"
    )
    assert parse_query(loaded.results, [("floor", "0.8"), ("floor_split", "train")])[0].floor_split == "val"


def test_a_floor_counts_what_it_leaves_out():
    rows = [
        row("a", precision=0.9),
        row("b", precision=0.8),
        row("c", precision=0.79),
        row("d", precision=NAN),
    ]
    kept, n_below, n_undefined = above_floor(rows, BoardQuery(floor=0.8))
    assert [one.point for one in kept] == ["a", "b"] and (n_below, n_undefined) == (1, 1)
    assert above_floor(rows, BoardQuery()) == (rows, 0, 0)


def test_a_floor_on_a_test_split_is_said_to_be_a_choice_on_it(loaded):
    tone = dict
    said = tone(selection_words(loaded.results, BoardQuery(floor=0.8, sort="val_f1")))
    assert list(said.values()) == ["good"] and "touches no test split" in next(iter(said))
    said = tone(selection_words(loaded.results, BoardQuery(floor=0.8, floor_split="test_ood", sort="val_f1")))
    assert list(said.values()) == ["warning"]
    assert "0.8 at a new site (test), which is a choice made on a test split" in next(iter(said))


def test_an_order_by_a_test_split_is_said_to_flatter(loaded):
    ((ranks, _),) = selection_words(loaded.results, BoardQuery())
    assert "mean F1 on validation less 0.2 standard deviations" in ranks
    ((flatters, _),) = selection_words(loaded.results, BoardQuery(sort="test_ood_f1"))
    assert "new site (test), which flatters" in flatters
    assert selection_words(loaded.results, BoardQuery(sort="val_f1")) == []
    assert selection_words(loaded.results, BoardQuery(rows=POINTS)) == []  # the order of the plan


def test_an_order_puts_what_is_undefined_last_both_ways():
    rows = [row("a", NAN), row("b", 0.2), row("c", 0.7), row("d", 0.2)]
    assert [one.point for one in in_order(rows, "val_f1", True)] == ["c", "b", "d", "a"]
    assert [one.point for one in in_order(rows, "val_f1", False)] == ["b", "d", "c", "a"]


LEVELS = st.sampled_from(["x", "y", "z"])
ROWS = st.lists(
    st.builds(
        row,
        st.text("abc", min_size=1, max_size=3),
        st.one_of(st.floats(0, 1), st.just(NAN)),
        st.one_of(st.floats(0, 1), st.just(NAN)),
        one=LEVELS,
        other=LEVELS,
    ),
    max_size=12,
)


@settings(deadline=None)  # other work on the machine must not fail it
@given(ROWS, st.sets(LEVELS, min_size=1), st.sets(LEVELS, min_size=1), st.floats(0, 1), st.booleans())
def test_filters_and_order_agree_with_a_naive_reading(rows, one, other, floor, descending):
    levels = {"one": frozenset(one), "other": frozenset(other)}
    kept = [entry for entry in rows if fits(entry, levels)]
    naive = [entry for entry in rows if entry.levels["one"][0] in one and entry.levels["other"][0] in other]
    assert kept == naive
    above, n_below, n_undefined = above_floor(kept, BoardQuery(floor=floor))
    assert above == [entry for entry in kept if entry.number("val_precision") >= floor]
    assert len(above) + n_below + n_undefined == len(kept)
    ordered = in_order(above, "val_f1", descending)
    assert sorted(map(id, ordered)) == sorted(map(id, above))
    values = [entry.number("val_f1") for entry in ordered if math.isfinite(entry.number("val_f1"))]
    assert values == sorted(values, reverse=descending)
    assert not any(math.isfinite(entry.number("val_f1")) for entry in ordered[len(values) :])
