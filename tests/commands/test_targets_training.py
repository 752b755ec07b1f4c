"""Heads of many targets are trained in batches, each once, and nothing that is known is trained again."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from vernal.commands import targets_training
from vernal.commands.targets_training import Listed, train_listed
from vernal.training import fitting
from vernal.training.fitting import TrainingOptions


class Library:
    """Keys of heads, in the order in which they were kept."""

    def __init__(self, *known: str) -> None:
        self.kept = list(known)

    def keys(self) -> set[str]:
        return set(self.kept)

    def add(self, results) -> None:
        self.kept += [result.key for result in results]


def target(*keys: str, compared: tuple[str, ...] = (), clips: tuple[str, ...] = ("a",)) -> Listed:
    def fits(names):
        return [SimpleNamespace(key=name, reference_key=f"reference {name}") for name in names]

    return Listed(fits(keys), fits(compared), pd.DataFrame({"clip_id": list(clips)}))


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What was trained at once, with its clips; training takes no time."""
    done = []

    def train_missing(fits, known, clips, *_):
        done.append(([fit.key for fit in fits], clips.clip_id.tolist()))
        yield from fits

    def solve_references(fits, *_):
        yield from (SimpleNamespace(key=fit.reference_key) for fit in fits)

    monkeypatch.setattr(fitting, "train_missing", train_missing)
    monkeypatch.setattr(fitting, "solve_references", solve_references)
    monkeypatch.setattr(targets_training, "MOST_AT_ONCE", 4)
    return done


def test_targets_are_trained_in_batches_and_each_head_once(batches):
    library = Library("known")
    listed = [
        target("x", "known", compared=("x",), clips=("a", "b")),
        target("y", "x", compared=("x",), clips=("b", "c")),
        target("y", "z"),
    ]
    train_listed(iter(listed), None, library, TrainingOptions(), 1)
    # The first two reach the limit together and share a head and clips; the third knows what they trained.
    assert batches == [(["x", "y"], ["a", "b", "c"]), (["z"], ["a"])]
    assert library.kept == ["known", "x", "y", "reference x", "z"]


def test_no_targets_train_nothing(batches):
    library = Library()
    train_listed([], None, library, TrainingOptions(), 1)
    assert batches == [] and library.kept == []
