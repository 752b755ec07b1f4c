"""`kedro store`, as a person types it."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingOptions, EmbeddingPart, plan_windows
from vernal.commands.store import store
from vernal.common.hashing import digest
from vernal.framework.hooks import take_lock
from vernal.training.heads import Head, save_head

OPTIONS = EmbeddingOptions(encoder="logmel")
NARROW = EmbeddingOptions(encoder="logmel", fmin=200)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with a space in its path: 4 of 6 stored windows are those of its clips, under two bands."""
    root = tmp_path / "my data"
    clips = pd.DataFrame(
        {
            "clip_id": ["a", "b"],
            "source": "labelled",
            "file_path": ["a.wav", "b.wav"],
            "content_hash": ["1" * 64, "2" * 64],
            "duration_s": [6.0, 3.0],
        }
    )
    (root / "02_intermediate").mkdir(parents=True)
    clips.to_parquet(root / "02_intermediate" / "clips.parquet")
    embeddings = EmbeddingStore(root / "04_feature" / "embeddings")
    keys = plan_windows(clips, OPTIONS).key.tolist()
    embeddings.append(part(OPTIONS, [*keys, "f" * 32]))
    embeddings.append(part(OPTIONS, ["e" * 32]))
    embeddings.append(part(NARROW, plan_windows(clips, NARROW).key.tolist()[:1]))
    save_head(root / "06_models" / "heads" / "0123.npz", Head(((np.ones((4, 1)), np.zeros(1)),)))
    return root


def part(options: EmbeddingOptions, keys: list[str]) -> EmbeddingPart:
    rows = pd.DataFrame({"key": keys, "content_hash": "c" * 64, "start_s": 0.0, "end_s": 3.0})
    vectors = np.ones((len(keys), options.n_dims), np.float32)
    return EmbeddingPart(options, rows, vectors, pd.DataFrame(columns=list(FAILURE_COLUMNS)))


def call(root: Path, *arguments: str):
    return CliRunner().invoke(store, [*arguments, f"--params=data_root={root}"])


def said(root: Path, *arguments: str) -> str:
    result = call(root, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def complaint(root: Path, *arguments: str) -> str:
    result = call(root, *arguments)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    return result.output


def parts_of(root: Path) -> list[Path]:
    return sorted(root.glob("04_feature/embeddings/*/part-*"))


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def test_info_lists_settings_sizes_and_heads(root: Path):
    output = said(root, "info")
    assert "0-15000 Hz" in output
    assert "200-15000 Hz" in output
    assert "6 windows in all" in output
    assert "1 trained head," in output


def test_info_of_an_empty_folder_says_so(tmp_path: Path):
    output = said(tmp_path, "info")
    assert "nothing yet" in output
    assert "0 trained heads" in output


def test_verify_names_what_is_damaged(root: Path):
    assert "all are whole" in said(root, "verify")
    damaged = parts_of(root)[0]
    damage(damaged)
    (root / "06_models" / "heads" / "0123.npz").write_bytes(b"PK")
    output = complaint(root, "verify")
    assert "2 damaged" in output
    assert f"{damaged.parent.name}/{damaged.name}" in output
    assert "heads: 0123.npz" in output


def test_verify_names_what_to_embed_again(root: Path):
    named = {file: file.read_bytes() for file in parts_of(root)}
    group = root / "04_feature" / "embeddings" / OPTIONS.settings_id
    both, other = sorted(group.glob("part-*"), key=lambda file: -file.stat().st_size)
    damage(other)
    assert "To embed again" not in complaint(root, "verify")
    other.write_bytes(named[other])
    damage(both)
    assert complaint(root, "verify").endswith("To embed again: a.wav; b.wav\n")


def test_prune_removes_damaged_and_abandoned_files_and_no_more(root: Path):
    assert said(root, "prune") == "nothing to remove\n"
    parts = parts_of(root)
    damage(parts[0])
    old, young = (parts[0].parent / f".partial-{name}.parquet" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"x")
    os.utime(old, (time.time() - 7_200, time.time() - 7_200))
    (root / "06_models" / "heads" / "0123.npz").write_bytes(b"PK")
    dry = said(root, "prune", "--dry-run")
    assert "would remove 1 file found damaged" in dry
    assert "would remove 1 file left by an interrupted run" in dry
    assert "would remove 1 damaged or left file of heads, 2 B" in dry
    assert parts_of(root) == parts
    assert said(root, "prune") == dry.replace("would remove", "removed")
    assert parts_of(root) == parts[1:]
    assert not old.exists()
    assert young.exists()
    assert "all are whole" in said(root, "verify")


def test_prune_unused_keeps_what_the_clips_need(root: Path):
    output = said(root, "prune", "--unused", "--dry-run")
    assert "2 files of windows that no clip needs, 2 windows" in output
    said(root, "prune", "--unused")
    embeddings = EmbeddingStore(root / "04_feature" / "embeddings")
    clips = pd.read_parquet(root / "02_intermediate" / "clips.parquet")
    assert embeddings.known_keys(OPTIONS) == set(plan_windows(clips, OPTIONS).key)
    assert len(embeddings.known_keys(NARROW)) == 1


def test_prune_unused_removes_settings_of_another_version(root: Path):
    folder = root / "04_feature" / "embeddings" / NARROW.settings_id
    older = {**NARROW.settings, "encoder_version": "0"}
    (folder / "settings.json").write_text(json.dumps(older), encoding="utf-8")
    folder = folder.rename(folder.with_name(digest(older)))
    assert "of settings that nothing reads any more" in said(root, "prune", "--unused")
    assert not folder.exists()


@pytest.mark.parametrize("spoil", ["not json", "[1]", "another band", None])
def test_settings_that_cannot_be_read_cost_no_embeddings(root: Path, spoil: str | None):
    file = root / "04_feature" / "embeddings" / NARROW.settings_id / "settings.json"
    if spoil is None:
        file.unlink()
        assert "all are whole" in said(root, "verify")
    else:
        content = json.dumps({**NARROW.settings, "fmin": 300}) if spoil == "another band" else spoil
        file.write_text(content, encoding="utf-8")
        assert f"embeddings: {NARROW.settings_id}/settings.json" in complaint(root, "verify")
    assert "?" in said(root, "info")
    assert "200-15000 Hz" not in said(root, "info")
    said(root, "prune", "--unused")
    embeddings = EmbeddingStore(root / "04_feature" / "embeddings")
    assert len(embeddings.known_keys(NARROW)) == 1
    assert "all are whole" in said(root, "verify")
    embeddings.append(part(NARROW, ["d" * 32]))
    assert "200-15000 Hz" in said(root, "info")


def test_prune_unused_needs_clips(root: Path):
    (root / "02_intermediate" / "clips.parquet").unlink()
    assert "nobody knows which embeddings are unused" in complaint(root, "prune", "--unused")


def test_prune_waits_for_no_run(root: Path):
    lock = take_lock(root)
    try:
        assert "Another run is at work" in complaint(root, "prune")
        said(root, "prune", "--dry-run")
    finally:
        lock.release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    assert "does not exist; name one with --params=data_root=" in complaint(tmp_path / "nowhere", "info")


@pytest.mark.parametrize("command", ["info", "verify", "prune"])
def test_help_has_an_example(command: str):
    result = CliRunner().invoke(store, [command, "--help"])
    assert "Example:  kedro store " in result.output
