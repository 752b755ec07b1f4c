"""Several targets in one command: what they are, where they lie, and that each is what it would be alone."""

import html
import json
import re
import shlex
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from tests.field.test_export import peer_like
from tests.problem_cards import CARD
from tests.shared_folder import made_once
from tests.small_review import write_sound
from tests.tiny_season import kedro_run
from vernal.commands import targets
from vernal.commands.review import open_service
from vernal.commands.targets_training import phases_of
from vernal.common.problems import InputError
from vernal.common.target_folders import TargetFolders
from vernal.field.export import programs
from vernal.field.export.merging import export_merged

NAMES = ("owl", "frog", "dog")
PITCH = {"owl": 400.0, "frog": 1500.0, "dog": 5000.0, "owl;frog": 900.0}


@pytest.fixture
def manifest(tmp_path):
    return write_clips(tmp_path)


def write_clips(folder):
    """Tones of three classes and noise, over nights of one recorder, with the split of each night."""
    rows = []
    for night in range(12):
        split = "test_iid" if night % 4 == 0 else "val" if night % 4 == 1 else "train"
        for at, label in enumerate(("owl", "frog", "dog", "owl;frog", "negative")):
            name = f"clips/R1_202504{night + 1:02d}_2{at % 4}000{at}.wav"
            write_sound(folder / name, 3, PITCH.get(label, 0.0), seed=10 * night + at)
            rows.append({"file_path": name, "label": label, "split": split, "recorder_id": "R1"})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


@pytest.fixture(scope="session")
def trained(project, tmp_path_factory):
    """A folder with `manifest.csv`, `out`, the data folder of its three targets, and `said.txt`; for reading only."""

    def make(folder):
        params = f"source.manifest={write_clips(folder)},targets=owl;frog;dog,data_root={folder / 'out'}"
        result = kedro_run(project, f"--params={params}")
        (folder / "said.txt").write_text(result.stdout + result.stderr, encoding="utf-8")

    return made_once(tmp_path_factory, "three targets", make)


@pytest.fixture
def parameters(manifest, tmp_path):
    source = {
        "manifest": str(manifest),
        "folder": None,
        "audio_root": None,
        "field": None,
        "unlabelled": None,
    }
    return {
        "source": source | {"season": None},
        "labels": {"labelling": None, "world": None, "classes": []},
        "recorders": {"pattern": None},
        "collection": {"problem": str(tmp_path / "none.yml")},
        "targets": "all",
        "data_root": str(tmp_path / "out"),
        "store_root": str(tmp_path / "out"),
        "workers": None,
    }


def test_targets_are_settled_from_the_manifest(parameters):
    labels = targets.settle_labels(parameters)
    assert (labels.classes, labels.labelling, labels.world) == (["dog", "frog", "owl"], "multi", "closed")
    with pytest.raises(InputError, match=r"no label names \(1\): 'fox'"):
        targets.settle_labels(parameters | {"targets": ["owl", "fox"]})
    with pytest.raises(InputError, match="The demo season has one target"):
        targets.settle_labels(parameters | {"source": dict.fromkeys(parameters["source"])})
    with pytest.raises(InputError, match="Several targets need labelled clips"):
        targets.settle_labels(parameters | {"source": {"unlabelled": "season"}})


def test_folders_are_told_apart_where_file_systems_would_not():
    names = targets._folder_names(["A/B", "A:B", "con", "owl"])
    assert names == {"A/B": "A_B", "A:B": "A_B_2", "con": "_con", "owl": "owl"}


def test_only_pipelines_of_one_target_are_run_for_each(project, monkeypatch):
    monkeypatch.chdir(project)
    bootstrap_project(project)
    asked = {"targets": ["owl", "frog"]}
    assert targets.are_asked({}, asked) and targets.are_asked({"pipelines": ["stage5", "ingest"]}, asked)
    assert not targets.are_asked({"pipelines": ["features"]}, asked)
    assert not targets.are_asked({}, {"targets": None})


def test_the_phases_are_the_whole_stage_each_node_once_and_in_order(project, monkeypatch):
    monkeypatch.chdir(project)
    bootstrap_project(project)
    phases = phases_of({"pipelines": ["stage5"]})
    nodes = {node.name: node for node in pipelines["stage5"].nodes}
    assert len(phases) == 3 and sorted(name for part in phases for name in part) == sorted(nodes)
    assert "mining.train_miner" in phases[1] and "stage5.train" in phases[2]
    made: set[str] = set()
    for phase in phases:
        part = Pipeline([nodes[name] for name in phase])
        later = {out for name in nodes if name not in phase for out in nodes[name].outputs} - made
        assert not part.inputs() & later
        made |= part.all_outputs()
    assert phases_of({"pipelines": ["stage5"], "tags": ["split"]}) == [[]]
    assert phases_of({"pipelines": ["stage5"], "runner": "ThreadRunner"}) == [[]]
    assert phases_of({"pipelines": ["ingest"]}) == [[]]


