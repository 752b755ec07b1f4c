"""The benchmark's made stage has the published structure, and its numbers are those it names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vernal.commands.benchmarks.made_stage import make_embeddings, published_stage
from vernal.commands.benchmarks.train import bench_train
from vernal.common.hashing import rng_for


def test_the_made_stage_has_the_published_counts() -> None:
    stage = published_stage(0.1)
    assert {name: len(rows) for name, rows in stage.splits.items()} == pytest.approx(
        {"train": 1211, "val": 324.9, "test_iid": 294.3, "test_ood": 358.5}, abs=4
    )
    assert [len(rows) for rows in stage.hard_negatives] == [0, 140, 47, 98]
    assert [len(rows) for rows in stage.low_quality] == [0, 30, 15, 5, 51]
    assert stage.x.shape == (len(stage.kinds), 1024) and stage.x.dtype == np.float32 and stage.x.min() >= 0


def test_calls_can_be_told_from_the_rest_and_better_ones_more_easily() -> None:
    kinds = np.repeat(["high", "low", "negative"], 300)
    x = make_embeddings(kinds, rng_for(1, "test"))
    means = [x[kinds == kind].mean(axis=0) for kind in ("high", "low", "negative")]
    assert np.linalg.norm(means[0] - means[2]) > np.linalg.norm(means[1] - means[2]) > 0


@pytest.mark.slow
def test_the_benchmark_gives_plain_numbers() -> None:
    compared = bench_train(n_clips=400, epochs=3, points=8, hidden_points=2, peer_seeds=2)
    for name in ("linear", "hidden_512"):
        measured = compared[name]
        assert measured["ratio"] == pytest.approx(measured["peer_s"] / measured["ours_s"])
        assert 0 < measured["ours_auprc"] <= 1 and measured["peer_cpu_s"] > 0
    json.dumps(compared)
