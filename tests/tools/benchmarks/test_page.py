"""The page of benchmarks, and the commands that write it."""

import json
from pathlib import Path

from click.testing import CliRunner

from tools.benchmarks.__main__ import main
from tools.benchmarks.page import machine, versions, write_section

VALUES = {"ours_s": 0.5, "peer_s": 6.0, "ratio": 12.0}


def written(name: str, results: dict, page: Path) -> None:
    result = CliRunner().invoke(main, ["page", name, "-", str(page)], input=json.dumps(results))
    assert result.exit_code == 0, result.output


def test_each_benchmark_writes_its_own_section_of_the_page(tmp_path: Path):
    page = tmp_path / "docs" / "benchmarks.md"
    written("sweep", {"stage5_30": VALUES}, page)
    written("embed", {"48_kHz": VALUES}, page)
    first = page.read_text(encoding="utf-8")
    written("embed", {"48_kHz": VALUES}, page)
    text = page.read_text(encoding="utf-8")
    assert text == first
    assert text.startswith("# Benchmarks\n\n* **How long does a season take?**")
    assert text.index("## Embedding a folder") < text.index("## Stage 5 at the scale of the study")
    assert text.count("Measured on ") == 2
    assert versions() in text


def test_a_section_takes_the_place_of_its_older_one(tmp_path: Path):
    page = tmp_path / "page.md"
    write_section(page, "train", {"linear": VALUES})
    write_section(page, "embed", {"48_kHz": {"ratio": 3.0}})
    write_section(page, "train", {"linear": {"ours_s": 0.25, "ratio": 24.0}})
    text = page.read_text(encoding="utf-8")
    assert "| measured | linear |" in text and "| measured | 48 kHz |" in text
    assert (
        "| 0.25 |" in text
        and "| 24 |" in text
        and "| asked for | ratio 40, AUPRC within the spread |" in text
    )
    assert "| 0.5 |" not in text and "| 12 |" not in text
    assert text.count("<!-- train -->") == text.count("<!-- end of train -->") == 1


def test_the_machine_is_described_without_its_name():
    import platform

    assert "cores of" in machine()
    assert platform.node() not in machine()
    assert "birdnet-analyzer 2" in versions()
