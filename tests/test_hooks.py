from pathlib import Path

import pandas as pd
import pytest

from vernal.hooks import refuse_failures, take_lock
from vernal.problems import InputError


def test_a_folder_is_locked_for_one_run(tmp_path: Path):
    lock = take_lock(tmp_path)
    try:
        with pytest.raises(InputError, match="Another run is at work in"):
            take_lock(tmp_path)
    finally:
        lock.release()
    take_lock(tmp_path).release()


def test_an_unusable_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        take_lock(tmp_path / "file" / "below")


def test_failed_points_end_a_run_and_points_not_asked_for_do_not():
    table = pd.DataFrame(
        {"point": ["s_001", "s_002"], "step": ["", "balance"], "message": ["not run yet", "No positive clip"]}
    )
    with pytest.raises(InputError, match=r"failed point of s \(1\): s_002 \(balance\): No positive clip"):
        refuse_failures({"s.failures": table})
    refuse_failures({"s.failures": table[:1]})
