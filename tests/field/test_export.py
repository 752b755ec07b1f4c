"""An export is what BirdNET-Analyzer can use, proven before it is there, and can be read back."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.commands.export import export
from vernal.common.problems import InputError
from vernal.field.detection.classifier import choose_classifier
from vernal.field.detection.options import DetectionOptions
from vernal.field.export import programs
from vernal.field.export.birdnet_package import birdnet_version
from vernal.field.export.classifier_files import head_file, open_classifier, read_head, stand_alone_file
from vernal.field.export.folder import export_point, load_export
from vernal.field.export.parity import PARITY_COLUMNS, ROUNDING, made_clips
from vernal.field.export.programs import Sounds, Trained, our_scores
from vernal.field.export.trained_point import trained_point
from vernal.sweeps.point_settings import PointSettings, config_hash
from vernal.training.birdnet_analysis import ANALYSIS_COLUMNS, AnalysisSettings
from vernal.training.heads import Head
from vernal.training.models import Model, save_model

NAME = "stage5_017"
FIT_KEY = "0123456789abcdef" * 2
HAS_BIRDNET = birdnet_version() is not None
EMBEDDED = Sounds._embedded.func


def make_head(hidden_units: int = 0, seed: int = 0) -> Head:
    """A head whose scores spread over the range that four decimals show."""
    rng = np.random.default_rng(seed)
    widths = [1_024, *([hidden_units] if hidden_units else []), 1]
    return Head(
        tuple(
            (rng.normal(0, 0.06, (n_in, n_out)), rng.normal(0, 0.3, n_out))
            for n_in, n_out in pairwise(widths)
        )
    )


def add_point(root: Path, settings: PointSettings, head: Head, name: str = NAME, logit: float = -1.0) -> None:
    """A point as a stage leaves it: its model, and its row of results."""
    audio = EmbeddingOptions(fmin=settings.fmin, fmax=settings.fmax, overlap=settings.overlap)
    parameters = {"point": name, "settings": settings.as_dict(), "audio": audio.settings, "fit_key": FIT_KEY}
    history = pd.DataFrame({"epoch": [1], "loss": [0.5]})
    save_model(root / "06_models" / "stage5" / name, Model(head, ("rooster",), parameters, history))
    row = {
        "point": name,
        "config_hash": config_hash(settings),
        "fit_key": FIT_KEY,
        "goal": "best F1",
        "is_goal_met": True,
    }
    row |= {"threshold_logit": logit, "threshold_confidence": round(1 / (1 + np.exp(-logit)), 6)}
    row |= {"val_precision": 0.9, "val_recall": 0.8, "val_f1": 0.847, "val_fpr": np.nan, "test_ood_f1": 0.7}
    row |= {"test_ood_fp": 0, "test_ood_n_negative": 88}
    table = root / "08_reporting" / "stage5" / "points.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    known = pd.read_csv(table, dtype={"fit_key": "str"}) if table.is_file() else pd.DataFrame()
    pd.concat([known, pd.DataFrame([row])]).to_csv(table, index=False)


def add_clips(root: Path, files: list[Path]) -> None:
    """Recordings of the run: test clips of two classes, the last a part of its file."""
    (root / "03_primary").mkdir(parents=True)
    (root / "02_intermediate").mkdir()
    splits = pd.DataFrame(
        {
            "clip_id": [f"{i:016x}" for i in range(len(files))],
            "source": "labelled",
            "file_path": [file.name for file in files],
            "label": ["rooster" if i % 2 else "negative" for i in range(len(files))],
            "is_positive": [i % 2 == 1 for i in range(len(files))],
            "split": "test_ood",
            "start_s": [np.nan] * (len(files) - 1) + [0.5],
            "end_s": [np.nan] * (len(files) - 1) + [4.5],
        }
    )
    splits.to_parquet(root / "03_primary" / "splits.parquet")
    audio = root / "audio"
    audio.mkdir()
    for file in files:
        shutil.copyfile(file, audio / file.name)
    roots = {"labelled": str(audio)}
    (root / "02_intermediate" / "audio_roots.json").write_text(json.dumps(roots), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with one trained point and no audio; a space in its path."""
    root = tmp_path / "my data"
    add_point(root, PointSettings(), make_head())
    return root


