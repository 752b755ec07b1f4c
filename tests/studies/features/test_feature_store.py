import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vernal.common.files import sha256_of_file
from vernal.common.part_store import as_parquet, part_name
from vernal.common.problems import InputError
from vernal.studies.features.batches import SequenceSource, bucketed, padded, stepped
from vernal.studies.features.extraction import extract, missing_kinds, sequence_key, sequence_keys
from vernal.studies.features.feature_store import FeaturePart, FeatureStore, stored_bytes
from vernal.studies.features.options import FeatureOptions, Kind
from vernal.studies.features.spectral import sequences

MEL = Kind("mel", "raw")


def test_what_was_stored_comes_back_to_the_bit(made_store, small):
    store, keys, _ = made_store(5)
    again = FeatureStore(store.folder)
    assert again.lengths(small, MEL) == {key: len(store.load(small, MEL, key)) for key in keys}
    assert all((again.load(small, MEL, key) == store.load(small, MEL, key)).all() for key in keys)
    settings = json.loads(next(store.folder.glob("*/settings.json")).read_text(encoding="utf-8"))
    assert settings["feature"] == "mel" and settings["n_dims"] == 8


def test_other_settings_find_nothing(made_store):
    store, keys, _ = made_store(2)
    other = FeatureOptions(n_mels=8, n_mfcc=4, hop=256)
    assert store.lengths(other, MEL) == {}
    with pytest.raises(InputError, match="not in the feature store"):
        store.load(other, MEL, keys[0])


def test_parts_are_named_by_content_and_never_changed(made_store, small):
    store, keys, _ = made_store(3)
    part = next(store.folder.glob("*/part-*.parquet"))
    assert part.stem == f"part-{sha256_of_file(part)}"
    before = part.read_bytes()
    store.append(FeaturePart(MEL, small, {"another": np.ones((2, 8), np.float32)}))
    assert part.read_bytes() == before
    assert set(store.lengths(small, MEL)) == {*keys, "another"}
    assert not list(store.folder.rglob(".partial-*"))


def test_damage_is_seen_and_named(made_store, small):
    store, keys, _ = made_store(3)
    part = next(store.folder.glob("*/part-*.parquet"))
    content = bytearray(part.read_bytes())
    place = content.find(store.load(small, MEL, keys[1]).tobytes()[:64])
    content[place + 5] ^= 0xFF
    store.close()
    part.write_bytes(bytes(content))
    assert store.verify().set_index("file").state.to_dict() == {"settings.json": "ok", part.name: "damaged"}
    with pytest.raises(InputError, match=r"damaged or cannot be read.*Delete that file"):
        FeatureStore(store.folder).load(small, MEL, keys[1])
    part.write_bytes(bytes(content[:100]))
    with pytest.raises(InputError, match="damaged"):
        FeatureStore(store.folder).lengths(small, MEL)


@pytest.mark.parametrize(
    ("lengths", "values", "words"),
    [
        ([2], [[1.0] * 17], "cannot reshape"),
        ([2], [[1.0] * 14], "cannot reshape"),
        ([2], [[1.0] * 15 + [np.nan]], "not finite"),
        ([2], [None], "values has missing values"),
        ([None], [[1.0] * 16], "n_rows has missing values"),
        ([2], ["text"], "values is string"),
    ],
)
def test_a_part_of_somebody_else_is_seen_and_named(made_store, small, lengths, values, words):
    store, _, _ = made_store(1)
    kind = pa.string() if values == ["text"] else pa.list_(pa.float32())
    table = pa.table(
        {"key": ["k"], "n_rows": pa.array(lengths, pa.int32()), "values": pa.array(values, kind)}
    )
    content = as_parquet(table, compression="none")
    (part,) = store.folder.glob("*/part-*.parquet")
    part.with_name(part_name(content)).write_bytes(content)
    assert any(words in fault for fault in store.verify().fault)
    with pytest.raises(InputError, match=f"damaged or cannot be read.*{words}"):
        store.load(small, MEL, "k")
    store.close()


