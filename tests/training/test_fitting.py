"""What is trained keeps its key, however many trainings are listed at once, and reads the rows of its clips."""

import numpy as np
import pandas as pd
import pytest

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.common.hashing import digest
from vernal.sweeps.point_settings import PointSettings, fit_hash
from vernal.training import fitting
from vernal.training.reference import REFERENCE_REVISION
from vernal.training.sets import FIT, STOP

SETTINGS = [PointSettings(seed=seed) for seed in (1, 2, 3)]
AUDIO = EmbeddingOptions(encoder="logmel")


@pytest.fixture
def clips() -> pd.DataFrame:
    """Sixty clips; whole files have no end."""
    numbers = np.arange(60)
    return pd.DataFrame(
        {
            "clip_id": [f"clip_{number:02d}" for number in numbers],
            "content_hash": [f"sound {number // 2}" for number in numbers],
            "start_s": 3.0 * (numbers % 2),
            "end_s": np.where(numbers % 3, 3.0 * (numbers % 2) + 3, np.nan),
        }
    )


@pytest.fixture
def sets(clips: pd.DataFrame) -> pd.DataFrame:
    """Clips of each training, in no order."""
    rng = np.random.default_rng(5)
    parts = [
        clips.sample(n, random_state=n)[["clip_id"]].assign(
            fit_hash=fit_hash(settings), is_positive=rng.random(n) < 0.5, role=rng.choice([FIT, STOP], n)
        )
        for n, settings in zip((20, 37, 9), SETTINGS, strict=True)
    ]
    table = pd.concat(parts).sample(frac=1, random_state=0, ignore_index=True)
    return table.astype({"fit_hash": "category", "role": "category"})


@pytest.fixture
def plan() -> pd.DataFrame:
    return pd.DataFrame([{"fit_hash": fit_hash(settings), **settings.as_row()} for settings in SETTINGS])


def keys_one_by_one(sets: pd.DataFrame, clips: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Each training's keys from its own table alone."""
    found = {}
    for name, members in sets.astype({"fit_hash": "str", "role": "str"}).groupby("fit_hash"):
        members = members.sort_values("clip_id", ignore_index=True)
        sound = clips.set_index("clip_id").loc[members.clip_id, ["content_hash", "start_s", "end_s"]]
        table = pd.concat([members[["is_positive", "role"]], sound.reset_index(drop=True)], axis=1)
        material = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes().hex()
        parts = (AUDIO.settings_id, material)
        found[str(name)] = (
            digest("head", fitting.TRAINER_REVISION, "vernal", name, *parts, length=32),
            digest("reference", REFERENCE_REVISION, *parts, length=32),
        )
    return found


def test_keys_of_trainings_that_are_listed_together_are_those_of_each_alone(
    plan: pd.DataFrame, sets: pd.DataFrame, clips: pd.DataFrame
):
    fits = fitting.list_fits(plan, sets, clips, AUDIO)
    assert {fit.fit_hash: (fit.key, fit.reference_key) for fit in fits} == keys_one_by_one(sets, clips)
    assert [fit.fit_hash for fit in fits] == sorted(map(fit_hash, SETTINGS))
    for fit in fits:
        own = sets[sets.fit_hash == fit.fit_hash].sort_values("clip_id", ignore_index=True)
        pd.testing.assert_frame_equal(fit.clips, own)


def test_trainings_that_the_plan_does_not_name_or_that_have_no_clips_are_left_out(
    plan: pd.DataFrame, sets: pd.DataFrame, clips: pd.DataFrame
):
    first, second = sets.fit_hash.cat.categories[:2]
    fits = fitting.list_fits(plan[plan.fit_hash != first], sets[sets.fit_hash != second], clips, AUDIO)
    assert [fit.fit_hash for fit in fits] == [sets.fit_hash.cat.categories[2]]
    assert not fitting.list_fits(plan, sets.iloc[:0], clips, AUDIO)


def test_a_training_reads_all_windows_of_its_clips_in_their_order(
    plan: pd.DataFrame, sets: pd.DataFrame, clips: pd.DataFrame
):
    fit = fitting.list_fits(plan, sets, clips, AUDIO)[0]
    rows_of = {clip: [10 * at, 10 * at + 1][: 1 + at % 2] for at, clip in enumerate(clips.clip_id)}
    for role, (rows, y) in zip((FIT, STOP), fitting._both_roles(fit, rows_of), strict=True):
        own = fit.clips[fit.clips.role == role]
        expected = [
            (row, float(one.is_positive)) for one in own.itertuples() for row in rows_of[str(one.clip_id)]
        ]
        assert list(zip(rows.tolist(), y.tolist(), strict=True)) == expected
        assert (rows.dtype, y.dtype) == (np.int64, np.float32)
