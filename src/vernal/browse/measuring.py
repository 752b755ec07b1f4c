"""A short measurement of a stage on made embeddings, for a folder that no run has been recorded in yet.

Runs as a process of its own (`python -m vernal.browse.measuring CLIPS`), because training loads TensorFlow.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from vernal.browse.estimates import Measured, extremes
from vernal.sweeps.point_settings import PointSettings

SMALL, LARGE = 2, 10  # points of the two stages whose difference tells what one more costs
LEAST_CLIPS, MOST_CLIPS = 300, 5_000
_PER_RUN = ("draw_s", "score_s", "evaluate_s")


def measure(n_clips: int) -> dict[str, Any]:
    """Run two small stages of as many clips and say what each step took.

    Args:
        n_clips: clips of the project; more than `MOST_CLIPS` are not made.
    """
    from vernal.bench.stage import bench_stage
    from vernal.bench.train import PUBLISHED_HARD_NEGATIVES, PUBLISHED_SPLITS

    published = sum(sum(positives) + negatives for _, positives, negatives in PUBLISHED_SPLITS)
    published += sum(PUBLISHED_HARD_NEGATIVES)
    clips = min(max(n_clips, LEAST_CLIPS), MOST_CLIPS)
    found = bench_stage((SMALL, LARGE), workers=1, scale=clips / published, peer_points=0)
    small, large = found[f"stage5_{SMALL}"], found[f"stage5_{LARGE}"]
    return {"small": small, "large": large, "clips": large["clips"]}


def as_measured(found: dict[str, Any], n_clips: int) -> Measured:
    """What a measurement says about a training, a run and a stage."""
    small, large = found["small"], found["large"]
    more = LARGE - SMALL

    def slope(*names: str) -> float:
        difference = sum(float(large[name]) - float(small[name]) for name in names)
        whole = sum(float(large[name]) for name in names) / LARGE
        return difference / more if difference > 0 else whole

    training_s, run_s = slope("train_s"), slope(*_PER_RUN)
    start_s = max(0.0, float(small["train_s"]) - SMALL * training_s)
    once = max(0.0, float(small["ours_s"]) - start_s - SMALL * (training_s + run_s))
    source = (
        f"two made stages of {SMALL} and {LARGE} points over {found['clips']:,} clips, measured here just now "
        f"in {float(small['ours_s']) + float(large['ours_s']):.0f} s by one process"
    )
    if n_clips > MOST_CLIPS:
        source += f"; this project has {n_clips:,} clips, and more of them take longer"
    return Measured(source, LARGE, start_s, training_s, run_s, once, extremes=extremes([PointSettings()]))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
