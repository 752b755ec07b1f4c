"""Search: the same as a plain reference, nearly so by sketches, and quick enough at fifty thousand clips."""

import time

import numpy as np
import pandas as pd
import pytest

from tests.small_review import make_data_root
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.sketch import fit_basis
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.window_index import WindowIndex, lengths_of
from vernal.collection import listening
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.web.review.similarity import SimilarityIndex, open_index


def windows_of(vectors):
    return WindowIndex([vectors], lengths_of(vectors), np.arange(len(vectors)).astype("S"))


def index_of(names, vectors):
    return SimilarityIndex(np.array(names), windows_of(vectors.astype(np.float32)))


def test_the_nearest_are_those_of_a_plain_search():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(60, 8)).astype(np.float32)
    names = [f"c{at // 2:02d}" for at in range(60)]  # two windows a clip
    index = index_of(names, vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = unit[[8, 9]]
    plain = {
        f"c{at:02d}": max(float(a @ b) for a in asked for b in unit[[2 * at, 2 * at + 1]])
        for at in range(30)
        if at != 4
    }
    wanted = sorted(plain, key=lambda name: (-plain[name], name))[:7]
    found = index.nearest("c04", 7)
    assert found.clip_id.tolist() == wanted
    np.testing.assert_allclose(found.similarity, [plain[name] for name in wanted], atol=1e-6)


def test_equal_clips_come_by_name_and_a_choice_is_kept_to():
    vectors = np.ones((6, 4), dtype=np.float32)
    index = index_of(list("abcdef"), vectors)
    assert index.nearest("c", 3).clip_id.tolist() == ["a", "b", "d"]
    chosen = index.nearest("c", 3, ["c", "e", "f"])
    assert chosen.clip_id.tolist() == ["e", "f"]
    assert index.nearest("c", 0).empty
    assert chosen.similarity.tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_sketches_say_which_clips_to_look_at_and_embeddings_order_them(monkeypatch):
    monkeypatch.setattr(listening, "SHORTLIST", 40)
    rng = np.random.default_rng(1)
    turned = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    vectors = (rng.normal(size=(600, 200)) / np.arange(1, 201) @ turned + 0.1).astype(np.float32)
    names = np.array([f"c{at // 2:03d}" for at in range(600)])  # two windows a clip
    plain = SimilarityIndex(names, windows_of(vectors))
    basis = fit_basis(vectors)
    order = rng.permutation(600)  # windows lie in the order of the store
    place = np.argsort(order)
    codes = [basis.sketch(vectors[order[:250]]), basis.sketch(vectors[order[250:]])]
    pieces = [vectors[order[:250]], vectors[order[250:]]]
    stored = WindowIndex(pieces, lengths_of(vectors[order]), np.arange(600).astype("S"), codes, basis)
    index = SimilarityIndex(names, stored, place)
    for clip in ("c000", "c123", "c299"):
        pd.testing.assert_frame_equal(index.nearest(clip, 5), plain.nearest(clip, 5), atol=1e-6)
    weights = vectors[7] - vectors[8]
    every = np.arange(300)
    exact = plain.linear_scores(weights, 0.5)
    np.testing.assert_allclose(index.exact_linear_scores(weights, 0.5, every), exact, atol=1e-5)
    near = index.linear_scores(weights, 0.5)
    assert 0 < np.abs(near - exact).max() < 0.2 * exact.std()


def test_what_is_not_embedded_is_refused():
    with pytest.raises(InputError, match="no embedding here"):
        index_of(["a"], np.ones((1, 3))).nearest("b", 1)
    with pytest.raises(ValueError, match="sorted by clip"):
        index_of(["b", "a"], np.ones((2, 3)))
    with pytest.raises(ValueError, match="1 windows came with 2 vectors"):
        index_of(["a"], np.ones((2, 3)))


def test_an_index_is_made_once_and_read_again(tmp_path):
    clips = make_data_root(tmp_path)
    store = EmbeddingStore(tmp_path / "04_feature" / "embeddings")
    folder = tmp_path / "similarity"
    old = folder / "of a version before"
    write_table(clips[["clip_id"]], old / "windows.parquet")
    first = open_index(folder, clips, store, EmbeddingOptions())
    assert len(first) == len(clips) and not old.exists()
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = open_index(folder, clips.iloc[::-1], store, EmbeddingOptions())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == files
    some = clips.clip_id.iloc[5]
    pd.testing.assert_frame_equal(first.nearest(some, 10), again.nearest(some, 10))
    # A clip that the store does not have is not in the index, and nobody minds.
    more = pd.concat([clips, clips.iloc[:1].assign(clip_id="f" * 16, content_hash="0" * 64)])
    assert "f" * 16 not in open_index(folder, more, store, EmbeddingOptions())


def test_fifty_thousand_clips_are_searched_within_200_ms(tmp_path):
    rng = np.random.default_rng(0)
    n_clips, n_dims = 50_000, EmbeddingOptions().n_dims
    place = tmp_path / "vectors.npy"
    vectors = np.lib.format.open_memmap(place, mode="w+", dtype=np.float32, shape=(n_clips, n_dims))
    for first in range(0, n_clips, 5_000):
        part = rng.random((5_000, n_dims), dtype=np.float32) - 0.5
        vectors[first : first + 5_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    vectors.flush()
    names = np.array([f"{at:016x}" for at in range(n_clips)])
    index = SimilarityIndex(names, windows_of(np.load(place, mmap_mode="r")))
    times = []
    for at in (7, 40_000, 123, 25_000, 49_999):
        started = time.perf_counter()
        found = index.nearest(names[at], 100)
        times.append(time.perf_counter() - started)
        assert len(found) == 100 and found.similarity.is_monotonic_decreasing
    assert np.median(times) < 0.2, times
