"""Pictures that a strict page accepts, effects as they are filtered, and nights of any point."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vernal.evaluation.nights import presence_summary
from vernal.web.results import effects, nights, pictures
from vernal.web.results.comparing import read_pair

A, B = "made_001", "made_003"


@pytest.fixture(scope="module")
def pair(made_once, loaded):
    return read_pair(made_once.data_root, loaded.results, A, B, "clip")


def test_a_picture_has_no_style_and_only_colours_of_the_page(loaded, pair):
    svg = str(
        pictures.page_picture("curves", "what it shows", pictures.precision_recall, loaded.results, pair, "T")
    )
    assert (
        "style" not in svg
        and "<script" not in svg
        and "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    )
    root = ElementTree.fromstring(svg)
    colours = {element.get(name) for element in root.iter() for name in ("fill", "stroke")} - {None, "none"}
    assert colours and all(re.fullmatch(r"var\(--[a-z]+\)", str(colour)) for colour in colours)
    assert f"A: {A}" in svg and f"B: {B}" in svg and root.get("aria-label") == "what it shows"
    assert {element.get("font-size") for element in root.iter() if element.tag == "text"} - {None}


def test_every_declaration_of_a_style_becomes_an_attribute():
    svg = '<svg><style>*{}</style><text style="font: bold 9.5px sans; text-anchor: middle; fill: var(--ink)">a</text></svg>'
    text = ElementTree.fromstring(pictures.without_styles(svg)).find("text")
    assert text is not None
    assert text.attrib == {
        "font-weight": "bold",
        "font-size": "9.5",
        "text-anchor": "middle",
        "fill": "var(--ink)",
    }


def test_a_bar_shows_value_and_interval_inside_its_axis():
    bar = str(pictures.bar((0.5, 0.4, 0.6), (0.4, 0.6), [0.45, float("nan")]))
    assert bar.count('class="beside"') == 1 and 'x1="4.0" x2="136.0"' in bar and 'cx="70.0"' in bar
    nothing = str(pictures.bar((float("nan"),) * 3, (0.0, 1.0)))
    assert "circle" not in nothing and "line" not in nothing


def test_effects_are_those_of_the_table(loaded):
    results = loaded.results
    splits, metrics, axes = effects.effect_choices(results)
    assert splits[0] == "test_ood" and metrics[0] == "f1" and axes == ["hidden_units", "negative_subsets"]
    query = effects.EffectQuery("test_iid", "auroc", "hidden_units")
    rows = effects.effect_rows(results, query)
    whole = results.effects
    naive = [
        row
        for row in whole.to_dict("records")
        if row["split"] == "test_iid" and row["metric"] == "auroc" and row["axis"] == "hidden_units"
        and not isinstance(row["within"], str)
    ]  # fmt: skip
    assert len(naive) == len(rows) == 1 and rows["effect"].iloc[0] == naive[0]["effect"]
    within = effects.effect_rows(results, effects.EffectQuery("test_iid", "auroc", "hidden_units", True))
    assert len(within) == 1 + 2  # and within both levels of the other axis


def test_effects_are_drawn_for_the_metric_that_was_asked_for(loaded):
    query = effects.EffectQuery("test_iid", "auroc")
    rows = effects.effect_rows(loaded.results, query)
    svg = str(pictures.page_picture("e", "e", effects.draw_effects, loaded.results, rows, query, "T"))
    assert "change of AUROC" in svg and "hidden_units: 0 → 64" in svg and ">same sites (test)<" in svg


def test_nights_of_the_leading_point_are_those_of_the_report(made_once, loaded):
    results = loaded.results
    point = results.deployed
    scored = read_pair(made_once.data_root, results, point, point, "clip")
    mine = nights.nights_of_point(results, scored, point)
    told = results.table("nights", point)
    columns = ["split", "recorder_id", "night", "n_clips", "n_flagged", "is_missed"]
    assert mine[columns].to_numpy().tolist() == told[columns].to_numpy().tolist()
    totals = nights.totals(results, scored, mine, "test_ood")
    report = results.table("seasons", point, "test_ood")
    np.testing.assert_array_equal(totals["total"], report["total"])  # what was not tested is NaN in both
    assert totals["low"].to_numpy() == pytest.approx(report["low"].to_numpy(), abs=1e-5, nan_ok=True)


def test_nights_of_another_point_are_its_own(loaded, pair):
    table = nights.nights_of_point(loaded.results, pair, A)
    by_point = loaded.results.number(A, "test_ood_missed_nights")
    assert presence_summary(table[table["split"] == "test_ood"])["missed_nights"] == by_point
    svg = str(pictures.page_picture("n", "n", nights.draw_nights, loaded.results, table, A, "T"))
    assert "new site (test)" in svg and "&lt;script" in svg  # a recorder's name, escaped


def test_without_recorders_there_are_no_nights(loaded, pair):
    from dataclasses import replace

    bare = replace(
        pair, units={name: units.drop(columns="recorder_id") for name, units in pair.units.items()}
    )
    assert nights.nights_of_point(loaded.results, bare, A).empty
