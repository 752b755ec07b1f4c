"""The store keeps what it was given, never shows half of anything, and says what is damaged."""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingOptions, EmbeddingPart
from vernal.common.part_store import as_parquet, part_name
from vernal.common.problems import InputError

OPTIONS = EmbeddingOptions(encoder="logmel")
OTHER = EmbeddingOptions(encoder="logmel", fmin=200)
N_DIMS = OPTIONS.n_dims


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(N_DIMS).astype(np.float32)


def key(number: int) -> str:
    return f"{number:032x}"


def part(*numbers: int, options: EmbeddingOptions = OPTIONS) -> EmbeddingPart:
    rows = pd.DataFrame(
        {"key": [key(n) for n in numbers], "content_hash": "c" * 64, "start_s": 0.0, "end_s": 3.0}
    )
    vectors = np.array([vector(n) for n in numbers], dtype=np.float32).reshape(len(numbers), N_DIMS)
    return EmbeddingPart(options, rows, vectors, pd.DataFrame(columns=list(FAILURE_COLUMNS)))


@pytest.fixture
def store(tmp_path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "a store")


def filled(store: EmbeddingStore) -> EmbeddingStore:
    store.append(part(0, 1, 2))
    store.append(part(3, 4))
    store.append(part(0, 1, options=OTHER))
    return store


def expected(*numbers: int) -> np.ndarray:
    return np.array([vector(n) for n in numbers])


def test_what_is_appended_is_loaded_in_the_order_asked_for(store):
    filled(store)
    assert store.known_keys(OPTIONS) == {key(n) for n in range(5)}
    assert store.known_keys(OTHER) == {key(0), key(1)}
    loaded = store.load(OPTIONS, [key(n) for n in (4, 0, 2, 0)])
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, expected(4, 0, 2, 0))
    assert np.array_equal(EmbeddingStore(store.folder).load(OPTIONS, pd.Series([key(3)])), expected(3))


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(st.lists(st.integers(0, 30), unique=True), max_size=5), wanted=st.data())
def test_any_division_into_parts_gives_the_same(tmp_path_factory, parts, wanted):
    store = EmbeddingStore(tmp_path_factory.mktemp("store"))
    for numbers in parts:
        store.append(part(*numbers))
    stored = sorted({number for numbers in parts for number in numbers})
    assert store.known_keys(OPTIONS) == {key(number) for number in stored}
    asked = wanted.draw(st.lists(st.sampled_from(stored), max_size=20)) if stored else []
    assert np.array_equal(store.load(OPTIONS, [key(n) for n in asked]), expected(*asked).reshape(-1, N_DIMS))


def test_an_empty_store_knows_nothing(store):
    assert store.known_keys(OPTIONS) == set()
    assert store.load(OPTIONS, []).shape == (0, N_DIMS)
    assert store.info().empty
    assert store.verify().empty
    assert store.prune().empty
    assert store.append(part()) is None
    assert not store.folder.exists()


def test_missing_windows_are_counted(store):
    filled(store)
    with pytest.raises(
        InputError, match=r"2 of 3 windows are not in the embedding store .* Run the embedding pipeline"
    ):
        store.load(OPTIONS, [key(0), key(98), key(99)])


