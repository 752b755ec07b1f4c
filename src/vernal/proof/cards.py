"""Model card and data card: what somebody has to know who was not there, in Markdown.

Everything in them is read from the manifest, the settings and the results; where a manifest does not say
something (a licence, a site) the card says that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.embedding import EmbeddingOptions
from vernal.models import Model
from vernal.point_settings import SETTINGS, PointSettings
from vernal.proof.environment import package_versions
from vernal.proof.markdown import table, text
from vernal.spelling import between, percent, share
from vernal.stage_results import StageResults

NOT_GIVEN = "not given"
LICENCE_COLUMNS = ("licence", "license")
_SHOWN = ("precision", "recall", "f1", "fpr", "auroc", "average_precision")
_DEMO = "> **Demo season.** The recordings are synthetic. Nothing here says anything about the real world.\n"


def model_card(
    results: StageResults,
    certificate: Mapping[str, Any],
    splits: pd.DataFrame,
    audio: EmbeddingOptions,
    models: Mapping[str, Model],
) -> str:
    """The card of a stage's model to use (`StageResults.deployed`)."""
    point = results.deployed
    settings = PointSettings.from_row(results.plan.set_index("point").loc[point].to_dict())
    model = models[point]
    kept = model.parameters["audio"]
    train = splits[splits.split == "train"]
    parts = [
        f"# Model card: {text(results.target)}, {point}\n",
        _DEMO if results.is_demo else "",
        (
            f"A classifier of {percent_free(kept['window_s'])}-second windows for **{text(results.target)}**: "
            f"{'a linear head' if model.head.hidden_units == 0 else f'a head with {model.head.hidden_units} hidden units'} of "
            f"{model.head.n_parameters:,} numbers on {kept['n_dims']:,} values of {text(kept['encoder'])} ({text(kept['encoder_version'])}).\n"
        ),
        "## Intended use\n",
        (
            f"Finding {text(results.target)} in recordings like those it was tested on, with a person who reviews what it flags. "
            "Its number orders clips; it is not a probability unless it was calibrated on the place at hand.\n"
        ),
        (
            "Not for: other sites, seasons, recorders or species without a test of their own; statements of absence from one clip; "
            "anything that nobody checks.\n"
        ),
        "## How it reads sound\n",
        table(
            ["setting", "value"],
            [[name, kept[name]] for name in ("sample_rate_hz", "window_s", "fmin", "fmax", "overlap")],
        ),
        "",
        "## Threshold\n",
        _threshold(results, point),
        "## What it was tested on, and what it gave\n",
        _performance(results, point),
        (
            "Intervals come from drawing recorder-nights anew. Baselines are what one gets without listening: everything flagged, "
            "and the clip's metadata alone.\n"
        ),
        "## What it was trained on\n",
        (
            f"{int(results.number(point, 'n_train_positive')):,} positive and {int(results.number(point, 'n_train_negative')):,} negative clips "
            f"(of {len(train):,} training clips); see the data card.\n"
        ),
        table(
            ["setting", "value"],
            [[name, one.as_text(getattr(settings, name))] for name, one in SETTINGS.items()],
        ),
        "",
        "## Limits\n",
        _limits(results, splits),
        "## Proof\n",
        _proof(certificate),
        "Made with " + ", ".join(f"{name} {version}" for name, version in package_versions().items()) + ".",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def percent_free(value: Any) -> str:
    """A number without needless digits."""
    return f"{float(value):g}"


def _threshold(results: StageResults, point: str) -> str:
    logit = results.threshold(point)
    confidence = 1 / (1 + np.exp(-logit))
    goal = results.by_point.loc[point].get("goal", "")
    return f"Flag a clip from a logit of {logit:.4f} on (confidence {confidence:.4f}). Chosen on validation for: {text(goal)}.\n"


def _performance(results: StageResults, point: str) -> str:
    rows: list[list[object]] = []
    for split in results.measured_splits:
        numbers: list[object] = []
        for metric in _SHOWN:
            value = share(results.number(point, f"{split}_{metric}"), 3)
            low, high = (results.number(point, f"{split}_{metric}_{end}") for end in ("low", "high"))
            numbers.append(
                f"{value} ({between(low, high, 3)})" if np.isfinite(low) and np.isfinite(high) else value
            )
        n_positive, n_negative = (
            results.number(point, f"{split}_n_{kind}") for kind in ("positive", "negative")
        )
        rows.append([split, f"{n_positive:,.0f} / {n_negative:,.0f}", *numbers])
        for kind in ("all_positive", "metadata"):
            beside = [share(results.baseline(kind, split, metric), 3) for metric in _SHOWN]
            rows.append([f"{split}: baseline {kind}", "", *beside])
    return table(["split", "positive / negative", *(name.replace("_", " ") for name in _SHOWN)], rows) + "\n"


def _limits(results: StageResults, splits: pd.DataFrame) -> str:
    train, tests = splits[splits.split == "train"], splits[splits.split.isin(results.test_splits)]
    lines = [
        f"Trained at {_named(train, 'site')}; tested at {_named(tests, 'site')}. Elsewhere it is untested.",
        f"Trained on nights from {_span(train)}; tested on nights from {_span(tests)}.",
        f"Chosen among {len(results.points):,} points; the test splits are only as unseen as the test ledger says.",
    ]
    if len(tests):
        prevalence = float(tests.is_positive.mean())
        lines.append(
            f"{percent(prevalence)} of the test clips are positive. In the field the share is far smaller, and so is the precision."
        )
    notes = results.table("notes")
    lines += [f"{text(row.scope)}: {text(row.note)}" for row in notes.itertuples()]
    return "\n".join(f"* {line}" for line in lines) + "\n"


def _proof(certificate: Mapping[str, Any]) -> str:
    rows = [[line["verdict"], line["title"], line["said"]] for line in certificate["checks"]]
    return (
        f"Certificate of results `{certificate['results']}`: **{certificate['verdict']}**.\n\n"
        + table(["", "check", "found"], rows)
        + "\n"
    )


def data_card(
    results: StageResults,
    certificate: Mapping[str, Any],
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    rejects: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
) -> str:
    """The card of the data behind a stage."""
    hours = float((clips.end_s.fillna(clips.duration_s) - clips.start_s.fillna(0.0)).sum()) / 3600
    parts = [
        f"# Data card: {text(results.target)}, {results.spec.stage}\n",
        _DEMO if results.is_demo else "",
        (
            f"{len(splits):,} labelled clips of {splits.content_hash.nunique():,} files, and {len(clips) - len(splits):,} clips of field and "
            f"unchecked recordings; {hours:,.2f} hours of sound in all.\n"
        ),
        "## Sources\n",
        table(
            ["source", "clips", "files", "recorders", "dates"],
            [
                [
                    source,
                    f"{len(own):,}",
                    f"{own.content_hash.nunique():,}",
                    own.recorder_id.nunique(),
                    _span(own),
                ]
                for source, own in clips.groupby("source", sort=True)
            ],
        ),
        "",
        "## Splits\n",
        _split_table(splits),
        "Splits are dealt by blocks (recorder and date, group, file) that are never divided.\n",
        "## Sites and recorders\n",
        _places(splits),
        "## Quality and call types of the positives\n",
        _counts(splits[splits.is_positive], "quality"),
        _counts(splits[splits.is_positive], "call_type"),
        "## Licences\n",
        _licences(clips),
        "## Added by mining and review\n",
        table(["subset", "clips"], [[name, f"{len(rows):,}"] for name, rows in sorted(subsets.items())]),
        "",
        "## Left out\n",
        _rejects(rejects),
        "## Known limits\n",
        _data_limits(splits, certificate),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _split_table(splits: pd.DataFrame) -> str:
    rows = []
    for name, own in sorted(splits.groupby("split"), key=lambda item: _SPLIT_ORDER.get(str(item[0]), 9)):
        positive = int(own.is_positive.sum())
        rows.append(
            [
                name,
                f"{positive:,}",
                f"{len(own) - positive:,}",
                own.block.nunique() if "block" in own else "",
                _named(own, "site"),
                _span(own),
            ]
        )
    return table(["split", "positive", "negative", "blocks", "sites", "dates"], rows) + "\n"


_SPLIT_ORDER = {name: at for at, name in enumerate(("train", "val", "test_iid", "test_ood", "sealed"))}


def _places(splits: pd.DataFrame) -> str:
    keyed = splits.assign(
        site=splits.site.fillna(NOT_GIVEN), recorder_id=splits.recorder_id.fillna(NOT_GIVEN)
    )
    rows = [
        [site, recorder, f"{int(own.is_positive.sum()):,}", f"{int((~own.is_positive).sum()):,}", _span(own)]
        for (site, recorder), own in keyed.groupby(["site", "recorder_id"], sort=True)
    ]
    return table(["site", "recorder", "positive", "negative", "dates"], rows) + "\n"


def _counts(clips: pd.DataFrame, column: str) -> str:
    counts = clips[column].fillna(NOT_GIVEN).value_counts().sort_index()
    return (
        table([column.replace("_", " "), "clips"], [[name, f"{count:,}"] for name, count in counts.items()])
        + "\n"
    )


def _licences(clips: pd.DataFrame) -> str:
    column = next((name for name in LICENCE_COLUMNS if name in clips), None)
    if column is None or clips[column].isna().all():
        return "The manifest has no column `licence`: the terms of these recordings are not known here. Settle them before anything is passed on.\n"
    counts = clips[column].fillna(NOT_GIVEN).value_counts().sort_index()
    return table(["licence", "clips"], [[name, f"{count:,}"] for name, count in counts.items()]) + "\n"


def _rejects(rejects: pd.DataFrame) -> str:
    if rejects.empty:
        return "Every listed row could be used.\n"
    counts = rejects.reason.value_counts().sort_index()
    return table(["reason", "rows"], [[name, f"{count:,}"] for name, count in counts.items()]) + "\n"


def _data_limits(splits: pd.DataFrame, certificate: Mapping[str, Any]) -> str:
    lines = []
    one_class = [
        str(recorder)
        for recorder, own in splits[splits.recorder_id.notna()].groupby("recorder_id")
        if own.is_positive.nunique() == 1
    ]
    if one_class:
        lines.append(
            f"{len(one_class)} recorders have clips of one class only ({', '.join(map(text, one_class[:10]))}): who recorded a clip says "
            "something about its label, so compare with the metadata baseline and the AUROC within recorders."
        )
    for column in ("site", "recorder_id", "date"):
        missing = int(splits[column].isna().sum())
        if missing:
            lines.append(f"{missing:,} clips have no {column.removesuffix('_id')}.")
    wrong = [line for line in certificate["checks"] if line["verdict"] != "pass"]
    lines += [f"{line['title']}: **{line['verdict']}**. {text(line['said'])}" for line in wrong]
    lines.append("Labels are what the manifest says; no label was changed here.")
    return "\n".join(f"* {line}" for line in lines) + "\n"


def _named(clips: pd.DataFrame, column: str) -> str:
    names = sorted(clips[column].dropna().astype(str).unique())
    if not names:
        return "places that the manifest does not name" if column == "site" else NOT_GIVEN
    return ", ".join(text(name) for name in names[:12]) + (
        f" and {len(names) - 12} more" if len(names) > 12 else ""
    )


def _span(clips: pd.DataFrame) -> str:
    dates = clips.date.dropna().astype(str)
    if dates.empty:
        return "dates not given"
    return str(dates.iloc[0]) if dates.nunique() == 1 else f"{dates.min()} to {dates.max()}"
