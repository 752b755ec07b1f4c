"""A head's logits are right and do not depend on what else is scored; its file holds nothing but numbers."""

from __future__ import annotations

import io
import itertools
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.training.heads import Head, head_logits, load_head, save_head


def make_head(n_dims: int = 40, hidden_units: int = 0, n_classes: int = 1, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    widths = [n_dims, *([hidden_units] if hidden_units else []), n_classes]
    return Head(
        tuple(
            (rng.normal(0, 0.2, (n_in, n_out)), rng.normal(0, 0.2, n_out))
            for n_in, n_out in itertools.pairwise(widths)
        )
    )


def plain_logits(head: Head, x: np.ndarray) -> np.ndarray:
    """The slow, obvious way, in float64."""
    values = x.astype(np.float64)
    for i, (weights, bias) in enumerate(head.layers):
        values = values @ weights.astype(np.float64) + bias
        if i + 1 < len(head.layers):
            values = np.maximum(values, 0)
    return values


@pytest.mark.parametrize(("hidden_units", "n_classes"), [(0, 1), (0, 3), (24, 1), (17, 4)])
def test_logits_are_those_of_plain_matrix_products(hidden_units: int, n_classes: int) -> None:
    head = make_head(1024, hidden_units, n_classes)
    x = np.random.default_rng(1).normal(0.4, 0.6, (300, 1024)).astype(np.float32)
    assert head.logits(x).dtype == np.float64
    assert np.abs(head.logits(x) - plain_logits(head, x)).max() < 1e-9


@given(
    n_dims=st.integers(1, 70),
    hidden_units=st.sampled_from([0, 1, 7, 33]),
    n_rows=st.integers(1, 50),
    data=st.data(),
)
def test_a_row_has_the_same_logit_alone_in_any_company(n_dims, hidden_units, n_rows, data) -> None:
    head = make_head(n_dims, hidden_units, seed=n_dims)
    x = np.random.default_rng(n_rows).normal(size=(n_rows, n_dims)).astype(np.float32)
    chosen = data.draw(st.permutations(range(n_rows)))[: data.draw(st.integers(1, n_rows))]
    assert np.array_equal(head.logits(x[chosen]), head.logits(x)[chosen])


def test_a_row_has_the_same_logit_across_the_borders_of_blocks() -> None:
    head, x = make_head(64, 16), np.random.default_rng(0).normal(size=(2500, 64)).astype(np.float32)
    whole = head.logits(x)
    assert np.array_equal(whole[1000:1100], head.logits(x[1000:1100]))
    assert np.array_equal(whole[[2499]], head.logits(x[[2499]]))


def test_many_heads_at_once_give_the_bits_of_one_at_a_time() -> None:
    heads = [
        make_head(64, hidden, classes, seed)
        for seed, (hidden, classes) in enumerate([(0, 1), (9, 1), (0, 3), (0, 1)])
    ]
    x = np.random.default_rng(0).normal(size=(70, 64)).astype(np.float32)
    for head, together in zip(heads, head_logits(heads, x), strict=True):
        assert np.array_equal(together, head.logits(x))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-3, 1e6, 1e30])
def test_any_scale_of_embeddings_is_scored(scale: float) -> None:
    head, x = make_head(50), (np.random.default_rng(0).normal(size=(20, 50)) * scale).astype(np.float32)
    assert np.allclose(head.logits(x), plain_logits(head, x), rtol=1e-9, atol=1e-12 * max(scale, 1))


def test_no_rows_give_no_logits_and_no_heads_give_no_results() -> None:
    assert make_head(5, 3).logits(np.empty((0, 5), np.float32)).shape == (0, 1)
    assert head_logits([], np.ones((3, 5))) == []


def test_embeddings_of_another_encoder_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 6\), but the head reads \(n, 5\)"):
        make_head(5).logits(np.ones((2, 6)))
    with pytest.raises(InputError, match=r"1 of 3 embeddings are not finite \(first: row 1\)"):
        make_head(2).logits(np.array([[1.0, 1.0], [np.nan, 1.0], [0.0, 1.0]]))


def test_layers_that_do_not_fit_and_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit together"):
        Head(((np.ones((3, 4)), np.ones(4)), (np.ones((5, 1)), np.ones(1))))
    with pytest.raises(InputError, match="do not fit together"):
        Head(())
    with pytest.raises(InputError, match="2 of a head's weights are not finite"):
        Head(((np.array([[np.nan], [np.inf]]), np.zeros(1)),))


