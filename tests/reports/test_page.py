import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from tests.report_pages import without_own_script
from vernal.clips.manifest import on_split, split_name
from vernal.evaluation.effects import what_would_help
from vernal.reports import Section, Table, Text
from vernal.reports.answer import shown_effects
from vernal.reports.figures import clips as clip_figures
from vernal.reports.figures import nights
from vernal.reports.figures.style import drawn
from vernal.reports.page import DEMO_WORDS
from vernal.reports.results import found_section

AXES = {"seed": [1, 2], "hidden_units": [0, 64]}
HOSTILE = "<script>alert('x')</script>\"&`{{ 7*7 }}` $x$"
VOID = {"meta", "br", "link", "img", "use", "path", "hr"}


class Outline(HTMLParser):
    """Tags in order, and text outside of styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    assert parsed.open == []
    return parsed


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(outline(page).words))


def test_a_page_is_well_formed_and_needs_nothing_else(drawn_stage):
    stage, drawings = drawn_stage
    page = stage.page(drawings)
    found = outline(page)
    assert not {"link", "img", "iframe", "object"} & set(found.tags)
    assert "<script" not in without_own_script(page)
    assert not re.search(r"https?:|(src|href)=\"(?!#)|url\((?!#)|@import", page)
    assert not any(name.startswith("on") for name in found.names)
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("svg") == 11
    assert {"answer", "asked", "found", "sure", "deploy", "where", "points"} <= set(found.ids)


def test_every_reference_within_the_page_leads_somewhere(drawn_stage):
    stage, drawings = drawn_stage
    page = stage.page(drawings)
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets
    assert targets <= set(outline(page).ids)


def test_the_same_results_give_the_same_bytes(make_stage):
    assert make_stage(AXES).page() == make_stage(AXES).page()


@pytest.mark.parametrize("is_demo", [True, False])
def test_the_demo_season_is_named_on_the_face(make_stage, is_demo):
    page = make_stage(is_demo=is_demo).page()
    assert (DEMO_WORDS in page) == is_demo
    assert ("DEMO SEASON" in page) == is_demo
    assert ("demo season" in page.partition("</title>")[0]) == is_demo


def test_text_from_files_is_escaped(make_stage, clips):
    named = clips(recorder=HOSTILE, site=HOSTILE)
    stage = make_stage(AXES, splits=named, target=HOSTILE, description=HOSTILE, failed={"made_002": HOSTILE})
    stage.rejects = pd.DataFrame(
        {"source": "labelled", "file_path": HOSTILE, "reason": HOSTILE, "message": [HOSTILE]}
    )
    stage.results.tables["notes"].loc[0] = [HOSTILE, HOSTILE]
    more = (Section("more", HOSTILE, [Text(HOSTILE), Table([HOSTILE], [[HOSTILE]])]),)
    figures = {"nights": nights.nights, "confusion": clip_figures.confusion}
    drawings = {name: drawn(figure, stage.results, HOSTILE) for name, figure in figures.items()}
    page = stage.page(drawings, more)
    assert "<script" not in without_own_script(page)
    assert "alert" in text_of(page)
    found = outline(page)
    assert "{{ 7*7 }}" in " ".join(found.words)
    assert not any(name.startswith("on") for name in found.names)


def test_more_sections_stand_at_the_end_in_the_same_look(make_stage):
    table = Table(["check", "evidence"], [["no night in two splits", "2 nights"]], "", ["bad"])
    page = make_stage().page(more=(Section("certificate", "Certificate", [table]),))
    assert page.index('id="points"') < page.index('id="certificate"')
    assert '<a href="#certificate">Certificate</a>' in page
    assert re.search(r'<tr class="bad">\s*<td>no night in two splits</td>', page)


def test_failed_and_waiting_points_are_told_before_any_number(make_stage):
    page = make_stage(AXES, failed={"made_002": "loss is not finite", "made_003": "not run yet"}).page()
    head = page.partition('<section id="answer">')[0]
    assert "1 point failed and is in no comparison here." in head
    assert "A part of the stage: 1 of 4 points not run yet." in head
    assert "failed at train: loss is not finite" in page
    assert "made_003</code>: failed" not in page


def test_a_part_of_a_stage_is_not_told_as_all_of_its_design(make_stage):
    waiting = dict.fromkeys(["made_002", "made_004"], "not run yet")
    words = text_of(make_stage(AXES, failed=waiting).page())
    assert "4 points: 2 configurations x 2 seeds" in words


def test_shared_edited_and_empty_points_are_marked(make_stage):
    axes = {"seed": [1], "upsampling_mode": ["repeat", "linear"], "upsampling_ratio": [0.0, 0.5]}
    edited = {"made_002": {"point": "made_002", "dropout": 0.5}}
    words = text_of(make_stage(axes, files=edited, empty_subset="hardNeg/hardneg_conf_min_99").page())
    assert "same run as made_001" in words
    assert "edited: dropout 0.5 instead of 0.25" in words
    assert "empty subset: hardNeg/hardneg_conf_min_99" in words
    assert words.index("hardNeg/hardneg_conf_min_99 holds no clip.") < words.index("The answer")
    assert "Points that name such a subset (4 of 4) train without it" in words
    assert "4 points: none failed, 1 the same run as another, 4 naming a subset" in words
    assert "of which 3 are distinct runs" in words


def test_points_are_listed_under_headings_in_words(make_stage):
    words = text_of(make_stage(AXES).page()).split("All 4 points")[1]
    heading = words[: words.index("made_001")]
    assert "new site (test) F1" in heading and "validation F1" in heading and "test_ood_f1" not in heading


def test_rejected_rows_are_counted_and_listed(make_stage):
    stage = make_stage()
    stage.rejects = pd.DataFrame(
        {"source": "labelled", "file_path": ["a.wav", "b.wav"], "reason": "silent", "message": ["x", np.nan]}
    )
    words = text_of(stage.page())
    assert "2 listed rows could not be used and are in no number here: silent 2." in words
    assert "b.wav" in words
    assert "Every listed recording could be used." in text_of(make_stage().page())


def without(split: str, clips: pd.DataFrame) -> pd.DataFrame:
    return clips[clips["split"] != split].reset_index(drop=True)


@pytest.mark.parametrize("absent", ["test_ood", "test_iid"])
def test_a_report_without_a_test_split(make_stage, clips, absent):
    words = text_of(make_stage(AXES, splits=without(absent, clips())).page())
    other = "test_iid" if absent == "test_ood" else "test_ood"
    assert f"F1 {on_split(other)}" in words
    assert f"{split_name(absent).capitalize()}: holds no clips" in words


def test_a_report_of_validation_alone_says_so(make_stage, clips):
    only = without("test_iid", without("test_ood", clips()))
    words = text_of(make_stage(AXES, splits=only).page())
    assert (
        "No test split has clips both with and without the call, so all numbers are of validation, which chose the "
        "threshold." in words
    )
    assert "Without an interval, nothing shows that it is better than the others." in words


@pytest.mark.parametrize("kept", [True, False])
def test_a_report_of_a_test_split_with_one_class(make_stage, clips, kept):
    table = clips()
    table = table[(table["split"] != "test_ood") | (table["is_positive"] == kept)].reset_index(drop=True)
    page = make_stage(AXES, splits=table).page()
    assert "nan" not in text_of(page).lower().replace("nancy", "")


def test_a_split_of_one_class_orders_nothing(make_stage, clips):
    table = clips()
    without = table[~(table["split"].str.startswith("test") & table["is_positive"])]
    stage = make_stage(AXES, splits=without.reset_index(drop=True))
    assert stage.results.primary == "val_f1"
    words = text_of(stage.page())
    assert "No test split has clips both with and without the call, so all numbers are of validation" in words
    assert "no sign of having learnt the call" not in words


def test_few_nights_give_no_interval_and_the_page_says_so(make_stage, clips):
    page = make_stage(AXES, splits=clips(nights=3)).page()
    words = text_of(page)
    assert "no interval can be given; the notes under How sure say why" in words
    assert "too few for intervals over nights" in words
    assert "none could be tested: nights or runs are too few" in words
    assert "nan" not in words.lower()


def test_each_comparison_says_what_would_make_it_surer(make_stage):
    results = make_stage({"seed": [1, 2], "hidden_units": [0, 64, 128]}).results
    shares = np.resize([0.9, 0.2, 0.5], len(results.effects))
    results = replace(results, effects=results.effects.assign(nights_share=shares))
    shown = next(block for block in found_section(results).blocks if isinstance(block, Table))
    helps = [row[shown.columns.index("would help")] for row in shown.rows]
    assert helps == [what_would_help(row) for row in shown_effects(results).to_dict("records")]
    assert len(set(helps)) > 1


def test_clips_without_recorder_or_date_give_a_report(make_stage, clips):
    table = clips().assign(recorder_id=pd.Series(np.nan, dtype="str"), night=pd.Series(np.nan, dtype="str"))
    words = text_of(make_stage(AXES, splits=table).page())
    assert "so nights are not counted" in words
    assert "How many nights it misses is not known." in words


def test_a_floor_that_no_configuration_reaches(make_stage):
    words = text_of(make_stage(AXES, separation=0.0, precision_floor=0.99).page())
    assert "No configuration reaches the precision floor of 0.99, so none leads." in words


def test_one_run_claims_no_spread(make_stage):
    words = text_of(make_stage().page())
    assert "one seed, so how much another training run would differ is not known" in words
    assert "One run: no spread is known." in words
    assert "comparisons between levels" not in words


def test_the_threshold_is_printed_in_full(make_stage):
    results = (stage := make_stage(AXES)).results
    assert f"{results.threshold(results.deployed)!r}" in text_of(stage.page())


def test_scores_of_another_run_than_the_evaluation_are_refused(make_stage):
    stage = make_stage(AXES)
    stage.scores = stage.scores.assign(logit=stage.scores["logit"] + 3.0)
    with pytest.raises(
        ValueError, match=r"flags .* by its scores, but .* by its evaluation.*Run the stage made again"
    ):
        drawn(clip_figures.score_histograms, stage.results, stage.scores, stage.splits, "title")


def test_no_headline_names_or_counts_a_configuration_that_names_an_empty_subset(make_stage):
    axes = {"seed": [1, 2], "hidden_units": [0, 64, 128]}
    empty = {"empty_subsets": ["", "", "hardNeg/hardneg_conf_min_99"] * 2}
    stage = make_stage(axes, gain={128: 6.0}, separation=0.5, training=empty)
    assert stage.results.n_configurations == 2 and stage.results.leader["hidden_units"] != "128"
    assert stage.results.by_point.at[stage.results.deployed, "hidden_units"] != 128
    words = text_of(stage.page())
    assert (
        "6 points: 2 configurations x 2 seeds, and 1 configuration that names a subset without clips" in words
    )
    assert "of 2 configurations" in words and "`hidden_units` 128" not in words.split("What was asked")[0]
    assert "not ranked, as it trains without hardNeg/hardneg_conf_min_99, which holds no clip" in words