@pytest.mark.parametrize("bad", [np.ones((2, 7)), np.ones((0, 8)), np.full((2, 8), np.nan)])
def test_sequences_that_cannot_be_are_refused(tmp_path, small, bad):
    with pytest.raises(ValueError, match="has the shape"):
        FeatureStore(tmp_path).append(FeaturePart(MEL, small, {"k": bad.astype(np.float32)}))


def test_many_parts_are_read_with_few_open_files(tmp_path, small):
    store = FeatureStore(tmp_path)
    for number in range(20):
        store.append(FeaturePart(MEL, small, {str(number): np.full((1, 8), number, np.float32)}))
    assert [store.load(small, MEL, str(number))[0, 0] for number in range(20)] == list(range(20))
    assert len(store._open) <= 8


def test_a_key_is_of_content_and_part():
    assert sequence_key("a", np.nan, np.nan) == sequence_key("a", 0.0, np.nan)
    assert (
        len(
            {
                sequence_key("a", 0, np.nan),
                sequence_key("b", 0, np.nan),
                sequence_key("a", 0, 1),
                sequence_key("a", 1, np.nan),
            }
        )
        == 4
    )


def test_extraction_computes_what_is_missing_once(tmp_path, write_tone, class_clips, small):
    clips = class_clips(2, 2, 1, 1)
    for number, path in enumerate(clips.file_path):
        write_tone(tmp_path / "audio files" / path, seconds=0.4, hz=300 + 50 * number, rate=44_100)
    clips["content_hash"] = [sha256_of_file(tmp_path / "audio files" / path) for path in clips.file_path]
    clips.loc[1, ["start_s", "end_s"]] = [0.1, 0.3]
    store = FeatureStore(tmp_path / "store")
    kinds = [MEL, Kind("chroma", "beat_synced")]
    missing = missing_kinds(clips, kinds, small, store)
    assert sorted(missing) == sorted(sequence_keys(clips))
    counted = []
    for part in extract(clips, tmp_path / "audio files", missing, small, 0, counted.append):
        store.append(part)
    assert sum(counted) == 4
    assert missing_kinds(clips, kinds, small, store) == {}
    from vernal.audio.reading import load_clip

    samples = load_clip(tmp_path / "audio files" / clips.file_path[1], 0.1, 0.3, 22_050)
    expected = sequences(samples, [MEL], small)[MEL]
    assert (store.load(small, MEL, sequence_keys(clips)[1]) == expected).all()


@pytest.mark.processes
def test_workers_change_no_bit_and_broken_files_are_all_named(tmp_path, write_tone, class_clips, small):
    clips = class_clips(2, 2, 3, 1)
    for number, path in enumerate(clips.file_path):
        write_tone(tmp_path / path, seconds=0.3, hz=300 + 50 * number, rate=22_050)
    clips["content_hash"] = [sha256_of_file(tmp_path / path) for path in clips.file_path]
    missing = missing_kinds(clips, [MEL], small, FeatureStore(tmp_path / "store"))
    here, there = ({} for _ in range(2))
    for part in extract(clips, tmp_path, missing, small, 0):
        here |= part.sequences
    for part in extract(clips, tmp_path, missing, small, 2):
        there |= part.sequences
    assert here.keys() == there.keys()
    assert all((here[key] == there[key]).all() for key in here)
    write_tone(tmp_path / clips.file_path[0], hz=999)
    (tmp_path / clips.file_path[5]).unlink()
    found = {}
    with pytest.raises(
        InputError, match=r"\(2\): 0000000000000000.wav \(it has changed.*0000000000000005.wav"
    ):
        for part in extract(clips, tmp_path, missing, small, 0):
            found |= part.sequences
    assert len(found) == 10