def test_shape_numbers_count_everything_once() -> None:
    head = make_head(1024, 512, 2)
    assert (head.n_dims, head.hidden_units, head.n_classes) == (1024, 512, 2)
    assert head.n_parameters == 1024 * 512 + 512 + 512 * 2 + 2
    assert make_head(10).hidden_units == 0


def test_weights_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_head().layers[0][0][0, 0] = 1


# Files


def test_a_saved_head_comes_back_to_the_bit(tmp_path: Path) -> None:
    head, meta = (
        make_head(12, 5, 3),
        {"labels": ["a", "b", "ç"], "options": {"dropout": 0.25, "focal_loss": None}},
    )
    save_head(tmp_path / "with space" / "head.npz", head, meta)
    loaded, described = load_head(tmp_path / "with space" / "head.npz")
    assert loaded.same_as(head)
    assert described == meta
    assert not loaded.same_as(make_head(12, 5, 3, seed=1))


def test_equal_heads_give_equal_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_head(tmp_path / "first.npz", make_head(), {"b": 1, "a": 2})
    # Years later: zip archives keep the time of writing unless told otherwise.
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    save_head(tmp_path / "second.npz", make_head(), {"a": 2, "b": 1})
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_a_folder_gets_a_file_of_the_usual_name_that_numpy_opens_without_pickle(tmp_path: Path) -> None:
    save_head(tmp_path, make_head(4))
    with np.load(tmp_path / "head.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["bias_0", "meta.json", "weights_0"]
    assert load_head(tmp_path)[1] == {}


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00v\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "head.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"head\.npz is not a whole file of a trained head"):
        load_head(tmp_path)


def test_a_file_of_another_kind_and_a_missing_one_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(InputError, match="not a whole file of a trained head"):
        load_head(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"gone\.npz does not exist"):
        load_head(tmp_path / "gone.npz")


def test_pickled_content_is_never_executed(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", weights_0=np.array([{"code": "here"}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a whole file of a trained head"):
        load_head(tmp_path / "evil.npz")


def _claiming(shape: tuple[int, ...]) -> bytes:
    """The head of an array of a shape, without its numbers."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return content.getvalue()


def _archive(packed: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packed) as archive:
        for name, member in (
            {"meta": b"{}", "weights_0": _npy_zeros(4, 1), "bias_0": _npy_zeros(1)} | members
        ).items():
            archive.writestr(f"{name}.json" if name == "meta" else f"{name}.npy", member)
    return content.getvalue()


def _npy_zeros(*shape: int) -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros(shape, np.float32))
    return content.getvalue()


def _encrypted() -> bytes:
    """An archive whose members say that they need a password."""
    content = bytearray(_archive())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + at] |= 1
            place = content.find(mark, place + 1)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_archive(weights_0=_claiming((1 << 50,))), "1,125,899,906,842,624 numbers"),
        (_archive(weights_0=_claiming((1 << 31, 1 << 31))), "says that it holds"),
        (_archive(weights_0=_claiming((40_000, 40_000))), "1,600,000,000 numbers"),
        (
            _archive(zipfile.ZIP_DEFLATED, weights_0=_npy_zeros(10_000_000, 1)),
            "3 arrays of 40,000,[0-9]+ bytes in",
        ),
        (_archive(**{f"weights_{n}": b"" for n in range(1_200)}), "1,202 arrays"),
        (_encrypted(), "encrypted"),
        (_archive(meta=b"[" * 100_000), "nests more than 100 deep"),
        (_archive(meta=b'{"n_steps": ' + b"1" * 400 + b"}"), "a number of 400 digits"),
        (_archive(meta=b"[1]"), "is no object"),
        (_archive(weights_0=_npy_zeros(12, 5).replace(b"'<f4'", b"'<i4'")), "int32 in place of floats"),
        (_archive(weights_0=_npy_zeros(12, 5).replace(b"'<f4'", b"'<c8'")), "says that it holds 60 numbers"),
    ],
    ids=range(11),
)
def test_a_head_of_somebody_else_costs_one_sentence_and_no_memory(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "head.npz").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"head\.npz is not a whole file of a trained head \(.*{words}"):
        load_head(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
