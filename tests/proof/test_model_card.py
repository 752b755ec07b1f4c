"""Cards say what the data and the results say, and nothing in a file becomes markup."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proof.conftest import MadeStage
from vernal.clips.problem_card import card_of
from vernal.evaluation.stage_results import StageResults
from vernal.evaluation.target import target_verdict
from vernal.proof.certificate import Finding, certificate
from vernal.proof.data_card import data_card
from vernal.proof.markdown import table, text
from vernal.proof.model_card import model_card
from vernal.proof.options import ProofOptions
from vernal.reports import Bullets, Heading, Table, Text
from vernal.reports.proof_sections import card_section, markdown_blocks


@pytest.fixture
def results(made: MadeStage) -> StageResults:
    return made.results


def test_the_model_card_says_whether_the_problem_cards_target_is_met(made, results, proof, card):
    asked = model_card(replace(results, card=card), proof, made.splits, made.models)
    assert text(target_verdict(card, results).sentence) in asked
    assert "(average precision of at least 0.8 at a new site (test))" in asked.replace("\\", "")
    unasked = model_card(replace(results, card=card_of(results.target)), proof, made.splits, made.models)
    assert "No problem card says how good" in unasked
    assert "The target" not in model_card(results, proof, made.splits, made.models)


@pytest.fixture
def proof() -> dict:
    return certificate(
        "made", "RADR", "abc", [Finding("coverage", "2 points.", {"points": 2})], [], ProofOptions()
    )


def test_the_model_card_names_use_sound_threshold_test_baselines_limits_and_proof(made, results, proof):
    card = model_card(results, proof, made.splits, made.models)
    point = results.deployed
    assert card.startswith(f"# Model card: RADR, {point}")
    logit = made.points.set_index("point").threshold_logit[point]
    for words in (
        "## Intended use", "Not for:", f"logit of {logit:.4f}", "baseline metadata", "## Limits", "Trained at creek",
        "certificate of results `abc`: **pass**", "numpy ", "sample\\_rate\\_hz",
    ):  # fmt: skip
        assert words.lower() in card.lower(), words
    assert "Demo season" not in card
    assert card == model_card(results, proof, made.splits, made.models)


def test_a_model_card_without_a_threshold_says_why(made, results, proof):
    points = made.points.assign(val_n_positive=0, threshold_logit=np.nan)
    card = model_card(replace(results, points=points), proof, made.splits, made.models)
    assert "None could be chosen: val has no positive." in card
    assert "Flag a clip" not in card and "Chosen on validation" not in card


def test_the_model_card_states_the_licence_of_birdnets_model_where_it_stands_on_it(made, results, proof):
    model = made.models[results.deployed]

    def card_for(encoder, **more):
        audio = {**model.parameters["audio"], "encoder": encoder}
        own = replace(model, parameters={**model.parameters, "audio": audio, **more})
        return model_card(results, proof, made.splits, {**made.models, results.deployed: own})

    assert "CC BY-NC-SA 4.0" in card_for("birdnet_v2.4")
    assert "## Licence" not in card_for("logmel")
    assert "encoder newer, whose licence is: CC-BY-4.0." in card_for("newer", encoder_licence="CC-BY-4.0")
    assert "encoder newer, whose licence is: not stated." in card_for("newer", encoder_licence="")


def test_the_data_card_counts_sources_splits_licences_and_says_what_is_not_known(made, results, proof):
    rejects = pd.DataFrame({"reason": ["silent", "silent", "corrupt"]})
    card = data_card(results, proof, made.clips, made.splits, rejects, made.subsets)
    n_positive = int(made.splits.is_positive[made.splits.split == "test_ood"].sum())
    assert f"| test\\_ood | {n_positive} |" in card
    assert f"| CC0-1.0 | {len(made.splits)} |" in card
    assert "| silent | 2 |" in card
    assert "| hardNeg/x | 3 |" in card
    bare = made.clips.drop(columns="licence")
    assert "has no column `licence`" in data_card(results, proof, bare, made.splits, rejects, {})
    nowhere = made.splits.assign(site=np.nan, date=np.nan)
    lost = data_card(results, proof, made.clips, nowhere, rejects, {})
    assert f"{len(nowhere)} clips without a site" in lost and f"{len(nowhere)} clips without a date" in lost


def test_names_from_a_manifest_cannot_become_markup(made, results, proof):
    evil = "<script>alert(1)</script>|[x](javascript:1)\n# title"
    splits = made.splits.assign(site=evil)
    card = data_card(results, proof, made.clips, splits, pd.DataFrame({"reason": []}), {})
    assert "<script>" not in card and "\n# title" not in card and "](javascript" not in card
    page = repr(card_section(card, card))
    assert "alert(1)" in page


@given(st.text(max_size=30))
def test_escaped_text_is_one_line_and_reads_back(value: str):
    escaped = text(value)
    assert "\n" not in escaped
    (block,) = markdown_blocks("x" + escaped)
    assert block == Text("x" + " ".join(value.split()))


@given(st.lists(st.text(alphabet="a|\\`<*", max_size=6), min_size=2, max_size=2))
def test_cells_keep_their_columns(cells: list[str]):
    (block,) = markdown_blocks(table(["one", "two"], [cells]))
    assert isinstance(block, Table)
    assert [list(row) for row in block.rows] == [[" ".join(cell.split()) for cell in cells]]


def test_the_cards_own_markdown_becomes_blocks():
    blocks = markdown_blocks("# A\n\n> note\n\n* one\n* two\n\n| a |\n| --- |\n| **b** |\n")
    assert blocks == [Heading("A"), Text("note"), Bullets([Text("one"), Text("two")]), Table(["a"], [["b"]])]
