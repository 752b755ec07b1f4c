"""The comparison of targets together and alone, without its runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tools.benchmarks import targets
from tools.benchmarks.targets import END, START, bench_targets, write_targets
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.common.target_folders import TargetFolders
from vernal.sweeps.stage_folder import StageFolder

NAMES = ("owl", "frog")


def made(root: Path, auroc: float, logits: list[float]) -> None:
    """What a run leaves of a target, as far as it is compared."""
    files = StageFolder(root, "baseline")
    measures = {"test_iid_auroc": auroc, "test_iid_average_precision": 0.5}
    counts = {"test_iid_n_positive": 2, "test_iid_n_negative": 3}
    write_table(pd.DataFrame([{"point": "baseline_001", **counts, **measures}]), files.points_table)
    scores = pd.DataFrame({"clip_id": [f"c{number}" for number in range(len(logits))], "logit": logits})
    write_table(scores, files.scores)
    splits = pd.DataFrame(
        {"clip_id": ["c0"], "file_path": ["a.wav"], "label": ["owl"], "split": ["val"], "x": [1]}
    )
    write_table(splits, files.data.splits)
    files.data.embeddings.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Runs that take no time; returns what they were asked for."""
    asked = []

    def run(**given) -> float:
        root = Path(given["data_root"])
        asked.append({**given, "knows": (root / "04_feature").is_dir()})
        if "targets" in given:
            TargetFolders(root).write({name: name for name in NAMES})
            for place in (root, *TargetFolders(root).read().values()):
                made(place, 0.75, [1.0, 2.0])
            return 30.0
        asked[-1]["rows"] = pd.read_csv(given["manifest"]).to_dict("list")
        made(root, 0.75 if given["target"] == "owl" else 0.5, [1.0, 2.5])
        return 20.0 if given["target"] == "owl" else 5.0

    monkeypatch.setattr(targets, "_run", run)
    return asked


def test_targets_are_run_together_and_each_alone_on_the_same_splits(runs, tmp_path):
    found = bench_targets(tmp_path)
    together, first, second = runs
    assert together["targets"] == "all" and together["folder"] == tmp_path
    assert [one["target"] for one in (first, second)] == list(NAMES)
    assert first["rows"] == {"file_path": ["a.wav"], "label": ["owl"], "split": ["val"]}
    # One alone embeds, for the ratio; the others have the embeddings, and no heads.
    assert (first["knows"], second["knows"]) == (False, True)
    assert (found["cpu_s"], found["peer_cpu_s"], found["ratio"]) == (30.0, 20.0, 1.5)
    frog = found["targets"]["frog"]
    assert (frog["auroc"], frog["peer_auroc"], frog["difference"], frog["n_negative"]) == (0.75, 0.5, 0.5, 3)


def test_the_table_takes_the_place_of_the_older_one(runs, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    write_targets(page, bench_targets(tmp_path))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith(f"{END}\nafter\n") and "old" not in text
    assert "| frog | 2 and 3 | 0.750 | 0.500 | 0.500 | 0.500 | 0.5 |" in text
    assert "30 s for all 2, 20 s for one alone, 1.50 times." in text
    with pytest.raises(InputError, match="has no lines"):
        write_targets(tmp_path / "other.md", bench_targets(tmp_path))
