"""What the notebooks stand on."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.small_stage import made_plan, made_scores, split_table
from vernal.common.problems import InputError
from vernal.evaluation.options import EvaluationOptions
from vernal.framework.notebooks import (
    call_range,
    difference_table,
    listen_to,
    name_of,
    open_catalog,
    opening_words,
    pair_of,
    sound_of,
    vectors_of,
)


class Catalog:
    """As much of a catalog as `opening_words` uses."""

    def __init__(self, **known):
        self.known = known

    def exists(self, name):
        return name in self.known

    def load(self, name):
        return self.known[name]


def test_words_tell_the_demo_season_from_own_recordings(tmp_path):
    from vernal.clips.demo_season import is_demo_root

    demo = (tmp_path / "01_raw" / "demo").as_posix()
    assert is_demo_root(demo)
    assert "demo season" in opening_words(
        Catalog(audio_roots={"labelled": demo}, clips=1), ["clips"], "kedro run"
    )
    own = opening_words(Catalog(audio_roots={"labelled": "/my/season"}, clips=1), ["clips"], "kedro run")
    assert own == "These are results of your own recordings."


def test_everything_missing_is_named_at_once():
    with pytest.raises(InputError, match=r"Not there yet: splits, audio_roots\. Run `kedro run` in"):
        opening_words(Catalog(clips=1), ["clips", "splits"], "kedro run")


def test_the_catalog_opens_from_a_folder_inside_the_project(project: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(project / "notebooks")
    catalog = open_catalog(data_root=tmp_path, env="test")
    assert not catalog.exists("clips")
    pd.DataFrame({"source": ["labelled"], "reason": ["silent"]}).to_csv(tmp_path / "rejects.csv", index=False)
    (tmp_path / "02_intermediate").mkdir()
    (tmp_path / "rejects.csv").rename(tmp_path / "02_intermediate" / "rejects.csv")
    assert catalog.load("rejects").reason.tolist() == ["silent"]


def test_a_folder_outside_any_project_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="lies in no project"):
        open_catalog()


def test_a_clip_sounds_like_its_part_of_the_recording(tmp_path: Path, write_tone):
    write_tone(tmp_path / "Möth 08" / "a.wav", seconds=2.0)
    row = {"source": "labelled", "file_path": "Möth 08/a.wav", "start_s": 0.5, "end_s": 1.5}
    roots = {"labelled": str(tmp_path)}
    part, whole = sound_of(row, roots), sound_of({**row, "start_s": np.nan, "end_s": np.nan}, roots)
    assert part.shape == (48_000,)
    np.testing.assert_array_equal(part, whole[24_000:72_000])


def test_a_clip_of_which_nothing_is_known_is_called_as_its_file():
    nothing = {"recorder_id": np.nan, "date": np.nan, "quality": np.nan}
    assert name_of({"file_path": "sub/XC123.wav", **nothing}) == "XC123"
    assert (
        name_of({"recorder_id": "A1", "file_path": "x.wav", "quality": "low", "call_type": "growl"})
        == "A1, low, growl"
    )


def test_a_clip_has_the_mean_of_its_windows_whatever_the_order_of_rows():
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.windows import plan_windows

    clips = pd.DataFrame(
        {
            "clip_id": ["b", "a"],
            "source": "labelled",
            "file_path": ["b.wav", "a.wav"],
            "content_hash": ["bb", "aa"],
            "duration_s": [6.0, 3.0],
            "start_s": np.nan,
            "end_s": np.nan,
        }
    )
    options = EmbeddingOptions()
    keys = plan_windows(clips, options)
    value = dict(zip(keys.key, [1.0, 10.0, 20.0], strict=True))  # a; then both windows of b

    class Store:
        def load(self, options, wanted):
            return np.array([[value[key]] for key in wanted], dtype=np.float32)

    assert vectors_of(clips, Store(), options).tolist() == [[15.0], [1.0]]
    assert vectors_of(clips.iloc[::-1], Store(), options).tolist() == [[1.0], [15.0]]


def test_a_pair_keeps_its_order():
    splits = split_table()
    plan = made_plan()
    scores = made_scores(plan, splits)
    forth = pair_of("made_001", "made_002", plan, scores, splits)
    back = pair_of("made_002", "made_001", plan, scores, splits)
    for split in ("val", "test_iid", "test_ood"):
        np.testing.assert_array_equal(forth.logits[split], back.logits[split][::-1])
    options = EvaluationOptions(n_draws=100)
    one, other = difference_table(forth, [0.0, 0.2], options), difference_table(back, [0.2, 0.0], options)
    assert set(one.split) == {"test_iid", "test_ood"}
    np.testing.assert_allclose(one.difference, -other.difference, atol=1e-12)
    np.testing.assert_allclose(one.low, -other.high, atol=1e-12)
    assert one.low.notna().any()


def test_a_pair_that_cannot_be_compared_is_refused():
    splits = split_table()
    plan = made_plan()
    scores = made_scores(plan, splits)
    with pytest.raises(InputError, match="There is no point 'made_1'; did you mean 'made_0"):
        pair_of("made_1", "made_002", plan, scores, splits)
    with pytest.raises(InputError, match="made_002 has no scores; run it first"):
        pair_of("made_001", "made_002", plan, scores[scores.point != "made_002"], splits)
    twice = plan.assign(config_hash=plan.config_hash.where(plan.point != "made_002", plan.config_hash[0]))
    with pytest.raises(InputError, match="one run under two names"):
        pair_of("made_001", "made_002", twice, scores, splits)


def test_the_range_of_the_call_is_that_of_the_problem_card(project):
    from vernal.clips.problem_card import read_problem_card

    card = read_problem_card(project / "conf" / "base" / "problem.yml")
    assert call_range(Catalog(**{"problem_card": card, "params:target": "RADR"})) == (200.0, 1200.0)
    assert call_range(Catalog(**{"problem_card": card, "params:target": "owl nobody named"})) is None


def test_each_clip_has_its_picture_and_its_player():
    samples = np.sin(np.arange(48_000) * 2 * np.pi * 500 / 48_000).astype("float32")
    shown = listen_to({"a <b>": samples, "faint": samples / 100}, (200.0, 1200.0)).data
    assert shown == listen_to({"a <b>": samples, "faint": samples / 100}, (200.0, 1200.0)).data
    assert shown.count("data:image/png") == shown.count("data:audio/mpeg") == 2
    assert "Sound of a &lt;b&gt;" in shown
    heard = [decoded(part) for part in re.findall('data:audio/mpeg;base64,([^"]+)', shown)]
    assert heard[0] == pytest.approx(heard[1], rel=0.1) and 0.6 < heard[0] < 0.8


def decoded(address: str) -> float:
    """The peak of a sound as a page carries it."""
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(address)))
    assert rate_hz == 24_000
    return float(np.abs(samples).max())
