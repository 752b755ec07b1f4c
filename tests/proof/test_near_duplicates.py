"""Near-duplicates: the exact search against a plain one, and real pairs that must and must not be found."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.clips.recordings import IngestOptions, inspect_files
from vernal.common.problems import InputError
from vernal.proof import near_duplicates as search
from vernal.proof.near_duplicates import closest_across, correlation, find_pairs, neighbour_ranks, whitened
from vernal.proof.options import ProofOptions
from vernal.proof.sound_screen import Stretch

RATE = 16_000
ARU = [f"odd/aru_{number}.wav" for number in range(1, 6)]
CRACKLING = ["esc10/fire_crackling/2-28314-A.ogg", "esc10/fire_crackling/2-30322-A.ogg"]


def plain_pairs(x, group, floor, neighbours):
    """The same pairs as `closest_across`, by comparing each with each."""
    unit = x.astype(np.float64) / np.maximum(
        np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True), 1e-30
    )
    cosine = {
        (i, j): float(unit[i] @ unit[j])
        for i, j in itertools.combinations(range(len(x)), 2)
        if group[i] != group[j] and unit[i] @ unit[j] >= floor
    }
    kept = set()
    for row in range(len(x)):
        mine = sorted((pair for pair in cosine if row in pair), key=lambda pair: -cosine[pair])
        kept |= set(mine[:neighbours])
    return kept


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 4), st.integers(1, 4))
def test_the_blocked_search_finds_what_a_plain_one_finds(seed, n, n_groups, neighbours):
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, n_groups, n)
    search._BLOCK, before = 7, search._BLOCK
    try:
        left, right, cosine = closest_across(x, group, 0.2, neighbours, pairs_at_once=15)
    finally:
        search._BLOCK = before
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == plain_pairs(x, group, 0.2, neighbours)
    assert (np.diff(cosine) <= 0).all()
    assert (left < right).all()


def test_ranks_count_from_the_closest_for_both_ends():
    rank, ends = neighbour_ranks(np.array([0, 0, 1]), np.array([2, 3, 3]), np.array([0.9, 0.8, 0.95]))
    assert list(zip(ends.tolist(), rank.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
        (3, 1),
        (3, 0),
    ]


def test_rows_of_zeros_and_groups_of_one_are_no_trouble():
    left, _, _ = closest_across(np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1]), 0.5)
    assert len(left) == 0
    left, _, _ = closest_across(np.ones((4, 3), np.float32), np.zeros(4, int), 0.5)
    assert len(left) == 0
    assert len(closest_across(np.empty((0, 3), np.float32), np.empty(0, int), 0.5)[0]) == 0


def noise(seed: int, seconds: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def test_a_shifted_louder_inverted_copy_correlates_and_other_sound_does_not():
    sound = noise(1, 3.2)
    one, copy = sound[: 3 * RATE], -0.3 * sound[1600 : 1600 + 3 * RATE]
    assert correlation(whitened(one), whitened(copy)) > 0.9
    assert correlation(whitened(one), whitened(noise(2))) < 0.05


def test_a_shared_hum_is_no_shared_recording():
    hum = np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE).astype(np.float32)
    assert correlation(whitened(hum + noise(1)), whitened(hum + noise(2))) < 0.3


@pytest.mark.parametrize("sound", [np.zeros(100), np.full(100, 0.5), np.array([np.nan, 1.0]), np.empty(0)])
def test_silence_correlates_with_nothing(sound):
    assert correlation(whitened(sound), whitened(noise(1))) == 0.0


@pytest.fixture(scope="session")
def real(shared_data: Path) -> tuple[pd.DataFrame, np.ndarray, Path]:
    """Windows of known copies and of ordinary clips, with BirdNET's embeddings."""
    field = sorted(
        path.relative_to(shared_data).as_posix() for path in (shared_data / "field").glob("*.flac")
    )[3:9]
    others = [
        "esc10/fire_crackling/1-17808-A.ogg",
        "esc10/fire_crackling/3-157187-A.ogg",
        "odd/rugr_drum.wav",
    ]
    paths = [*ARU, *CRACKLING, *others, *field]
    facts = inspect_files([shared_data / path for path in paths], IngestOptions())
    clips = pd.DataFrame({"file_path": paths}).join(
        pd.DataFrame([facts[shared_data / path] for path in paths])
    )
    return *embedded(clips.assign(clip_id=paths), shared_data), shared_data


