import shutil
from pathlib import Path

import pytest

from vernal.common.problems import InputError
from vernal.framework.config import VernalConfigLoader, with_whole_paths
from vernal.settings import CONFIG_LOADER_ARGS


def test_relative_paths_start_where_they_lead_to_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, project = tmp_path / "here", tmp_path / "project"
    here.mkdir()
    (here / "m.csv").write_text("x")
    monkeypatch.chdir(here)
    parameters = {"data_root": "data", "source": {"manifest": "m.csv", "field": None}, "target": "m.csv"}
    whole = with_whole_paths(parameters, project)
    assert whole["data_root"] == (project / "data").as_posix()
    assert whole["source"] == {"manifest": (here / "m.csv").as_posix(), "field": None}
    assert whole["target"] == "m.csv"
    assert parameters["source"]["manifest"] == "m.csv"


def test_home_is_resolved_and_whole_paths_stay(tmp_path: Path):
    whole = with_whole_paths({"data_root": "~/out", "source": {"manifest": str(tmp_path)}}, tmp_path)
    assert whole["data_root"] == (Path.home() / "out").as_posix()
    assert whole["source"]["manifest"] == tmp_path.as_posix()


def test_a_classifier_is_a_path_only_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def model(named: str) -> str:
        return with_whole_paths({"detection": {"model": named}}, tmp_path / "project")["detection"]["model"]

    (tmp_path / "classifiers").mkdir()
    (tmp_path / "classifiers" / "frog.tflite").touch()
    (tmp_path / "project" / "stage5").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    # Whole, because a worker of a cluster has another working folder.
    assert model("classifiers/frog.tflite") == (tmp_path / "classifiers" / "frog.tflite").as_posix()
    assert model("stage5") == (tmp_path / "project" / "stage5").as_posix()
    assert (
        model("stage5/stage5_017") == "stage5/stage5_017"
        and model("classifiers/no.tflite") == "classifiers/no.tflite"
    )


def test_nothing_is_no_path(tmp_path: Path):
    given = {"data_root": "", "source": {"field": " "}, "detection": {"model": ""}}
    assert with_whole_paths(given, tmp_path) == {
        "data_root": None,
        "source": {"field": None},
        "detection": {"model": None},
    }


def test_groups_that_are_absent_or_no_mapping_are_passed_over(tmp_path: Path):
    assert with_whole_paths({"source": "nonsense"}, tmp_path) == {"source": "nonsense"}


def test_a_parameter_set_on_the_command_line_reaches_the_catalog(project: Path, tmp_path: Path):
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    with KedroSession.create(project_path=project) as earlier:
        assert earlier.load_context().catalog["clips"]._filepath.is_relative_to(project / "data")
    params = {"data_root": str(tmp_path), "source": {"field": str(tmp_path)}}
    with KedroSession.create(project_path=project, runtime_params=params) as session:
        catalog = session.load_context().catalog
        assert catalog["clips"]._filepath.is_relative_to(tmp_path)
        assert catalog["field_recordings"]._path == tmp_path
        assert catalog["source_manifest"].load() is None


def test_encoders_that_are_files_stand_among_the_audio_settings_with_whole_paths(
    project: Path, tmp_path: Path
):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "newer.onnx").touch()
    text = "encoders: {newer: {file: models/newer.onnx, n_dims: 7}, broken: x}\nembedding: {encoder: newer}"
    loaded = loader_with(project, tmp_path, text)["parameters"]
    path = (tmp_path / "models" / "newer.onnx").as_posix()
    assert loaded["embedding"]["encoders"] == {"newer": {"file": path, "n_dims": 7}, "broken": "x"}
    assert (loaded["embedding"]["encoder"], loaded["embedding"]["fmin"]) == ("newer", 0)
    assert "encoders" not in loader_with(project, tmp_path / "other", "")["parameters"]["embedding"]


@pytest.mark.parametrize("value", [True, 202504])
def test_a_path_that_yaml_took_for_a_number_is_refused_with_what_to_write(tmp_path: Path, value):
    with pytest.raises(InputError, match=r"data_root is the number .*; write the path in quotes"):
        with_whole_paths({"data_root": value}, tmp_path)


@pytest.mark.parametrize(("written", "read"), [("8", "8"), ("'yes'", "yes"), ("", "")])
def test_a_target_in_a_file_is_text(project: Path, tmp_path: Path, written: str, read: str):
    assert loader_with(project, tmp_path, f"target: {written}")["parameters"]["target"] == read


