from dataclasses import replace

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from tests.problem_cards import CARD
from vernal.clips.problem_card import make_problem_card
from vernal.clips.splits import count_splits
from vernal.pipelines.reporting import create_pipeline
from vernal.reports.figures import FIGURES
from vernal.reports.page import DEMO_WORDS
from vernal.training.models import Model


def catalog_of(stage, drawings) -> DataCatalog:
    models = {
        point: Model(None, ("RADR",), {"best_epoch": 2}, history)  # type: ignore[arg-type]
        for point, history in stage.histories.items()
    }
    own = {
        "results": replace(stage.results, card=make_problem_card(CARD)),
        "scores": stage.scores,
        "models": models,
        "certificate": {"checks": [], "results": "made", "closest_pairs": []},
        "test_ledger": [],
        "model_card": "# Model card\n",
        "data_card": "# Data card\n",
        **{f"{name}_plot": drawing for name, drawing in drawings.items()},
    }
    shared = {
        "params:data_root": "data",
        "splits": stage.splits,
        "split_counts": count_splits(stage.splits),
        "rejects": stage.rejects,
        "audio_roots": {"labelled": "gone"},
    }
    named = {f"made.{name}": value for name, value in own.items()} | shared
    return DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in named.items()})


def run(node: str, stage, drawings) -> dict:
    pipeline = create_pipeline("made").filter(node_names=[f"made.{node}"])
    return SequentialRunner().run(pipeline, catalog_of(stage, drawings))


def test_a_stage_has_two_nodes_for_what_people_look_at():
    assert [node.name for node in create_pipeline("made").nodes] == ["made.draw", "made.report"]


def test_figures_are_the_same_bytes_whatever_a_person_set_in_matplotlib(drawn_stage):
    import matplotlib

    stage, drawings = drawn_stage
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "xtick.direction": "in"}):
        found = run("draw", stage, {})
        assert matplotlib.rcParams["font.size"] == 20
    assert {name: found[f"made.{name}_plot"].load() for name in FIGURES} == drawings


@pytest.mark.parametrize("is_demo", [True, False])
def test_the_page_says_whether_the_recordings_are_the_demo_season(drawn_stage, is_demo):
    stage, drawings = drawn_stage
    own = replace(stage, results=replace(stage.results, is_demo=is_demo))
    page = run("report", own, drawings)["made.report"].load()
    assert page.count("<svg") == len(FIGURES)
    assert "The target (average precision of at least 0.8 at a new site (test))" in page
    assert (DEMO_WORDS in page) == is_demo
