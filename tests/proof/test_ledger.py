"""The test ledger counts each new look once, keeps what was written, and shows what was changed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof.conftest import MadeStage
from vernal.common.problems import InputError
from vernal.proof import ledger
from vernal.proof.ledger import append_entries, is_intact, read_ledger, times_opened
from vernal.reports.proof_sections import ledger_section

NOW = "2026-01-02T03:04:05+00:00"


def look(made: MadeStage, evaluation: str, stage: str = "made") -> dict:
    return ledger.test_entry(stage, evaluation, 2, made.splits)


def test_a_new_evaluation_counts_and_the_same_again_does_not(made: MadeStage, tmp_path: Path):
    file = tmp_path / "ledger.jsonl"
    for evaluation in ("a", "a", "b"):
        append_entries(file, [look(made, evaluation)], NOW)
    append_entries(file, [look(made, "a", "other")], NOW)
    entries = read_ledger(file)
    assert [entry["evaluation"] for entry in entries] == ["a", "b", "a"]
    assert all(entry["opened"] == NOW for entry in entries)
    assert times_opened(entries, made.splits) == {"test_iid": 3, "test_ood": 3}
    assert times_opened(entries, made.splits, "made") == {"test_iid": 2, "test_ood": 2}
    assert is_intact(entries)
    section = repr(ledger_section(entries, made.splits, "made"))
    assert "['new site (test)', '2', '3']" in section and "test_ood" not in section


def test_other_clips_are_another_test(made: MadeStage, tmp_path: Path):
    append_entries(tmp_path / "l", [look(made, "a")], NOW)
    fewer = made.splits.drop(made.splits.index[made.splits.split == "test_iid"][0])
    assert times_opened(read_ledger(tmp_path / "l"), fewer) == {"test_iid": 0, "test_ood": 1}
    relabelled = made.splits.assign(is_positive=~made.splits.is_positive)
    assert times_opened(read_ledger(tmp_path / "l"), relabelled) == {"test_iid": 0, "test_ood": 0}


def test_lines_stay_as_they_are(made: MadeStage, tmp_path: Path):
    file = tmp_path / "l"
    append_entries(file, [look(made, "a")], NOW)
    before = file.read_text(encoding="utf-8")
    append_entries(file, [look(made, "b")], NOW)
    assert file.read_text(encoding="utf-8").startswith(before)


def test_a_changed_or_missing_line_is_seen(made: MadeStage, tmp_path: Path):
    file = tmp_path / "l"
    append_entries(file, [look(made, "a"), look(made, "b"), look(made, "c")], NOW)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    for changed in (
        [lines[0], lines[2]],
        [lines[1], lines[2]],
        [lines[0].replace('"points": 2', '"points": 1'), *lines[1:]],
    ):
        file.write_text("".join(changed), encoding="utf-8")
        entries = read_ledger(file)
        assert not is_intact(entries)
        assert "changed by hand" in repr(ledger_section(entries, made.splits, "made"))


@pytest.mark.parametrize("line", ["{", "[]", '{"splits": 1}'])
def test_a_damaged_ledger_is_named(tmp_path: Path, line: str):
    (tmp_path / "l").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 1 of the test ledger .* Restore the file"):
        read_ledger(tmp_path / "l")


def test_no_test_split_is_no_look(made: MadeStage, tmp_path: Path):
    train = made.splits[made.splits.split == "train"]
    append_entries(tmp_path / "l", [ledger.test_entry("s", "k", 1, train)], NOW)
    assert read_ledger(tmp_path / "l") == []
