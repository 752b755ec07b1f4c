"""Is the sample right? Training clips against where and when the detector will be used, and who chose them.

A detector has not been trained for what it never heard: a site, an hour or a month that deployment has and
training lacks. Clips that a model chose carry its preferences; where they are many, the next model
learns from its own echo.
"""

import numpy as np
import pandas as pd

FACETS = ("site", "recorder_id", "hour", "month")
COVERAGE_COLUMNS = (
    "by", "value", "n_training", "n_deployment", "training_share", "deployment_share", "state"
)  # fmt: skip
UNKNOWN = "not known"
_THIN = 0.25


def with_facets(recorded: pd.DataFrame) -> pd.DataFrame:
    """Add `hour` (00 to 23) and `month` (01 to 12) as text, from `time` and `date`; missing where they are."""
    return recorded.assign(hour=recorded.time.str.slice(0, 2), month=recorded.date.str.slice(5, 7))


def compare_coverage(training: pd.DataFrame, deployment: pd.DataFrame) -> pd.DataFrame:
    """Count clips of training and of deployment by site, recorder, hour and month.

    Args:
        training: one row a clip, with `FACETS`.
        deployment: one row a clip of the sample of what the detector will hear.
    Returns:
        `COVERAGE_COLUMNS`; `state` is `missing` (only deployment has it), `thin` (its share in training is
        below a quarter of that in deployment), `only in training`, or `covered`; empty text without
        deployment.
    """
    tables = []
    for by in FACETS:
        counts = pd.DataFrame({
            "n_training": training[by].astype("str").fillna(UNKNOWN).value_counts(),
            "n_deployment": deployment[by].astype("str").fillna(UNKNOWN).value_counts(),
        }).fillna(0).astype("int64").sort_index()  # fmt: skip
        shares = counts / counts.sum().clip(lower=1)
        is_thin = shares.n_training < _THIN * shares.n_deployment
        state = np.select(
            [counts.n_training.eq(0), counts.n_deployment.eq(0), is_thin],
            ["missing", "only in training", "thin"],
            "covered",
        )
        table = counts.assign(
            by=by,
            value=counts.index.astype("str"),
            training_share=shares.n_training,
            deployment_share=shares.n_deployment,
            state=state if len(deployment) else "",
        )
        tables.append(table[list(COVERAGE_COLUMNS)])
    return pd.concat(tables, ignore_index=True)


def count_choosers(recordings: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Who chose the recordings that clips come from: people, or which model.

    Args:
        recordings: the ones used: `recording`, `mined_by` (the model; missing when a person chose).
        clips: the manifest's: `mined_by`, `is_positive`.
    Returns:
        `chosen_by`, `n_recordings`, `n_clips`, `share` of the clips, `positive_share`; people first.
    """
    chosen = clips.assign(chosen_by=clips.mined_by.astype("str").fillna("people"))
    table = chosen.groupby("chosen_by").is_positive.agg(n_clips="size", n_positive="sum")
    n_recordings = recordings.mined_by.astype("str").fillna("people").value_counts().rename("n_recordings")
    table = table.join(n_recordings, how="outer").fillna(0).rename_axis("chosen_by").reset_index()
    table = table.assign(
        share=table.n_clips / max(1, len(clips)), positive_share=table.n_positive / table.n_clips
    )
    table = table.assign(is_model=table.chosen_by != "people").astype(
        {"n_recordings": "int64", "n_clips": "int64"}
    )
    table = table.sort_values(["is_model", "chosen_by"], ignore_index=True)
    return table[["chosen_by", "n_recordings", "n_clips", "share", "positive_share"]]
