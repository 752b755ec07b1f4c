"""What the notebooks stand on: the project's catalog, whose results it holds, and clips as sound and as vectors."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vernal.audio.excerpts import shown_top_hz
from vernal.audio.reading import load_clip
from vernal.clips.demo_season import is_demo_root
from vernal.common.problems import InputError, suggest
from vernal.reports.clip_sounds import compressed, data_address

if TYPE_CHECKING:
    from IPython.display import HTML

    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.evaluation.options import EvaluationOptions
    from vernal.web.results.comparing import ScoredPair

DEMO = (
    "These are results of the demo season: every sound in it is computed, so its numbers show how the project "
    "works and are no result."
)
OWN = "These are results of your own recordings."


def open_catalog(data_root: str | Path | None = None, env: str | None = None) -> Any:
    """The project's catalog, opened in the project's folder or any folder inside it.

    Args:
        data_root: folder of the results; None is the one in the project's parameters.
        env: folder of `conf` to read beside `base`; None is `local`.
    Raises:
        InputError: the working folder lies in no project.
    """
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise InputError(f"{Path.cwd()} lies in no project. Start the notebook from the project's folder.")
    # Kedro looks for it in the working folder alone, and tells of every table it loads where it finds none.
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(project) / "conf" / "logging.yml"))
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    params = {} if data_root is None else {"data_root": str(data_root)}
    return KedroSession.create(project, env=env, runtime_params=params).load_context().catalog


def opening_words(catalog: Any, names: list[str], command: str) -> str:
    """Whose results these are, once it is sure that they are there.

    Args:
        catalog: the project's catalog.
        names: the datasets that a notebook reads.
        command: what writes them.
    Raises:
        InputError: names all that are missing and the command.
    """
    missing = [name for name in [*names, "audio_roots"] if not catalog.exists(name)]
    if missing:
        raise InputError(
            f"Not there yet: {', '.join(missing)}. Run `{command}` in the project's folder first. If the "
            'results lie elsewhere, open them with `open_catalog(data_root="/path/to/results")`.'
        )
    return DEMO if is_demo_root(catalog.load("audio_roots")["labelled"]) else OWN


def sound_of(clip: Mapping[Any, Any] | pd.Series, audio_roots: Mapping[str, str]) -> np.ndarray:
    """The samples of a clip: (n,) float32 at 48 kHz.

    Args:
        clip: a row with `source`, `file_path`, `start_s`, `end_s`.
        audio_roots: folder of each source.
    Raises:
        AudioError: the recording cannot be read any more.
    """
    return load_clip(Path(audio_roots[clip["source"]]) / clip["file_path"], clip["start_s"], clip["end_s"])


def call_range(catalog: Any) -> tuple[float, float] | None:
    """The frequencies of the target's call, in Hz, from the problem card; None where it gives none."""
    return catalog.load("problem_card").band_of(catalog.load("params:target"))


def listen_to(sounds: Mapping[str, np.ndarray], band_hz: tuple[float, float] | None = None) -> "HTML":
    """Clips side by side, each picture with its player; all pictures share one scale of frequency and level.

    Args:
        sounds: (n,) samples at 48 kHz by what to write above them, in order.
        band_hz: the frequencies of the call, marked in the pictures.
    """
    from IPython.display import HTML

    from vernal.reports.figures.sounds import level_db, spectrograms
    from vernal.reports.figures.style import drawn

    loudest, top_hz = max(map(level_db, sounds.values()), default=0.0), shown_top_hz(band_hz)
    cells = []
    for name, samples in sounds.items():
        picture = drawn(spectrograms, {name: samples}, "", top_hz, band_hz or (), loudest).png
        sound = compressed(samples, top_hz)
        cells.append(
            f'<div><img src="{data_address("image/png", picture)}" alt="Spectrogram of {escape(name)}" '
            f'style="width:100%"><audio controls preload="none" src="{data_address("audio/mpeg", sound)}" '
            f'aria-label="Sound of {escape(name)}" style="width:100%"></audio></div>'
        )
    columns = "display:grid;grid-template-columns:repeat(auto-fill,minmax(13em,1fr));gap:1em"
    return HTML(f'<div style="{columns}">{"".join(cells)}</div>')


def name_of(clip: Mapping[Any, Any] | pd.Series) -> str:
    """A clip in a few words: recorder, night, and what is known of it.

    >>> name_of({"recorder_id": "Moth08", "date": "2025-04-03", "quality": "low", "call_type": float("nan")})
    'Moth08 2025-04-03, low'
    """
    known = [str(clip[key]) for key in ("recorder_id", "date") if key in clip and pd.notna(clip[key])]
    first = " ".join(known) or Path(str(clip["file_path"])).stem
    more = [str(clip[key]) for key in ("quality", "call_type") if key in clip and pd.notna(clip[key])]
    return ", ".join([first, *more])


def vectors_of(clips: pd.DataFrame, store: "EmbeddingStore", options: "EmbeddingOptions") -> np.ndarray:
    """One embedding a clip, the mean over its windows: (n_clips, n_dims) float32 in the order of `clips`.

    Raises:
        InputError: a clip is not in the store.
    """
    from vernal.audio.embedding.windows import plan_windows

    windows = plan_windows(clips, options)
    frame = pd.DataFrame(store.load(options, windows.key)).groupby(windows.clip_id.to_numpy()).mean()
    return frame.loc[clips.clip_id].to_numpy(dtype=np.float32)


def pair_of(
    a: str, b: str, plan: pd.DataFrame, scores: pd.DataFrame, splits: pd.DataFrame, unit: str = "clip"
) -> "ScoredPair":
    """The scores of two points of a stage, clip by clip.

    Args:
        plan: `point`, `config_hash`.
        scores: `point, clip_id, split, logit, is_positive`.
        splits: labelled clips with `split`.
        unit: what one score stands for (see `vernal.evaluation.coverage.join`).
    Raises:
        InputError: no such point, a point without scores, or one run under two names.
    """
    from vernal.web.results.comparing import join_pair

    for point in (a, b):
        if point not in set(plan["point"]):
            raise InputError(f"There is no point {point!r}; {suggest(point, plan['point'])}")
        if point not in set(scores["point"]):
            raise InputError(f"{point} has no scores; run it first.")
    rows = plan[plan["point"].isin([a, b])]
    if rows["config_hash"].nunique() < 2:
        raise InputError(f"{a} and {b} are one run under two names: nothing that differs has an effect.")
    return join_pair(a, b, plan, scores, splits, unit)


def difference_table(
    pair: "ScoredPair", thresholds: Sequence[float], options: "EvaluationOptions"
) -> pd.DataFrame:
    """What the second point reaches beyond the first on the test splits, each at its own threshold.

    Args:
        thresholds: logits of the two points.
    Returns:
        `split`, `metric`, `difference`, `low`, `high` (its interval over nights) and the verdict.
    """
    from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION
    from vernal.web.results.comparing import differences, verdict

    rows = []
    for split, units in pair.units.items():
        if split != VALIDATION and len(units):
            found = differences(units, pair.logits[split], list(thresholds), split, options)
            rows += [
                (split, metric, *found[metric], verdict(*found[metric]))
                for metric in METRIC_NAMES
                if metric in found
            ]
    return pd.DataFrame(rows, columns=["split", "metric", "difference", "low", "high", "verdict"])
