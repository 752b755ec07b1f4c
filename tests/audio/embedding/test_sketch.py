"""Sketches rank embeddings nearly as the embeddings themselves do, and by whole numbers alone."""

import numpy as np

from vernal.audio.embedding import sketch
from vernal.audio.embedding.sketch import N_KEPT, fit_basis, read_basis

N_DIMS = 256


def made_embeddings(n, seed):
    """Values that vary along some directions much more than along others, as those of sounds do."""
    rng = np.random.default_rng(seed)
    spread = 1 / np.arange(1, N_DIMS + 1)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(N_DIMS, N_DIMS)))[0]
    return (rng.normal(size=(n, N_DIMS)) * spread @ turned + 0.3).astype(np.float32)


def test_products_are_near_those_of_the_embeddings_and_as_plain_sums_of_the_codes(monkeypatch):
    monkeypatch.setattr(sketch, "_BLOCK", 1_000)
    x = made_embeddings(2_500, 1)
    basis = fit_basis(x[:1_500])
    codes = basis.sketch(x)
    assert codes.dtype == np.int8 and codes.shape == (2_500, N_KEPT)
    weights = made_embeddings(1, 2)[0]
    found, exact = basis.products(codes, weights), x @ weights
    assert (found - exact).std() < 0.06 * exact.std()
    plain = codes.astype(np.float64) * basis.step @ basis.axes.T.astype(np.float64) + basis.mean
    np.testing.assert_allclose(found, plain @ weights, atol=1e-3 * exact.std())


def test_what_lies_further_out_than_the_sample_is_cut_and_constant_values_are_no_trouble():
    x = made_embeddings(500, 1)
    basis = fit_basis(x)
    assert np.abs(basis.sketch(100 * x)).max() == 127
    same = fit_basis(np.full((300, N_DIMS), 0.5, dtype=np.float32))
    codes = same.sketch(np.full((3, N_DIMS), 0.5, dtype=np.float32))
    np.testing.assert_allclose(same.products(codes, np.ones(N_DIMS, np.float32)), N_DIMS / 2, rtol=1e-5)
    assert np.array_equal(same.products(codes, np.zeros(N_DIMS, np.float32)), np.zeros(3))


def test_a_basis_is_read_as_it_was_written(tmp_path):
    basis = fit_basis(made_embeddings(300, 1))
    basis.save(tmp_path / "basis.npz")
    again = read_basis(tmp_path / "basis.npz")
    for name in ("mean", "axes", "step"):
        assert np.array_equal(getattr(basis, name), getattr(again, name))
