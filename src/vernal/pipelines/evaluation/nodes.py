"""Score every point that is trained, and evaluate what its scores are worth."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from vernal import __version__
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.audio.encoders.files import EncoderFile
from vernal.clips.folds import folds_of
from vernal.clips.problem_card import ProblemCard
from vernal.common.hashing import digest
from vernal.common.table_files import digest_of_table
from vernal.evaluation.choice import FOLD_SCORE_COLUMNS
from vernal.evaluation.evaluate import evaluate_stage
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import KEY, StageQuestion
from vernal.sweeps.point_settings import PointSettings
from vernal.sweeps.settings_table import CONFIGURATION
from vernal.sweeps.spec import Spec
from vernal.training import fitting, scoring
from vernal.training.fitting import TrainingOptions
from vernal.training.head_library import HeadLibrary
from vernal.training.models import Model
from vernal.training.sets import FAILURE_COLUMNS

NOT_RUN = "not run yet"
ORIGIN_COLUMNS = ("encoder", "encoder_version", "trained_by", "fit_key", "n_steps", "is_still_improving")
# To be raised when the same scores would be evaluated to other numbers than before.
EVALUATOR_REVISION = 6


def score_points(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    undrawn_points: pd.DataFrame,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    store: EmbeddingStore,
    library: HeadLibrary,
    audio: EmbeddingOptions,
    options: TrainingOptions,
    target: str,
) -> tuple[pd.DataFrame, dict[str, Model], pd.DataFrame, pd.DataFrame]:
    """Score all validation and test clips with every trained point, and with the reference of each.

    Returns:
        The scores; the models by point; the points without a model, with the step and the reason; the scores of the
        references, with `fit_hash` in the place of the point.
    """
    fits = {
        fit.fit_hash: fit for fit in fitting.list_fits(plan, training_sets, clips, audio, options.backend)
    }
    finished = library.keys()
    trained = plan[[fit_hash in fits and fits[fit_hash].key in finished for fit_hash in plan.fit_hash]]
    evaluated = splits[splits.split.isin(scoring.EVALUATED_SPLITS)]
    scored, models = [], {}
    references: dict[str, np.ndarray] = {}
    for audio_settings, hashes in _by_audio(fits, trained.fit_hash):
        heads = [library.load(fits[fit_hash].key) for fit_hash in hashes]
        logits = scoring.clip_logits([fitted.head for fitted in heads], evaluated, audio_settings, store)
        references |= _reference_logits([fits[fit_hash] for fit_hash in hashes], evaluated, store, library)
        of_hash = dict(zip(hashes, zip(heads, logits, strict=True), strict=True))
        for row in trained[trained.fit_hash.isin(hashes)].to_dict("records"):
            settings = PointSettings.from_row(row)
            fitted, own = of_hash[row["fit_hash"]]
            scored.append((row["point"], own + scoring.shift_of(settings.sensitivity)))
            models[row["point"]] = _model(row["point"], fits[row["fit_hash"]], fitted, settings, target)
    order = {point: position for position, point in enumerate(plan.point)}
    scored.sort(key=lambda item: order[item[0]])
    logits = np.stack([own for _, own in scored]) if scored else np.empty((0, len(evaluated)))
    scores = scoring.score_table([point for point, _ in scored], logits, evaluated)
    beside = scoring.score_table(
        list(references), np.stack(list(references.values())) if references else logits[:0], evaluated
    ).rename(columns={"point": "fit_hash"})
    return scores, models, _failures(plan, undrawn_points, fits, library, set(trained.point)), beside


def _reference_logits(
    fits: list[fitting.Fit], clips: pd.DataFrame, store: EmbeddingStore, library: HeadLibrary
) -> dict[str, np.ndarray]:
    """Logits of the references of some trainings of one audio, by fit hash; those that were not solved are absent."""
    keys = sorted({fit.reference_key for fit in fits} & library.keys())
    if not keys:
        return {}
    logits = scoring.clip_logits([library.load(key).head for key in keys], clips, fits[0].audio, store)
    by_key = dict(zip(keys, logits, strict=True))
    return {fit.fit_hash: by_key[fit.reference_key] for fit in fits if fit.reference_key in by_key}


def score_folds(
    plan: pd.DataFrame,
    fold_sets: pd.DataFrame,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    store: EmbeddingStore,
    library: HeadLibrary,
    audio: EmbeddingOptions,
    options: TrainingOptions,
    evaluation: EvaluationOptions,
) -> pd.DataFrame:
    """Score every clip of a fold with the configurations' heads that trained without it.

    Returns:
        `configuration_hash`, `fold`, `clip_id`, `logit`. A configuration that could not be trained without some
        fold has no rows of it.
    """
    folds, finished = folds_of(splits, evaluation.choose_by), library.keys()
    parts: list[pd.DataFrame] = []
    configurations = plan.drop_duplicates(["fit_hash", CONFIGURATION])[
        ["fit_hash", CONFIGURATION, "sensitivity"]
    ]
    of_hash = {name: part.to_dict("records") for name, part in configurations.groupby("fit_hash")}
    for fold, fits in fitting.list_fold_fits(plan, fold_sets, clips, audio, options.backend).items():
        held = folds.held_out(splits, fold)
        trained = {fit.fit_hash: fit for fit in fits if fit.key in finished}
        for audio_settings, hashes in _by_audio(trained, pd.Series(list(trained), dtype="str")):
            heads = [library.load(trained[fit_hash].key).head for fit_hash in hashes]
            logits = dict(zip(hashes, scoring.clip_logits(heads, held, audio_settings, store), strict=True))
            clip_id = np.sort(held.clip_id.to_numpy())
            parts += [
                _fold_rows(row, fold, clip_id, own)
                for fit_hash, own in logits.items()
                for row in of_hash[fit_hash]
            ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(FOLD_SCORE_COLUMNS))
    return table.astype(dict.fromkeys((CONFIGURATION, "fold", "clip_id"), "category") | {"logit": "float64"})


def _fold_rows(row: Mapping[Any, Any], fold: str, clip_id: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """The scores of one configuration on the clips of a fold; `row` is its row of the plan."""
    return pd.DataFrame(
        {
            CONFIGURATION: row[CONFIGURATION],
            "fold": fold,
            "clip_id": clip_id,
            "logit": logits + scoring.shift_of(row["sensitivity"]),
        }
    )


def _by_audio(fits: dict[str, fitting.Fit], hashes: pd.Series) -> list[tuple[EmbeddingOptions, list[str]]]:
    groups: dict[EmbeddingOptions, list[str]] = {}
    for fit_hash in sorted(set(hashes)):
        groups.setdefault(fits[fit_hash].audio, []).append(fit_hash)
    return sorted(groups.items(), key=lambda item: item[0].settings_id)


def _model(point: str, fit: fitting.Fit, fitted: Any, settings: PointSettings, target: str) -> Model:
    parameters = {
        "point": point,
        "settings": settings.as_dict(),
        "audio": fit.audio.settings,
        "trained_by": fit.trained_by,
        "fit_key": fit.key,
        "best_epoch": int(fitted.best_epoch),
        "n_steps": int(fitted.n_steps),
    }
    if isinstance(fit.audio.source, EncoderFile):
        parameters["encoder_licence"] = fit.audio.source.licence
    return Model(fitted.head, (target,), parameters, fitted.history)


def _failures(
    plan: pd.DataFrame,
    undrawn_points: pd.DataFrame,
    fits: dict[str, fitting.Fit],
    library: HeadLibrary,
    trained: set[str],
) -> pd.DataFrame:
    """Selected points without a model, each with its reason; points that nobody asked for are listed as not run."""
    undrawn = undrawn_points.set_index("point").message.to_dict()
    rows = []
    for row in plan[~plan.point.isin(trained)].itertuples():
        if row.point in undrawn:
            rows.append((row.point, "balance", undrawn[row.point]))
        elif not row.is_selected:
            rows.append((row.point, "", NOT_RUN))
        else:
            problem = library.problem(fits[str(row.fit_hash)].key) or "training gave no weights and no reason"
            rows.append((row.point, "train", problem))
    return pd.DataFrame(rows, columns=list(FAILURE_COLUMNS), dtype="str")


def evaluate_points(
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    fold_scores: pd.DataFrame,
    reference_scores: pd.DataFrame,
    splits: pd.DataFrame,
    training_counts: pd.DataFrame,
    models: dict[str, Model],
    failures: pd.DataFrame,
    spec: Spec,
    target: str,
    options: EvaluationOptions,
    problem_card: ProblemCard | None,
    known: dict[str, pd.DataFrame],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame], StageQuestion]:
    """Metrics of every point, the leaderboard, the effects, all that the report draws from, and what was asked.

    An evaluation of the very same inputs, settings and evaluator is taken as it is.
    """
    beside = (
        plan[["point", "fit_hash"]]
        .merge(training_counts, on="fit_hash", how="left")
        .merge(_origins(models), on="point", how="left")
        .drop(columns="fit_hash")
    )
    key = _evaluation_key(
        [plan, scores, fold_scores, reference_scores, splits, beside, failures], list(spec.axes), options
    )
    if KEY in known and known[KEY].key.tolist() == [key]:
        tables = known
    else:
        failed = dict(zip(failures.point, failures.message, strict=True))
        result = evaluate_stage(
            plan, scores, splits, beside, options, failed, list(spec.axes), fold_scores, reference_scores
        )
        tables = {**result.tables(), KEY: pd.DataFrame({KEY: [key]})}
    asked = StageQuestion(spec, target, options, problem_card)
    return tables["points"], tables["leaderboard"], tables["effects"], tables, asked


def _origins(models: dict[str, Model]) -> pd.DataFrame:
    """What each point's weights came of: encoder, trainer, key of its head in the library, how training ended."""
    rows = [
        {
            "point": point,
            "encoder": model.parameters["audio"]["encoder"],
            "encoder_version": model.parameters["audio"]["encoder_version"],
            "trained_by": model.parameters["trained_by"],
            "fit_key": model.parameters["fit_key"],
            "n_steps": int(model.parameters["n_steps"]),
            "is_still_improving": model.is_still_improving,
        }
        for point, model in models.items()
    ]
    return pd.DataFrame(rows, columns=["point", *ORIGIN_COLUMNS]).astype(
        dict.fromkeys(ORIGIN_COLUMNS[:4], "str")
    )


def _evaluation_key(tables: list[pd.DataFrame], axes: list[str], options: EvaluationOptions) -> str:
    contents = [digest_of_table(table) for table in tables]
    return digest(__version__, EVALUATOR_REVISION, contents, axes, asdict(options), length=32)
