"""Both sides of a benchmark are warmed up and take turns on the same work."""

from pathlib import Path

from vernal.commands.benchmarks import detect, embed
from vernal.commands.benchmarks.sides import forget, in_turns


def test_sides_are_warmed_up_then_take_turns_and_medians_count():
    asked: list[tuple[str, str]] = []
    seconds = iter([366.0, 500.0, 3.0, 9.0, 1.0, 8.0, 2.0, 40.0])

    def run(side: str, work: str) -> dict:
        asked.append((side, work))
        return {"seconds": next(seconds), "n_windows": 6, "cpu_s": None}

    ours, peer = in_turns(run, "little", "all", turns=3)
    assert asked == [("ours", "little"), ("peer", "little"), *[("ours", "all"), ("peer", "all")] * 3]
    assert ours == {"seconds": 2.0, "n_windows": 6, "cpu_s": None}
    assert peer == {"seconds": 9.0, "n_windows": 6, "cpu_s": None}


def test_what_a_turn_left_is_removed(tmp_path: Path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "part").write_text("x")
    (tmp_path / "known.jsonl").write_text("x")
    forget(tmp_path, "store", "known.jsonl", "absent")
    assert not list(tmp_path.iterdir())


def test_every_turn_embeds_and_searches_from_nothing(tmp_path: Path, monkeypatch):
    """The peer is replaced by ourselves: its own start takes half a minute."""
    embed.make_clips(tmp_path / "clips", 5, sample_rate_hz=8_000)
    detect.make_recordings(tmp_path / "night", 3, seconds=3, sample_rate_hz=8_000)
    turns: list[tuple[int, list[str]]] = []

    def own_process(module: str, side: str, listing: Path, scratch: Path, workers: int) -> dict:
        kind = module.rpartition(".")[2]
        left = [
            name for name in (detect._LEFT if kind == "detect" else ["store"]) if (scratch / name).exists()
        ]
        work = len(list(listing.iterdir())) if listing.is_dir() else listing.read_text().count(".wav")
        turns.append((work, left))
        (scratch / "store").mkdir(exist_ok=True)
        (scratch / "known_files.jsonl").write_text("x")
        return {
            "seconds": 1.0, "n_windows": 5, "cpu_s": 1.0, "main_memory_mb": 1.0, "worker_memory_mb": 1.0,
            "all_memory_mb": 1.0,
        }  # fmt: skip

    for module in (embed, detect):
        monkeypatch.setattr(module, "in_own_process", own_process)
    monkeypatch.setattr(embed, "_compare", lambda scratch: 0.0)
    monkeypatch.setattr(detect, "_difference", lambda scratch: 0.0)
    assert embed.bench_embed(tmp_path / "clips", workers=1)["ratio"] == 1
    assert turns == [(n, []) for n in (2, 2, *[5] * 6)]
    turns.clear()
    assert detect.bench_detect(tmp_path / "night", workers=1)["ratio"] == 1
    assert turns == [(n, []) for n in (1, 1, *[3] * 6)]
