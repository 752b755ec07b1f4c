"""The model card: what somebody has to know of a stage's model who was not there, in Markdown.

Everything in it is read from the settings and the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.birdnet.licence import MODEL_LICENCE, OF_THE_HEAD, TERMS
from vernal.common.formatting import between, count, percent, share
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.stage_results import StageResults
from vernal.evaluation.target import target_verdict
from vernal.proof.card_text import DEMO, bullets, card, dates, named
from vernal.proof.environment import package_versions
from vernal.proof.markdown import table, text
from vernal.sweeps.point_settings import SETTINGS, PointSettings
from vernal.training.models import Model

_SHOWN = ("precision", "recall", "f1", "fpr", "auroc", "average_precision")
_INTENDED = (
    "Finding {target} in recordings like those it was tested on, with a person who reviews what it flags. Its number "
    "orders clips; it is not a probability unless it was calibrated on the place at hand."
)
_NOT_INTENDED = (
    "Not for: other sites, seasons, recorders or species without a test of their own; statements of absence from one "
    "clip; anything that nobody checks."
)
_INTERVALS = (
    "Intervals come from drawing nights anew. Baselines are what one gets without listening: everything "
    "flagged, and the clip's metadata alone."
)
_SOUND = ("sample_rate_hz", "window_s", "fmin", "fmax", "overlap")


def model_card(
    results: StageResults, certificate: Mapping[str, Any], splits: pd.DataFrame, models: Mapping[str, Model]
) -> str:
    """The card of a stage's model to use (`StageResults.deployed`)."""
    point = results.deployed
    target, sound = text(results.target), models[point].parameters["audio"]
    return card(
        [
            f"# Model card: {target}, {point}",
            DEMO if results.is_demo else "",
            _what(target, models[point]),
            "## Intended use",
            _INTENDED.format(target=target),
            _NOT_INTENDED,
            "## How it reads sound",
            table(["setting", "value"], [[name, sound[name]] for name in _SOUND]),
            "## Threshold",
            _threshold(results, point),
            "## What it was tested on, and what it gave",
            _performance(results, point),
            _INTERVALS,
            _target(results),
            "## What it was trained on",
            *_training(results, point, splits),
            "## Limits",
            _limits(results, splits),
            *_licence(models[point]),
            "## Proof",
            *_proof(certificate),
        ]
    )


def _what(target: str, model: Model) -> str:
    sound, units = model.parameters["audio"], model.head.hidden_units
    head = f"a head with {units} hidden units" if units else "a linear head"
    return (
        f"A classifier of {float(sound['window_s']):g}-second windows for **{target}**: {head} of "
        f"{model.head.n_parameters:,} numbers on {sound['n_dims']:,} values of {text(sound['encoder'])} "
        f"({text(sound['encoder_version'])})."
    )


def _threshold(results: StageResults, point: str) -> str:
    if results.no_threshold:
        return f"None could be chosen: {results.no_threshold}. Its scores order clips; where to cut them is not known."
    logit = results.threshold(point)
    goal = text(results.by_point.loc[point].get("goal", ""))
    start = f"Flag a clip from a logit of {logit:.4f} on (confidence {float(sigmoid(logit)):.4f})."
    return f"{start} Chosen on validation for: {goal}."


def _target(results: StageResults) -> str:
    return text(target_verdict(results.card, results).sentence) if results.card is not None else ""


def _performance(results: StageResults, point: str) -> str:
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
    return table(["split", "positive / negative", *(name.replace("_", " ") for name in _SHOWN)], rows)


def _training(results: StageResults, point: str, splits: pd.DataFrame) -> list[str]:
    settings = PointSettings.from_row(results.plan.set_index("point").loc[point].to_dict())
    n_positive, n_negative = (
        int(results.number(point, f"n_train_{kind}")) for kind in ("positive", "negative")
    )
    n_train = int((splits.split == "train").sum())
    return [
        f"{n_positive:,} positive and {n_negative:,} negative clips, subsets included (train split: {n_train:,}).",
        table(
            ["setting", "value"],
            [[name, SETTINGS[name].as_text(getattr(settings, name))] for name in settings.as_dict()],
        ),
    ]


def _limits(results: StageResults, splits: pd.DataFrame) -> str:
    train, tests = splits[splits.split == "train"], splits[splits.split.isin(results.test_splits)]
    lines = [
        f"Trained at {named(train, 'site')}; tested at {named(tests, 'site')}. Elsewhere it is untested.",
        f"Trained on nights of {dates(train)}; tested on nights of {dates(tests)}.",
        f"Chosen among {count(len(results.points), 'point')} by {results.choice_name}.",
        "The test is only as unseen as the test ledger says.",
    ]
    if len(tests):
        lines.append(
            f"{percent(float(tests.is_positive.mean()))} of the test clips are positive. In the field the share is far "
            "smaller, and so is the precision."
        )
    notes = results.table("notes")
    return bullets([*lines, *(f"{text(row.scope)}: {text(row.note)}" for row in notes.itertuples())])


def _licence(model: Model) -> list[str]:
    """On whose model it stands; nothing where the embeddings are the project's own."""
    own = model.parameters.get("encoder_licence")
    if own is not None:
        encoder = text(model.parameters["audio"]["encoder"])
        return [
            "## Licence",
            f"It runs on the encoder {encoder}, whose licence is: {text(own) or 'not stated'}.",
        ]
    if not str(model.parameters["audio"]["encoder"]).startswith("birdnet"):
        return []
    return [
        "## Licence",
        f"It runs on BirdNET's model, which is licensed {MODEL_LICENCE}: {TERMS}. {OF_THE_HEAD}",
    ]


def _proof(certificate: Mapping[str, Any]) -> list[str]:
    rows = [[line["verdict"], line["title"], line["said"]] for line in certificate["checks"]]
    made_with = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    return [
        f"Certificate of results `{certificate['results']}`: **{certificate['verdict']}**.",
        table(["verdict", "check", "found"], rows),
        f"Made with {made_with}.",
    ]
