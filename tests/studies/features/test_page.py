import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.studies.features.made_features import BYTES
from vernal.clips.nights import NightOptions
from vernal.clips.problem_card import PerformanceTarget
from vernal.clips.recordings import IngestOptions
from vernal.common.problems import InputError
from vernal.reports.figures.style import drawn
from vernal.reports.sentences import environment_of
from vernal.studies.features import companion, pictures
from vernal.studies.features.class_mapping import ClassMapping, map_classes
from vernal.studies.features.clips import check_classes, open_clips
from vernal.studies.features.companion import CLASSES, ENSEMBLES, CompanionOptions
from vernal.studies.features.evaluation import evaluate_study
from vernal.studies.features.folds import FoldOptions, deal_folds
from vernal.studies.features.groups import MeasureOptions
from vernal.studies.features.options import FeatureOptions
from vernal.studies.features.page import StudyResults, render_page
from vernal.studies.features.runtime import runtime_table
from vernal.studies.features.spectral import beat_frames, whole_hops

SMALL = CompanionOptions(tunes=2, takes=2, clip_s=4.0)


def test_the_companion_set_is_a_manifest_of_balanced_classes():
    plan = companion.plan_companion(SMALL)
    assert (plan.groupby(["label", "site"]).size() == 4).all()
    assert plan.groupby("group").site.nunique().max() == 1
    assert plan.file_path.is_unique and sorted(plan.label.unique()) == sorted(CLASSES)


def test_the_same_options_give_the_same_sound_and_others_another():
    one, same = (companion.render("march", "hall", 0, 0, SMALL) for _ in range(2))
    assert one.dtype == np.float32 and len(one) == 4 * 22_050 and np.abs(one).max() < 1
    np.testing.assert_array_equal(one, same)
    for label, tune, take, options in (
        ("waltz", 0, 0, SMALL),
        ("march", 1, 0, SMALL),
        ("march", 0, 1, SMALL),
        ("march", 0, 0, replace(SMALL, seed=1)),
    ):
        assert not np.array_equal(one, companion.render(label, "hall", tune, take, options))
    assert (
        companion.plan_companion(SMALL).file_path[0]
        != companion.plan_companion(replace(SMALL, seed=1)).file_path[0]
    )


def test_beats_are_there_to_be_found():
    """Most pieces are heard at their ensemble's tempo, or at half or twice of it."""
    audio, options = FeatureOptions(), CompanionOptions(tunes=2, takes=1)
    heard = []
    for ensemble, (low, high) in ENSEMBLES.items():
        for label in ("march", "stroll", "waltz", "lament"):
            beats = beat_frames(whole_hops(companion.render(label, ensemble, 0, 0, options), audio), audio)
            tempo = 60 / (np.median(np.diff(beats)) * audio.hop / audio.sample_rate_hz)
            heard.append(any(0.94 * low <= factor * tempo <= 1.06 * high for factor in (1, 2, 0.5)))
    assert np.mean(heard) >= 0.75


def test_companion_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="tunes is 1"):
        CompanionOptions(tunes=1)
    with pytest.raises(ValueError, match=r"clip_s is 0.5"):
        CompanionOptions(clip_s=0.5)


