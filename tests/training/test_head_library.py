from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vernal.common.problems import InputError
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.head_library import HeadLibrary
from vernal.training.heads import Head, save_head


def fitted(key: str, value: float = 1.0) -> FittedHead:
    history = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.25], "val_auprc": [np.nan, 0.9]})
    return FittedHead(key, Head(((np.full((3, 1), value), np.zeros(1)),)), history, best_epoch=2, n_steps=8)


def test_a_head_comes_back_as_it_was(tmp_path: Path):
    library = HeadLibrary(tmp_path / "heads")
    assert library.keys() == set()
    library.add([fitted("k1")])
    assert library.keys() == {"k1"}
    back = library.load("k1")
    assert back.head.same_as(fitted("k1").head)
    assert (back.best_epoch, back.n_steps) == (2, 8)
    pd.testing.assert_frame_equal(back.history[["epoch", "loss"]], fitted("k1").history[["epoch", "loss"]])
    assert np.isnan(back.history.val_auprc[0])


def test_equal_heads_are_equal_bytes(tmp_path: Path):
    for name in ("one", "two"):
        HeadLibrary(tmp_path / name).add([fitted("k")])
    assert (tmp_path / "one" / "k.npz").read_bytes() == (tmp_path / "two" / "k.npz").read_bytes()


def test_a_failure_is_remembered_until_the_head_is_trained(tmp_path: Path):
    library = HeadLibrary(tmp_path)
    library.add([FailedHead("k", "the loss is not finite")])
    assert library.keys() == set()
    assert library.problem("k") == "the loss is not finite"
    library.add([fitted("k")])
    assert library.problem("k") is None


@pytest.mark.parametrize(
    "meta",
    [{}, {"history": 5, "best_epoch": 1, "n_steps": 1}, {"history": {}, "best_epoch": [], "n_steps": 1}],
)
def test_a_head_without_its_history_is_named(tmp_path: Path, meta: dict):
    save_head(tmp_path / "k.npz", fitted("k").head, meta)
    with pytest.raises(InputError, match=r"k\.npz is not a whole file of a trained head"):
        HeadLibrary(tmp_path).load("k")


def test_half_written_heads_are_not_seen(tmp_path: Path):
    (tmp_path / ".partial-abc.npz").write_bytes(b"half")
    assert HeadLibrary(tmp_path).keys() == set()


def test_an_absent_or_damaged_head_is_named(tmp_path: Path):
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="does not exist"):
        HeadLibrary(tmp_path).load("none")
    with pytest.raises(InputError, match="not a whole file of a trained head"):
        HeadLibrary(tmp_path).load("bad")


def test_removed_heads_are_gone_and_absent_ones_are_passed_over(tmp_path: Path):
    library = HeadLibrary(tmp_path)
    library.add([fitted("a"), fitted("b")])
    library.remove(["a", "none"])
    assert library.keys() == {"b"}