def embedded(clips: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Windows of whole files, and their embeddings."""
    windows = plan_windows(clips.assign(source="labelled", start_s=np.nan, end_s=np.nan), EmbeddingOptions())
    parts = list(embed_windows(windows, {"labelled": str(root)}, EmbeddingOptions(), workers=1))
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    vectors = np.concatenate([part.vectors for part in parts])
    return windows, vectors[pd.Index(rows.key).get_indexer(windows.key)]


def found_pairs(real, options: ProofOptions) -> tuple[pd.DataFrame, set[frozenset[str]]]:
    windows, x, root = real
    own_split = {clip: clip for clip in windows.clip_id}
    pairs, _ = find_pairs(windows, x, own_split, {"labelled": str(root)}, options, 2)
    same = pairs[pairs.correlation >= options.near_duplicate_correlation]
    return pairs, {frozenset(pair) for pair in zip(same.clip_id, same.other_clip_id, strict=True)}


def test_known_copies_are_found_and_ordinary_clips_are_not(real):
    pairs, found = found_pairs(real, ProofOptions())
    assert found == {frozenset(pair) for pair in itertools.combinations(ARU, 2)} | {frozenset(CRACKLING)}
    ordinary = pairs[~pairs.clip_id.str.contains("aru_|2-28314|2-30322")]
    # Quiet nights of one recorder are as close as copies are: cosine alone cannot tell.
    assert ordinary.cosine.max() > pairs.cosine[pairs.correlation >= 0.5].min()
    assert ordinary.correlation.max() < 0.25


def test_only_what_may_be_a_copy_is_compared_in_full(real, monkeypatch):
    in_full, _ = found_pairs(real, ProofOptions(near_duplicate_correlation=1e-6))
    monkeypatch.setattr(search, "_ALWAYS_HEARD", 0)
    pairs, _ = found_pairs(real, ProofOptions())
    assert in_full.correlation.notna().all() and len(pairs) == len(in_full)
    heard = pairs.dropna()
    assert len(heard) < len(pairs) / 2
    likely = in_full[in_full.correlation >= 0.3]
    assert likely.equals(heard.head(len(likely)))


def test_a_limit_listens_to_the_closest_neighbours_first(real):
    pairs, _ = found_pairs(real, ProofOptions(listened_pairs=4))
    assert len(pairs) == 4


def test_the_answer_does_not_depend_on_the_order_of_windows(real):
    windows, x, root = real
    order = np.random.default_rng(0).permutation(len(windows))
    shuffled = (windows.iloc[order].reset_index(drop=True), x[order], root)
    # Which clip of a pair is named first may change; the pairs and their numbers may not.
    assert found_pairs(shuffled, ProofOptions())[1] == found_pairs(real, ProofOptions())[1]


def test_a_window_is_read_and_whitened_once_however_many_pairs_it_is_in(monkeypatch):
    rng = np.random.default_rng(0)
    sounds, read = rng.normal(0, 0.1, (900, 800)).astype(np.float32), []

    def load(path, start_s, end_s):
        read.append(int(path.name))
        return sounds[int(path.name)]

    monkeypatch.setattr(search, "_load", load)
    left, right = np.triu_indices(900, 1)
    chosen = rng.choice(len(left), 4_000, replace=False)
    stretches = [Stretch(Path(str(n)), 0.0, 0.05) for n in range(900)]
    alike = search._correlations(stretches, left[chosen], right[chosen], 1)
    assert len(read) == len(set(read)) == 900
    flat = [whitened(sound) for sound in sounds]
    plain = [correlation(flat[left[at]], flat[right[at]]) for at in chosen[:200]]
    assert np.abs(np.array(alike[:200]) - plain).max() < 2e-4


def test_audio_that_is_gone_is_named(real):
    windows, x, _ = real
    with pytest.raises(InputError, match=r"aru_\d.wav passed ingest and cannot be read now"):
        find_pairs(
            windows[windows.clip_id.isin(ARU)],
            x[windows.clip_id.isin(ARU)],
            dict(zip(ARU, ARU, strict=True)),
            {"labelled": "/nowhere"},
            ProofOptions(),
        )


@pytest.mark.slow
def test_fifty_thousand_clips_are_searched_in_minutes_and_bounded_memory():
    import resource
    import time

    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(50_000, 1024)).astype(np.float32))
    group = rng.integers(0, 4, len(x))
    x[1], group[0], group[1] = x[0] * 0.5, 0, 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    left, right, cosine = closest_across(x, group, 0.93)
    assert (left[0], right[0]) == (0, 1)
    assert cosine[0] == pytest.approx(1.0, abs=1e-4)
    assert time.perf_counter() - started < 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # kB


def test_the_same_recording_cut_half_a_second_later_is_listened_to_and_found(
    shared_data: Path, tmp_path: Path
):
    import soundfile

    names, rows = ["rooster/2-65750-A.ogg", "dog_bark/1-100032-A.ogg", "rain/1-17367-A.ogg"], []
    for number, name in enumerate(names):
        path = shared_data / "esc10" / name
        sound, rate = soundfile.read(path)
        for part, late_s in enumerate((0.0, 0.2, 0.5)):
            start = round(late_s * rate)
            cut = tmp_path / f"{number}_{part}.wav"
            soundfile.write(cut, (0.7 if part else 1.0) * sound[start : start + 3 * rate], rate)
            rows.append((cut, number, part))
    facts = inspect_files([path for path, _, _ in rows], IngestOptions())
    clips = pd.DataFrame([facts[path] for path, _, _ in rows])
    clips = clips.assign(
        clip_id=[f"{number}_{part}" for _, number, part in rows],
        file_path=[path.name for path, _, _ in rows],
    )
    windows, x = embedded(clips, tmp_path)
    split_of = {f"{number}_{part}": ("val" if part else "train") for _, number, part in rows}
    pairs, _ = find_pairs(windows, x, split_of, {"labelled": str(tmp_path)}, ProofOptions())
    same = pairs[pairs.correlation >= ProofOptions().near_duplicate_correlation]
    expected = {(f"{number}_0", f"{number}_{part}") for _, number, part in rows if part}
    assert expected and set(zip(same.clip_id, same.other_clip_id, strict=True)) == expected
