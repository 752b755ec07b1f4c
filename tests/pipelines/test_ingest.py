"""From a person's folder to clips that are split."""

import logging
import shutil

import pandas as pd
import pytest

from tests.small_review import write_sound
from tests.tiny_season import kedro_run
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.clips.labels import LabelOptions
from vernal.clips.nights import NightOptions
from vernal.clips.recordings import IngestOptions, list_recordings
from vernal.clips.splits import SplitOptions
from vernal.common.problems import InputError
from vernal.datasets.manifest_dataset import ManifestDataset
from vernal.pipelines.ingest.nodes import SourceOptions, check_audio, list_sources
from vernal.pipelines.quality_splitting.nodes import split_clips


def take_in(folder, target="rooster"):
    source = SourceOptions(folder=str(folder))
    loaded = ManifestDataset(filepath=None, folder=str(folder)).load()
    listed, roots = list_sources(
        source, target, LabelOptions(), NightOptions(), loaded, None, None, None, None, None, ""
    )
    return check_audio(listed, roots, IngestOptions(), NightOptions(), EmbeddingOptions())


@pytest.fixture
def two_classes(tmp_path):
    for number in range(6):
        for name, hour in (("rooster", 21), ("Noise", 22)):
            path = tmp_path / "clips" / name / f"R{number % 3}_2025040{number + 1}_{hour}0000.wav"
            write_sound(path, 3, 500.0 * (name == "rooster"), seed=100 * number + hour)
    return tmp_path / "clips"


def test_class_folders_become_clips(two_classes, caplog):
    with caplog.at_level(logging.INFO):
        clips, rejects = take_in(two_classes)
    assert rejects.empty
    assert clips.is_positive.sum() == (~clips.is_positive).sum() == 6
    assert "positive: rooster (6); negative: negative (6)" in caplog.text


def test_a_sound_in_two_folders_is_told_with_both_paths(two_classes, caplog):
    shutil.copy(two_classes / "rooster" / "R0_20250401_210000.wav", two_classes / "Noise" / "same.wav")
    with caplog.at_level(logging.WARNING):
        clips, rejects = take_in(two_classes)
    assert rejects.reason.tolist() == ["contradicting_labels"] * 2
    (message,) = set(rejects.message)
    assert message.startswith("the same audio is listed as positive and as negative")
    assert message.endswith("Noise/same.wav and rooster/R0_20250401_210000.wav")
    assert "Noise/same.wav and rooster/R0_20250401_210000.wav" in caplog.text
    assert len(clips) == 12 - 1


def test_recordings_that_nobody_labelled_become_clips_and_are_no_training_set(two_classes):
    source = SourceOptions(unlabelled=str(two_classes))
    assert not source.is_demo
    recordings = list_recordings(two_classes)
    listed, roots = list_sources(
        source, "rooster", LabelOptions(), NightOptions(), None, None, recordings, None, None, None, ""
    )
    clips, rejects = check_audio(listed, roots, IngestOptions(), NightOptions(), EmbeddingOptions())
    assert rejects.empty and len(clips) == 12 and set(clips.source) == {"unlabelled"}
    with pytest.raises(InputError, match=r"No clip is labelled.*listen first"):
        split_clips(clips, SplitOptions(), "rooster", LabelOptions(), source)


@pytest.mark.parametrize(
    ("frogs", "asked", "dealt"),
    [
        ("frog;not owl", LabelOptions(), {"frog;not owl": 6, "owl": 6}),
        ("frog;not owl", LabelOptions(world="closed"), {"frog": 6, "frog;not owl": 6, "owl": 6}),
        ("rain", LabelOptions(), {"frog": 6, "owl": 6, "rain": 6}),
    ],
)
def test_one_target_of_a_manifest_that_states_absences_leaves_out_what_is_unknown(
    tmp_path, caplog, frogs, asked, dealt
):
    rows = [
        {"file_path": f"R{at}_2025040{night}_{at}00000.wav", "label": label}
        for night in range(1, 7)
        for at, label in enumerate(("owl", "frog", frogs), start=10)
    ]
    for at, row in enumerate(rows):
        write_sound(tmp_path / row["file_path"], 3, 0.0, seed=at)
    source = SourceOptions(manifest=str(tmp_path / "m.csv"))
    frame = pd.DataFrame(rows).astype("str")
    listed, roots = list_sources(
        source, "owl", asked, NightOptions(), frame, None, None, None, None, None, ""
    )
    clips, _ = check_audio(listed, roots, IngestOptions(), NightOptions(), EmbeddingOptions())
    splits = split_clips(clips, SplitOptions(), "owl", asked, source)
    assert splits.label.value_counts().to_dict() == dealt
    assert ("so clips that do not say are not used (6: frog)" in caplog.text) == (len(dealt) == 2)


def test_a_class_folder_behind_a_minus_leaves_other_classes_negatives():
    words = pd.Series(["owl", "not owl", "frog"])
    assert SourceOptions(folder="/x").reading(LabelOptions(), words, "owl") == LabelOptions()
    assert SourceOptions(manifest="/x.csv").reading(LabelOptions(), words, "owl").world == "open"


def test_a_folder_and_a_manifest_are_one_too_many():
    with pytest.raises(ValueError, match="folder stands in for manifest"):
        SourceOptions(folder="/x", manifest="/x.csv")


@pytest.mark.chain
def test_a_folder_of_two_classes_trains_with_one_command(project, two_classes, tmp_path):
    data_root = tmp_path / "out"
    kedro_run(project, f"--params=source.folder={two_classes},target=rooster,data_root={data_root}")
    points = pd.read_csv(data_root / "08_reporting" / "baseline" / "points.csv")
    assert points.error.isna().all()
    assert points.n_train_positive.gt(0).all()


@pytest.mark.chain
def test_two_classes_of_esc10_train_with_one_command(project, shared_data, tmp_path):
    for name in ("rooster", "dog_bark"):
        shutil.copytree(shared_data / "esc10" / name, tmp_path / "esc10" / name)
    data_root = tmp_path / "out"
    kedro_run(
        project,
        f"--params=source.folder={tmp_path / 'esc10'},target=rooster,data_root={data_root}",
        env="base",
    )
    points = pd.read_csv(data_root / "08_reporting" / "baseline" / "points.csv")
    scores = pd.read_parquet(data_root / "07_model_output" / "baseline" / "scores.parquet")
    assert points.error.isna().all()
    assert scores.logit[scores.is_positive].mean() > scores.logit[~scores.is_positive].mean() + 1
