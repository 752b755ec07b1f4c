"""Several points as one classifier: each label scores as its point does alone, and what cannot be one file is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from tests.field.test_export import FIT_KEY, HAS_BIRDNET, make_head, peer_like
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.commands.export import export
from vernal.common.problems import InputError
from vernal.common.target_folders import TargetFolders
from vernal.field.detection.classifier import choose_classifier
from vernal.field.detection.options import DetectionOptions
from vernal.field.export import programs
from vernal.field.export.classifier_files import read_head
from vernal.field.export.folder import load_export
from vernal.field.export.merging import check_merged, export_merged, find_points, merged_head
from vernal.sweeps.point_settings import PointSettings, config_hash, configuration_hash
from vernal.training.models import Model, save_model
from vernal.training.scoring import shift_of

HEADS = {"owl": (0, 1), "frog": (8, 2), "dog": (0, 3)}
LOGITS = {"owl": -1.0, "frog": 0.5, "dog": 2.0}


def add_target(root: Path, name: str, settings: PointSettings, logit: float | None, head) -> None:
    """A target's data folder with one point of the stage `baseline`."""
    audio = EmbeddingOptions(fmin=settings.fmin, fmax=settings.fmax, overlap=settings.overlap)
    parameters = {
        "point": "baseline_001", "settings": settings.as_dict(), "audio": audio.settings, "fit_key": FIT_KEY
    }  # fmt: skip
    folder = root / "06_models" / "baseline" / "baseline_001"
    save_model(folder, Model(head, (name,), parameters, pd.DataFrame({"epoch": [1]})))
    row = {
        "point": "baseline_001", "config_hash": config_hash(settings),
        "configuration_hash": configuration_hash(settings), "error": np.nan, "fit_key": FIT_KEY,
        "goal": "best F1", "is_goal_met": True, "threshold_logit": np.nan if logit is None else logit,
        "threshold_confidence": np.nan if logit is None else 1 / (1 + np.exp(-logit)),
        "val_n_positive": 0 if logit is None else 9, "val_n_negative": 9, "val_precision": 0.9,
        "test_iid_fp": 2, "test_iid_n_negative": 40,
    }  # fmt: skip
    table = root / "08_reporting" / "baseline" / "points.csv"
    table.parent.mkdir(parents=True)
    pd.DataFrame([row]).to_csv(table, index=False)
    pd.DataFrame(
        [{"rank": 1, "configuration_hash": row["configuration_hash"], "points": "baseline_001"}]
    ).to_csv(table.with_name("leaderboard.csv"), index=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder of three targets, one with a hidden layer and another sensitivity."""
    folders = TargetFolders(tmp_path / "out")
    folders.write({name: name for name in HEADS})
    for name, (hidden, seed) in HEADS.items():
        settings = PointSettings(hidden_units=hidden, sensitivity=1.25 if name == "frog" else 1.0)
        add_target(folders.folder / name, name, settings, LOGITS[name], make_head(hidden, seed))
    return tmp_path / "out"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "analyze_folder", peer_like)
    monkeypatch.setattr(programs, "birdnet_version", lambda: None)
    monkeypatch.setattr("vernal.field.export.classifier_files.can_write_onnx", lambda: False)
    monkeypatch.setattr("vernal.field.export.folder.N_CLIPS", 2)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (8, 3, 5), (0, 8, 0)])
def test_a_merged_head_gives_the_logits_of_each(hidden):
    heads = [make_head(width, seed) for seed, width in enumerate(hidden)]
    shifts = [0.0, 2.5, -1.0]
    merged = merged_head(heads, shifts)
    x = np.random.default_rng(5).gamma(0.5, 0.7, size=(40, 1_024)).astype(np.float32)
    alone = np.hstack([head.logits(x) + shift for head, shift in zip(heads, shifts, strict=True)])
    np.testing.assert_allclose(merged.logits(x), alone, atol=1e-6, rtol=0)
    assert check_merged(merged, heads, shifts) <= 1e-6
    with pytest.raises(InputError, match="differs from the single ones"):
        check_merged(merged, heads[::-1], shifts)


def test_names_mean_points_of_targets_or_of_the_folder_itself(root):
    def said(*names):
        return [(one.data_root.name, one.point.name) for one in find_points(root, names)]

    assert said("baseline") == [(name, "baseline_001") for name in HEADS]
    assert said("OWL/baseline", "dog/baseline/1") == [("owl", "baseline_001"), ("dog", "baseline_001")]
    assert [one.point.name for one in find_points(root / "targets" / "owl", ["baseline/1"])] == [
        "baseline_001"
    ]
    with pytest.raises(InputError, match="'a/b/c/d' names no point"):
        find_points(root, ["a/b/c/d"])
    with pytest.raises(InputError, match="no trained points of stage 'nosuch'"):
        find_points(root, ["owl/nosuch/1"])


@pytest.mark.chain
def test_one_file_has_all_labels_and_is_proven_for_each(root, quick, tmp_path):
    out = tmp_path / "pond"
    result = CliRunner().invoke(
        export, ["--merge", "baseline", "--out", str(out), f"--params=data_root={root}"]
    )
    assert result.exit_code == 0, result.output
    assert "those of each of 3 points" in result.output
    table = pd.read_csv(out / "parity.csv")
    assert set(table.label) == set(HEADS) and set(table.classifier) == {"merged.tflite", "merged_head.tflite"}
    record = yaml.safe_load((out / "merged_parameters.yml").read_text(encoding="utf-8"))
    assert record["labels"] == list(HEADS) and record["parity"]["largest_difference_from_single"] <= 1e-6
    assert record["birdnet_analyzer"]["min_conf"] == 0.2689  # the owl's, the lowest, rounded down
    sheet = (out / "merged_settings.md").read_text(encoding="utf-8")
    assert (
        "| frog | `baseline/baseline_001` | 0.6225 | 0.9000 | none |" in sheet
        and "--min_conf 0.2689" in sheet
    )
    x = np.random.default_rng(0).gamma(0.5, 0.7, size=(20, 1_024)).astype(np.float32)
    for file in ("merged.tflite", "merged_head.tflite"):
        logits = read_head(out / file).logits(x)
        for at, (name, (hidden, seed)) in enumerate(HEADS.items()):
            shift = shift_of(1.25) if name == "frog" else 0.0
            np.testing.assert_allclose(
                logits[:, at], make_head(hidden, seed).logits(x)[:, 0] + shift, atol=1e-6
            )
    assert load_export(out).labels == tuple(HEADS)
    assert export_merged(root, ["baseline"], out) == out  # again, in its own place


@pytest.mark.chain
def test_every_program_gives_each_label_the_score_of_its_point(root, tmp_path, monkeypatch):
    """Each label in each real program that is installed, from each file that it runs."""
    monkeypatch.setattr("vernal.field.export.folder.N_CLIPS", 2)
    out = export_merged(root, ["baseline"], tmp_path / "pond")
    table = pd.read_csv(out / "parity.csv")
    table = table[table.is_required & table.ours.notna()]
    programs_of = {"BirdNET-Analyzer", "onnxruntime"} | ({"birdnet"} if HAS_BIRDNET else set())
    assert set(table.program) == programs_of
    for (program, file, label), rows in table.groupby(["program", "classifier", "label"]):
        assert len(rows) == 5 and rows.difference.max() < 5.5e-5, (program, file, label)
        assert rows.ours.between(1e-4, 1 - 1e-4).any(), (program, file, label)
    assert len(table) == 5 * len(HEADS) * (5 if HAS_BIRDNET else 4)
    record = yaml.safe_load((out / "merged_parameters.yml").read_text(encoding="utf-8"))
    assert record["birdnet"]["top_k"] == 3
    assert record["birdnet"]["custom_confidence_thresholds"] == {
        "owl": 0.268941, "frog": 0.622459, "dog": 0.880797
    }  # fmt: skip


def test_what_cannot_be_one_file_is_told_and_leaves_nothing(root, quick, tmp_path):
    add_target(tmp_path / "other", "fox", PointSettings(fmin=200), 0.0, make_head(0, 9))
    TargetFolders(root).write({"owl": "owl", "fox": "../../other"})
    with pytest.raises(
        InputError, match=r"another way \(1\): baseline/baseline_001 \(fox\): birdnet_v2.4, 200 to"
    ):
        export_merged(root, ["owl/baseline", "fox/baseline"], tmp_path / "x")
    with pytest.raises(InputError, match=r"label given twice \(1\): owl"):
        export_merged(root, ["owl/baseline", "owl/baseline/1"], tmp_path / "x")
    with pytest.raises(InputError, match="two points or more"):
        export_merged(root, ["owl/baseline"], tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [(["baseline"], "Name a stage and a point"), (["--merge", "baseline", "--label=x"], "merged ones keep their own")],
)  # fmt: skip
def test_names_that_do_not_fit_the_way_of_export_are_told(root, args, said):
    result = CliRunner().invoke(export, [*args, "--out=x", f"--params=data_root={root}"])
    assert result.exit_code == 2 and said in result.output


@pytest.mark.chain
def test_detection_flags_each_label_from_its_own_threshold(root, quick, tmp_path):
    exported = export_merged(root, ["baseline"], tmp_path / "pond")
    trained = choose_classifier(DetectionOptions(model="baseline"), root)
    for own in (choose_classifier(DetectionOptions(model=str(exported)), root), trained):
        assert own.labels == tuple(HEADS) and own.thresholds == pytest.approx(tuple(LOGITS.values()))
        assert own.sensitivity == 1.0 and own.has_own_threshold
        assert own.fit_key == FIT_KEY, "one key for three labels, which is said once"
        assert own.__class__.from_record(own.head, own.as_record()).thresholds == own.thresholds
    assert choose_classifier(DetectionOptions(), root).labels == tuple(HEADS)
    chosen = choose_classifier(DetectionOptions(model="owl/baseline;dog/baseline"), root)
    assert chosen.labels == ("owl", "dog")
    same = choose_classifier(DetectionOptions(model="baseline", min_confidence=0.5), root)
    assert same.thresholds == (0.0, 0.0, 0.0)


def test_a_label_without_a_threshold_is_flagged_nowhere_and_said_so(root, tmp_path):
    add_target(tmp_path / "other", "fox", PointSettings(), None, make_head(0, 9))
    TargetFolders(root).write({"owl": "owl", "fox": "../../other"})
    own = choose_classifier(DetectionOptions(model="baseline"), root)
    assert own.thresholds == (-1.0, np.inf)
    assert any("fox has no threshold" in note for note in own.notes)
