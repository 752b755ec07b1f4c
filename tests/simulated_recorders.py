"""How often intervals cover the truth, and verdicts are false, where recorders share the weather of a night.

Two recorders stand at each site. Half of what a night does to prevalence, noise and loudness is shared by the
recorders of a site (`site`) or by all of them (`all`); the rest is each recorder's own. `python -m
tests.simulated_recorders` prints the tables of docs/simulated.md; it writes nothing.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, effects, metrics

DESIGNS = ((2, 13), (4, 6), (6, 5), (8, 4))
METRICS = ("f1", "recall", "auroc", "average_precision")
LOGIT = 1.0
N_CLIPS = 15


def nights(n_recorders: int, n_nights: int, shared_by: str, rng: np.random.Generator) -> pd.DataFrame:
    """Clips of one study: `clip_id`, `site`, `recorder_id`, `night`, `is_positive`, and what is heard."""
    recorder = np.repeat(np.arange(n_recorders), n_nights)
    night = np.tile(np.arange(n_nights), n_recorders)
    site = recorder // 2
    rows = np.repeat(
        np.arange(recorder.size),
        np.maximum(4, rng.lognormal(np.log(N_CLIPS), 0.5, recorder.size)).astype(int),
    )
    place = site if shared_by == "site" else np.zeros_like(site)

    def of_night(sd: float) -> np.ndarray:
        """One value a recorder and night, half of its variance shared."""
        shared = rng.normal(size=(place.max() + 1, n_nights))[place, night]
        return (sd * np.sqrt(0.5) * (shared + rng.normal(size=recorder.size)))[rows]

    is_positive = rng.random(rows.size) < 1 / (1 + np.exp(-of_night(0.9)))
    heard = rng.normal(size=rows.size) + of_night(0.5) + is_positive * (2 + of_night(0.5))
    return pd.DataFrame({
        "clip_id": np.arange(rows.size), "site": site[rows].astype(str), "recorder_id": recorder[rows].astype(str),
        "night": night[rows].astype(str), "is_positive": is_positive, "heard": heard,
        "first": of_night(0.25), "second": of_night(0.25),
    })  # fmt: skip


def coverage(n_recorders: int, n_nights: int, shared_by: str, n_studies: int) -> dict[str, float]:
    """Share of studies whose 95 % interval holds the truth, by metric; those without an interval are left out."""
    rng = np.random.default_rng(100 * n_recorders + n_nights)
    whole = nights(2, 30_000, "site", rng)
    truth = metrics.measured(whole["heard"].to_numpy(), whole["is_positive"].to_numpy(), LOGIT)
    covered: dict[str, list[bool]] = {name: [] for name in METRICS}
    for number in range(n_studies):
        clips = nights(n_recorders, n_nights, shared_by, rng)
        drawn = bootstrap.nights_of(clips, number, "test", 200)
        scores, is_positive = clips["heard"].to_numpy(), clips["is_positive"].to_numpy()
        estimates = metrics.measured(scores, is_positive, LOGIT)
        for name, draws in _draws(scores, is_positive, drawn).items():
            low, high = drawn.interval(name, estimates[name], draws, 0.95)
            if np.isfinite(low):
                covered[name].append(low <= truth[name] <= high)
    assert min(map(len, covered.values())) > 0.6 * n_studies
    return {name: float(np.mean(each)) for name, each in covered.items()}


def _draws(scores: np.ndarray, is_positive: np.ndarray, drawn: bootstrap.Nights) -> dict[str, np.ndarray]:
    code, counts = drawn.blocks.code, drawn.counts
    found = bootstrap.rate_draws(scores, is_positive, code, counts, LOGIT)
    found |= bootstrap.ranking_draws(scores, is_positive, code, counts)
    return {name: found[name] for name in METRICS}


def false_verdicts(n_recorders: int, n_nights: int, shared_by: str, n_studies: int) -> float:
    """Share of studies with any verdict on F1, of two settings without an effect that suit nights differently."""
    plan = pd.DataFrame(list(product("012", "ab", "ab")), columns=["seed", "first", "second"])
    plan["point"] = plan["config_hash"] = plan.agg("-".join, axis=1)
    found = [each for each in effects.contrasts(plan, ["first", "second"]) if not each.within]
    rng, n_false = np.random.default_rng(n_recorders), 0
    for number in range(n_studies):
        clips = nights(n_recorders, n_nights, shared_by, rng)
        drawn = bootstrap.nights_of(clips, number, "test", 200)
        is_positive = clips["is_positive"].to_numpy()
        values, draws = {}, {}
        for run in plan.to_dict("records"):
            # Opposite signs for the two levels: both have one distribution, so that the effect is exactly 0.
            suits = sum(clips[axis] * (1 if run[axis] == "a" else -1) for axis in ("first", "second"))
            scores = (clips["heard"] + suits + rng.normal(0, 0.1) + rng.normal(0, 0.5, len(clips))).to_numpy()
            name = run["config_hash"]
            values[name] = metrics.metrics_at(scores, is_positive, LOGIT)["f1"]
            draws[name] = bootstrap.rate_draws(scores, is_positive, drawn.blocks.code, drawn.counts, LOGIT)[
                "f1"
            ]
        table = effects.effects(found, values, draws, drawn.effective_for("f1"))
        n_false += bool(table["verdict"].isin([effects.HIGHER, effects.LOWER]).any())
    return n_false / n_studies


def main() -> None:
    """Print both tables, for 300 studies each."""
    for shared_by, (n_recorders, n_nights) in product(("site", "all"), DESIGNS):
        found = coverage(n_recorders, n_nights, shared_by, 300)
        row = [f"{found[name]:.2f}" for name in METRICS]
        row.append(f"{false_verdicts(n_recorders, n_nights, shared_by, 300):.3f}")
        print("|", " | ".join([shared_by, f"{n_recorders} x {n_nights}", *row]), "|", flush=True)


if __name__ == "__main__":
    main()
