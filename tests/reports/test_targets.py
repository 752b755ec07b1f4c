"""The page of several targets: a row each, nothing of a file unescaped, and what has no results said first."""

import pandas as pd
import pytest

from tests.evaluation.test_across import NAMES, three_targets
from tests.report_pages import without_own_script
from vernal.evaluation.across import across_targets
from vernal.reports.targets import targets_page

NO_CONFUSERS = pd.DataFrame(columns=["target", "is_flagged", "birdnet_species", "birdnet_confidence"])
CONFUSERS = pd.DataFrame(
    {
        "target": ["owl", "owl", "owl", "frog"],
        "is_flagged": [True, False, False, False],
        "birdnet_species": ["Strix a_Tawny <Owl>", "Strix a_Tawny <Owl>", "Engine_Engine", "Rana b_Bullfrog"],
        "birdnet_confidence": [0.25, 0.5, 0.9, 0.004],
    }
)


@pytest.fixture(scope="module")
def found():
    return across_targets(three_targets())


def page(found, failed=None, confusers=CONFUSERS) -> str:
    return targets_page(
        "made", found, {name: f"targets/{name}/report.html" for name in NAMES}, failed or {}, confusers
    )


def test_every_target_has_a_row_and_the_same_results_give_the_same_page(found):
    text = page(found)
    assert text == page(found)
    for row in found.targets.itertuples():
        assert f"{row.test_ood_auroc:.3f}" in text and f"targets/{row.target}/report.html" in text
    assert "mean of targets" in text and "worst target: dog" in text and "none of them" in text
    assert "http://" not in text and "https://" not in text and "<script" not in without_own_script(text)


def test_what_birdnet_hears_is_named_most_clips_first_and_escaped(found):
    text = page(found)
    assert "Tawny &lt;Owl&gt; (2, up to 50\xa0%), Engine (1, up to 90\xa0%)" in text
    assert "No target was trained on BirdNET" in page(found, confusers=NO_CONFUSERS)


def test_a_target_without_results_is_said_before_anything(found):
    text = page(found, failed={"fox": "no positive clip <x>"})
    assert "fox has no results: no positive clip &lt;x&gt;" in text.split("What each target reaches")[0]


def test_one_configuration_leaves_nothing_to_choose(found):
    alone = found.__class__(**{**found.tables(), "configurations": found.configurations.head(1)})
    assert "there is nothing to choose" in page(alone)
    assert "one for each target" in page(found) and "All 2 configurations" in page(found)


def test_what_is_to_be_said_of_several_targets_is_said_once(found):
    rows = found.targets.assign(note=["a made note"] * 2 + [""] * (len(found.targets) - 2))
    text = page(found.__class__(**{**found.tables(), "targets": rows}))
    first, second = rows.target[:2]
    assert text.count("a made note") == 1 and f"{first} and {second}: a made note" in text
    every = found.targets.assign(note="no threshold")
    assert "All targets: no threshold" in page(found.__class__(**{**found.tables(), "targets": every}))


def test_the_page_begins_with_how_well_the_targets_are_told_apart(found):
    text = page(found).split("What each target reaches</h2>")[0]
    aurocs = found.targets.set_index("target").test_ood_auroc
    assert f"At a new site (test), AUROC is {aurocs.mean():.3f} on average over {len(aurocs)} targets" in text
    assert f"from {aurocs.min():.3f} ({aurocs.idxmin()}) to {aurocs.max():.3f} ({aurocs.idxmax()})" in text
    n = found.targets.test_ood_n_positive
    few = f"{n.min():,.0f} to " if n.min() < n.max() else ""
    assert f"Each was tested on {few}{n.max():,.0f} clips with its target." in text
    assert "test_ood" not in text
