"""Which classifier is taken, and what the settings of a run make of its threshold."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.field.detection.conftest import make_classifier, make_head
from tests.onnx_encoders import write_encoder
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.encoders import get_encoder, networks
from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError
from vernal.datasets.classifier_dataset import ClassifierDataset
from vernal.field.detection.classifier import choose_classifier
from vernal.field.detection.options import DetectionOptions
from vernal.field.export.classifier_files import head_file
from vernal.field.export.folder import load_export
from vernal.sweeps.point_settings import PointSettings, config_hash
from vernal.training.models import Model, save_model

FIT_KEY = "0123456789abcdef" * 2
BIRDNET = EmbeddingOptions(encoder="birdnet_v2.4")


def add_point(
    root: Path,
    stage: str,
    number: int,
    logit: float = -1.0,
    average_precision: float = 0.5,
    seed: int = 0,
    audio: EmbeddingOptions = BIRDNET,
    **settings,
) -> None:
    """A point as a stage leaves it."""
    name, own = f"{stage}_{number:03d}", PointSettings(seed=seed, **settings)
    parameters = {"point": name, "settings": own.as_dict(), "audio": audio.settings, "fit_key": FIT_KEY}
    model = Model(make_head(number), ("rooster",), parameters, pd.DataFrame({"epoch": [1], "loss": [0.5]}))
    save_model(root / "06_models" / stage / name, model)
    row = {
        "point": name,
        "config_hash": config_hash(own),
        "fit_key": FIT_KEY,
        "error": np.nan,
        "goal": "best F1",
        "threshold_logit": logit,
        "val_n_positive": 0 if np.isnan(logit) else 4,
        "val_n_negative": 31,
    }
    row |= {
        "val_average_precision": average_precision,
        "val_precision": 0.9,
        "val_fpr": 0.02,
        "val_fp": 2,
        "val_n_negative": 100,
        "test_ood_recall": np.nan,
    }
    table = root / "08_reporting" / stage / "points.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    known = pd.read_csv(table, dtype={"fit_key": "str"}) if table.is_file() else pd.DataFrame()
    pd.concat([known, pd.DataFrame([row])]).to_csv(table, index=False)


def add_leaderboard(root: Path, stage: str, *rows: str) -> None:
    board = pd.DataFrame({"rank": range(1, len(rows) + 1), "points": rows})
    board.to_csv(root / "08_reporting" / stage / "leaderboard.csv", index=False)


def test_a_point_is_named_by_stage_and_point(tmp_path):
    add_point(tmp_path, "imbalance", 7, logit=-1.5)
    for name in ("imbalance/imbalance_007", "imbalance/7"):
        chosen = choose_classifier(DetectionOptions(model=name), tmp_path)
        assert chosen.name == "imbalance/imbalance_007"
        assert chosen.threshold_logit == -1.5
        assert chosen.threshold_from == "chosen on the validation split for the goal best F1"
        assert chosen.has_own_threshold and not chosen.notes
        counts = {"val_fp": 2, "val_n_negative": 100}
        assert chosen.results == {"val_precision": 0.9, "val_fpr": 0.02} | counts
        assert chosen.head.same_as(make_head(7))


def test_a_stage_stands_for_its_leading_configurations_best_point_on_validation(tmp_path):
    for number, average_precision in ((1, 0.9), (2, 0.6), (3, 0.7)):
        add_point(tmp_path, "stage5", number, average_precision=average_precision)
    add_leaderboard(tmp_path, "stage5", "stage5_002, stage5_003", "stage5_001")
    assert choose_classifier(DetectionOptions(model="stage5"), tmp_path).name == "stage5/stage5_003"


def test_an_empty_leaderboard_leaves_the_best_of_all_points(tmp_path):
    for number, average_precision in ((1, 0.9), (2, 0.6)):
        add_point(tmp_path, "stage5", number, average_precision=average_precision)
    add_leaderboard(tmp_path, "stage5")
    assert choose_classifier(DetectionOptions(), tmp_path).name == "stage5/stage5_001"


def test_without_a_name_stage5_goes_before_the_baseline(tmp_path):
    add_point(tmp_path, "baseline", 1)
    assert choose_classifier(DetectionOptions(), tmp_path).name == "baseline/baseline_001"
    add_point(tmp_path, "stage5", 4)
    assert choose_classifier(DetectionOptions(), tmp_path).name == "stage5/stage5_004"


def test_where_nothing_is_trained_the_message_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"no trained classifier .* yet.*`kedro run` trains the baseline"):
        choose_classifier(DetectionOptions(), tmp_path)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("stage5/stage5_099", "is no trained point of stage 'stage5'.*trained: stage5_001"),
        ("stage9/1", "no trained points of stage 'stage9'"),
        ("stage9", "Stage 'stage9' has no results"),
        ("frog.tflite", "is 'frog.tflite', and there is no such file"),
        ("/nowhere/frog", "and there is no such file"),
    ],
)
def test_names_that_mean_nothing_are_explained(tmp_path, model, words):
    add_point(tmp_path, "stage5", 1)
    with pytest.raises(InputError, match=words):
        choose_classifier(DetectionOptions(model=model), tmp_path)


def test_another_version_of_the_encoder_is_refused(tmp_path):
    add_point(tmp_path, "stage5", 1)
    file = tmp_path / "06_models" / "stage5" / "stage5_001" / "parameters.yml"
    text = file.read_text(encoding="utf-8").replace("encoder_version: ", "encoder_version: old-")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"was trained on birdnet_v2\.4 version old-.*Train or export it again"
    ):
        choose_classifier(DetectionOptions(), tmp_path)


def test_an_encoder_that_is_a_file_is_tried_and_found_by_its_checksum_under_any_name(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(networks, "check_encoder", lambda file: tried.append(file.file))
    file = write_encoder(tmp_path / "small.onnx", n_samples=8_000, n_dims=12)
    said = {"file": str(file), "sample_rate_hz": 16_000, "window_s": 0.5, "n_dims": 12, "output": "embedding"}
    trained = EmbeddingOptions(encoder="then", encoders={"then": said})
    add_point(tmp_path, "stage5", 1, audio=trained)
    found = choose_classifier(DetectionOptions(), tmp_path, EmbeddingOptions(encoders={"now": said}))
    assert tried == [str(file)]
    assert found.audio.settings == trained.settings and found.audio.facts.file == str(file)
    dataset = ClassifierDataset(filepath=str(tmp_path / "classifier.npz"))
    dataset.save(found)
    assert dataset.load().audio == found.audio
    elsewhere = choose_classifier(DetectionOptions(), tmp_path, EmbeddingOptions())
    with pytest.raises(InputError, match=r"Where the file of the encoder then lies is not known"):
        get_encoder(elsewhere.audio.source)


def test_without_a_threshold_a_run_needs_one_of_its_own(tmp_path):
    add_point(tmp_path, "stage5", 1, logit=np.nan)
    words = r"stage5/stage5_001 has no threshold, as val has no positive: .*detection\.min_confidence=0\.5"
    with pytest.raises(InputError, match=words):
        choose_classifier(DetectionOptions(), tmp_path)
    chosen = choose_classifier(DetectionOptions(min_confidence=0.5), tmp_path)
    assert chosen.threshold_logit == 0 and chosen.threshold_from.startswith("set for this run")
    assert not chosen.has_own_threshold


def test_an_export_without_a_threshold_needs_one_too(tmp_path):
    file = write_export(tmp_path / "x", {"no_threshold": "val has no positive"})
    with pytest.raises(InputError, match="has no threshold, as val has no positive"):
        choose_classifier(DetectionOptions(model=str(file)), tmp_path)
    assert choose_classifier(DetectionOptions(model=str(file), min_confidence=0.5), tmp_path).labels
    with pytest.raises(InputError, match=r"has no threshold\. Export the point again"):
        choose_classifier(DetectionOptions(model=str(write_export(tmp_path / "y", {}))), tmp_path)


def write_export(folder: Path, operating_point: dict | None = None) -> Path:
    """An export as `kedro export` leaves it, as far as reading back goes."""
    own = {"goal": "recall", "threshold_logit": 0.25, "val_fpr": 0.1, "val_fp": 5, "val_n_negative": 50}
    folder.mkdir(parents=True)
    file = folder / "stage5_017_head.tflite"
    file.write_bytes(head_file(make_head(3)))
    record = {
        "vernal_export": 1, "stage": "stage5", "point": "stage5_017", "labels": ["Rana draytonii"],
        "settings": {"sensitivity": 1.25}, "audio": EmbeddingOptions(fmin=200, overlap=1.0).settings,
        "operating_point": own if operating_point is None else operating_point,
        "files": {file.name: sha256_of_file(file)},
    }  # fmt: skip
    (folder / "stage5_017_parameters.yml").write_text(yaml.safe_dump(record), encoding="utf-8")
    return file


def test_an_exported_classifier_brings_its_own_settings(tmp_path):
    file = write_export(tmp_path / "my export")
    for path in (file, file.parent):
        chosen = choose_classifier(DetectionOptions(model=str(path)), tmp_path / "data")
        assert chosen.labels == ("Rana draytonii",)
        assert (chosen.audio.fmin, chosen.audio.overlap, chosen.sensitivity) == (200, 1.0, 1.25)
        assert chosen.threshold_logit == 0.25 and chosen.shift == 2.5
        assert chosen.results == {"val_fpr": 0.1, "val_fp": 5, "val_n_negative": 50}
        assert chosen.head.same_as(load_export(file).head)


def test_a_points_own_folder_is_told_from_an_export(tmp_path):
    add_point(tmp_path, "stage5", 1)
    folder = tmp_path / "06_models" / "stage5" / "stage5_001"
    with pytest.raises(InputError, match="Name it as STAGE/POINT, such as stage5/stage5_001"):
        choose_classifier(DetectionOptions(model=str(folder)), tmp_path)


def test_settings_of_the_run_win_and_are_told(tmp_path):
    add_point(tmp_path, "stage5", 1, sensitivity=1.25)
    own = choose_classifier(DetectionOptions(), tmp_path)
    loud = choose_classifier(DetectionOptions(sensitivity=1.0, min_confidence=0.9, fmax=8_000), tmp_path)
    assert own.shift == 2.5 and loud.shift == 0.0
    assert loud.threshold_confidence == pytest.approx(0.9)
    assert loud.threshold_from.startswith("set for this run")
    assert not loud.has_own_threshold and len(loud.notes) == 2
    assert "every logit is moved by -2.5" in loud.notes[1]
    assert loud.audio.fmax == 8_000 and own.audio.fmax == 15_000


def test_a_confidence_of_zero_flags_everything(tmp_path):
    add_point(tmp_path, "stage5", 1)
    chosen = choose_classifier(DetectionOptions(min_confidence=0), tmp_path)
    assert chosen.threshold_logit == -math.inf and chosen.threshold_confidence == 0


def test_what_changes_a_score_changes_the_run_and_nothing_else_does(tmp_path):
    own = make_classifier(0)
    assert own.run_key == make_classifier(0, threshold=3.0).run_key
    others = [make_classifier(1), make_classifier(0, fmin=100), make_classifier(0, overlap=1.0)]
    assert len({own.run_key, *(one.run_key for one in others)}) == 4
    assert own.run_key == make_classifier(0, labels=("other",)).run_key


@pytest.mark.parametrize("threshold", [-math.inf, 0.1, 1.25])
def test_a_classifier_survives_the_disk(tmp_path, threshold):
    dataset = ClassifierDataset(filepath=str(tmp_path / "classifier.npz"))
    saved = make_classifier(2, threshold=threshold, fmin=150.0)
    dataset.save(saved)
    loaded = dataset.load()
    assert loaded.as_record() == saved.as_record() and loaded.head.same_as(saved.head)
    assert loaded.threshold_logit == threshold and loaded.run_key == saved.run_key
