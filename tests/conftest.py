"""Shared factories: sounds and tables are made for each test, never stored."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from tests.problem_cards import CARD

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Tests call librosa directly too; see `compiling.compiling_alone` for what happens when two fill one cache.
    os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"vernal-tests-numba-{worker}")
# Tests start hundreds of processes, and each would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A busy machine is no failure. In CI the examples are the same each time, so that what fails there is the change's own
# doing; new ones are tried by each run elsewhere (more of them with `--hypothesis-profile=thorough`) and by fuzzing.
REPEATED = "CI" in os.environ
settings.register_profile("vernal", deadline=None, max_examples=30, derandomize=REPEATED)
settings.register_profile("thorough", deadline=None, derandomize=REPEATED)
settings.load_profile("vernal")
PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared"
# Studies can be deleted with their tests; these tests of what stands on them then have nothing to test.
collect_ignore = (
    []
    if (PROJECT / "src/vernal/studies/__init__.py").is_file()
    else [
        "datasets/test_every_dataset.py",
        "pipelines/test_audit_and_published_pipelines.py",
        "pipelines/test_features_pipeline.py",
        "tools/docs_site/test_features_page.py",
    ]
)
ENDINGS = ("failed", "error", "passed", "skipped")
# Files that take longest are begun first, so that no worker is alone with one when the others have finished.
LONGEST = (
    "test_cases.py",
    "test_chain.py",
    "test_collecting_tutorial.py",
    "test_targets.py",
    "test_detection.py",
    "test_birdnet_analyzer.py",
    "test_review_page.py",
    "test_tutorial.py",
    "test_notebooks_run.py",
    "test_site.py",
    "test_lineage_in_a_browser.py",
    "test_static_site.py",
    "test_site_in_a_browser.py",
    "test_dask_runner.py",
    "test_drift.py",
    "test_queue.py",
    "test_merging.py",
    "test_effects.py",
    "test_sample_design.py",
    "test_export.py",
    "test_train.py",
    "test_fitting.py",
    "test_program.py",
    "test_embedding.py",
    "test_evaluate.py",
    "test_nodes.py",
    "test_scan.py",
    "test_choice.py",
    "test_splits.py",
    "test_across.py",
    "test_malformed_tables.py",
    "test_curation.py",
    "test_manifest.py",
    "test_base.py",
    "test_annotations.py",
    "test_training.py",
    "test_sampling.py",
    "test_feature_store.py",
    "test_figures.py",
    "test_workers.py",
    "test_store.py",
    "test_answer.py",
    "test_listening.py",
    "test_resampling.py",
    "test_sample.py",
    "test_sets.py",
    "test_upsampling.py",
    "test_mixing.py",
)


def asked_markers(config: pytest.Config) -> list[str]:
    """The markers of a stage, as in `-m "chain and not slow"` or `-m "(chain or docs) and not slow"`; else none."""
    found = re.fullmatch(r"\(?(\w+(?: or \w+)*)\)?(?: and not \w+)*", config.option.markexpr)
    return found[1].split(" or ") if found else []


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A stage reads the files alone in which one of its markers stands."""
    markers = asked_markers(config)
    if not markers or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return not any(f"mark.{marker}" in text for marker in markers) or None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Of markers that run together each is told alone: how its tests ended, and their seconds."""
    markers = asked_markers(config)
    for marker in markers if len(markers) > 1 else []:
        ended = {
            outcome: [report for report in reports if marker in getattr(report, "keywords", ())]
            for outcome, reports in terminalreporter.stats.items()
        }
        counts = [f"{len(ended[outcome])} {outcome}" for outcome in ENDINGS if ended.get(outcome)]
        seconds = sum(getattr(report, "duration", 0) for reports in ended.values() for report in reports)
        terminalreporter.write_line(f"{marker}: {', '.join(counts) or 'no tests'} ({seconds:.0f} s)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files as `LONGEST` says; tests within a file, and all other files, stay in their order."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root folder."""
    return PROJECT


@pytest.fixture(scope="session")
def finished_stage(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a finished `stage5` on the tiny demo season, for reading only."""
    from tests.tiny_season import run_once

    return run_once(project, tmp_path_factory) / "copy"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real audio beside the checkout; tests that need it skip where it is not."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the shared folder of real audio is not beside this checkout")
    return folder


@pytest.fixture
def write_tone() -> Callable[..., Path]:
    """Write a WAV with a tone: `write_tone(path, seconds=0.5, hz=440, rate=48000, level=0.3)`."""

    def write(
        path: Path, seconds: float = 0.5, hz: float = 440.0, rate: int = 48_000, level: float = 0.3
    ) -> Path:
        import soundfile

        path.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(int(seconds * rate)) / rate
        soundfile.write(path, (level * np.sin(2 * np.pi * hz * time_s)).astype("float32"), rate)
        return path

    return write


@pytest.fixture
def make_clips() -> Callable[..., pd.DataFrame]:
    """Labelled clips as ingest gives them: `make_clips(n, recorders=3, dates=6, sites=None)`."""

    def make(n: int, recorders: int = 3, dates: int = 6, sites: int = 3, seed: int = 0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        recorder = rng.integers(0, recorders, n)
        is_positive = rng.random(n) < 0.5
        quality = pd.Series(rng.choice(["high", "medium", "low"], n), dtype="str").where(
            pd.Series(is_positive)
        )
        return pd.DataFrame(
            {
                "clip_id": [f"{i:016x}" for i in range(n)],
                "content_hash": [f"{i:064x}" for i in range(n)],
                "source": "labelled",
                "file_path": [f"clip{i:05d}.wav" for i in range(n)],
                "label": np.where(is_positive, "positive", "negative"),
                "is_positive": is_positive,
                "quality": quality,
                "call_type": pd.Series(rng.choice(["grunt", "growl", "both"], n), dtype="str").where(
                    pd.Series(is_positive)
                ),
                "site": [f"site{value % sites}" for value in recorder],
                "recorder_id": [f"R{value}" for value in recorder],
                "date": (night := [f"2025-04-{value + 1:02d}" for value in rng.integers(0, dates, n)]),
                "time": "21:00:00",
                "night": night,
                "night_from": "time",
                "group": pd.Series([np.nan] * n, dtype="str"),
                "split": pd.Series([np.nan] * n, dtype="str"),
                "start_s": np.nan,
                "end_s": np.nan,
            }
        )

    return make


@pytest.fixture
def card_values():
    """A problem card as plain values."""
    return {
        **CARD,
        "classes": [dict(entry) for entry in CARD["classes"]],
        "performance": dict(CARD["performance"]),
    }


@pytest.fixture
def card(card_values):
    """A problem card."""
    from vernal.clips.problem_card import make_problem_card

    return make_problem_card(card_values)