def test_parts_that_cannot_be_right_are_refused(store):
    wrong = part(0, 1)
    with pytest.raises(ValueError, match="2 rows came with vectors of shape"):
        store.append(EmbeddingPart(OPTIONS, wrong.rows, wrong.vectors[:, :5], wrong.failures))
    wrong.vectors[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        store.append(wrong)


def test_the_same_part_twice_is_one_file_and_doubles_do_no_harm(store):
    assert store.append(part(0, 1)) == store.append(part(0, 1))
    store.append(part(1, 2))
    assert store.info().windows.tolist() == [4]
    assert np.array_equal(store.load(OPTIONS, [key(1), key(2)]), expected(1, 2))


def test_info_names_the_settings(store):
    info = filled(store).info().set_index("settings_id")
    assert info.loc[OPTIONS.settings_id, ["parts", "windows", "n_dims"]].tolist() == [2, 5, N_DIMS]
    assert info.loc[OTHER.settings_id, ["encoder", "encoder_version", "fmin"]].tolist() == [
        "logmel",
        "1",
        200,
    ]
    settings_file = store.folder / OPTIONS.settings_id / "settings.json"
    assert json.loads(settings_file.read_text(encoding="utf-8")) == OPTIONS.settings


def test_other_tools_can_read_a_part(store):
    path = store.append(part(0, 1))
    table = pd.read_parquet(path)
    assert table.key.tolist() == [key(0), key(1)]
    assert np.array_equal(np.stack(table.vector), expected(0, 1))


# Damage --------------------------------------------------------------------------------------------


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    at = content.find(vector(1).tobytes()[:64])
    assert at > 0
    content[at] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_part_is_never_used(store, damage):
    filled(store)
    path = store.append(part(1, 7))
    damage(path)
    fresh = EmbeddingStore(store.folder)
    assert fresh.verify().query("state == 'damaged'").file.tolist() == [path.name]
    with pytest.raises(
        InputError, match=r"is damaged or cannot be read .* `kedro store verify` .* `kedro store prune`"
    ):
        fresh.load(OPTIONS, [key(7)])
    removed = fresh.prune()
    assert removed[["file", "reason"]].to_numpy().tolist() == [[path.name, "damaged"]]
    assert (fresh.verify().state == "ok").all()
    assert key(7) not in fresh.known_keys(OPTIONS)
    fresh.append(part(1, 7))
    assert np.array_equal(fresh.load(OPTIONS, [key(7), key(0)]), expected(7, 0))


def foreign(**columns) -> pa.Table:
    """A part's table with columns of somebody else in place of its own; None drops one."""
    own = {
        "key": pa.array([key(7), key(8)]),
        "content_hash": pa.array(["c" * 64] * 2),
        "start_s": pa.array([0.0, 3.0]),
        "end_s": pa.array([3.0, 6.0]),
        "vector": vectors_of(np.zeros((2, N_DIMS))),
    }
    return pa.table({name: column for name, column in (own | columns).items() if column is not None})


def vectors_of(values, kind=np.float32) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.asarray(values, dtype=kind).reshape(-1)), len(values[0])
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (foreign(vector=vectors_of(np.zeros((2, 2 * N_DIMS)))), "not a part's: vector is fixed_size_list"),
        (foreign(vector=vectors_of(np.zeros((2, N_DIMS)), np.float64)), "columns that are not a part's"),
        (foreign(vector=pa.array([[0.0] * N_DIMS, None], pa.list_(pa.float32(), N_DIMS))), "2 windows in"),
        (foreign(vector=pa.array([[None] * N_DIMS] * 2, pa.list_(pa.float32(), N_DIMS))), "2 windows in"),
        (foreign(vector=vectors_of([[0.0] * (N_DIMS - 1) + [np.nan], [1.0] * N_DIMS])), "not finite"),
        (foreign(vector=vectors_of(np.full((2, N_DIMS), -np.inf))), "not finite"),
        (foreign(vector=pa.array(["text", "text"])), "vector is string"),
        (foreign(vector=None), "vector is missing"),
        (foreign(key=pa.array([key(7), None])), "key has missing values"),
        (foreign(key=pa.array([7, 8])), "key is int64"),
        (foreign(content_hash=pa.array([None, "c"])), "content_hash has missing values"),
        (foreign(**{f"more{n}": pa.array([1, 2]) for n in range(300)}), "more0 is int64.*and 29[0-9] more"),
        (foreign(**{f"more{n}": pa.array([1, 2]) for n in range(3_000)}), "it has 3,00[0-9] columns"),
    ],
)
def test_a_part_of_somebody_else_is_seen_named_and_pruned(store, table, words):
    filled(store)
    content = as_parquet(table, compression="none", use_dictionary=False)
    path = store.folder / OPTIONS.settings_id / part_name(content)
    path.write_bytes(content)
    damaged = store.verify().query("state == 'damaged'")
    assert damaged.file.tolist() == [path.name]
    assert re.search(words, damaged.fault.item(), re.DOTALL)
    with pytest.raises(InputError, match=rf"(?s)part-.*{words}"):
        store.known_keys(OPTIONS)
        store.parts_by_content(OPTIONS)
        store.load(OPTIONS, [key(7)])
    assert store.prune()[["file", "reason"]].to_numpy().tolist() == [[path.name, "damaged"]]
    assert store.load(OPTIONS, [key(0)]).shape == (1, N_DIMS)


def test_a_small_file_of_many_windows_is_refused_before_it_is_built(store):
    n = 200_000
    flat = pa.array(np.zeros(n * N_DIMS, np.float32))
    table = foreign(
        key=pa.array([key(7)] * n), content_hash=pa.array(["c"] * n), start_s=pa.array(np.zeros(n)),
        end_s=pa.array(np.zeros(n)), vector=pa.FixedSizeListArray.from_arrays(flat, N_DIMS),
    )  # fmt: skip
    content = as_parquet(table, compression="zstd")
    path = store.folder / OPTIONS.settings_id / part_name(content)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert len(content) < 1_000_000
    with pytest.raises(InputError, match="200,000 windows in"):
        store.load(OPTIONS, [key(7)])