def scored(
    classifier: Path, labels, audio: EmbeddingOptions, sensitivity: float, folder: Path
) -> pd.DataFrame:
    """What a program gives that scores as we do, from the exported file's own weights."""
    names = classifier.with_name(f"{classifier.stem}_Labels.txt").read_text(encoding="utf-8").splitlines()
    assert names == list(labels)
    scores = our_scores(
        Trained(read_head(classifier), tuple(labels), audio, sensitivity), Sounds(folder, audio)
    )
    return scores.rename(columns={"ours": "confidence"}).assign(start_s=3.0 * scores.window)


def peer_like(
    classifiers, folder: Path, labels, settings: AnalysisSettings, off: float = 0.0
) -> pd.DataFrame:
    """What BirdNET-Analyzer gives, if it scores as we do: rounded."""
    audio = EmbeddingOptions(fmin=settings.fmin, fmax=settings.fmax, overlap=settings.overlap)
    tables = [
        scored(file, labels, audio, settings.sensitivity, folder).assign(classifier=file.name)
        for file in classifiers
    ]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(confidence=(table.confidence + off).round(4))[list(ANALYSIS_COLUMNS)]


def package_like(
    classifier: Path, folders, labels, sensitivity: float, off: float = 0.0, own_way: float = 0.0
):
    """What `birdnet` gives, if it scores as we do but for sounds as they are; a rest of sound has a window there."""
    tables = []
    for number, (folder, audio) in enumerate(folders.items()):
        table = scored(classifier, labels, audio, sensitivity, folder)
        last = table.groupby("file").tail(1)
        table = pd.concat([table, last.assign(window=last.window + 1)])
        tables.append(table.assign(confidence=table.confidence + off + number * own_way))
    return tables


HEARD: dict[tuple, tuple] = {}


