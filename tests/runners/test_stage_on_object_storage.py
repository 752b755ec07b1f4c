"""A whole stage with its data in an S3-compatible store: the files are those of a disk."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.object_storage import s3_server
from tests.runners.clusters import cluster
from tests.runners.stage_runs import command, finish, on_dask, results, started, wait_until
from vernal.common.files import write_bytes
from vernal.common.storage import as_path

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def reference(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A data folder on a disk, and its files."""
    data_root = tmp_path_factory.mktemp("on a disk")
    finish(command(data_root), project)
    return data_root, results(data_root)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """A place of this test's own: all servers of a process share what they hold."""
    with s3_server() as url:
        yield f"{url}/{tmp_path.name}"


def test_a_stage_in_a_store_gives_the_files_of_a_disk_and_nothing_is_done_twice(
    project: Path, bucket: str, reference: tuple[Path, dict[str, str]], tmp_path: Path
):
    said = finish(command(f"{bucket}/a season"), project)
    assert f"{bucket}/a season/08_reporting/stage5/report.html" in said
    assert "rank   mean" in said and "DEMO: synthetic recordings" in said
    assert results(f"{bucket}/a season") == reference[1]
    heads = as_path(f"{bucket}/a season/06_models/heads")
    before = {head.name: head.stat().st_mtime for head in heads.iterdir()}
    finish(command(f"{bucket}/a season"), project)
    assert {head.name: head.stat().st_mtime for head in heads.iterdir()} == before
    assert results(f"{bucket}/a season") == reference[1]
    assert not list(project.glob("s3:*")) and not list(tmp_path.iterdir())


def test_a_killed_run_on_dask_is_continued_in_the_store(
    project: Path, bucket: str, reference: tuple[Path, dict[str, str]], tmp_path: Path
):
    data_root = f"{bucket}/season"
    with cluster(tmp_path / "machines", workers=2) as processes:
        run = started(on_dask(data_root, processes), project)
        wait_until(lambda: bool(list(as_path(data_root).glob("06_models/heads/*.npz"))), run)
        run.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        run.communicate()
        assert as_path(f"{data_root}/.vernal.lock").exists()  # the next run waits until it is silent
        finish(on_dask(data_root, processes), project)
    assert results(data_root) == reference[1]
    assert not as_path(f"{data_root}/.vernal.lock").exists()
    assert not list(as_path(data_root).glob(".scratch/*"))


def test_recordings_may_lie_in_the_store_and_results_on_a_disk(
    project: Path, bucket: str, reference: tuple[Path, dict[str, str]], tmp_path: Path
):
    clips = pd.read_parquet(reference[0] / "02_intermediate" / "clips.parquet")
    labelled = clips[clips.source == "labelled"]
    root = Path(
        __import__("json").loads((reference[0] / "02_intermediate" / "audio_roots.json").read_text())[
            "labelled"
        ]
    )
    for path in labelled.file_path.unique():
        write_bytes(as_path(f"{bucket}/audio/{path}"), (root / path).read_bytes())
    manifest = labelled[["file_path", "label", "quality", "site", "recorder_id", "date"]]
    write_bytes(as_path(f"{bucket}/audio/manifest.csv"), manifest.to_csv(index=False).encode())
    words = command(tmp_path)
    words[-1] += f",source.manifest={bucket}/audio/manifest.csv"
    finish(words, project)
    found = pd.read_parquet(tmp_path / "02_intermediate" / "clips.parquet")
    assert set(found.content_hash) == set(labelled.content_hash)
    assert (tmp_path / "08_reporting" / "stage5" / "report.html").is_file()


def test_a_store_that_fails_in_the_middle_ends_the_run_in_words(project: Path, tmp_path: Path):
    with s3_server() as url:
        data_root = f"{url}/{tmp_path.name}"
        run = started(command(data_root), project)
        wait_until(lambda: as_path(f"{data_root}/02_intermediate/clips.parquet").exists(), run)
    _, said = run.communicate(timeout=300)
    assert run.returncode != 0
    message = said[said.index("Error: ") :]
    assert "Object storage failed at s3://season/" in message and "Traceback" not in said, said
    assert message.count("\n") <= 3 and "run again" in message, message


def test_what_needs_a_disk_is_refused_before_anything_is_done(project: Path, bucket: str):
    words = command(f"{bucket}/season")
    words[words.index("--pipeline=stage5")] = "--pipeline=collection"
    run = started(words, project)
    _, said = run.communicate(timeout=300)
    assert run.returncode != 0 and "The data lake of recordings needs a folder on a disk" in said, said
    assert bucket in said and not list(as_path(f"{bucket}/season").rglob("*.parquet"))