def test_half_written_files_are_not_seen_and_go_when_they_are_old(store):
    filled(store)
    folder = store.folder / OPTIONS.settings_id
    young, old = folder / ".partial-1.parquet", folder / ".partial-2.parquet"
    for leftover in (young, old):
        leftover.write_bytes(b"half a part")
    os.utime(old, (time.time() - 10_000,) * 2)
    assert len(store.known_keys(OPTIONS)) == 5
    assert len(store.verify()) == 5  # three parts, and two files of settings
    assert store.prune()[["file", "reason"]].to_numpy().tolist() == [[old.name, "abandoned"]]
    assert young.exists()
    assert not old.exists()


def test_a_writer_that_is_killed_leaves_a_whole_store(tmp_path):
    program = """
import sys
import numpy as np, pandas as pd
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.audio.embedding.store import EmbeddingStore
options, store, number = EmbeddingOptions(encoder="logmel"), EmbeddingStore(sys.argv[1]), 0
print("ready", flush=True)
while True:
    rows = pd.DataFrame({"key": [f"{number:032x}"], "content_hash": "c", "start_s": 0.0, "end_s": 3.0})
    vectors = np.random.default_rng(number).standard_normal((1, options.n_dims)).astype(np.float32)
    store.append(EmbeddingPart(options, rows, vectors, pd.DataFrame()))
    number += 1
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for pause_s in (0.05, 0.13):
        command = [sys.executable, "-c", program, str(tmp_path / "store")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause_s)
            writer.kill()
        store = EmbeddingStore(tmp_path / "store")
        assert (store.verify().state == "ok").all()
        known = store.known_keys(OPTIONS)
        assert known == {key(n) for n in range(len(known))}
        assert np.array_equal(
            store.load(OPTIONS, sorted(known)), expected(*range(len(known))).reshape(-1, N_DIMS)
        )


def test_many_writers_at_once(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: EmbeddingStore(store.folder).append(part(n, n + 1)), range(24)))
    assert np.array_equal(store.load(OPTIONS, [key(n) for n in range(25)]), expected(*range(25)))
    assert (store.verify().state == "ok").all()


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"Cannot write to the embedding store .* free space or change the folder"
    ):
        EmbeddingStore(tmp_path / "file" / "store").append(part(0))


# Pruning -------------------------------------------------------------------------------------------


def test_prune_keeps_the_settings_named(store):
    removed = filled(store).prune(keep_settings={OTHER.settings_id})
    assert removed.reason.tolist() == ["settings", "settings"]
    assert removed.windows.sum() == 5
    assert store.info().settings_id.tolist() == [OTHER.settings_id]
    assert store.known_keys(OPTIONS) == set()


def test_prune_keeps_the_windows_named(store):
    filled(store)
    keep = {key(0), key(3), key(4)}
    announced = store.prune(keep_keys=keep, dry_run=True)
    assert len(store.known_keys(OPTIONS)) == 5
    removed = store.prune(keep_keys=keep)
    pd.testing.assert_frame_equal(announced, removed)
    assert removed.windows.tolist() == [2, 1] or removed.windows.tolist() == [1, 2]
    assert store.known_keys(OPTIONS) == keep
    assert np.array_equal(store.load(OPTIONS, sorted(keep)), expected(0, 3, 4))
    assert (store.verify().state == "ok").all()
    assert store.prune(keep_keys=keep).empty


def test_prune_without_a_reason_removes_nothing(store):
    assert filled(store).prune().empty
    assert len(store.verify()) == 5  # three parts, and two files of settings


@pytest.mark.slow
def test_a_hundred_thousand_windows_are_found_in_seconds(store):
    rng = np.random.default_rng(0)
    for start in range(0, 100_000, 512):
        numbers = range(start, min(start + 512, 100_000))
        rows = pd.DataFrame(
            {"key": [key(n) for n in numbers], "content_hash": "c", "start_s": 0.0, "end_s": 3.0}
        )
        vectors = rng.standard_normal((len(rows), N_DIMS)).astype(np.float32)
        store.append(EmbeddingPart(OPTIONS, rows, vectors, pd.DataFrame()))
    fresh = EmbeddingStore(store.folder)
    assert len(fresh.known_keys(OPTIONS)) == 100_000
    asked = [key(int(n)) for n in rng.permutation(100_000)]
    assert fresh.load(OPTIONS, asked).shape == (100_000, N_DIMS)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_batches_give_every_window_once_whatever_their_size(store, monkeypatch, at_once):
    filled(store)
    monkeypatch.setattr("vernal.audio.embedding.store._BATCH", at_once)
    wanted = [4, 0, 3, 3, 1, 2, 0]
    found = list(store.read(OPTIONS, [key(n) for n in wanted]))
    assert sorted(np.concatenate([rows for rows, _ in found]).tolist()) == list(range(len(wanted)))
    assert len(found) == (1 if at_once == 100 else 2)
    for rows, vectors in found:
        np.testing.assert_array_equal(vectors, expected(*(wanted[row] for row in rows)))
    assert list(store.read(OPTIONS, [])) == []