def heard_once(sounds: Sounds) -> tuple:
    """The windows and vectors of sounds; for the same sounds and settings they are made once."""
    key = (sounds.audio, *((name, (sounds.folder / name).read_bytes()) for name in sounds.files))
    if key not in HEARD:
        HEARD[key] = EMBEDDED(sounds)
    return HEARD[key]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare with ourselves in the place of BirdNET-Analyzer, in no other program, and on fewer sounds."""
    monkeypatch.setattr(Sounds, "_embedded", property(heard_once))
    monkeypatch.setattr(programs, "analyze_folder", peer_like)
    monkeypatch.setattr(programs, "birdnet_version", lambda: None)
    monkeypatch.setattr("vernal.field.export.classifier_files.can_write_onnx", lambda: False)
    monkeypatch.setattr("vernal.field.export.folder.N_CLIPS", 2)


def call(root: Path, *arguments: str):
    return CliRunner().invoke(export, [*arguments, f"--params=data_root={root}"])


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Against the real program ---------------------------------------------------------------------------


def real_clips(folder: Path, n: int) -> list[Path]:
    files = sorted(folder.glob("esc10/*/*.ogg"))
    return files[:: len(files) // n][:n]


@pytest.mark.chain
def test_the_real_program_gives_the_same_scores(tmp_path: Path, shared_data: Path):
    """All that changes a score at once: hidden layer, band-pass, overlap, sensitivity, 44.1 kHz, parts of files."""
    settings = PointSettings(hidden_units=8, fmin=150, fmax=12_000, overlap=1.5, sensitivity=1.1)
    add_point(tmp_path, settings, make_head(hidden_units=8))
    add_clips(tmp_path, real_clips(shared_data, 2))
    result = call(tmp_path, "stage5", "17", "--out", str(tmp_path / "an export"))
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "an export" / "parity.csv")
    table, own_way = table[table.is_required], table[~table.is_required]
    runs = {name: set(rows.classifier) for name, rows in table.groupby("program")}
    assert runs["BirdNET-Analyzer"] == {f"{NAME}.tflite", f"{NAME}_head.tflite"}
    assert runs["onnxruntime"] == {f"{NAME}.onnx", f"{NAME}_head.onnx"}
    if HAS_BIRDNET:
        assert runs["birdnet"] == {f"{NAME}.tflite"} and set(own_way.program) == {"birdnet"}
    assert table[table.is_real]["clip"].nunique() == 2
    assert set(table[~table.is_real]["clip"]) == {
        "made_00_44100.wav",
        "made_01_22050.wav",
        "made_02_96000.wav",
    }
    assert table.difference.max() < ROUNDING + 5e-6
    compared = table[table.ours.notna()]
    assert compared.ours.between(0.02, 0.98).mean() > 0.5  # scores that rounding would not hide
    assert compared.window.max() >= 3
    by_analyzer = table[table.program == "BirdNET-Analyzer"]
    assert by_analyzer[by_analyzer.ours.isna()].groupby(["classifier", "clip"]).size().max() == 1


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"fmin": 300}, {"fmax": 8_000, "overlap": 2.0}])
def test_the_real_program_gives_the_same_scores_for_many_clips(tmp_path: Path, shared_data: Path, settings):
    point = PointSettings(**settings)
    add_point(tmp_path, point, make_head(seed=1))
    add_clips(tmp_path, real_clips(shared_data, 16))
    folder = export_point(tmp_path, "stage5", NAME, tmp_path / "out", n_clips=16)
    table = pd.read_csv(folder / "parity.csv")
    table = table[table.is_required]  # what birdnet resamples itself is other sound
    assert table[table.is_real]["clip"].nunique() == 16
    assert table.difference.max() < ROUNDING + 5e-6


@pytest.mark.chain
@pytest.mark.skipif(
    not HAS_BIRDNET, reason='the package birdnet is not installed: pip install "vernal[birdnet]"'
)
def test_what_the_sheet_says_to_run_in_birdnet_flags_what_we_flag(tmp_path: Path):
    """Its snippet as it stands, on sounds at 48 kHz, without the sockets of another machine."""
    add_point(tmp_path, PointSettings(overlap=1.0, sensitivity=1.1), make_head(), logit=0.5)
    folder = export_point(tmp_path, "stage5", NAME, tmp_path / "out", n_clips=1)
    sound = made_clips(tmp_path / "sounds", 4)[-1]
    recordings = tmp_path / "RECORDINGS"
    recordings.mkdir()
    shutil.copyfile(sound.path, recordings / sound.path.name)
    sheet = (folder / f"{NAME}_settings.md").read_text(encoding="utf-8")
    lines = sheet.split("## In `birdnet`")[1].split("## ")[0].splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    ") or not line)
    for name in (f"{NAME}.tflite", f"{NAME}_Labels.txt"):
        code = code.replace(name, str(folder / name))
    (tmp_path / "snippet.py").write_text(code, encoding="utf-8")
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "snippet.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    theirs = pd.read_csv(tmp_path / "results.csv").confidence.sort_values().to_numpy()
    trained = Trained(make_head(), ("rooster",), EmbeddingOptions(overlap=1.0), 1.1)
    ours = our_scores(trained, Sounds(recordings, trained.audio)).ours
    flagged = ours[ours >= 1 / (1 + np.exp(-0.5))].sort_values().to_numpy()
    assert 0 < len(flagged) < len(ours)
    # A rest of less than a second has a window there alone.
    assert all(np.abs(theirs - one).min() < 1e-5 for one in flagged) and len(theirs) - len(flagged) <= 1


# What is written ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_the_folder_holds_everything_and_reads_back(root: Path, tmp_path: Path):
    out = tmp_path / "exports" / "frog"
    result = call(root, "stage5", "17", "--out", str(out), "--label", "Rana draytonii_Frog")
    assert result.exit_code == 0, result.output
    assert left_in(out) == sorted(
        ["parity.csv", f"{NAME}_parameters.yml", f"{NAME}_settings.md"]
        + [
            f"{NAME}{part}{end}"
            for part in ("", "_head")
            for end in (".tflite", "_Labels.txt", "_Params.csv")
        ]
    )
    assert (out / f"{NAME}_Labels.txt").read_bytes() == b"Rana draytonii_Frog\n"
    for path in (out, out / f"{NAME}.tflite", out / f"{NAME}_head.tflite", out / f"{NAME}_parameters.yml"):
        model = load_export(path)
        assert model.head.same_as(make_head())
        assert model.labels == ("Rana draytonii_Frog",)
        assert model.parameters["audio"] == EmbeddingOptions().settings
        operating_point = model.parameters["operating_point"]
        assert operating_point["threshold_logit"] == -1.0
        assert (operating_point["test_ood_fp"], operating_point["test_ood_n_negative"]) == (0, 88)
        assert PointSettings.from_row(model.parameters["settings"]) == PointSettings()


@pytest.mark.usefixtures("quick")
def test_two_exports_are_the_same_bytes_and_one_replaces_the_other(root: Path, tmp_path: Path):
    folders = [export_point(root, "stage5", NAME, tmp_path / name) for name in ("a", "b")]
    export_point(root, "stage5", NAME, tmp_path / "b")
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert contents[0] == contents[1]
    assert left_in(tmp_path) == ["a", "b", "my data"]


@pytest.mark.usefixtures("quick")
def test_the_sheet_says_what_to_set(root: Path, tmp_path: Path):
    add_point(root, PointSettings(fmin=200, overlap=1.0), make_head(), "stage5_018", logit=6.0)
    sheet = (export_point(root, "stage5", NAME, tmp_path / "a") / f"{NAME}_settings.md").read_text(
        encoding="utf-8"
    )
    assert "--min_conf 0.2689 --sensitivity 1 --overlap 0 --fmin 0 --fmax 15000" in sheet
    assert 'for the goal "best F1": logit -1,' in sheet
    assert "CC BY-NC-SA 4.0" in sheet
    assert "because the recordings of this run could not be read any more" in sheet
    assert "| validation | 0.900 | 0.800 | 0.847 | undefined |" in sheet
    other = (export_point(root, "stage5", "18", tmp_path / "b") / "stage5_018_settings.md").read_text(
        encoding="utf-8"
    )
    assert "--min_conf 0.989 --sensitivity 0.85 --overlap 1 --fmin 200 --fmax 15000" in other
    assert "moved by -1.5 on the logit scale" in other
    assert "sliders of the program's window do not reach" in other


@pytest.mark.usefixtures("quick")
def test_an_export_without_a_threshold_says_so_and_sets_none(root: Path, tmp_path: Path):
    add_point(root, PointSettings(seed=8), make_head(), "stage5_020", logit=np.nan)
    result = call(root, "stage5", "20", "--out", str(tmp_path / "a"))
    assert "No threshold could be chosen: val has no clip" in result.output
    sheet = (tmp_path / "a" / "stage5_020_settings.md").read_text(encoding="utf-8")
    assert "--min_conf MIN_CONF --sensitivity 1 " in sheet and "yours to choose" in sheet
    assert "**No threshold could be chosen: val has no clip.**" in sheet
    assert "chosen on the validation split" not in sheet and "What it did there" not in sheet
    record = yaml.safe_load((tmp_path / "a" / "stage5_020_parameters.yml").read_text(encoding="utf-8"))
    assert record["operating_point"]["no_threshold"] == "val has no clip"
    assert "threshold_logit" not in record["operating_point"] and "min_conf" not in record["birdnet_analyzer"]
    assert load_export(tmp_path / "a").head.same_as(make_head())


@pytest.mark.usefixtures("quick")
def test_a_goal_that_was_not_met_and_a_threshold_out_of_reach_are_said(root: Path, tmp_path: Path):
    add_point(root, PointSettings(seed=7), make_head(), "stage5_019", logit=12.0)
    table = root / "08_reporting" / "stage5" / "points.csv"
    known = table.read_text(encoding="utf-8")
    table.write_text(known.replace("True", ""), encoding="utf-8")
    sheet = (export_point(root, "stage5", "19", tmp_path / "b") / "stage5_019_settings.md").read_text(
        encoding="utf-8"
    )
    assert "validation cannot say whether it is reached" in sheet and "no threshold reached" not in sheet
    table.write_text(known.replace("True", "False"), encoding="utf-8")
    sheet = (export_point(root, "stage5", "19", tmp_path / "a") / "stage5_019_settings.md").read_text(
        encoding="utf-8"
    )
    assert "which no threshold reached" in sheet
    assert "**BirdNET-Analyzer cannot say this threshold" in sheet and "beyond a logit of 15" not in sheet
    add_point(root, PointSettings(seed=6), make_head(), "stage5_021", logit=-15.5)
    sheet = (export_point(root, "stage5", "21", tmp_path / "c") / "stage5_021_settings.md").read_text("utf-8")
    assert "**It cannot say a threshold beyond a logit of 15**" in sheet
    record = yaml.safe_load((tmp_path / "a" / "stage5_019_parameters.yml").read_text(encoding="utf-8"))
    assert record["birdnet_analyzer"]["is_exact"] is False


@pytest.mark.usefixtures("quick")
def test_recorded_clips_are_preferred_and_named(root: Path, tmp_path: Path, write_tone: Callable[..., Path]):
    files = [write_tone(tmp_path / f"tone{i}.wav", 5.0, hz=300 + 100 * i, rate=32_000) for i in range(3)]
    add_clips(root, [*files, write_tone(tmp_path / "short.wav", 0.5), write_tone(tmp_path / "part.wav", 5.0)])
    (root / "audio" / "tone2.wav").unlink()
    folder = export_point(root, "stage5", NAME, tmp_path / "a", n_clips=5)
    table = pd.read_csv(folder / "parity.csv")
    assert list(table.columns) == list(PARITY_COLUMNS)
    assert sorted(set(table[table.is_real]["clip"])) == ["part.wav", "tone0.wav", "tone1.wav"]
    assert table[table["clip"] == "part.wav"].window.max() == 1  # 0.5 to 4.5 s are two windows
    assert "on 3 recorded clips of this run and 3 made sounds" in (folder / f"{NAME}_settings.md").read_text(
        encoding="utf-8"
    )


# What is refused ------------------------------------------------------------------------------------


def test_scores_that_differ_fail_the_export_and_leave_nothing(
    root: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "analyze_folder", lambda *arguments: peer_like(*arguments, off=2e-4))
    result = call(root, "stage5", "17", "--out", str(tmp_path / "new" / "out"))
    assert result.exit_code == 1
    assert (
        "differ in BirdNET-Analyzer by more than its rounding (5e-05; largest difference 0.0002"
        in result.output
    )
    assert left_in(tmp_path) == ["my data"]


def test_windows_of_one_side_fail_the_export(
    root: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "analyze_folder", lambda *arguments: peer_like(*arguments).iloc[1:])
    with pytest.raises(InputError, match=r"window of only one side \(stage5_017_head.tflite\) .* of ours"):
        export_point(root, "stage5", NAME, tmp_path / "out")
    assert left_in(tmp_path) == ["my data"]


def test_a_window_that_only_an_overlap_adds_is_listed_and_not_compared(
    root: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
):
    def with_one_more(*arguments) -> pd.DataFrame:
        table = peer_like(*arguments)
        last = table.groupby(["classifier", "file"]).tail(1)
        return pd.concat([table, last.assign(window=last.window + 1, confidence=0.5)])

    monkeypatch.setattr(programs, "analyze_folder", with_one_more)
    with pytest.raises(InputError, match="of theirs"):
        export_point(root, "stage5", NAME, tmp_path / "out")
    add_point(root, PointSettings(overlap=1.0), make_head(), "stage5_018")
    folder = export_point(root, "stage5", "18", tmp_path / "out")
    assert pd.read_csv(folder / "parity.csv").ours.isna().sum() == 4
    assert "4 scores are of such windows" in (folder / "stage5_018_settings.md").read_text(encoding="utf-8")


def test_a_folder_of_other_files_is_not_touched(root: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds files that no export wrote \(notes.txt\)"):
        export_point(root, "stage5", NAME, out)
    with pytest.raises(InputError, match="is a file; name a folder"):
        export_point(root, "stage5", NAME, out / "notes.txt")
    with pytest.raises(InputError, match=r"has \.tflite in its path"):
        export_point(root, "stage5", NAME, tmp_path / "frog.tflite")
    assert left_in(out) == ["notes.txt"]


@pytest.mark.parametrize(
    ("stage", "point", "message"),
    [
        (
            "stage6",
            "17",
            r"no trained points of stage 'stage6' in .*did you mean 'stage5'\? Run the stage first\.",
        ),
        ("stage5", "18", "'18' is no trained point of stage 'stage5'.*trained: stage5_017 .. stage5_017"),
        ("stage5", "stage5_17x", "'stage5_17x' is no trained point"),
    ],
)
def test_points_that_are_not_there_are_named(
    root: Path, tmp_path: Path, stage: str, point: str, message: str
):
    with pytest.raises(InputError, match=message):
        export_point(root, stage, point, tmp_path / "out")


@pytest.mark.parametrize("point", ["17", "017", "stage5_17", "stage5_017"])
def test_a_point_is_named_in_full_or_by_its_number(root: Path, point: str):
    assert trained_point(root, "stage5", point).name == NAME


def test_results_of_other_settings_are_refused(root: Path, tmp_path: Path):
    table = root / "08_reporting" / "stage5" / "points.csv"
    known = table.read_text(encoding="utf-8")
    table.write_text(known.replace(config_hash(PointSettings()), "0123456789abcdef"), encoding="utf-8")
    with pytest.raises(InputError, match=r"belong to different settings\. Run the stage again"):
        trained_point(root, "stage5", NAME)
    table.write_text(known.replace(FIT_KEY, FIT_KEY[::-1]), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"so the threshold is not of these weights\. Run the stage to its end"
    ):
        trained_point(root, "stage5", NAME)
    table.write_text(known.replace(NAME, "stage5_001"), encoding="utf-8")
    with pytest.raises(InputError, match="has no threshold for stage5_017"):
        trained_point(root, "stage5", NAME)
    table.unlink()
    with pytest.raises(InputError, match=r"so stage5_017 has no threshold\. Run the stage to its end"):
        trained_point(root, "stage5", NAME)


def test_scores_that_differ_in_birdnet_fail_the_export_and_its_own_resampling_is_told(
    root: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "birdnet_version", lambda: "9.8.7")
    monkeypatch.setattr(programs, "score_folders", partial(package_like, off=2e-4))
    result = call(root, "stage5", "17", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "differ in birdnet by more than what BirdNET-Analyzer rounds (5e-05; largest" in result.output
    monkeypatch.setattr(programs, "score_folders", partial(package_like, own_way=0.02))
    result = call(root, "stage5", "17", "--out", str(tmp_path / "out"))
    assert "scores in BirdNET-Analyzer 2.4.0 and birdnet 9.8.7 are those of stage5_017" in result.output
    table = pd.read_csv(tmp_path / "out" / "parity.csv")
    own_way = table[~table.is_required]
    assert set(own_way.program) == {"birdnet"} and own_way.ours.notna().sum() == 5
    assert set(own_way["clip"]) == {"made_00_44100.wav", "made_01_22050.wav"}
    sheet = (tmp_path / "out" / f"{NAME}_settings.md").read_text(encoding="utf-8")
    assert "# stage5_017 for BirdNET-Analyzer 2.4.0 and birdnet 9.8.7" in sheet
    assert "Here that moved 5 scores by up to 0.02 (median 0.02)." in sheet
    assert "top_k=1,\n" in sheet and "default_confidence_threshold=0.268941,\n" in sheet


@pytest.mark.usefixtures("quick")
def test_what_is_not_checked_and_not_written_is_told(root: Path, tmp_path: Path):
    result = call(root, "stage5", "17", "--out", str(tmp_path / "out"))
    assert 'Not checked in birdnet: it is not installed; pip install "vernal[birdnet]"' in result.output
    assert 'No ONNX files: onnx or onnxruntime is not installed; pip install "vernal[onnx]"' in result.output
    sheet = (tmp_path / "out" / f"{NAME}_settings.md").read_text(encoding="utf-8")
    assert "**Not checked in `birdnet`**: it is not installed" in sheet and "No ONNX files: onnx or" in sheet


def of_another_encoder(root: Path) -> Head:
    """The point, trained on `logmel`."""
    audio = EmbeddingOptions(encoder="logmel")
    head = Head(((np.random.default_rng(3).normal(0, 0.01, (audio.n_dims, 1)), np.array([0.2])),))
    folder = root / "06_models" / "stage5" / NAME
    shutil.rmtree(folder)
    parameters = {
        "point": NAME, "settings": PointSettings().as_dict(), "audio": audio.settings, "fit_key": FIT_KEY
    }  # fmt: skip
    save_model(folder, Model(head, ("rooster",), parameters, pd.DataFrame({"epoch": [1]})))
    return head


@pytest.mark.parametrize("has_vectors", [True, False])
def test_of_another_encoder_the_head_alone_is_exported(root: Path, tmp_path: Path, has_vectors: bool):
    head, audio = of_another_encoder(root), EmbeddingOptions(encoder="logmel")
    if has_vectors:
        rows = pd.DataFrame({"key": ["a", "b"], "content_hash": "c", "start_s": 0.0, "end_s": 3.0})
        vectors = np.random.default_rng(0).normal(0, 9, (2, audio.n_dims)).astype(np.float32)
        part = EmbeddingPart(audio, rows, vectors, pd.DataFrame())
        EmbeddingStore(root / "04_feature" / "embeddings").append(part)
    result = call(root, "stage5", "17", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert (
        "The head alone: it needs the encoder logmel, which BirdNET's programs do not run." in result.output
    )
    out = tmp_path / "out"
    table = pd.read_csv(out / "parity.csv")
    assert set(table.classifier) == {f"{NAME}_head.tflite", f"{NAME}_head.onnx"}
    assert set(table.program) == {"ai-edge-litert", "onnxruntime"}
    assert len(table) == 2 * (2 if has_vectors else 256) and set(table.is_real) == {has_vectors}
    sheet = (out / f"{NAME}_settings.md").read_text(encoding="utf-8")
    assert sheet.startswith(f"# {NAME} on the encoder logmel") and "BirdNET's model is licensed" not in sheet
    assert ("2 embeddings of this run" if has_vectors else "256 drawn embeddings") in sheet
    assert f"| `{NAME}_head.onnx` | no | no |" in sheet and "birdnet.load_custom" not in sheet
    model = load_export(out)
    assert model.head.same_as(head) and model.parameters["audio"]["encoder"] == "logmel"
    listens = choose_classifier(DetectionOptions(recordings=str(tmp_path), model=str(out)), root)
    assert (listens.audio, listens.threshold_logit) == (audio, -1.0)


def test_an_onnx_file_that_scores_otherwise_fails_the_export(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    of_another_encoder(root)

    def off(path: Path):
        run = open_classifier(path)
        return (lambda values: run(values) + 1e-3) if path.suffix == ".onnx" else run

    monkeypatch.setattr(programs, "open_classifier", off)
    with pytest.raises(InputError, match=r"differ in onnxruntime by more .* stage5_017_head\.onnx"):
        export_point(root, "stage5", NAME, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", ["a,b", " ", 'say "frog"', "two\nlines"])
def test_labels_that_the_program_would_misread_are_refused(root: Path, tmp_path: Path, label: str):
    with pytest.raises(InputError, match="label that BirdNET-Analyzer cannot read"):
        export_point(root, "stage5", NAME, tmp_path / "out", label)


@pytest.mark.usefixtures("quick")
def test_an_export_that_is_not_whole_is_not_read(root: Path, tmp_path: Path):
    out = export_point(root, "stage5", NAME, tmp_path / "out")
    with pytest.raises(InputError, match="does not exist; give an exported folder"):
        load_export(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no exported classifier"):
        load_export(out / "parity.csv")
    head = out / f"{NAME}_head.tflite"
    content = bytearray(head.read_bytes())
    content[-100] ^= 1
    head.write_bytes(bytes(content))
    with pytest.raises(InputError, match="was changed after it was exported"):
        load_export(out)
    assert load_export(out / f"{NAME}.tflite").head.same_as(make_head())
    (out / f"{NAME}_parameters.yml").write_text("vernal_export: 99\n", encoding="utf-8")
    with pytest.raises(InputError, match="is not what `kedro export` writes"):
        load_export(out)
    (out / f"{NAME}_parameters.yml").unlink()
    with pytest.raises(InputError, match="nobody knows how audio has to be read"):
        load_export(out / f"{NAME}.tflite")
    with pytest.raises(InputError, match="holds 0 exports"):
        load_export(out)


# TFLite files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_units", [0, 4])
def test_weights_read_back_from_both_kinds_of_file(tmp_path: Path, hidden_units: int):
    head = make_head(hidden_units)
    file = tmp_path / "x.tflite"
    file.write_bytes(stand_alone_file(head))
    assert read_head(file).same_as(head)


def test_other_files_are_no_classifiers(tmp_path: Path):
    from vernal.audio.birdnet.model import model_path

    file = tmp_path / "x.tflite"
    for content in (b"", b"not a model", b"\0\0\0\0TFL3" + b"\xff" * 64):
        file.write_bytes(content)
        with pytest.raises(InputError, match="is not a classifier on BirdNET's embedding"):
            read_head(file)
    assert read_head(model_path()).n_classes == 6_522
    with pytest.raises(InputError, match="cannot be read"):
        read_head(tmp_path / "nothing.tflite")


def head_graph(hidden_units: int = 4):
    """The object tree of a head's file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(head_file(make_head(hidden_units)), 0)
    for operator in model.subgraphs[0].operators:
        operator.inputs = operator.inputs.copy()
    return model