def test_batches_hold_every_clip_once_padded_with_zeros(made_store, small):
    store, keys, _ = made_store(23)
    source = SequenceSource(store, small, "mel", "raw", keys)
    rows = np.arange(3, 23)
    scaling = source.scaling(rows)
    for rng in (None, np.random.default_rng(1)):
        seen = []
        for batch in source.batches(rows, 4, scaling, rng):
            seen += batch.rows.tolist()
            assert batch.x.shape[1] == batch.lengths.max()
            assert (batch.x[~batch.mask] == 0).all()
            for row, x, length in zip(batch.rows, batch.x, batch.lengths, strict=True):
                np.testing.assert_array_equal(x[:length], scaling(store.load(small, MEL, keys[row])))
        assert sorted(seen) == rows.tolist()


def test_batches_put_like_lengths_together():
    lengths = np.random.default_rng(0).integers(1, 400, 1_000)
    padding = {}
    for name, parts in {
        "bucketed": bucketed(lengths, 16, np.random.default_rng(1)),
        "by length": bucketed(lengths, 16),
        "as they come": [np.arange(1_000)[at : at + 16] for at in range(0, 1_000, 16)],
    }.items():
        assert sorted(np.concatenate(parts)) == list(range(1_000))
        padding[name] = sum(lengths[part].max() * len(part) for part in parts) / lengths.sum() - 1
    assert padding["by length"] <= padding["bucketed"] < 0.1 < padding["as they come"]


def test_the_order_of_batches_follows_from_the_generator():
    lengths = np.full(40, 7)
    one, same, other = (
        np.concatenate(bucketed(lengths, 8, np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert (one == same).all() and (one != other).any()


def test_fused_is_mel_beside_chroma(tmp_path, small):
    store = FeatureStore(tmp_path)
    mel, chroma = np.ones((3, 8), np.float32), np.zeros((3, 12), np.float32)
    store.append(FeaturePart(MEL, small, {"k": mel}))
    store.append(FeaturePart(Kind("chroma", "raw"), small, {"k": chroma}))
    source = SequenceSource(store, small, "fused", "raw", ["k"], frames_per_step=2)
    assert source[0].tolist() == [[1.0] * 8 + [0.0] * 12] * 2
    assert source.lengths.tolist() == [2]


def test_scaling_is_of_the_given_clips_alone(made_store, small):
    store, keys, _ = made_store(6)
    source = SequenceSource(store, small, "mel", "raw", keys)
    whole = np.concatenate([store.load(small, MEL, key) for key in keys[:3]])
    scaling = source.scaling(np.arange(3))
    np.testing.assert_allclose(scaling.mean, whole.mean(0), atol=1e-5)
    np.testing.assert_allclose(scaling.std, whole.std(0), atol=1e-5)


def test_steps_are_means_of_frames():
    sequence = np.arange(10.0, dtype=np.float32)[:, None]
    assert stepped(sequence, 4).ravel().tolist() == [1.5, 5.5, 8.5]
    assert stepped(sequence, 1) is sequence
    assert stored_bytes([3, 5], 8) == 128.0
    assert padded([np.ones((1, 2)), np.ones((3, 2))])[1].tolist() == [1, 3]


def _peak(folder: Path, options: FeatureOptions, n: int) -> int:
    """Peak memory of reading every clip twice, batch by batch."""
    rng = np.random.default_rng(0)
    store = FeatureStore(folder)
    keys = [f"{number:032x}" for number in range(n)]
    for at in range(0, n, 16):
        part = {key: rng.standard_normal((400, 8)).astype(np.float32) for key in keys[at : at + 16]}
        store.append(FeaturePart(MEL, options, part))
    tracemalloc.start()
    source = SequenceSource(FeatureStore(folder), options, "mel", "raw", keys, cache_bytes=100_000)
    scaling = source.scaling(np.arange(n))
    outside = 0  # what Arrow holds is not Python's
    for epoch in range(2):
        for _ in source.batches(np.arange(n), 8, scaling, np.random.default_rng(epoch)):
            outside = max(outside, pa.total_allocated_bytes())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    source.store.close()
    return peak + outside


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path, small):
    _peak(tmp_path / "warm", small, 16)
    few, many = _peak(tmp_path / "few", small, 32), _peak(tmp_path / "many", small, 320)
    # The clips themselves are 0.4 MB and 4.1 MB; only keys and places grow.
    assert many - few < 320 * 1_000
