"""The model card: what somebody has to know of a stage's model who was not there, in Markdown.

Everything in it is read from the settings and the results.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.birdnet.licence import MODEL_LICENCE, OF_THE_HEAD, TERMS
from vernal.common.formatting import between, share
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.stage_results import StageResults
from vernal.evaluation.target import target_verdict
from vernal.proof.card_text import render
from vernal.proof.environment import package_versions
from vernal.proof.markdown import text
from vernal.sweeps.point_settings import SETTINGS, PointSettings
from vernal.training.models import Model

_SHOWN = ("precision", "recall", "f1", "fpr", "auroc", "average_precision")
_SOUND = ("sample_rate_hz", "window_s", "fmin", "fmax", "overlap")


def model_card(
    results: StageResults, certificate: Mapping[str, Any], splits: pd.DataFrame, models: Mapping[str, Model]
) -> str:
    """The card of a stage's model to use (`StageResults.deployed`)."""
    point = results.deployed
    model = models[point]
    sound, logit = model.parameters["audio"], results.threshold(point)
    settings = PointSettings.from_row(results.plan.set_index("point").loc[point].to_dict())
    return render(
        "model_card",
        results=results,
        target=text(results.target),
        point=point,
        sound=sound,
        head=model.head,
        reading=[[name, sound[name]] for name in _SOUND],
        logit=logit,
        confidence=float(sigmoid(logit)),
        goal=results.by_point.loc[point].get("goal", ""),
        measured=["split", "positive / negative", *(name.replace("_", " ") for name in _SHOWN)],
        performance=_performance(results, point),
        verdict=target_verdict(results.card, results).sentence if results.card is not None else "",
        n_positive=int(results.number(point, "n_train_positive")),
        n_negative=int(results.number(point, "n_train_negative")),
        n_train=int((splits.split == "train").sum()),
        settings=[[name, SETTINGS[name].as_text(getattr(settings, name))] for name in settings.as_dict()],
        train=splits[splits.split == "train"],
        tests=splits[splits.split.isin(results.test_splits)],
        notes=results.table("notes").to_dict("records"),
        encoder_licence=model.parameters.get("encoder_licence"),
        is_birdnet=str(sound["encoder"]).startswith("birdnet"),
        model_licence=MODEL_LICENCE,
        terms=TERMS,
        of_the_head=OF_THE_HEAD,
        certificate=certificate,
        checks=[[line["verdict"], line["title"], line["said"]] for line in certificate["checks"]],
        packages=package_versions(),
    )


def _performance(results: StageResults, point: str) -> list[list[object]]:
    """A row a split, and below it those of what is reached without listening."""
    rows: list[list[object]] = []
    for split in results.measured_splits:
        numbers = []
        for metric in _SHOWN:
            value = share(results.number(point, f"{split}_{metric}"), 3)
            low, high = (results.number(point, f"{split}_{metric}_{end}") for end in ("low", "high"))
            known = np.isfinite(low) and np.isfinite(high)
            numbers.append(f"{value} ({between(low, high, 3)})" if known else value)
        n_positive, n_negative = (
            results.number(point, f"{split}_n_{kind}") for kind in ("positive", "negative")
        )
        rows.append([split, f"{n_positive:,.0f} / {n_negative:,.0f}", *numbers])
        for kind in ("all_positive", "metadata"):
            beside = [share(results.baseline(kind, split, metric), 3) for metric in _SHOWN]
            rows.append([f"{split}: baseline {kind}", "", *beside])
    return rows
