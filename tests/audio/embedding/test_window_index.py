"""The index beside the store: whole, grown part by part, and near enough where it is sketched."""

import numpy as np
import pandas as pd
import pytest

from vernal.audio.embedding import window_index
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.window_index import open_window_index
from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingPart

OPTIONS = EmbeddingOptions()


def add_part(store, first, n):
    """Windows of these numbers; each's embedding comes from its number alone."""
    numbers = np.arange(first, first + n)
    rows = pd.DataFrame({"key": [f"{at:016x}" for at in numbers]})
    rows = rows.assign(content_hash="0" * 64, start_s=0.0, end_s=3.0)
    vectors = np.stack([np.random.default_rng(at).normal(size=OPTIONS.n_dims) for at in numbers])
    spread = 1 / np.sqrt(np.arange(1, OPTIONS.n_dims + 1))
    failures = pd.DataFrame(columns=list(FAILURE_COLUMNS))
    return store.append(EmbeddingPart(OPTIONS, rows, (vectors * spread).astype(np.float32), failures))


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "embeddings")


def test_it_holds_every_window_of_the_store_and_grows_with_it(store, tmp_path, monkeypatch):
    folder = tmp_path / "index"
    assert len(open_window_index(folder, store, OPTIONS)) == 0
    monkeypatch.setattr(window_index, "_SEGMENT", 5)
    for first in (0, 3, 6):
        add_part(store, first, 3)
    index = open_window_index(folder, store, OPTIONS)
    assert len(index) == 9 and len(index.vectors) == 2, "two parts fill a segment"
    names = [f"{at:016x}" for at in (7, 0, 8, 3, 7)]
    rows = index.rows_of([*names, "f" * 16])
    assert rows[-1] == -1 and (rows[:-1] >= 0).all()
    np.testing.assert_array_equal(index.embeddings(rows[:-1]), store.load(OPTIONS, names))
    before = files_of(folder)
    grown_part = add_part(store, 9, 2)
    grown = open_window_index(folder, store, OPTIONS)
    assert len(grown) == 11 and before.items() <= files_of(folder).items(), "what was there stays as it is"
    assert files_of(folder).items() == (files_of(folder) | before).items()
    grown_part.unlink()
    again = open_window_index(folder, store, OPTIONS)
    assert len(again) == 9 and files_of(folder) == before
    assert again.rows_of([f"{9:016x}"]).tolist() == [-1]


def test_a_window_that_two_parts_hold_is_found_once(store, tmp_path):
    add_part(store, 0, 3)
    add_part(store, 2, 2)
    index = open_window_index(tmp_path / "index", store, OPTIONS)
    rows = index.rows_of([f"{at:016x}" for at in range(4)])
    assert len(index) == 5 and len(set(rows.tolist())) == 4


def test_many_windows_are_sketched_and_axes_are_found_anew_when_the_store_is_four_times_as_large(
    store, tmp_path, monkeypatch
):
    monkeypatch.setattr(window_index, "SKETCHED_FROM", 300)
    folder = tmp_path / "index"
    add_part(store, 0, 200)
    assert open_window_index(folder, store, OPTIONS).basis is None
    add_part(store, 200, 200)
    index = open_window_index(folder, store, OPTIONS)
    weights = np.random.default_rng(5).normal(size=OPTIONS.n_dims).astype(np.float32)
    exact = np.concatenate([piece @ weights for piece in index.vectors])
    assert 0 < (index.products(weights) - exact).std() < 0.6 * exact.std()
    before = files_of(folder)
    add_part(store, 400, 200)
    assert open_window_index(folder, store, OPTIONS).basis is not None
    assert before.items() <= files_of(folder).items(), "older sketches stay as they are"
    add_part(store, 600, 1_100)
    open_window_index(folder, store, OPTIONS)
    assert len(list(folder.glob("basis_*.npz"))) == 1 and (folder / "basis_1700.npz").is_file()
    assert len(list(folder.glob("segment-*/codes_*.npy"))) == 4


def test_a_damaged_part_is_named_and_leaves_no_half_a_segment(store, tmp_path):
    part = add_part(store, 0, 3)
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(bytes(content))
    from vernal.common.problems import InputError

    with pytest.raises(InputError, match="kedro store verify"):
        open_window_index(tmp_path / "index", store, OPTIONS)
    assert not list((tmp_path / "index").glob("segment-*"))
