"""The sealed split: opened once for one declared model, with its threshold fixed before.

Every stage leaves sealed clips alone. What `kedro run --pipeline=final` finds on them is therefore the one
number that no choice was made after, as long as it stays the only one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.clips.overlap import KINDS
from vernal.common.formatting import between, count, share
from vernal.common.problems import InputError, Problems
from vernal.common.settings import settings
from vernal.evaluation import coverage
from vernal.evaluation.measuring import measure_split
from vernal.evaluation.operating_points import OperatingPoint
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.rounding import settled
from vernal.proof.card_text import DEMO, card
from vernal.proof.ledger import SEALED, Entry, split_digest
from vernal.proof.markdown import table, text
from vernal.sweeps.stage_folder import StageFolder
from vernal.training import fitting, scoring
from vernal.training.models import Model, load_model

_FIRST = "The first opening is a test; with each further one the best of them is chosen after looking."
SHOWN = ("precision", "recall", "f1", "fpr", "auroc", "average_precision")


_NAME = r"^([A-Za-z0-9]\w*)/([A-Za-z0-9]\w*)$"
_FORM = "STAGE/POINT, as in --params=final.model=stage5/stage5_017"


@settings("final")
class FinalOptions:
    """model: the declared model as STAGE/POINT."""

    model: Annotated[str, Field(pattern=_NAME, description=_FORM)] | None = None


@dataclass(frozen=True)
class DeclaredModel:
    """A model with everything that was fixed before the sealed split is opened.

    `threshold_logit` and `goal` are those of its stage's points table; `plan` is its row there, `training_set` the
    clips that it was trained on.
    """

    name: str
    model: Model
    threshold_logit: float
    goal: str
    plan: pd.DataFrame
    training_set: pd.DataFrame

    @property
    def fit_key(self) -> str:
        return str(self.model.parameters["fit_key"])

    @property
    def audio(self) -> EmbeddingOptions:
        """How its sound is read."""
        return EmbeddingOptions.from_settings(self.model.parameters["audio"])


def split_name(name: str) -> tuple[str, str]:
    """Stage and point of a declared model.

    Raises:
        InputError: it is not of the form STAGE/POINT.

    >>> split_name("stage5/stage5_017")
    ('stage5', 'stage5_017')
    """
    match = re.fullmatch(_NAME, str(name))
    if match is None:
        raise InputError(f"final.model is {name!r}; give {_FORM}")
    return match[1], match[2]


def read_declared(data_root: Path, name: str | None) -> DeclaredModel:
    """Read a declared model from its stage's results.

    Raises:
        InputError: none is declared, or its stage has no such finished point.
    """
    if not name:
        raise InputError(
            "No model is declared. Name the one to open the sealed split for: --params=final.model=STAGE/POINT"
        )
    stage, point = split_name(name)
    folder = StageFolder(data_root, stage)
    model = load_model(folder.models / point)
    files = [folder.points_table, folder.plan, folder.training_sets]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"{name} has no finished results ({', '.join(missing)} not there). Run its stage first."
        )
    points, plan, sets = map(folder.read_table, files)
    row = points[points.point == point]
    if row.empty or row.error.notna().any():
        raise InputError(f"{name} has no results in {files[0]}. Run its stage first.")
    if row.threshold_logit.isna().any():
        raise InputError(
            f"{name} has no threshold in {files[0]}, and the sealed split is opened at one that was chosen before. "
            "Give validation clips of both classes, and run its stage again."
        )
    own = plan[plan.point == point].reset_index(drop=True)
    used = sets[sets.fit_hash.astype(str).isin(own.fit_hash)].reset_index(drop=True)
    return DeclaredModel(name, model, float(row.threshold_logit.iloc[0]), str(row.goal.iloc[0]), own, used)


def sealed_clips(splits: pd.DataFrame) -> pd.DataFrame:
    """The sealed clips, sorted by `clip_id`.

    Raises:
        InputError: there are none, or of one class only.
    """
    clips = splits[splits.split == SEALED].sort_values("clip_id", ignore_index=True)
    if clips.is_positive.nunique() < 2:
        n_positive = int(clips.is_positive.sum())
        raise InputError(
            f"The sealed split has {n_positive} positives of {len(clips)} clips. Name sites in "
            "quality_splitting.sealed_sites, or write `sealed` in the manifest's column split, before any stage is run."
        )
    return clips


def refuse_second(entries: Sequence[Entry], declared: DeclaredModel, splits: pd.DataFrame) -> None:
    """Refuse to open the sealed split twice for one model.

    Raises:
        InputError: the ledger has that opening, with its date.
    """
    own = split_digest(splits, SEALED)
    for entry in entries:
        if (
            entry.get("evaluation") == declared.fit_key
            and entry["splits"].get(SEALED, {}).get("digest") == own
        ):
            raise InputError(
                f"The sealed split was opened for this model ({entry.get('model')}) on {entry.get('opened')}; it "
                "opens once a model. Its result is in 08_reporting/final/results.csv."
            )


def refuse_seen(
    declared: DeclaredModel, clips: pd.DataFrame, sealed: pd.DataFrame, base: EmbeddingOptions, backend: str
) -> None:
    """Refuse a model that may have met the sealed clips: trained on them, or on clips that are not known any more.

    Args:
        clips: all clips of all sources.
        base, backend: the settings that its stage is trained with, which its key is made of.
    Raises:
        InputError: it was trained on a sealed clip, its audio or its night; or its weights are not those of the
            training set that its stage has now.
    """
    fits = fitting.list_fits(declared.plan, declared.training_set, clips, base, backend)
    problems = Problems(f"The declared model {declared.name}")
    if [fit.key for fit in fits] != [declared.fit_key]:
        problems.add(
            "model that its stage would not train now",
            ["data or settings have changed since"],
            "Run its stage again, so that it is known what it was trained on.",
        )
    used = clips[clips.clip_id.isin(declared.training_set.clip_id)]
    for kind in ("clip_id", "content_hash", "group"):
        words, shares = KINDS[kind]
        met = used[shares(used, sealed).astype(bool)]
        problems.add(
            f"training clip with {words} a sealed clip",
            sorted(met.clip_id),
            "Seal clips before training, and run the stage again.",
        )
    problems.raise_if_any()


def score_sealed(declared: DeclaredModel, sealed: pd.DataFrame, store: EmbeddingStore) -> np.ndarray:
    """(n_clips,) logits of the sealed clips, in the order of their ids."""
    logits = scoring.clip_logits([declared.model.head], sealed, declared.audio, store)[0]
    return logits + scoring.shift_of(float(declared.model.parameters["settings"]["sensitivity"]))


def result_row(
    declared: DeclaredModel,
    sealed: pd.DataFrame,
    logits: np.ndarray,
    splits_digest: str,
    options: EvaluationOptions,
) -> pd.DataFrame:
    """The one row that the sealed split gives: `sealed_<metric>` at the threshold that was fixed before."""
    units, by_unit = coverage.to_units(sealed, logits[None, :], options.unit)
    frozen = OperatingPoint(
        declared.threshold_logit, declared.goal, coverage.VALIDATION, True, "", *[float("nan")] * 4
    )
    measured = measure_split(SEALED, units, by_unit, [frozen], options)
    identity = {
        "model": declared.name,
        "fit_key": declared.fit_key,
        "sealed_split": splits_digest,
        "goal": declared.goal,
        "threshold_logit": declared.threshold_logit,
    }
    values = measured.values.drop(columns=["f1_test_picked", "f1_optimism"], errors="ignore").add_prefix(
        f"{SEALED}_"
    )
    return settled(pd.concat([pd.DataFrame([identity]), values], axis=1))


def with_row(known: pd.DataFrame | None, row: pd.DataFrame) -> pd.DataFrame:
    """The results so far, and one more."""
    return row if known is None or known.empty else pd.concat([known, row], ignore_index=True)


def final_page(results: pd.DataFrame, entries: Sequence[Entry], is_demo: bool) -> str:
    """All openings of the sealed split as a Markdown page."""
    rows = []
    for row in results.to_dict("records"):
        numbers = []
        for metric in SHOWN:
            ends = [float(row.get(f"{SEALED}_{metric}_{end}", np.nan)) for end in ("low", "high")]
            value = share(float(row[f"{SEALED}_{metric}"]), 3)
            numbers.append(f"{value} ({between(ends[0], ends[1], 3)})" if np.isfinite(ends).all() else value)
        counts = f"{int(row[f'{SEALED}_n_positive']):,} / {int(row[f'{SEALED}_n_negative']):,}"
        rows.append([row["model"], f"{row['threshold_logit']:.4f}", counts, *numbers])
    models = [str(entry.get("model")) for entry in entries if SEALED in entry["splits"]]
    times = count(len(models), "time")
    blocks = [
        "# The sealed split",
        DEMO if is_demo else "",
        f"Opened {times}: {', '.join(map(text, models))}. Thresholds were chosen on validation before. {_FIRST}",
        table(
            [
                "model",
                "threshold (logit)",
                "positive / negative",
                *(name.replace("_", " ") for name in SHOWN),
            ],
            rows,
        ),
    ]
    return card(blocks)


def entry_of(declared: DeclaredModel, splits: pd.DataFrame) -> dict[str, Any]:
    """What opening the sealed split adds to the ledger."""
    opened = {SEALED: {"clips": int((splits.split == SEALED).sum()), "digest": split_digest(splits, SEALED)}}
    return {
        "stage": "final",
        "evaluation": declared.fit_key,
        "model": declared.name,
        "points": 1,
        "splits": opened,
    }
