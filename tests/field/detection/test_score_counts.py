"""Windows counted by score and night as a table of all of them would be."""

import itertools

import numpy as np
import pandas as pd

from tests.field.detection.conftest import Season, make_classifier
from vernal.field.detection.detections import find_detections
from vernal.field.detection.listing import list_for_detection
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.score_counts import COUNT_COLUMNS, HIGHEST, lines_of, window_nights


def test_lines_are_bounded_whatever_the_floor():
    assert len(lines_of(-1e9, [-1e9])) < 200 and lines_of(-1e9)[-1] == HIGHEST
    assert lines_of(1e9, [1e9]).tolist() == [1e9]


def test_counts_are_those_of_all_windows(recordings, season: Season):
    own = make_classifier(threshold=0.3, labels=("frog", "toad"))
    season.scan(recordings, own)
    lines = [-0.5, 0.0, 0.3, 1.0]
    listed = list_for_detection(recordings)
    found = find_detections(listed, season.files.load(), season.scores, own, DetectionOptions(), lines=lines)
    assert list(found.counts.columns) == list(COUNT_COLUMNS)
    assert found.counts.groupby("label").n_windows.sum().tolist() == [found.files.n_windows.sum()] * 2
    logits = np.concatenate(
        [season.scores.load(own.run_key, *key).logits for key in season.scores.finished(own.run_key)]
    )
    for at, label in enumerate(own.labels):
        here = found.counts[found.counts.label == label].groupby("logit").n_windows.sum()
        ends = [-np.inf, *lines, np.inf]
        naive = {
            low: ((logits[:, at] >= low) & (logits[:, at] < high)).sum()
            for low, high in itertools.pairwise(ends)
        }
        assert here.to_dict() == {low: n for low, n in naive.items() if n}
    assert set(found.counts.recorder_id) == {"Moth08", "SMA01"} and set(found.counts.night) == {"2025-04-03"}


def test_each_window_is_in_the_night_that_it_begins_in():
    start = pd.Timestamp("2025-04-04 11:59:55")
    nights = window_nights(start, np.array([0.0, 3.0, 6.0]))
    assert nights.tolist() == ["2025-04-03", "2025-04-03", "2025-04-04"]
    assert window_nights(pd.NaT, np.array([0.0, 3.0])).tolist() == ["unknown"] * 2
    assert window_nights(start, np.array([])).tolist() == []
