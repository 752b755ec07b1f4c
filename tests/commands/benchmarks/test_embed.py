"""The embedding benchmark runs both sides on the same files and compares what they give."""

import pytest

from vernal.commands.benchmarks import embed as bench_embed
from vernal.common.problems import InputError


def test_our_side_alone(tmp_path):
    bench_embed.make_clips(tmp_path / "clips", 3)
    report = bench_embed.bench_embed(tmp_path / "clips", workers=2, sides="ours")
    assert report["n_windows"] == 3
    assert report["ours_s"] > 0
    assert report["peer_s"] is report["ratio"] is report["max_abs_difference"] is None
    assert report["ours_worker_memory_mb"] is None  # so few clips start no worker


def test_made_clips_are_the_same_every_time(tmp_path):
    for name in ("a", "b"):
        bench_embed.make_clips(tmp_path / name, 2, sample_rate_hz=8_000)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes() != first[1].read_bytes()


def test_a_folder_without_audio_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no audio"):
        bench_embed.bench_embed(tmp_path)


@pytest.mark.slow
def test_both_sides_give_the_same_embeddings():
    report = bench_embed.bench_embed(n_clips=12, workers=2)
    assert report["n_windows"] == 12
    assert report["max_abs_difference"] < 1e-4
    assert report["ratio"] > 0
