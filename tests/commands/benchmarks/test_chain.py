"""The benchmark of a whole season measures every step, and says where it counted up."""

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from tools.benchmarks.page import SECTIONS
from vernal.commands.bench import COLUMNS, bench
from vernal.commands.benchmarks import chain
from vernal.common.table_files import write_table
from vernal.proof.near_duplicates import closest_across


def test_each_step_is_measured_and_compared_with_embedding(monkeypatch: pytest.MonkeyPatch):
    part = {
        "ours_s": 4.0, "ours_cpu_s": 6.0, "n_windows": 100, "ours_ms_per_window": 40.0, "ours_all_memory_mb": 300.0,
    }  # fmt: skip
    laps = {f"{step}_{kind}": 3.0 for step in chain.STEPS for kind in ("s", "cpu_s")}
    asked: list[str] = []

    def own_process(module: str, *arguments: object) -> dict:
        asked.append("search" if module.endswith("chain") else str(arguments[0]))
        if "prepare" in arguments:
            return {"clips": 500}
        if module.endswith("chain"):
            return {"windows": 450, "pairs": 70, "s": 2.0, "cpu_s": 3.0, "memory_mb": 900.0}
        return laps | {"peak_memory_mb": 1_500.0}

    monkeypatch.setattr(chain, "in_own_process", own_process)
    monkeypatch.setattr(chain, "bench_embed", lambda folder, n, workers, sides: part)
    found = chain.bench_chain(scale=0.5)
    assert asked == ["prepare", "search", "run"]
    assert found["embedding"] == {"windows": 500, "s": 20.0, "cpu_s": 30.0, "memory_mb": 300.0, "share": 1.0}
    assert found["near_duplicates"]["share"] == found["proof"]["share"] == 0.1
    assert list(found) == ["embedding", "near_duplicates", *chain.STEPS.values()]
    assert set(SECTIONS["chain"].asked) <= set(found)
    assert {name for values in found.values() for name in values} == set(COLUMNS["chain"])


def test_quiet_nights_give_a_close_pair_or_more_a_window():
    x = chain.quiet_nights(600)
    left, _, cosine = closest_across(x, pd.Series(range(600)).mod(4).to_numpy(), 0.8)
    assert len(left) > 600 and cosine.min() > 0.8


def test_every_close_pair_is_listened_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chain, "_SOUNDS", 3)
    # At the search's own rate, so that no resampler is compiled for twelve clips.
    monkeypatch.setattr(chain, "make_clips", partial(chain.make_clips, sample_rate_hz=16_000))
    splits = pd.DataFrame(
        {
            "clip_id": [f"c{at}" for at in range(12)],
            "source": "labelled",
            "file_path": "x.wav",
            "content_hash": [f"{at:064x}" for at in range(12)],
            "duration_s": 3.0,
            "start_s": None,
            "end_s": None,
            "split": ["train", "val", "test_iid"] * 4,
        }
    ).astype({"start_s": "float64", "end_s": "float64"})
    write_table(splits, tmp_path / "target_00" / "splits.parquet")
    found = chain.search(tmp_path, workers=1)
    assert found["windows"] == 12 and found["pairs"] > 12
    assert found["s"] > 0 and found["memory_mb"] > 0


def test_the_command_prints_a_step_a_line(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple] = []

    def measured(workers: int, scale: float, say: object) -> dict:
        asked.append((workers, scale))
        return {"embedding": {"s": 1.0}, "proof": {"s": 2.0}}

    monkeypatch.setattr(chain, "bench_chain", measured)
    done = CliRunner().invoke(bench, ["chain", "--scale", "0.1", "--workers", "1", "--json"])
    assert json.loads(done.stdout) == {"embedding": {"s": 1.0}, "proof": {"s": 2.0}}
    assert asked == [(1, 0.1)]
