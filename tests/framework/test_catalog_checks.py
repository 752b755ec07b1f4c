"""Kedro's own check of the catalog: every `validator:` can be found, and tells good tables from bad ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from kedro.validation import validate_catalog, validate_dataset

from tests.tiny_season import kedro_run
from vernal.framework.notebooks import open_catalog

CHECKED = {"clips", "listed_clips"}


@pytest.fixture(scope="module")
def demo(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tiny season, listed and opened."""
    folder = tmp_path_factory.mktemp("checked season")
    kedro_run(project, "--pipelines=demo,ingest", f"--params=data_root={folder}")
    return folder


def test_every_validator_is_found_before_anything_is_written(project: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(project)
    results = validate_catalog(open_catalog(tmp_path, env="test"))
    assert set(results) > CHECKED
    # Nothing is there yet, which is all that may be said against any of them.
    assert {name: result.error_type for name, result in results.items()} == dict.fromkeys(
        results, "dataset_error"
    )


@pytest.mark.chain
def test_what_a_run_wrote_passes(project: Path, demo: Path, monkeypatch):
    monkeypatch.chdir(project)
    results = validate_catalog(open_catalog(demo, env="test"))
    assert {name for name, result in results.items() if result.status == "passed"} >= CHECKED
    assert [name for name, result in results.items() if result.status == "failed"] == []


@pytest.mark.chain
def test_a_table_that_was_changed_by_hand_does_not(project: Path, demo: Path, monkeypatch):
    monkeypatch.chdir(project)
    catalog = open_catalog(demo, env="test")
    clips = catalog.load("clips")
    result = validate_dataset(catalog, "clips", data=pd.concat([clips, clips.head(1)]))
    assert result.status == "failed"
