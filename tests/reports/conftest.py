"""Small stages, evaluated for real: made scores go through the project's own evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vernal.clips.splits import count_splits
from vernal.evaluation.evaluate import EvaluationOptions, evaluate_stage
from vernal.evaluation.stage_results import StageResults
from vernal.reports import Section, render_report
from vernal.reports.figures import FIGURES, Drawing, draw_figures
from vernal.sweeps.plans import resolve_points
from vernal.sweeps.spec import parse_spec

NO_REJECTS = pd.DataFrame(columns=["source", "file_path", "reason", "message"])


@dataclass
class Stage:
    """A stage's results with what pictures and pages need beside them."""

    results: StageResults
    scores: pd.DataFrame
    splits: pd.DataFrame
    histories: dict[str, pd.DataFrame] = field(default_factory=dict)
    rejects: pd.DataFrame = field(default_factory=lambda: NO_REJECTS)

    def draw(self) -> dict[str, Drawing]:
        best = dict.fromkeys(self.histories, 2)
        return draw_figures(self.results, self.scores, self.splits, self.histories, best)

    def page(
        self,
        drawings: dict[str, Drawing] | None = None,
        more: tuple[Section, ...] = (),
        listen: Section | None = None,
    ) -> str:
        """The report; figures that are not among `drawings` are empty, which is quick."""
        nothing = Drawing('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>', b"")
        figures = dict.fromkeys(FIGURES, nothing) | (drawings or {})
        return render_report(
            self.results, figures, count_splits(self.splits), self.rejects, more, listen=listen
        )


def clips_of(
    split: str, n: int, nights: int, seed: int, recorder: str = "R", site: str = "Pond"
) -> pd.DataFrame:
    """Labelled clips of one split, spread over nights of two recorders."""
    rng = np.random.default_rng([seed, n])
    is_positive = np.arange(n) % 2 == 0
    tiers = pd.Series(rng.choice(["high", "medium", "low"], n), dtype="str").where(pd.Series(is_positive))
    names = [f"{split} {at}" for at in range(n)]
    night = np.arange(n) // 2 % nights
    return pd.DataFrame(
        {
            "clip_id": names,
            "content_hash": names,
            "split": split,
            "is_positive": is_positive,
            "label": np.where(is_positive, "positive", "negative"),
            "quality": tiers,
            "call_type": pd.Series(rng.choice(["grunt", "growl"], n), dtype="str").where(
                pd.Series(is_positive)
            ),
            "site": f"{site} {split}",
            "recorder_id": [f"{recorder}{at % 2} {split}" for at in night],
            "date": [f"2025-04-{at + 1:02d}" for at in night],
            "night": [f"2025-04-{at + 1:02d}" for at in night],
            "block": [f"{split} night {at}" for at in night],
        }
    )


def season(nights: int = 16, seed: int = 0, **names: str) -> pd.DataFrame:
    """Clips of all four splits."""
    sizes = {"train": 40, "val": 60, "test_iid": 48, "test_ood": 64}
    return pd.concat(
        [clips_of(name, n, nights, seed, **names) for name, n in sizes.items()], ignore_index=True
    )


@pytest.fixture(scope="session")
def clips() -> Callable[..., pd.DataFrame]:
    return season


def _references(plan: pd.DataFrame, evaluated: pd.DataFrame, separation: float) -> pd.DataFrame:
    """Scores of the references, the same for all trainings."""
    noise = np.random.default_rng(8).normal(size=len(evaluated))
    scored = evaluated[["clip_id", "split", "is_positive"]]
    logit = separation * (scored["is_positive"] - 0.5) + noise
    return pd.concat([scored.assign(fit_hash=fit, logit=logit) for fit in plan["fit_hash"].unique()])


@pytest.fixture(scope="session")
def make_stage() -> Callable[..., Stage]:
    """`make_stage(axes, splits, gain, failed, ...)`: score made clips and evaluate them.

    `gain` maps a level of `hidden_units` to how much better it separates the classes; `reference` is how well the
    references do; `training` are columns of the training counts. What was made once is not evaluated again.
    """
    made: dict[str, Stage] = {}

    def make(
        axes: dict[str, Any] | None = None,
        splits: pd.DataFrame | None = None,
        separation: float = 2.0,
        gain: dict[int, float] | None = None,
        failed: dict[str, str] | None = None,
        files: dict[str, Any] | None = None,
        target: str = "RADR",
        is_demo: bool = False,
        description: str = "",
        empty_subset: str | None = None,
        reference: float | None = None,
        training: dict[str, Any] | None = None,
        **options: Any,
    ) -> Stage:
        content = {
            "stage": "made",
            "axes": axes or {"seed": [1]},
            "base_params": {},
            "description": description,
        }
        spec = parse_spec(content, "made.yml")
        plan = resolve_points(spec, files or {}).assign(is_selected=True)
        clips = season() if splits is None else splits
        failed = failed or {}
        evaluated = clips[clips["split"] != "train"]
        tables = []
        for row in plan[~plan["point"].isin(list(failed))].to_dict("records"):
            rng = np.random.default_rng([int(row["seed"]), *row["config_hash"].encode()])
            apart = separation + (gain or {}).get(int(row["hidden_units"]), 0.0)
            noise = np.random.default_rng(7).normal(size=len(evaluated)) + 0.1 * rng.normal(
                size=len(evaluated)
            )
            logit = apart * (evaluated["is_positive"].to_numpy() - 0.5) + noise
            scored = evaluated[["clip_id", "split", "is_positive"]]
            tables.append(scored.assign(point=row["point"], logit=logit))
        scores = pd.concat(tables, ignore_index=True)
        counts = pd.DataFrame({"point": plan["point"], "n_train_positive": 20, "n_train_negative": 20})
        counts = counts.assign(empty_subsets=pd.Series([empty_subset] * len(plan), dtype="str"))
        settings = EvaluationOptions(**{"n_draws": 100, "curve_points": 40} | options)
        counts = counts.assign(**(training or {}))
        floor = None if reference is None else _references(plan, evaluated, reference)
        tabled = evaluate_stage(
            plan, scores, clips, counts, settings, failed, list(spec.axes), reference_scores=floor
        ).tables()
        failures = pd.DataFrame(
            [(point, "" if why == "not run yet" else "train", why) for point, why in failed.items()],
            columns=["point", "step", "message"],
            dtype="str",
        )
        points, board, found = (tabled.pop(name) for name in ("points", "leaderboard", "effects"))
        results = StageResults(spec, target, plan, points, board, found, tabled, failures, settings, is_demo)
        history = pd.DataFrame(
            {
                "epoch": [1, 2, 3],
                "loss": [0.7, 0.5, 0.4],
                "val_loss": [0.7, 0.6, 0.6],
                "val_auprc": [0.5, 0.8, 0.8],
            }
        )
        return Stage(results, scores, clips, {str(point): history for point in scores["point"].unique()})

    def remembered(axes: dict[str, Any] | None = None, **how: Any) -> Stage:
        if "splits" in how:
            return make(axes, **how)
        key = repr((axes, sorted(how.items())))
        if key not in made:
            made[key] = make(axes, **how)
        return replace(made[key])

    return remembered


@pytest.fixture(scope="session")
def drawn_stage(make_stage) -> tuple[Stage, dict[str, Drawing]]:
    """Two configurations of two seeds of the demo season, with all figures; for tests that only look."""
    stage = make_stage({"seed": [1, 2], "hidden_units": [0, 64]}, is_demo=True)
    return stage, stage.draw()