def feed_itself(model):
    for operator in model.subgraphs[0].operators:
        operator.inputs[0] = operator.outputs[0]


def feed_each_other(model):
    first, last = model.subgraphs[0].operators
    first.inputs[0] = last.outputs[0]


def repeat_one_layer(model):
    """Two thousand layers of one matrix, 8 MB each in memory: 33 GB."""
    import copy

    from vernal.audio.birdnet.model import set_constant, set_shape

    graph = model.subgraphs[0]
    last = graph.operators[-1]
    set_constant(model, last.inputs[1], np.zeros((2_000, 1_024), np.float32))
    for _ in range(2_000):
        tensor = copy.copy(graph.tensors[last.outputs[0]])
        set_shape(tensor, (1, 2_000))
        graph.tensors.append(tensor)
        layer = copy.copy(last)
        layer.outputs = np.array([graph.outputs[0]], np.int32)
        layer.inputs = np.array([len(graph.tensors) - 1, *last.inputs[1:]], np.int32)
        graph.operators[-1].outputs = layer.inputs[:1]
        graph.operators.append(layer)


def name_no_tensor(model):
    model.subgraphs[0].operators[-1].inputs[1] = 2**31 - 1


def give_a_vector_for_a_matrix(model):
    from vernal.audio.birdnet.model import set_shape

    set_shape(model.subgraphs[0].tensors[model.subgraphs[0].operators[-1].inputs[1]], (-1,))