def test_targets_train_together_as_the_command_hands_on_its_options(project, monkeypatch):
    """The command names its own runner, which is no choice of a person's."""
    from vernal import cli

    monkeypatch.chdir(project)
    bootstrap_project(project)
    asked = []
    monkeypatch.setattr(
        "vernal.commands.run_mistakes.check_run", lambda options: {"targets": ["owl", "frog"]}
    )
    monkeypatch.setattr(targets, "run_targets", lambda run, options, parameters: asked.append(options))
    cli._run(lambda **options: None, {"pipelines": ["stage5"]})
    (options,) = asked
    assert options["runner"] and len(phases_of(options)) == 3


def test_a_target_that_fails_stops_no_other_and_is_told_at_the_end(parameters, monkeypatch, caplog):
    ran = []

    def run(**options):
        ran.append(options["params"]["target"])
        if options["params"]["target"] == "frog":
            raise InputError("frog has no nights")

    monkeypatch.setattr("vernal.commands.targets_training.phases_of", lambda options: [[]])
    with pytest.raises(InputError, match=r"target that failed \(1\): frog: frog has no nights"):
        targets.run_targets(run, {"params": {"workers": 2}}, parameters)
    assert ran == ["dog", "frog", "owl"]
    known = TargetFolders(parameters["data_root"]).read()
    assert [folder.name for folder in known.values()] == ["dog", "frog", "owl"]


def test_each_target_is_told_its_labels_and_shares_the_store(parameters, monkeypatch):
    given = []
    monkeypatch.setattr("vernal.commands.targets_training.phases_of", lambda options: [[]])
    targets.run_targets(
        lambda **options: given.append(SimpleNamespace(**options)), {"params": {"a": 1}}, parameters
    )
    for own, name in zip(given, ("dog", "frog", "owl"), strict=True):
        assert own.params["a"] == 1 and own.params["target"] == name and own.params["targets"] is None
        assert own.params["labels"] == {
            "labelling": "multi",
            "world": "closed",
            "classes": ["dog", "frog", "owl"],
        }
        assert own.params["store_root"] == parameters["store_root"]
        assert own.params["data_root"].endswith(f"out/targets/{name}")


@pytest.mark.chain
def test_every_target_is_what_it_is_alone_and_one_page_has_a_row_for_each(project, trained, tmp_path):
    manifest, out = trained / "manifest.csv", trained / "out"
    said = (trained / "said.txt").read_text(encoding="utf-8")
    folder = out / "08_reporting" / "baseline" / "targets"
    table = pd.read_csv(folder / "targets.csv")
    assert table.target.tolist() == list(NAMES)
    assert "Which classes are confused" in (folder / "report.html").read_text(encoding="utf-8")
    assert all(name in said for name in NAMES)
    assert json.loads((out / "targets" / "targets.json").read_text()) == {name: name for name in NAMES}
    assert not (out / "targets" / "owl" / "04_feature").exists()
    confusion = pd.read_csv(folder / "confusion.csv").set_index(["split", "true", "target"])
    assert confusion.n["test_iid", "owl", "frog"] == 3  # six owls of that split, three of them with a frog

    assert set(pd.read_csv(folder / "confusers.csv").target) == set(NAMES)

    alone = tmp_path / "alone"
    kedro_run(
        project, f"--params=source.manifest={manifest},target=owl,data_root={alone},labels.world=closed"
    )
    for name in ("points.csv", "leaderboard.csv", "effects.csv"):
        together = out / "targets" / "owl" / "08_reporting" / "baseline" / name
        assert together.read_bytes() == (alone / "08_reporting" / "baseline" / name).read_bytes(), name
    np.testing.assert_allclose(
        table.set_index("target").test_iid_auroc["owl"],
        pd.read_csv(alone / "08_reporting" / "baseline" / "points.csv").test_iid_auroc[0],
    )


