"""What a measurement says that it used."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest

from vernal.commands.benchmarks.sides import in_own_process
from vernal.commands.benchmarks.usage import watched
from vernal.common.workers import worker_pool

MB = 1 << 20


def hold(n_bytes: int) -> int:
    held = np.ones(n_bytes, np.uint8)
    time.sleep(0.5)
    return int(held[-1])


def test_memory_of_this_process_is_seen() -> None:
    with watched() as usage:
        before = usage()
        held = np.ones(200 * MB, np.uint8)
        after = usage()
        assert held.all()
    assert after.all_memory_mb - before.all_memory_mb > 150
    assert after.main_memory_mb >= 200


@pytest.mark.processes
def test_a_worker_counts_what_it_holds_and_not_what_its_parent_holds() -> None:
    # In a process of its own: other tests' workers would count here.
    used = in_own_process("tests.commands.benchmarks.test_usage")
    assert 100 < used["worker_memory_mb"] < 800 < used["main_memory_mb"]
    assert used["all_memory_mb"] > 900


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the time of finished children")
def test_processor_time_counts_workers_that_have_ended() -> None:
    with watched() as usage:
        before = usage().cpu_s
        with worker_pool(1) as pool:
            pool.submit(hold, MB).result()
        after = usage().cpu_s
    assert before is not None and after is not None and after > before


def main() -> None:
    held = np.ones(800 * MB, np.uint8)
    with watched() as usage, worker_pool(1) as pool:
        pool.submit(hold, 100 * MB).result()
        used = asdict(usage())
    print(json.dumps(used | {"held": int(held[-1])}))


if __name__ == "__main__":
    main()
