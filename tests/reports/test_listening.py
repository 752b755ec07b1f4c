import numpy as np
import pytest
import soundfile

from vernal.reports.blocks import Heading, Sounds, Text
from vernal.reports.commands import StageCommands
from vernal.reports.listening import SHOWN, listen_section, scored_clips


@pytest.fixture
def heard(make_stage, tmp_path):
    """A stage whose clips all lie in one short recording, and the folder of it."""
    stage = make_stage(separation=1.0)
    soundfile.write(tmp_path / "all.wav", np.random.default_rng(0).normal(0, 0.1, 9_600), 48_000)
    stage.splits = stage.splits.assign(file_path="all.wav", source="labelled", start_s=0.0, end_s=0.1)
    return stage, {"labelled": str(tmp_path)}


def section_of(stage, roots):
    commands = StageCommands.of(stage.results, roots, "/x/my data")
    return listen_section(stage.results, stage.scores, stage.splits, roots, commands)


def kinds(section):
    """Clips by the heading above them."""
    found, title = {}, ""
    for block in section.blocks:
        title = block.text if isinstance(block, Heading) else title
        if isinstance(block, Sounds):
            found[title] = block.clips
    return found


def test_the_worst_and_the_best_come_first_with_sound_and_picture(heard):
    stage, roots = heard
    results = stage.results
    shown = kinds(section_of(stage, roots))
    assert list(shown) == ["Missed calls", "False alarms", "Strongest detections"]
    clips = scored_clips(results, stage.scores, stage.splits)
    threshold = results.threshold(results.deployed)
    missed = clips[clips.is_positive & (clips.logit < threshold)]
    alarms = clips[~clips.is_positive & (clips.logit >= threshold)]
    assert len(missed) == results.number(results.deployed, "test_ood_fn")
    assert len(alarms) == results.number(results.deployed, "test_ood_fp")
    confidence = [float(clip.title.split()[1]) for clip in shown["Missed calls"]]
    assert len(confidence) == min(SHOWN, len(missed)) and confidence == sorted(confidence)
    assert confidence[0] == pytest.approx(1 / (1 + np.exp(-missed.logit.min())), abs=6e-4)
    confidence = [float(clip.title.split()[1]) for clip in shown["False alarms"]]
    assert confidence == sorted(confidence, reverse=True)
    assert all(clip.sound and clip.picture for part in shown.values() for clip in part)
    assert "`all.wav`" in shown["False alarms"][0].note


def test_all_of_them_are_one_command_away(heard):
    stage, roots = heard
    said = [block.text for block in section_of(stage, roots).blocks if isinstance(block, Text)]
    (missed,) = (text for text in said if text.startswith("To hear and relabel all missed calls"))
    assert f"kedro review --scores made/{stage.results.deployed} --filter" in missed
    assert "split == 'test_ood' and is_positive and score < " in missed
    needed = f'--params="target={stage.results.target},source.audio_root={roots["labelled"]},data_root=/x/my data"`'
    assert missed.endswith(needed), "whole, with the folders that the page may play from"


def test_recordings_that_are_gone_leave_a_report(heard):
    stage, _ = heard
    for roots in ({"labelled": "nowhere"}, {}):
        shown = kinds(section_of(stage, roots))
        assert all("cannot be played here" in clip.without for part in shown.values() for clip in part)


def test_results_of_the_version_before_have_no_place_in_recordings(make_stage):
    stage = make_stage(separation=1.0)
    shown = kinds(section_of(stage, {}))
    assert shown["Missed calls"][0].without


def test_without_a_threshold_nothing_is_called_missed(make_stage, clips):
    table = clips()
    stage = make_stage(splits=table[(table["split"] != "val") | ~table["is_positive"]])
    said = " ".join(b.text for b in section_of(stage, {}).blocks if isinstance(b, Text))
    assert "Without a threshold no call is missed or found." in said
    assert "were not flagged" not in said and "kedro review" not in said


def test_a_page_with_all_its_pictures_and_sounds_stays_below_five_megabytes(drawn_stage, tmp_path):
    stage, drawings = drawn_stage
    # Noise cannot be compressed much: this is the most that eighteen long clips can take.
    soundfile.write(tmp_path / "all.wav", np.random.default_rng(0).normal(0, 0.1, 480_000), 48_000)
    splits = stage.splits.assign(file_path="all.wav", source="labelled")
    section = listen_section(
        stage.results, stage.scores, splits, {"labelled": str(tmp_path)}, StageCommands("made")
    )
    page = stage.page(drawings, listen=section)
    assert 500_000 < len(page.encode()) < 5_000_000
    assert page.count("<audio") == page.count("data:audio/mpeg;base64,") > 0
    assert page.index('id="answer"') < page.index('id="listen"') < page.index('id="basis"')