@pytest.mark.chain
def test_a_season_is_searched_for_all_targets_reviewed_at_once_and_told_by_label(
    project, trained, tmp_path, monkeypatch
):
    """From trained targets to nights: one exported file, one search, one review, and tables with a row per label."""
    monkeypatch.setattr(programs, "analyze_folder", peer_like)
    monkeypatch.setattr(programs, "birdnet_version", lambda: None)
    monkeypatch.setattr("vernal.field.export.classifier_files.can_write_onnx", lambda: False)
    exported = export_merged(trained / "out", ["baseline"], tmp_path / "pond")
    recordings, season = tmp_path / "season", tmp_path / "found"
    heard = {"R7_20250601_220000.wav": "owl", "R7_20250602_220000.wav": "frog", "R7_20250603_220000.wav": ""}
    for seed, (name, label) in enumerate(heard.items()):
        write_sound(recordings / name, 12, PITCH.get(label, 0.0), seed=900 + seed)
    asked = f"detection.recordings={recordings},detection.model={exported},data_root={season}"
    kedro_run(project, "--pipeline=detection", f"--params={asked}")
    nights = pd.read_csv(season / "08_reporting" / "detection" / "nights.csv")
    assert set(zip(nights.night, nights.label, strict=True)) == {
        (night, name) for night in ("2025-06-01", "2025-06-02", "2025-06-03") for name in NAMES
    }
    flagged = nights[nights.has_detection].groupby("label").night.agg(set)
    assert "2025-06-01" in flagged["owl"] and "2025-06-02" in flagged["frog"]

    given = {"data_root": str(season), "detection.recordings": str(recordings)}
    service = open_service(project, given, "Ana", False, 0.0)
    queue = service.queue("sample")
    assert sorted(queue.classes) == sorted(NAMES)
    for window in queue.items.itertuples():
        words = {name: "target" if heard[window.file_path] == name else "not_target" for name in NAMES}
        answers = {name: {"decision": word} for name, word in words.items()}
        service.decide("sample", {"item": window.item, "look": 1, "reviewer": "Ana", "classes": answers})
    kedro_run(project, "--pipeline=detection", f"--params={asked}")
    folder = season / "08_reporting" / "detection"
    nights = pd.read_csv(folder / "nights.csv").set_index(["night", "label"])
    assert (
        nights.review_state["2025-06-01", "owl"] == nights.review_state["2025-06-02", "frog"] == "confirmed"
    )
    assert not (nights.loc["2025-06-03"].review_state == "confirmed").any()
    assert set(pd.read_csv(folder / "verified.csv").label) == {"owl", "frog"}
    checked = pd.read_csv(folder / "validation.csv").set_index("label")
    assert checked.n_confirmed.to_dict() == dict.fromkeys(NAMES, 4) | {"dog": 0}


@pytest.mark.chain
def test_a_collection_of_several_classes_trains_each_with_the_command_that_it_prints(project, tmp_path):
    """Every second night is marked completely; in the others somebody marked frogs alone, and nobody looked for owls."""
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    for night in range(12):
        folder = inbox / ("complete" if night % 2 else "frogs")
        for at, pitch in enumerate((400.0, 1500.0, 0.0)):
            path = folder / f"R1_202504{night + 1:02d}_21{at}000.wav"
            write_sound(path, 3, pitch, seed=10 * night + at)
            name = {400.0: "owl" if night % 2 else "", 1500.0: "frog"}.get(pitch, "")
            path.with_suffix(".txt").write_text(
                f"0.1\t2.9\t{name} [high]\n" if name else "", encoding="utf-8"
            )
    said = "collector: Ana\nlicence: CC0\nsite: pond\nannotator: Ana\n"
    (inbox / "frogs" / "source.yml").write_text(said, encoding="utf-8")
    (inbox / "complete" / "source.yml").write_text(f"{said}complete: yes\n", encoding="utf-8")
    card = tmp_path / "card.yml"
    card.write_text(yaml.safe_dump({**CARD, "target": "frog", "classes": ["frog", "owl"]}), encoding="utf-8")
    kedro_run(
        project,
        "--pipeline=collection",
        f"--params=collection.inbox={inbox},collection.problem={card},targets=all,data_root={out}",
    )
    manifest = pd.read_csv(out / "03_primary" / "collection" / "manifest.csv")
    assert manifest.label.value_counts().to_dict() == {
        "frog;not owl": 6, "owl;not frog": 6, "negative": 6, "frog": 6,
    }  # fmt: skip
    page = (out / "08_reporting" / "collection" / "report.html").read_text(encoding="utf-8")
    printed = re.search(r"<code[^>]*>kedro run (--params.*?)</code>", page)
    assert printed and "targets=frog;owl" in printed[1]
    kedro_run(project, *shlex.split(html.unescape(printed[1])))
    table = pd.read_csv(out / "08_reporting" / "baseline" / "targets" / "targets.csv")
    assert table.target.tolist() == ["frog", "owl"]
    folders = {name: out / "targets" / name / "03_primary" for name in ("frog", "owl")}
    n_clips = {name: len(pd.read_parquet(folder / "splits.parquet")) for name, folder in folders.items()}
    assert n_clips == {"frog": 24, "owl": 18}  # six clips with a frog in which nobody looked for owls