@pytest.mark.parametrize("written", ["007", "yes", "0x10", "1_000", "1e3", "2025-04-03", "NO", "0o17"])
def test_a_target_in_a_file_stays_as_it_is_written(project: Path, tmp_path: Path, written: str):
    assert loader_with(project, tmp_path, f"target: {written}  # mine")["parameters"]["target"] == written


def test_paths_in_a_file_stay_as_they_are_written_and_the_last_file_counts(project: Path, tmp_path: Path):
    loader = loader_with(
        project, tmp_path, "data_root: 2025_04\nsource:\n  manifest: 007\ndetection:\n  model: 1_0"
    )
    found = loader["parameters"]
    assert Path(found["data_root"]).name == "2025_04" and Path(found["source"]["manifest"]).name == "007"
    assert found["detection"]["model"] == "1_0" and found["target"] == "RADR"


def test_what_a_program_gives_is_not_replaced_by_what_a_file_says(project: Path, tmp_path: Path):
    conf = loader_with(project, tmp_path, "target: frog").conf_source
    loader = VernalConfigLoader(conf, runtime_params={"target": True}, **CONFIG_LOADER_ARGS)
    with pytest.raises(InputError, match="target is true to YAML; write the class in quotes"):
        loader["parameters"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("", None), ("all", "all"), ("owl;8", ["owl", "8"]), ("[owl, 8]", ["owl", "8"]), ("[]", None)],
)
def test_targets_in_a_file_are_names_or_all(project: Path, tmp_path: Path, written: str, read):
    assert loader_with(project, tmp_path, f"targets: {written}")["parameters"]["targets"] == read


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("source:\n  folder: ${x}", "source.folder: Interpolation key 'x' not found"),
        ("source: [1]", "Cannot merge"),
    ],
)
def test_what_cannot_be_looked_up_or_merged_is_told(project: Path, tmp_path: Path, written: str, said: str):
    with pytest.raises(InputError, match=rf"The parameters cannot be read: {said}"):
        loader_with(project, tmp_path, written)["parameters"]


@pytest.mark.parametrize(("written", "said"), [("3", "give a list of classes"), ("[yes]", "in quotes")])
def test_targets_that_are_no_names_are_refused(project: Path, tmp_path: Path, written: str, said: str):
    with pytest.raises(InputError, match=said):
        loader_with(project, tmp_path, f"targets: {written}")["parameters"]


def test_stores_lie_in_the_data_folder_unless_another_is_named(project: Path, tmp_path: Path):
    assert loader_with(project, tmp_path, "data_root: /x/y")["parameters"]["store_root"] == "/x/y"
    (tmp_path / "conf" / "local" / "parameters.yml").write_text("store_root: /z", encoding="utf-8")
    loader = VernalConfigLoader(str(tmp_path / "conf"), **CONFIG_LOADER_ARGS)
    assert loader["parameters"]["store_root"] == "/z"


def loader_with(project: Path, tmp_path: Path, text: str) -> VernalConfigLoader:
    conf = tmp_path / "conf"
    shutil.copytree(project / "conf" / "base", conf / "base")
    (conf / "local").mkdir()
    (conf / "local" / "parameters.yml").write_text(text + "\n", encoding="utf-8")
    return VernalConfigLoader(str(conf), **CONFIG_LOADER_ARGS)


def test_the_same_files_and_parameters_are_read_once_and_changed_ones_again(tmp_path: Path, monkeypatch):
    from omegaconf import OmegaConf

    for env in ("base", "local"):
        (tmp_path / "conf" / env).mkdir(parents=True)
    parameters = tmp_path / "conf" / "base" / "parameters.yml"
    parameters.write_text("data_root: /x\ntarget: owl", encoding="utf-8")
    catalog = tmp_path / "conf" / "base" / "catalog.yml"
    catalog.write_text("clips: {type: some.Dataset, filepath: '${setting:data_root}/c'}", encoding="utf-8")
    read = []
    load = OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda file: read.append(file) or load(file))

    def loader(**params):
        return VernalConfigLoader(str(tmp_path / "conf"), runtime_params=params, **CONFIG_LOADER_ARGS)

    loader(data_root="/a")["catalog"]["clips"]["filepath"] = "changed by who asked"
    n_read = len(read)
    again = loader(data_root="/a")
    assert again["catalog"]["clips"]["filepath"] == "/a/c" and again["parameters"]["data_root"] == "/a"
    assert len(read) == n_read == 2
    assert loader(data_root="/b")["catalog"]["clips"]["filepath"] == "/b/c"
    catalog.write_text(
        "clips: {type: some.Dataset, filepath: '${setting:data_root}/other'}", encoding="utf-8"
    )
    assert loader(data_root="/a")["catalog"]["clips"]["filepath"] == "/a/other"
