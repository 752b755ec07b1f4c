import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from vernal.evaluation.stage_results import short_levels
from vernal.reports.figures import FIGURES, comparisons, curves, figure_title, inline_svg, nights
from vernal.reports.figures.nights import OUTCOMES, outcome, set_nights
from vernal.reports.figures.style import VARIABLES, drawn, legend_below, panels, styled

AXES = {"seed": [1, 2], "hidden_units": [0, 64]}


def words(svg: str) -> str:
    texts = [
        element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]
    return " ".join(texts)


def test_every_figure_is_drawn_as_svg_and_png(drawn_stage):
    _, drawings = drawn_stage
    assert list(drawings) == list(FIGURES)
    for drawing in drawings.values():
        assert drawing.svg.startswith("<svg")
        assert drawing.png.startswith(b"\x89PNG")
        assert "DEMO SEASON, no result" in words(drawing.svg)
        assert "metadata" not in drawing.svg


def test_the_demo_season_is_not_named_where_it_is_not(make_stage):
    results = make_stage(AXES).results
    assert not any("DEMO" in figure_title(name, results) for name in FIGURES)


def test_a_picture_of_a_page_takes_its_colours_and_has_ids_of_its_own(drawn_stage):
    svg = drawn_stage[1]["roc"].svg
    inline = inline_svg(svg, "roc", 'a "curve" <b>')
    assert not re.search(r"#[0-9a-f]{6}", inline)
    assert "var(--blue)" in inline
    assert "xmlns" not in inline
    assert all(name.startswith("roc-") for name in re.findall(r' id="([^"]+)"', inline))
    assert 'aria-label="a &quot;curve&quot; &lt;b&gt;"' in inline
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= set(VARIABLES)


def test_with_validation_alone_pictures_show_validation(make_stage, clips):
    table = clips()
    only = table[table["split"].isin(["train", "val"])].reset_index(drop=True)
    results = make_stage(AXES, splits=only).results
    for figure in (curves.roc, nights.review):
        assert "validation" in words(drawn(figure, results, "title").svg)
    assert "No setting varies in pairs" in words(drawn(comparisons.effects, results, "title").svg)


@pytest.mark.parametrize("absent", ["test_iid", "test_ood"])
def test_a_missing_test_split_leaves_one_panel(make_stage, clips, absent):
    table = clips()
    stage = make_stage(AXES, splits=table[table["split"] != absent].reset_index(drop=True))
    said = words(drawn(curves.roc, stage.results, "title").svg)
    assert absent not in said
    assert "64 positive" in said or "24 positive" in said or "32 positive" in said


def test_the_smallest_stage_there_can_be(make_stage, clips):
    table = clips()
    first = table.groupby(["split", "is_positive"]).head(1).reset_index(drop=True)
    stage = make_stage(splits=first)
    stage.histories = {}
    drawings = stage.draw()
    assert "Training left no learning curves." in words(drawings["learning_curves"].svg)
    assert "No setting varies in pairs of points" in words(drawings["effects"].svg)


def test_one_class_and_no_nights_are_said_in_the_picture(make_stage, clips):
    table = clips().assign(night=pd.Series(np.nan, dtype="str"))
    results = make_stage(splits=table).results
    for figure in (nights.nights, nights.review):
        assert "Recorder or date is unknown" in words(drawn(figure, results, "title").svg)
    positives = clips()
    positives = positives[positives["is_positive"] | ~positives["split"].str.startswith("test")]
    results = make_stage(splits=positives.reset_index(drop=True)).results
    assert "No test split holds both classes." in words(drawn(curves.roc, results, "title").svg)


def test_text_of_other_people_is_drawn_as_it_is(make_stage, clips):
    stage = make_stage(splits=clips(recorder="<i>$a$ \u9752\x1b"))
    svg = drawn(nights.nights, stage.results, "title").svg
    assert "<i>$a$ \u9752\ufffd" in words(svg)
    assert "<i>" not in svg


def test_each_night_has_the_outcome_that_its_columns_say():
    yes, no = True, False
    table = pd.DataFrame(
        {
            "is_present": [yes, yes, yes, no, no],
            "is_reported": [yes, yes, no, yes, no],
            "is_confirmed": [yes, no, no, no, no],
        }
    )
    assert outcome(table).tolist() == list(OUTCOMES)


def test_long_labels_stay_inside_the_picture():
    def draw():
        figure, (axes,) = panels(1, 2, "title")
        axes.set_yticks([0, 1], ["x" * 60, "y"])
        return figure

    root = ElementTree.fromstring(drawn(draw).svg)
    width = float(root.get("viewBox", "").split()[2])
    (label,) = [element for element in root.iter() if (element.text or "").startswith("xxx")]
    anchor = float(label.get("x", "nan"))
    # The page's own fonts are narrower than the one that the layout is made for.
    assert 60 * 4.5 < anchor < width


def test_levels_lose_their_folder_only_where_they_stay_apart():
    assert short_levels(["none", "hardNeg/a", "hardNeg/b"]) == ["none", "a", "b"]
    assert short_levels(["x/a", "y/a"]) == ["x/a", "y/a"]


def test_the_leaderboards_picture_shows_every_seed_and_says_what_it_leaves_out(make_stage, monkeypatch):
    monkeypatch.setattr(comparisons, "ROWS", 1)
    results = make_stage(AXES).results
    seeds = [results.number(point, results.primary) for point in results.points["point"]]
    with styled():
        figure = comparisons.leaderboard(results, "made")
    (axes,) = figure.axes
    assert figure.get_suptitle() == "made (first 1 of 2)"
    low, high = axes.get_xlim()
    assert any(low <= value <= high for value in seeds)
    assert [text.get_text() for text in axes.texts] == ["hidden_units", "1"]
    assert "hidden" not in axes.get_yticklabels()[0].get_text() + axes.texts[1].get_text()


def test_an_interval_is_in_the_legend_only_where_there_is_one(make_stage, clips):
    few = make_stage(AXES, splits=clips(nights=4))
    assert "interval" in words(drawn(comparisons.leaderboard, make_stage(AXES).results, "made").svg)
    assert few.results.leaderboard["test_ood_f1_low"].isna().all()
    assert "interval" not in words(drawn(comparisons.leaderboard, few.results, "made").svg)


def test_curves_pass_through_what_was_counted(make_stage):
    results = make_stage(AXES).results
    with styled():
        lines = curves.roc(results, "made").axes[0].lines
    counted = results.table("curves", results.leading_points[0], results.test_splits[0])
    assert np.allclose(lines[0].get_xdata()[1:], counted["fpr"])
    assert np.allclose(lines[0].get_ydata()[1:], counted["recall"])


def test_a_legend_takes_as_many_columns_as_fit():
    with styled():
        figure, (axes,) = panels(1, 3, "made", width_in=7.0)
        for name in "abcde":
            axes.plot([0, 1], [0, 1], label=f"{name} long enough to need some room")
        legend_below(figure, axes, 3)
        (legend,) = figure.legends
        assert legend.get_window_extent().width <= figure.bbox.width
        assert [text.get_text()[0] for text in legend.get_texts()] == list("abcde")


def test_nights_stand_as_far_apart_as_they_are_and_a_long_gap_is_broken():
    with styled():
        _, (axes,) = panels(1, 2.0, "nights")
    places = set_nights(axes, ["2025-03-08", "2025-03-10", "2025-03-27", "2025-03-28"])
    assert list(places.values()) == [0, 2, 12, 13]
    assert [line.get_xdata()[0] for line in axes.lines] == [7]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2025-03-08", "2025-03-10", "2025-03-27"]
