"""How often drift is claimed between two seasons that do not differ, and how often it is found where they do.

Recorders stand side by side; three quarters of what a night does to the sound is shared by all of them, and a night resembles the
one before it (`persistence` is their correlation). `python -m tests.simulated_seasons` prints the table of
docs/simulated.md; it writes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.collection.drift import DriftOptions, measure_drift

DESIGNS = ((1, 28), (4, 28), (4, 56))
PERSISTENCE = (0.0, 0.5, 0.7, 0.9)
N_CLIPS, N_DIMS = 2, 4
SHARED, NIGHT_SD = 0.75, 0.6


def seasons(
    n_recorders: int, n_nights: int, persistence: float, shift: float, rng: np.random.Generator
) -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings of two seasons, a night a date, and where and when each clip was recorded."""
    place = 2 * rng.normal(size=(n_recorders, N_DIMS))
    xs, rows = [], []
    for season in ("2024", "2025"):
        weather = _weather((n_nights, N_DIMS), persistence, rng)
        dates = pd.date_range(f"{season}-04-01", periods=n_nights).strftime("%Y-%m-%d")
        for recorder in range(n_recorders):
            own = _weather((n_nights, N_DIMS), persistence, rng)
            heard = NIGHT_SD * (np.sqrt(SHARED) * weather + np.sqrt(1 - SHARED) * own) + place[recorder]
            heard[:, 0] += shift * (season == "2025")
            xs.append(np.repeat(heard, N_CLIPS, axis=0))
            night = np.repeat(dates, N_CLIPS)
            rows.append(pd.DataFrame({"season": season, "date": night, "stratum": f"R{recorder}"}))
    x = np.concatenate(xs)
    table = pd.concat(rows, ignore_index=True)
    return x + rng.normal(size=x.shape), table.assign(night=table.stratum + " " + table.date)


def _weather(shape: tuple[int, int], persistence: float, rng: np.random.Generator) -> np.ndarray:
    """Of unit variance, each night correlated with the one before it."""
    values = rng.normal(size=shape)
    for night in range(1, shape[0]):
        values[night] = persistence * values[night - 1] + np.sqrt(1 - persistence**2) * values[night]
    return values


def alarms(
    n_recorders: int, n_nights: int, persistence: float, shift: float, n_studies: int, days: int = 7
) -> float:
    """Share of studies in which drift is claimed."""
    rng = np.random.default_rng([n_recorders, n_nights, round(100 * persistence)])
    options = [DriftOptions(n_permutations=199, block_days=days, seed=seed) for seed in range(n_studies)]
    found = [measure_drift(*seasons(n_recorders, n_nights, persistence, shift, rng), one) for one in options]
    return float(np.mean([table.verdict[0] == "drift" for table in found]))


def main() -> None:
    """Print the table: 300 studies each without drift, 100 with a shift of one standard deviation of a clip."""
    for (n_recorders, n_nights), days in (*((design, 7) for design in DESIGNS), (DESIGNS[-1], 14)):
        cells = []
        for persistence in PERSISTENCE:
            design = (n_recorders, n_nights, persistence)
            false, found = alarms(*design, 0.0, 300, days), alarms(*design, 1.0, 100, days)
            cells.append(f"{false:.2f}, {found:.2f}")
        print("|", " | ".join([f"{n_recorders} x {n_nights}", str(days), *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