def test_a_manifest_of_classes_needs_no_target(tmp_path, write_tone):
    for number, name in enumerate(("a.wav", "b.wav", "copy of a.wav")):
        write_tone(tmp_path / name, seconds=1.2, hz=300 + 100 * number)
    (tmp_path / "copy of a.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    frame = pd.DataFrame({"file_path": ["a.wav", "b.wav"], "label": ["rain", "saw"], "site": ["x", "y"]})
    listed = check_classes(frame, tmp_path, "The manifest")
    clips, rejects = open_clips(listed, tmp_path, IngestOptions(), NightOptions())
    assert sorted(clips.label) == ["rain", "saw"] and rejects.empty and "is_positive" not in clips
    assert clips.clip_id.is_monotonic_increasing and clips.group.isna().all()

    doubled = pd.DataFrame(
        {"file_path": ["a.wav", "b.wav", "copy of a.wav"], "label": ["rain", "saw", "saw"]}
    )
    clips, rejects = open_clips(
        check_classes(doubled, tmp_path, "m"), tmp_path, IngestOptions(max_rejected_share=0.9), NightOptions()
    )
    assert clips.label.tolist() == ["saw"]
    assert rejects.reason.tolist() == ["contradicting_labels"] * 2
    with pytest.raises(InputError, match="contradicting_labels 2"):
        open_clips(check_classes(doubled, tmp_path, "m"), tmp_path, IngestOptions(), NightOptions())


def test_what_is_wrong_with_a_manifest_is_said(tmp_path):
    frame = pd.DataFrame({"file_path": ["no.wav", "no.wav"], "label": ["rain", None]})
    with pytest.raises(InputError) as error:
        check_classes(frame, tmp_path, "The manifest")
    assert "missing label" in str(error.value) and "file not found" in str(error.value)
    with pytest.raises(InputError, match="label"):
        check_classes(pd.DataFrame({"file_path": ["no.wav"]}), tmp_path, "The manifest")


@pytest.fixture(scope="module")
def drawn_study(made_study):
    """A study's results and its figures; names in them are hostile."""
    clips, plan, fits, library = made_study
    nasty = "<script>alert(1)</script>"
    clips = clips.assign(label=clips["class"])
    labelled, counts = map_classes(clips, ClassMapping())
    counts = pd.concat(
        [counts, pd.DataFrame({"label": [nasty], "class": [np.nan], "clips": [3]})], ignore_index=True
    )
    found = evaluate_study(plan, fits, library, labelled, BYTES, MeasureOptions(n_draws=100), set(plan.point))
    rejects = pd.DataFrame({"file_path": [nasty], "message": ["no & such"]})
    results = StudyResults(
        True,
        labelled,
        rejects,
        counts,
        deal_folds(labelled, FoldOptions()),
        found.points,
        found.leaderboard,
        found.confusions,
        found.comparisons,
        found.failures,
        runtime_table(plan, fits, library, {}),
        0.95,
        True,
        22_050,
        None,
    )
    curves = found.histories.merge(
        plan.rename(columns={"configuration": "configuration_hash"})[["point", "configuration_hash"]],
        on="point",
    )
    sequence = {
        shown: np.random.default_rng(0).random((9, 12 if shown[0] == "chroma" else 16))
        for shown in pictures.GALLERY
    }
    first = found.confusions[found.confusions.configuration_hash == found.leaderboard.configuration_hash[0]]
    figures = {
        "labels": drawn(pictures.label_distribution, counts, "labels"),
        "learning": drawn(pictures.learning_curves, curves, found.leaderboard, "learning"),
        "standings": drawn(pictures.standings, found.leaderboard, "standings"),
        "confusion": drawn(pictures.confusion, first, "confusion"),
    }
    shown = {"c0": drawn(pictures.gallery, sequence, nasty, "clip", 0.02)}
    return results, figures, shown


@pytest.fixture
def render(drawn_study, card):
    """The page: `render(is_demo, **fields)`, where fields are of `StudyResults`."""
    results, *pictures_of = drawn_study
    return lambda is_demo, **others: render_page(
        replace(results, **{"card": card, "is_demo": is_demo} | others), *pictures_of
    )


def test_the_page_is_whole_escaped_and_says_demo_only_of_the_demo(render):
    rendered = render(True)
    assert "DEMO" not in render(False)
    assert "DEMO COMPANION SET" in rendered and "(demo)" in rendered
    assert "<script>alert" not in rendered and "&lt;script&gt;" in rendered
    assert not re.search(r"(src|href)=\"(?!data:|#)", rendered) and "://" not in rendered
    for words in (
        "means over up to 3 seeds",
        "36 clips each",
        "BirdNET embeddings, linear head",
        "macro avg",
        "weighted avg",
        "Mel beat-sync",
        "bytes per clip",
        "leaky split",
        "95 %",
    ):
        assert words in rendered
    assert rendered.count("<svg") == 4
    assert "<image" not in rendered


def test_the_page_says_whether_the_problem_cards_target_is_met(render, card):
    assert "is not what this study measures, which is how well classes are told apart" in render(True)
    for metric, at_least, said in (("accuracy", 0.01, "met"), ("Macro F1", 1.0, "not met")):
        asked = replace(card, performance=PerformanceTarget(metric, "site", at_least))
        assert f"({metric} of at least {at_least:g} on site) is {said}" in render(True, card=asked)


def test_the_page_says_new_groups_where_no_sites_are_known(render, study):
    clips = study[0]
    assert "heard nothing from its site" in render(True) and "accuracy on new sites" in render(True)
    nowhere = clips.assign(site=pd.Series([np.nan] * len(clips), dtype="str"))
    page = render(True, clips=nowhere, folds=deal_folds(nowhere, FoldOptions()))
    assert "heard nothing from its group" in page and "accuracy on new groups" in page
    assert "new sites" not in page


def test_the_page_warns_of_clips_that_lack_the_upper_bands(render, study):
    clips = study[0]
    assert "upper bands are empty" not in render(True)
    assert "upper bands are empty" not in render(True, clips=clips.assign(sample_rate_hz=8_000))
    mixed = clips.assign(sample_rate_hz=clips.sample_rate_hz.mask(clips["class"] == "c1", 8_000))
    page = render(True, clips=mixed)
    assert "36 clips of 108 (c1) were recorded at less than the 22,050 Hz" in page
    assert "features.audio.sample_rate_hz at 8,000" in page


def test_the_page_speaks_of_the_check_only_where_it_was_made(render):
    words = "had to learn one small batch by heart"
    assert words in render(True) and words not in render(True, is_checked=False)


def test_every_sentence_of_the_study_is_said(project):
    code = (project / "src/vernal/studies/features/page.py").read_text("utf-8")
    said = set(re.findall(r'sentence\(f?"study\.([a-z_{}()]+)"', code))
    by_interval = {"unsure", "birdnet", "from_scratch", "not_shown"}
    assert "{_verdict(row)}" in said
    blocks = environment_of("vernal.studies.features").get_template("study.j2").blocks
    assert set(blocks) == (said - {"{_verdict(row)}"}) | by_interval
