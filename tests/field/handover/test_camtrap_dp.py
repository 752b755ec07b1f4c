"""The data package: valid by the standard's own schemas, machine and people apart, and what is missing named first."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.field.detection.conftest import make_classifier
from vernal.common.files import write_bytes
from vernal.common.problems import InputError
from vernal.field.handover.camtrap_dp import FOLDER, PROFILE, Season, package_files
from vernal.field.handover.options import PackageOptions
from vernal.field.handover.places import place_recordings
from vernal.field.handover.sites import read_sites
from vernal.field.handover.tables import place_detections
from vernal.web.review.decisions import decision_table

OPTIONS = PackageOptions(
    title="Frogs of the Pond", contributors="Ana Silva <ana@example.org>; Bo", sampling_design="targeted",
    scientific_names={"frog": "Litoria fallax"}, data_licence="CC0-1.0", media_licence="CC-BY-4.0",
)  # fmt: skip
SITES = (
    "recorder,site,latitude,longitude,time zone,from,to,habitat\n"
    "R1,Pond,-27.47,153.03,Australia/Brisbane,,2025-04-03,reed\nR1,Creek,-27.5,153.1,Australia/Brisbane,2025-04-04,,\n"
)
FILES = [
    ("east/a.wav", "R1", "2025-04-03", "21:00:00", "heard"),
    ("east/b.WAV", "R1", "2025-04-04", "21:00:00", "partly heard"),
    ("east/copy.wav", "R1", "2025-04-03", "21:00:00", "copy"),
    ("east/broken.wav", "R1", "2025-04-03", "22:00:00", "not heard"),
]


def decision(number: int, word: str, reviewer: str = "Ana", start_s: float = 12.0, **more: Any) -> dict:
    return {
        "id": f"d{number}", "when": f"2025-05-01T10:00:0{number}+00:00", "reviewer": reviewer, "content_hash": "hash0" * 8,
        "start_s": start_s, "end_s": start_s + 3, "asked": "frog", "decision": word, "is_score_shown": False, **more,
    }  # fmt: skip


def season(
    folder: Path, sites: str | None = SITES, decisions: list[dict] = (), labels=("frog",), files=FILES
) -> Season:
    table = pd.DataFrame(files, columns=["file_path", "recorder_id", "date", "time", "state"]).astype("str")
    facts = table.assign(
        duration_s=60.5,
        sample_rate_hz=24_000,
        message=np.nan,
        content_hash=[f"hash{n}" * 8 for n in range(len(table))],
    ).astype({"message": "str"})
    path = None
    if sites is not None:
        path = str(folder / "sites.csv")
        Path(path).write_text(sites, encoding="utf-8")
    read = read_sites(path, ["R1"])
    listed = table.drop(columns="state").assign(audio_root=folder.as_posix())
    recordings = place_recordings(listed, read)
    calls = pd.DataFrame(
        {"file_path": [files[0][0], files[0][0], files[1][0]], "label": [labels[0], labels[-1], labels[0]],
         "start_s": [12.0, 15.5, 0.0], "end_s": [15.0, 18.5, 3.0], "confidence": [0.912345678, 0.5, 0.75]}
    )  # fmt: skip
    classifier = replace(make_classifier(labels=labels), encoder_version="V2.4", fit_key="k1")
    detections = place_detections(calls, recordings)
    return Season(recordings, facts, detections, read, classifier, decision_table(list(decisions)))


def written(folder: Path, files: dict[str, Callable[[], Any]]) -> Path:
    for name, content in files.items():
        (folder / "package" / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "package" / name, content())
    return folder / "package"


def observations(package: Path) -> pd.DataFrame:
    return pd.read_csv(package / "observations.csv")


DECISIONS = [
    decision(1, "not_target"), decision(2, "target"), decision(3, "unsure", "Bo"),
    decision(4, "not_target", "Bo", start_s=40.25), decision(5, "target", content_hash="elsewhere"),
    decision(6, "target", asked="owl"),
]  # fmt: skip


@pytest.fixture
def package(tmp_path) -> Path:
    return written(tmp_path, package_files(season(tmp_path, decisions=DECISIONS), OPTIONS))


def offline(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is downloaded")


def test_the_package_is_valid_by_its_own_schemas(package, monkeypatch):
    from frictionless import Package, system

    monkeypatch.setattr("socket.socket.connect", offline)
    descriptor = json.loads((package / "datapackage.json").read_text(encoding="utf-8"))
    assert (package / descriptor["profile"]).is_file()
    with system.use_context(trusted=True):
        # The profile itself stands in the next test: it refers to two others on the web.
        checked = Package.from_descriptor(
            {k: v for k, v in descriptor.items() if k != "profile"}, basepath=str(package)
        )
        report = checked.validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])
    assert [task.stats["rows"] for task in report.tasks] == [2, 2, 6]
    broken = (package / "observations.csv").read_text(encoding="utf-8").replace("animal", "frog")
    (package / "observations.csv").write_text(broken, encoding="utf-8")
    with system.use_context(trusted=True):
        assert not Package.from_descriptor(checked.to_descriptor(), basepath=str(package)).validate().valid


def test_the_descriptor_is_valid_by_the_carried_profile(package):
    from jsonschema import Draft4Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    profile = json.loads((package / FOLDER / PROFILE).read_text(encoding="utf-8"))
    others = (
        "https://specs.frictionlessdata.io/schemas/data-package.json",
        "http://json.schemastore.org/geojson.json",
    )
    anything = Resource.from_contents({}, default_specification=DRAFT4)
    registry = Registry().with_resources([(other, anything) for other in others])
    validator = Draft4Validator(profile, registry=registry)
    descriptor = json.loads((package / "datapackage.json").read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(descriptor)] == []
    for name in ("project", "contributors", "taxonomic", "created"):
        assert list(validator.iter_errors({key: value for key, value in descriptor.items() if key != name}))
    assert list(
        validator.iter_errors({**descriptor, "project": {**descriptor["project"], "samplingDesign": "none"}})
    )
    assert descriptor["created"] == "2025-05-01T10:00:04Z"
    assert descriptor["temporal"] == {"start": "2025-04-03", "end": "2025-04-04"}
    assert [person["role"] for person in descriptor["contributors"]] == ["contact", "contributor"]
    assert descriptor["contributors"][0]["email"] == "ana@example.org"


def test_machine_and_people_are_apart(package):
    table = observations(package).set_index("classificationMethod")
    machine, human = table.loc["machine"], table.loc["human"]
    assert set(machine.classifiedBy) == {"stage5/stage5_001 (birdnet_v2.4 V2.4, fit k1)"}
    assert machine.classificationProbability.tolist() == [0.912346, 0.5, 0.75]
    assert (
        machine.eventStart.tolist()[0] == "2025-04-03T11:00:12Z"
        and machine.eventEnd.tolist()[1] == "2025-04-03T11:00:19Z"
    )
    assert machine.observationTags.tolist()[1] == "start_s:15.5|end_s:18.5"
    assert machine.frequencyHigh.tolist() == [12_000] * 3, "what a recording at 24 kHz can hold"
    assert human.observationID.tolist() == ["d2", "d3", "d4"], (
        "the last word of each, about these recordings and labels"
    )
    assert human.observationType.tolist() == ["animal", "unknown", "unclassified"]
    assert human.scientificName.fillna("").tolist() == ["Litoria fallax", "", ""]
    assert human.classifiedBy.tolist() == ["Ana", "Bo", "Bo"] and human.classificationProbability.isna().all()
    assert human.classificationTimestamp.tolist()[0] == "2025-05-01T10:00:02Z"
    assert human.observationComments.fillna("").tolist()[2] == "listened to; not frog"
    assert observations(package).observationID.is_unique


def test_deployments_are_placements_and_media_what_was_heard(package):
    deployments = pd.read_csv(package / "deployments.csv").set_index("deploymentID")
    assert deployments.locationID.to_dict() == {"R1_20250404": "Creek", "R1_20250403": "Pond"}
    assert deployments.deploymentStart["R1_20250403"] == "2025-04-03T11:00:00Z"
    assert deployments.deploymentEnd["R1_20250403"] == "2025-04-03T11:01:01Z"
    assert deployments.deploymentTags["R1_20250403"] == "habitat:reed"
    media = pd.read_csv(package / "media.csv")
    assert media.filePath.tolist() == ["east/a.wav", "east/b.WAV"] and set(media.fileMediatype) == {
        "audio/wav"
    }
    assert media.deploymentID.tolist() == ["R1_20250403", "R1_20250404"] and not media.filePublic.any()


def test_a_deployment_is_called_by_the_day_of_its_own_clock(tmp_path):
    files = [
        ("a.wav", "R1", "2025-04-03", "09:00:00", "heard"),
        ("b.wav", "R1", "2025-04-05", "09:00:00", "heard"),
    ]
    package = written(tmp_path, package_files(season(tmp_path, files=files), OPTIONS))
    deployments = pd.read_csv(package / "deployments.csv")
    assert deployments.deploymentStart.tolist()[0] == "2025-04-04T23:00:00Z"
    assert sorted(deployments.deploymentID) == ["R1_20250403", "R1_20250405"]


def test_every_label_has_its_observations(tmp_path):
    labels = ("Gallus gallus_Red Junglefowl", "frog")
    package = written(tmp_path, package_files(season(tmp_path, labels=labels), OPTIONS))
    assert observations(package).scientificName.tolist() == [
        "Gallus gallus",
        "Litoria fallax",
        "Gallus gallus",
    ]


def test_all_that_is_missing_is_named_before_anything_is_written(tmp_path):
    files = [
        *FILES,
        ("../up.wav", "R1", "2025-04-03", "21:00:00", "heard"),
        ("n.wav", "R1", None, None, "heard"),
    ]
    with pytest.raises(InputError) as raised:
        package_files(season(tmp_path, sites=None, files=files), PackageOptions())
    text = str(raised.value)
    assert "handover.title; handover.contributors; handover.sampling_design" in text
    assert "label without a scientific name (1): 'frog'" in text
    assert "recorder without coordinates (1): R1" in text and "recorder without a time zone (1): R1" in text
    assert "recording without a date and time (1): n.wav" in text
    assert "path that the standard does not allow (1): ../up.wav" in text


def test_the_same_data_give_the_same_bytes_and_no_decisions_are_none(tmp_path):
    def made() -> dict[str, bytes]:
        files = package_files(season(tmp_path), OPTIONS)
        return {
            name: b"".join(content()) if name.endswith(".csv") else content()
            for name, content in files.items()
        }

    first = made()
    assert first == made()
    assert json.loads(first["datapackage.json"])["created"] == "2025-04-04T11:01:01Z"
    assert b"human" not in first["observations.csv"]


def test_tables_are_written_part_by_part(tmp_path, monkeypatch):
    monkeypatch.setattr("vernal.field.handover.camtrap_dp._ROWS", 1)
    pieces = list(package_files(season(tmp_path), OPTIONS)["observations.csv"]())
    assert len(pieces) == 1 + 3 + 1, "a header, a detection at a time, and what people said"