@pytest.mark.parametrize(
    "change", [feed_itself, feed_each_other, repeat_one_layer, name_no_tensor, give_a_vector_for_a_matrix]
)
def test_graphs_that_are_no_heads_cost_nothing(tmp_path: Path, change):
    from vernal.audio.birdnet.model import packed

    model = head_graph()
    change(model)
    file = tmp_path / "x.tflite"
    file.write_bytes(packed(model))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"x\.tflite (is not a classifier|holds no head)"):
        read_head(file)
    assert tracemalloc.get_traced_memory()[1] < 20 * file.stat().st_size + 2**20
    tracemalloc.stop()


def test_the_command_explains_itself():
    result = CliRunner().invoke(export, ["--help"])
    assert "Example:  kedro export stage5 17 --out" in result.output
    assert "--params" in result.output


def test_a_point_that_was_changed_after_its_training_is_told(
    root: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
):
    project = tmp_path / "project"
    (project / "conf" / "sweeps" / "stage5").mkdir(parents=True)
    monkeypatch.setattr("vernal.commands.export.find_project", lambda: project)
    first = call(root, "stage5", "17", f"--out={tmp_path / 'of no spec'}")
    spec = {"stage": "stage5", "axes": {"seed": list(range(107, 124))}, "base_params": {}}
    (project / "conf" / "sweeps" / "stage5.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    second = call(root, "stage5", "17", f"--out={tmp_path / 'as trained'}")
    edit = {"point": NAME, "dropout": 0.5}
    (project / "conf" / "sweeps" / "stage5" / f"{NAME}.yml").write_text(
        yaml.safe_dump(edit), encoding="utf-8"
    )
    third = call(root, "stage5", "17", f"--out={tmp_path / 'edited'}")
    assert [one.exit_code for one in (first, second, third)] == [0, 0, 0]
    assert "Note" not in first.output + second.output
    assert (
        f"{NAME} now stands for other settings than it was trained with (dropout 0.25 -> 0.5)" in third.output
    )
    assert f"Settings for the field: {tmp_path / 'edited' / NAME}_settings.md" in third.output
