"""Each check of result files and of the table of truth fires on what it is for, and on nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vernal.audio.birdnet.results import read_results
from vernal.common.hashing import rng_for
from vernal.common.problems import InputError
from vernal.studies.audit import Audit, AuditOptions, NotChecked, audit
from vernal.studies.audit.files import Scored, auroc_by_ties
from vernal.studies.audit.truth import metadata_auroc, read_truth

HEADER = "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
RECORDERS = ("R1", "R2", "R3")


def write_result(folder: Path, recording: str, detections: list[tuple[float, float, str, float]]) -> Path:
    """A result file as BirdNET-Analyzer writes it."""
    path = folder / f"{recording}.BirdNET.results.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{s},{e},{label},{label},{score:.6f},/field/{recording}.wav\n" for s, e, label, score in detections
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """90 recordings of three recorders, half of each positive, all scored well."""
    rng = rng_for(5, "audit world")
    rows = []
    for number in range(90):
        is_positive = number % 2 == 0
        recorder, day = RECORDERS[number % 3], 1 + number % 15
        name = f"{recorder}/{recorder}_{number:03d}"
        rows.append(
            {
                "file_path": f"{name}.wav",
                "label": "positive" if is_positive else "negative",
                "recorder_id": recorder,
                "date": f"2025-04-{day:02d}",
                "split": "test_iid",
            }
        )
        score = 1 / (1 + np.exp(-rng.normal(1.5 if is_positive else -1.5)))
        write_result(tmp_path / "results", name, [(0.0, 3.0, "toad", score), (3.0, 6.0, "toad", score / 3)])
    pd.DataFrame(rows).to_csv(tmp_path / "truth.csv", index=False)
    parameters = "Segment overlap,Audio speed,Custom classifier path\n0,1,toad.tflite\n"
    (tmp_path / "results" / "BirdNET_analysis_params.csv").write_text(parameters)
    return tmp_path


def audited(world: Path, **options) -> Audit:
    given = AuditOptions(results=str(world / "results"), truth=str(world / "truth.csv"), **options)
    return audit(given, "toad")


def found(done: Audit, check: str):
    result = next(result for result in done.results if result.check == check)
    return result.findings


def edit_truth(world: Path, change) -> None:
    frame = pd.read_csv(world / "truth.csv")
    change(frame).to_csv(world / "truth.csv", index=False)


def test_results_without_faults_raise_no_alarm(world: Path) -> None:
    done = audited(world)
    assert done.findings == []
    assert [r.check for r in done.results if isinstance(r.outcome, NotChecked)] == ["split_leak"]


def test_clips_without_result_are_told(world: Path) -> None:
    for name in ("R1/R1_000", "R2/R2_001"):
        (world / "results" / f"{name}.BirdNET.results.csv").unlink()
    findings = found(audited(world), "result_coverage")
    assert [(f.severity, f.rows) for f in findings] == [("error", ("R1/R1_000.wav", "R2/R2_001.wav"))]
    assert "2 of 90 clips" in findings[0].message
    assert "1 positives, 1 negatives" in findings[0].message


def test_recordings_without_detections_may_have_no_file(world: Path) -> None:
    """Newer versions of BirdNET-Analyzer write no file where they found nothing."""
    for path in (world / "results").rglob("*.BirdNET.results.csv"):
        header, *rows = path.read_text().splitlines(keepends=True)
        kept = [row for row in rows if float(row.split(",")[4]) >= 0.5]
        path.write_text("".join([header, *kept]))
        if not kept:
            path.unlink()
    findings = found(audited(world), "result_coverage")
    assert [f.severity for f in findings] == ["warning"]
    assert "count as not detected" in findings[0].message


def test_results_without_clip_are_told(world: Path) -> None:
    write_result(world / "results", "R9/stranger", [(0, 3, "toad", 0.5)])
    findings = found(audited(world), "result_coverage")
    assert [(f.severity, f.rows) for f in findings] == [("warning", ("R9/stranger",))]


def test_each_row_of_a_result_file_is_of_the_recording_that_it_names(world: Path) -> None:
    extra = pd.DataFrame(
        {"file_path": ["Moth08/20250403_210000.WAV", "Moth09/20250403_210000.WAV"], "label": "negative"}
    )
    edit_truth(world, lambda truth: pd.concat([truth, extra.assign(split="test_iid")]))
    rows = "".join(
        f"0,3,toad,toad,0.{number},/season/Moth0{number}/20250403_210000.WAV\n" for number in (8, 9)
    )
    (world / "results" / "Moth08").mkdir()
    (world / "results" / "Moth08" / "20250403_210000.BirdNET.results.csv").write_text(HEADER + rows)
    truth = read_truth(world / "truth.csv", "toad")
    scored = Scored(truth, read_results(world / "results"))
    assert scored.scores.tail(2).tolist() == [0.8, 0.9]


def test_letters_of_labels_do_not_matter(world: Path) -> None:
    edit_truth(world, lambda truth: truth.assign(label=truth.label.replace("positive", "TOAD")))
    assert audited(world).findings == []


def test_an_empty_result_is_a_result(world: Path) -> None:
    write_result(world / "results", "R1/R1_000", [])
    assert found(audited(world), "result_coverage") == []


def test_names_that_two_folders_share_are_told(world: Path) -> None:
    extra = pd.DataFrame(
        {"file_path": ["a/x.wav", "b/x.wav"], "label": ["positive", "negative"], "split": "test_iid"}
    )
    edit_truth(world, lambda truth: pd.concat([truth, extra]))
    path = write_result(world / "results", "x", [(0, 3, "toad", 0.5)])
    path.write_text(HEADER + "0,3,toad,toad,0.5,x.wav\n")
    findings = found(audited(world), "name_collisions")
    assert [(f.severity, f.rows) for f in findings] == [("error", ("a/x.wav", "b/x.wav"))]


def test_the_audio_path_in_a_result_settles_which_folder(world: Path) -> None:
    extra = pd.DataFrame(
        {"file_path": ["a/x.wav", "b/x.wav"], "label": ["positive", "negative"], "split": "test_iid"}
    )
    edit_truth(world, lambda truth: pd.concat([truth, extra]))
    write_result(world / "results", "a/x", [(0, 3, "toad", 0.51)])
    write_result(world / "results", "b/x", [(0, 3, "toad", 0.52)])
    assert found(audited(world), "name_collisions") == []


def test_recordings_that_differ_in_their_ending_are_told(world: Path) -> None:
    edit_truth(world, lambda truth: pd.concat([truth, truth.head(1).assign(file_path="R1/R1_000.flac")]))
    assert found(audited(world), "name_collisions")[0].rows == ("R1/R1_000.wav", "R1/R1_000.flac")


def test_unreadable_result_files_are_told(world: Path) -> None:
    (world / "results" / "R1" / "R1_000.BirdNET.results.csv").write_bytes(b"\xff\xfe\x00broken")
    (world / "results" / "R2" / "R2_001.BirdNET.results.csv").write_text(
        HEADER + "0,3,toad,toad,high,x.wav\n"
    )
    findings = found(audited(world), "result_files")
    assert len(findings[0].rows) == 2
    assert "no number for score" in findings[0].message


def test_an_unknown_target_is_told_and_no_score_invented(world: Path) -> None:
    write_result(world / "results", "R1/R1_000", [(0, 3, "frog", 0.5)])
    done = audit(AuditOptions(results=str(world / "results"), truth=str(world / "truth.csv")), "newt")
    assert [f.severity for f in found(done, "target_label")] == ["error"]
    assert "frog, toad" in found(done, "target_label")[0].message
    tied = next(result for result in done.results if result.check == "tied_scores")
    assert isinstance(tied.outcome, NotChecked)


def test_the_only_label_is_read_as_the_target(world: Path) -> None:
    done = audit(AuditOptions(results=str(world / "results"), truth=str(world / "truth.csv")), "newt")
    assert [f.severity for f in found(done, "target_label")] == ["note"]
    assert found(done, "tied_scores") == []


def test_scores_kept_only_above_a_minimum_are_told(world: Path) -> None:
    for path in sorted((world / "results").rglob("*.results.csv")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text(lines[0] + "".join(line for line in lines[1:] if float(line.split(",")[4]) > 0.5))
    findings = found(audited(world), "tied_scores")
    assert [f.severity for f in findings] == ["warning"]
    assert "have no score at all" in findings[0].message


def test_saturated_scores_are_told(world: Path) -> None:
    for path in sorted((world / "results").rglob("*.results.csv")):
        lines = path.read_text().splitlines()
        rows = [line.split(",") for line in lines[1:]]
        path.write_text(
            "\n".join(
                [lines[0], *(",".join([*r[:4], f"{float(float(r[4]) > 0.3):.4f}", r[5]]) for r in rows)]
            )
        )
    assert "at the top value" in found(audited(world), "tied_scores")[0].message


def test_bounds_of_the_auroc_are_those_of_broken_ties() -> None:
    scores, truth = np.array([0.5, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert auroc_by_ties(scores, truth) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("detections", "severity", "word"),
    [
        ([(0, 3, "toad", 0.4), (0, 3, "toad", 0.4)], "warning", "more than once"),
        ([(0, 3, "toad", 0.4), (1, 4, "toad", 0.5)], "note", "overlap"),
        ([(0, 9, "toad", 0.4)], "warning", "merged"),
        ([(0, 3, "toad", 7.5)], "error", "outside 0 to 1"),
    ],
)
def test_odd_detections_are_told(world: Path, detections: list, severity: str, word: str) -> None:
    write_result(world / "results", "R1/R1_000", detections)
    findings = found(audited(world), "detections")
    assert [(f.severity, f.rows) for f in findings] == [(severity, ("R1/R1_000.BirdNET.results.csv",))]
    assert word in findings[0].message


def test_mixed_and_unrecorded_settings_are_told(world: Path) -> None:
    assert found(audited(world), "analysis_settings") == []
    (world / "results" / "BirdNET_analysis_params.csv").unlink()
    assert "which model" in found(audited(world), "analysis_settings")[0].message


def test_contradicting_and_doubled_labels_are_told(world: Path) -> None:
    def double(truth: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([truth, truth.iloc[[0]].assign(label="negative"), truth.iloc[[1]]])

    edit_truth(world, double)
    findings = found(audited(world), "truth_table")
    assert [(f.severity, f.rows) for f in findings] == [
        ("error", ("R1/R1_000.wav",)),
        ("warning", ("R2/R2_001.wav",)),
    ]


def test_a_test_set_of_one_class_is_told(world: Path) -> None:
    edit_truth(
        world, lambda truth: truth.assign(split=np.where(truth.label == "negative", "val", "test_ood"))
    )
    assert [f.severity for f in found(audited(world), "truth_table")] == ["error", "error"]


def test_nights_on_both_sides_of_a_split_are_told(world: Path) -> None:
    edit_truth(world, lambda truth: truth.assign(split=np.where(np.arange(90) < 45, "train", "test_iid")))
    findings = found(audited(world), "split_leak")
    assert [f.severity for f in findings] == ["warning"]
    assert "share a night at one place" in findings[0].message


def test_another_recorder_at_the_same_site_shares_the_night(world: Path) -> None:
    alone = np.where(np.arange(90) < 45, "A", "B")
    split = np.where(alone == "A", "train", "test_iid")
    edit_truth(
        world, lambda truth: truth.assign(split=split, recorder_id=alone, site="pond", date="2025-04-01")
    )
    (finding,) = found(audited(world), "split_leak")
    assert "pond 2025-04-01" in finding.message


def test_a_group_on_both_sides_in_other_letters_is_told(world: Path) -> None:
    group = ["Cole Creek", "cole  creek"]
    edit_truth(
        world,
        lambda truth: truth.assign(
            split=["train" if i % 2 else "test_iid" for i in range(90)],
            group=[group[i % 2] for i in range(90)],
        ),
    )
    assert "share a group with training clips" in " ".join(
        f.message for f in found(audited(world), "split_leak")
    )


def test_split_by_night_leaks_nothing(world: Path) -> None:
    edit_truth(
        world, lambda truth: truth.assign(split=np.where(truth.date < "2025-04-08", "train", "test_iid"))
    )
    assert found(audited(world), "split_leak") == []


def test_recorders_that_tell_the_classes_are_told(world: Path) -> None:
    edit_truth(world, lambda truth: truth.assign(recorder_id=np.where(truth.label == "positive", "R1", "R2")))
    findings = found(audited(world), "metadata_separates_classes")
    assert [f.severity for f in findings] == ["error"]
    assert "recorder_id 1.00" in findings[0].message
    assert set(findings[0].rows) == {"recorder_id R1", "recorder_id R2"}


def test_truth_alone_can_be_audited(world: Path) -> None:
    edit_truth(world, lambda truth: truth.assign(site=np.where(truth.label == "positive", "pond", "creek")))
    done = audit(AuditOptions(truth=str(world / "truth.csv")), "toad")
    assert [f.check for f in done.findings] == ["metadata_separates_classes"]
    assert done.findings[0].severity == "warning"


@pytest.mark.parametrize("seed", range(20))
def test_metadata_that_tells_nothing_gives_half(seed: int) -> None:
    rng = rng_for(seed, "metadata")
    clips = pd.DataFrame({"name": [f"c{i}" for i in range(200)], "is_positive": rng.random(200) < 0.5})
    # Many small places: leaving out single clips, or not leaving out any, would find a pattern in them.
    clips["date"] = rng.integers(0, 60, 200).astype(str)
    value, error = metadata_auroc(clips, "date") or (0.0, 0.0)
    assert abs(value - 0.5) < 4 * error


def test_totals_of_the_truth_are_held_against_the_metrics(world: Path) -> None:
    metrics = {"iid_precision": 0.8, "iid_recall": 0.8, "iid_f1": 0.8, "iid_accuracy": 0.8}
    wrong = {**metrics, "iid_accuracy": 0.7}
    pd.DataFrame([{"name": "a", **metrics}, {"name": "b", **wrong}]).to_csv(
        world / "experiments.csv", index=False
    )
    done = audit(
        AuditOptions(experiments=str(world / "experiments.csv"), truth=str(world / "truth.csv")), "toad"
    )
    assert [f.rows for f in found(done, "impossible_counts")] == [("b",)]
    assert "45 positives, 45 negatives" in found(done, "impossible_counts")[0].message


def test_parts_of_a_recording_get_their_own_scores(world: Path) -> None:
    frame = pd.DataFrame(
        {"file_path": "R1/R1_000.wav", "label": ["positive", "negative"], "start_s": [0, 3], "end_s": [3, 6]}
    )
    frame.to_csv(world / "truth.csv", index=False)
    write_result(world / "results", "R1/R1_000", [(0, 3, "toad", 0.9), (3, 6, "toad", 0.2)])
    done = audited(world)
    assert found(done, "tied_scores") == []
    assert found(done, "truth_table") == []


def test_nothing_given_is_an_error() -> None:
    with pytest.raises(InputError, match="Nothing to audit"):
        audit(AuditOptions(), "toad")


def test_results_without_truth_are_an_error(world: Path) -> None:
    with pytest.raises(InputError, match=r"needs audit\.truth"):
        audit(AuditOptions(results=str(world / "results")), "toad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label\npositive\n", "missing column"),
        ("file_path,label\na.wav,\n", "empty label"),
        ("file_path,label\na.wav,negative\n", "no positive clip"),
        ("file_path,label,start_s\na.wav,positive,soon\n", "start_s is no number"),
    ],
)
def test_a_truth_that_cannot_be_used_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        audit(AuditOptions(truth=str(tmp_path / "truth.csv")), "toad")


@pytest.mark.parametrize(
    "wrong",
    [
        {"majority": 0},
        {"metadata_auroc": 0.2},
        {"rows_named": 0},
        {"totals": {"iid": [1]}},
        {"totals": {"iid": "x"}},
    ],
)
def test_settings_out_of_range_are_errors(wrong: dict) -> None:
    with pytest.raises(InputError, match=f"audit.{next(iter(wrong))}"):
        AuditOptions(**wrong)
