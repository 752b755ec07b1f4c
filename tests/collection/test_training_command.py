"""The command that a collection's page prints trains and tests with both classes."""

import numpy as np
import pandas as pd
import pytest

from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.problem_card import card_of
from vernal.clips.splits import SplitOptions, assign_splits
from vernal.collection.training_command import common_params, split_settings, targets_param, training_command

PLACES = {"source.manifest": "out/m.csv", "source.audio_root": "objects"}


def a_manifest(n_nights, sites=("pond",)):
    rows = [
        {
            "file_path": f"aa/{n:064x}.wav",
            "label": "RADR" if n % 2 else "negative",
            "site": sites[n % 4 // 2 % len(sites)],
        }
        for n in range(4 * n_nights)
    ]
    nights = [f"2025-04-{n // 4 + 1:02d}" for n in range(len(rows))]
    return pd.DataFrame(rows).assign(
        recorder_id="R1", date=nights, time="21:00:00", start_s=0.0, end_s=3.0, group=pd.Series([np.nan] * len(rows), dtype="str")
    )  # fmt: skip


def dealt_by(manifest, settings):
    values = {name.partition(".")[2]: value for name, value in settings.items()}
    options = SplitOptions(**{k: v if k == "test_ood_sites" else float(v) for k, v in values.items()})
    clips = with_nights(manifest, NightOptions()).assign(
        is_positive=manifest.label == "RADR", clip_id=[f"{n:08d}" for n in range(len(manifest))],
        content_hash=manifest.file_path.str.slice(3, 67), split=pd.Series([np.nan] * len(manifest), dtype="str"),
    )  # fmt: skip
    dealt = assign_splits(clips, options)
    return dealt.groupby("split").is_positive.nunique().to_dict()


@pytest.mark.parametrize("n_nights", [4, 8, 40])
def test_each_test_has_both_classes(n_nights, card):
    manifest = a_manifest(n_nights)
    settings = split_settings(manifest, card, NightOptions())
    assert dealt_by(manifest, settings) == {"train": 2, "val": 2, "test_iid": 2}


def test_of_two_sites_one_is_held_out(card):
    manifest = a_manifest(12, ("pond", "creek"))
    settings = split_settings(manifest, card, NightOptions())
    assert settings["quality_splitting.test_ood_sites"] in ("pond", "creek")
    assert dealt_by(manifest, settings)["test_ood"] == 2


def test_a_large_collection_needs_no_settings(card):
    assert split_settings(a_manifest(60), card, NightOptions()) == {}


def test_no_command_is_printed_that_would_be_refused_at_once(card):
    night = a_manifest(1)
    assert (night.label == "RADR").nunique() == 2
    assert training_command(night, card, PLACES, "target=RADR", NightOptions()) == ""
    assert training_command(a_manifest(2), card, PLACES, "target=RADR", NightOptions()).startswith(
        "kedro run"
    )


def test_the_command_names_all_that_it_needs_or_is_not_printed(card):
    manifest = a_manifest(60)
    common = common_params(card, "cards/frog.yml", "out")
    assert training_command(manifest, card, PLACES, common, NightOptions()) == (
        'kedro run --params="source.manifest=out/m.csv,source.audio_root=objects,target=RADR,'
        'collection.problem=cards/frog.yml,data_root=out"'
    )
    assert common_params(card, "/x/conf/base/problem.yml", "out") == "target=RADR,data_root=out"
    assert training_command(manifest.assign(label="RADR"), card, PLACES, common, NightOptions()) == ""


def test_the_command_names_the_targets_that_labels_name(card):
    manifest = pd.DataFrame({"label": ["RADR;not owl", "owl", "negative"]})
    assert targets_param(manifest, card, ["RADR", "owl", "grunt"]) == "targets=RADR;owl"
    assert targets_param(manifest, card, []) == ""
    # Alone, a target is read as the card says too: "not owl" is nothing that lacks the frog.
    assert (
        targets_param(manifest[:1], card, ["RADR", "owl"])
        == "target=RADR,labels.labelling=multi,labels.world=open"
    )
    assert common_params(card, "frog.yml", "out", "targets=RADR;owl").startswith("targets=RADR;owl,coll")
    # Where nobody wrote a card, the command says itself that silence about a class is no absence.
    assert targets_param(manifest, card_of("RADR", "owl"), ["RADR", "owl"]) == (
        "targets=RADR;owl,labels.labelling=multi,labels.world=open"
    )
