"""Hours and cost follow from what is measured and what is assumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.benchmarks.scaling import (
    END,
    START,
    Assumptions,
    Place,
    Season,
    Speed,
    hours_needed,
    read_assumptions,
    tables,
    write_page,
)
from vernal.common.problems import InputError

SPEED = Speed(hours_a_core_hour=100.0, read_bytes_an_hour=360e6, kept_bytes_an_hour=5e6, workers=2)
ASSUMED = Assumptions(
    currency="EUR",
    file_s=60,
    files_a_night=100,
    nights=10,
    seasons={"a season": Season(recorders=6, years=1), "two": Season(recorders=6, years=2)},
    places={"a laptop": Place(1, 0.0, 500), "many": Place(100, 0.5, 100)},
    storage_price_tb_month=20.0,
)


def test_hours_and_prices_by_hand():
    """6,000 minutes are 100 hours: one hour on one core, 0.036 TB; 100 workers need 1,000 MB a second and get 100."""
    text = tables(SPEED, ASSUMED, "assumed.yml")
    for row in (
        "|  | a season | two |",
        "| recordings | 6,000 | 12,000 |",
        "| hours of sound | 100 | 200 |",
        "| TB of sound | 0.036 | 0.072 |",
        "| TB of embeddings | 0.0005 | 0.001 |",
        "| a laptop: hours | 1 | 2 |",
        "| many: hours | 0.1* | 0.2* |",
        "| many: EUR | 5 | 10 |",
        "| keeping the sound: EUR a month | 0.72 | 1.44 |",
    ):
        assert f"{row}\n" in text, row
    assert "a laptop: EUR" not in text
    assert "| a laptop | 1 | 500 | 10 | 50 | computing |" in text
    assert "| many | 100 | 100 | 1,000 | 10 | reading |" in text
    # 5 EUR for 100 hours; 0.72 EUR keep them for a month of 30.44 days.
    assert "pays for keeping the same sound for 211 days (many)" in text
    assert "many: 100 workers of 0.5 EUR an hour" in text and "`assumed.yml`" in text


def test_more_workers_help_until_reading_is_the_limit():
    needed = [hours_needed(1_000.0, SPEED, Place(n, 0.1, 100)) for n in (1, 5, 10, 20, 1_000)]
    assert [limit for _, limit in needed] == ["computing"] * 3 + ["reading"] * 2
    assert [hours for hours, _ in needed] == pytest.approx([10.0, 2.0, 1.0, 1.0, 1.0])


def test_the_page_keeps_its_text(tmp_path: Path):
    page = tmp_path / "scaling.md"
    page.write_text(f"# Scaling\n\nbefore\n\n{START}\nold\n{END}\n\nafter\n", encoding="utf-8")
    write_page(page, SPEED, ASSUMED, "assumed.yml")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Scaling\n\nbefore\n") and text.endswith("\n\nafter\n") and "old" not in text
    write_page(page, SPEED, ASSUMED, "assumed.yml")
    assert page.read_text(encoding="utf-8") == text
    page.write_text("# Other\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no lines"):
        write_page(page, SPEED, ASSUMED, "assumed.yml")
    assert page.read_text(encoding="utf-8") == "# Other\n"


def test_the_shipped_assumptions_and_page_fit(project: Path):
    assumed = read_assumptions(project / "conf" / "base" / "scaling.yml")
    season = assumed.seasons["one season"]
    assert (season.recorders, assumed.nights, assumed.files(season)) == (
        9,
        139,
        9 * 139 * assumed.files_a_night,
    )
    assert {place.workers for place in assumed.places.values()} >= {8, 100}
    page = (project / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert page.index(START) < page.index("| one season |") < page.index(END)
    assert f"{assumed.files(season):,}" in page


def test_every_fault_of_the_assumptions_is_named_at_once(project: Path, tmp_path: Path):
    text = (project / "conf" / "base" / "scaling.yml").read_text(encoding="utf-8")
    text = text.replace("nights: 139", "nigths: 139").replace("workers: 100", "workers: 0")
    text = text.replace("files_a_night: 432", "files_a_night: many")
    (tmp_path / "scaling.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_assumptions(tmp_path / "scaling.yml")
    said = str(caught.value)
    for words in (
        "missing (1): nights",
        "unknown (1): nigths",
        "files_a_night: 'many'",
        "places.100 workers.workers: 0",
    ):
        assert words in said, said


def test_a_group_without_members_is_refused(project: Path, tmp_path: Path):
    text = (project / "conf" / "base" / "scaling.yml").read_text(encoding="utf-8")
    start, end = text.index("places:"), text.index("storage_price")
    (tmp_path / "scaling.yml").write_text(text[:start] + "places: {}\n" + text[end:], encoding="utf-8")
    with pytest.raises(InputError, match=r"group without members \(1\): places"):
        read_assumptions(tmp_path / "scaling.yml")
