"""A round of listening on made embeddings: what is measured is the search and the ranking that the page does."""

import numpy as np
import pytest

from tools.benchmarks.listen import bench_listen, make_embeddings, make_windows


def test_made_embeddings_are_read_at_any_place_and_multiplied_without_being_made():
    made = make_embeddings(5_000, 64)
    whole = made[0:5_000]
    assert whole.shape == made.shape == (5_000, 64)
    np.testing.assert_array_equal(made[np.array([4_999, 3])], whole[[4_999, 3]])
    weights = np.random.default_rng(1).normal(size=64).astype(np.float32)
    np.testing.assert_allclose(made.products(weights), whole @ weights, atol=1e-3)
    assert len(np.unique(whole[:, :3], axis=0)) == 5_000, "none comes twice"


@pytest.mark.slow
def test_their_sketches_rank_nearly_as_they_do(tmp_path):
    made = make_embeddings(5_000)
    windows = make_windows(made, tmp_path)
    weights = made[17:18][0] - made[18:19][0]
    exact = made.products(weights)
    assert (windows.products(weights) - exact).std() < 0.4 * exact.std()


@pytest.mark.slow
def test_a_round_is_measured():
    report = bench_listen(20_000)
    assert report["n_windows"] == 20_000 and report["search_recall"] > 0.9 and report["likely_recall"] > 0.9
    assert all(report[name] > 0 for name in ("search_s", "fit_s", "rank_s", "build_s", "main_memory_mb"))


@pytest.mark.slow
def test_ten_million_windows_take_a_second_and_bounded_memory():
    report = bench_listen(10_000_000)
    assert report["search_cpu_s"] < 1 and report["rank_cpu_s"] + report["fit_cpu_s"] < 1
    assert report["search_recall"] >= 0.95 and report["main_memory_mb"] < 6_000
