"""The sweeps over encoders of the page can be run again by one command, from the recordings to the table."""

import subprocess

import pandas as pd
import pytest
import yaml

from tools.docs_site import encoders
from tools.docs_site.encoders import compare_encoders, make_project
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.common.problems import InputError


@pytest.fixture
def esc10(tmp_path):
    """The metadata of a set like ESC-10."""
    folder = tmp_path / "esc10"
    folder.mkdir()
    rows = [("rooster/3-1-A.ogg", "rooster", 3, 1), ("rain/1-2-A.ogg", "rain", 1, 2)]
    table = pd.DataFrame(rows, columns=["filename", "category", "fold", "source_id"])
    table.to_csv(folder / "metadata.csv", index=False)
    return folder


def test_a_project_with_the_stage_is_made(project, esc10, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    make_project(project, made, "esc10", esc10, tmp_path / "out")
    settings = yaml.safe_load((made / "conf" / "local" / "parameters.yml").read_text(encoding="utf-8"))
    assert settings["quality_splitting"]["test_ood_sites"] == ["fold 3"] and settings["target"] == "rooster"
    assert settings["data_root"] == str(tmp_path / "out")
    manifest = pd.read_csv(settings["source"]["manifest"], dtype="str")
    assert manifest.to_dict("records") == [
        {"file_path": "rooster/3-1-A.ogg", "label": "rooster", "site": "fold 3", "group": "1"},
        {"file_path": "rain/1-2-A.ogg", "label": "rain", "site": "fold 1", "group": "2"},
    ]
    stage = yaml.safe_load((made / "conf" / "sweeps" / "encoders.yml").read_text(encoding="utf-8"))
    assert "consent: false" in (made / ".telemetry").read_text(encoding="utf-8")
    for encoder in stage["axes"]["encoder"]:
        EmbeddingOptions(encoders=settings["encoders"], encoder=encoder)


def test_a_run_that_fails_writes_no_table(project, esc10, tmp_path, monkeypatch):
    def fails(command, cwd, **kwargs):
        assert (cwd / "conf" / "sweeps" / "encoders.yml").is_file()
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(encoders.subprocess, "run", fails)
    with pytest.raises(InputError, match="The sweep over encoders on esc10 failed"):
        compare_encoders(project, "esc10", esc10, tmp_path / "out", tmp_path)
    assert not (tmp_path / "encoders_esc10.csv").exists()
