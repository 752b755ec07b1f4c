"""Compiling waits for others where it can, and goes on where no lock can be had."""

import pytest

from vernal.common import compiling
from vernal.common.compiling import compiling_alone


@pytest.mark.parametrize("n_broken", [0, 1, 2])
def test_a_home_or_a_lock_that_is_not_ours_stops_nothing(tmp_path, monkeypatch, n_broken):
    folders = [tmp_path / "home", tmp_path / "temporary"]
    for folder in folders[:n_broken]:
        folder.write_text("no folder", encoding="utf-8")
    monkeypatch.setattr(compiling, "cache_folder", lambda: folders[0])
    monkeypatch.setattr(compiling, "_temporary_folder", lambda: folders[1])
    with compiling_alone():
        held = [folder.is_dir() for folder in folders]
    assert held == [n_broken == 0, n_broken == 1]


def test_no_home_at_all_stops_nothing(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiling, "cache_folder", no_home)
    with compiling_alone():
        pass
