"""Detections and decisions as a Camtrap Data Package, the standard of camera traps in its form for sound recorders.

Deployments, media and observations are tables; what the classifier said and what people said are observations apart.
The package carries the schemas that it follows, so that nothing has to be downloaded to check it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.problems import Problems
from vernal.common.tables import safe_csv_text
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import HEARD, PARTLY
from vernal.field.detection.verification import PLACE
from vernal.field.handover.options import PackageOptions
from vernal.field.handover.sites import SITE_COLUMNS
from vernal.field.handover.tables import model_columns

TABLES = ("deployments", "media", "observations")
PROFILE = "camtrap-dp-profile-acoustic.json"
# The version is part of the path: the profile asks for it in the schemas' addresses.
FOLDER = "camtrap-dp/1.0.1"
_MEDIA_TYPES = {".mp3": "mpeg", ".aif": "aiff", ".aifc": "aiff", ".wave": "wav", ".oga": "ogg"}
_ALLOWED_PATH = re.compile(r"(?=^[^./~])(^((?!\.{2}).)*$)")
_ID_LENGTH = 20
_ROWS = 50_000
_SAID = {
    "target": ("animal", ""),
    "not_target": ("unclassified", "listened to; not {label}"),
    "unsure": ("unknown", "listened to; unsure whether {label}"),
}


@dataclass(frozen=True, eq=False)
class Season:
    """What a package is made of: the tables of a detection run, and the decisions of people."""

    recordings: pd.DataFrame
    files: pd.DataFrame
    detections: pd.DataFrame
    sites: pd.DataFrame
    classifier: Classifier
    decisions: pd.DataFrame


def package_files(season: Season, options: PackageOptions) -> dict[str, Callable[[], Any]]:
    """Path in the package -> function that gives the file's content: `datapackage.json`, tables and their schemas.

    Media are the recordings that were heard. Observations of the classifier are its detections, their confidence taken
    as probability; those of people are each reviewer's last word on each place. Times are in UTC. `created` is the
    moment of the newest decision, or else the end of the last recording: the same data give the same bytes.

    Raises:
        InputError: says all that the standard asks for and nothing tells.
    """
    media = _heard(season)
    _check(media, season.classifier.labels, options)
    deployments = _deployments(media, season.sites)
    media = media.assign(deploymentID=deployments.deploymentID.to_numpy()[media.deployment])
    said = _of_people(season, media, options)
    made: dict[str, Callable[[], Any]] = {
        "deployments.csv": lambda: _csv("deployments", [deployments]),
        "media.csv": lambda: _csv("media", _media(media, options)),
        "observations.csv": lambda: _csv("observations", [*_of_machine(season, media, options), said]),
        "datapackage.json": lambda: _descriptor(season, options, deployments, said),
    }
    return made | {f"{FOLDER}/{name}": _carried(name) for name in (PROFILE, *map(_schema, TABLES), "LICENSE")}


def _heard(season: Season) -> pd.DataFrame:
    """The recordings that were heard, with their place and time and the number of their deployment."""
    files = season.files[season.files.state.isin([HEARD, PARTLY])]
    own = [name for name in season.recordings.columns if name not in files.columns or name == "file_path"]
    media = files.merge(season.recordings[own], on="file_path", validate="one_to_one")
    ends = media.started_at_utc + pd.to_timedelta(media.duration_s, unit="s").astype("timedelta64[ms]")
    place = media.groupby(["recorder_id", "site", "latitude", "longitude"], dropna=False, sort=True)
    return media.assign(
        mediaID=media.content_hash.str[:_ID_LENGTH], ended_at_utc=ends, deployment=place.ngroup()
    )


def _check(media: pd.DataFrame, labels: Iterable[str], options: PackageOptions) -> None:
    """Refuse a season that lacks what the standard requires."""
    problems = Problems("The data package")
    lacking = [
        f"handover.{name}"
        for name, value in (
            ("title", options.title),
            ("contributors", options.people),
            ("sampling_design", options.sampling_design),
        )
        if not value
    ]
    problems.add("setting that is empty", lacking, "Set it in conf/local/parameters.yml or with --params.")
    nameless = [repr(label) for label in labels if options.scientific_name(label) is None]
    problems.add("label without a scientific name", nameless, "Give it in handover.scientific_names.")
    nowhere = sorted(media.recorder_id[media.latitude.isna() | media.longitude.isna()].unique())
    problems.add("recorder without coordinates", nowhere, "Give them in the table of sites (source.sites).")
    zoneless = sorted(media.recorder_id[media.date.notna() & media.time_zone.isna()].unique())
    problems.add("recorder without a time zone", zoneless, "Give it in the table of sites (source.sites).")
    timeless = media.file_path[media.date.isna() | media.time.isna()]
    problems.add("recording without a date and time", timeless, "Name it after them, or take it out.")
    odd = [path for path in media.file_path if not _ALLOWED_PATH.fullmatch(path)]
    problems.add(
        "path that the standard does not allow", odd, "It may not begin with . or ~, or hold two dots."
    )
    problems.add("no recording that was heard", ["none"] if media.empty else [], "Search recordings first.")
    problems.raise_if_any()


# Tables ---------------------------------------------------------------------------------------------


def _deployments(media: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """A row for each recorder at each of its places, from its first recording there to the end of the last."""
    found = media.groupby("deployment").agg(
        locationID=("site", "first"),
        deviceID=("recorder_id", "first"),
        latitude=("latitude", "first"),
        longitude=("longitude", "first"),
        date=("date", "min"),
        began=("started_at_utc", "min"),
        ended=("ended_at_utc", "max"),
    )
    names = found.deviceID + "_" + found.date.str.replace("-", "")
    again = names.groupby(names).cumcount()
    tags = _tags(sites)
    keys = list(zip(found.deviceID, found.locationID, strict=True))
    return found.assign(
        deploymentID=names.where(again == 0, names + "_" + (again + 1).astype("str")),
        locationName=found.locationID,
        deploymentStart=_utc(found.began),
        deploymentEnd=_utc(found.ended.dt.ceil("s")),
        deploymentTags=[tags.get(key, "") for key in keys],
    )


def _tags(sites: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What the table of sites says beside place and time, by recorder and site: `elevation:12|habitat:reed`."""
    own = [name for name in sites.columns if name not in SITE_COLUMNS]
    return {
        (row["recorder_id"], row["site"]): "|".join(
            f"{name}:{row[name]}".replace("|", "/") for name in own if pd.notna(row[name])
        )
        for row in reversed(sites.to_dict("records"))
    }


def _media(media: pd.DataFrame, options: PackageOptions) -> Iterator[pd.DataFrame]:
    for rows in _parts(media):
        yield rows.assign(
            captureMethod=options.capture_method,
            timestamp=_utc(rows.started_at_utc),
            filePath=rows.file_path,
            filePublic="false",
            fileName=rows.file_path.map(lambda path: PurePosixPath(path).name),
            fileMediatype=rows.file_path.map(_media_type),
            samplingFrequency=rows.sample_rate_hz,
            mediaDuration=rows.duration_s.round(3),
            mediaComments=rows.message,
        )


def _media_type(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return f"audio/{_MEDIA_TYPES.get(suffix, suffix.removeprefix('.'))}"


def _of_machine(season: Season, media: pd.DataFrame, options: PackageOptions) -> Iterator[pd.DataFrame]:
    """The detections, as observations of the classifier."""
    named = model_columns(season.classifier)
    model = f"{named['model']} ({named['model_version']}, fit {season.classifier.fit_key or 'unknown'})"
    of_file = media.set_index("file_path")
    for rows in _parts(season.detections):
        owner = of_file.reindex(rows.file_path).set_axis(rows.index)
        yield _observations(rows.assign(began=owner.started_at_utc), owner, season.classifier).assign(
            observationID=owner.mediaID + "_" + _milliseconds(rows.start_s) + "_" + rows.label,
            observationType="animal",
            scientificName=_names(rows.label, options),
            classificationMethod="machine",
            classifiedBy=model,
            classificationProbability=rows.confidence.round(6),
        )


def _of_people(season: Season, media: pd.DataFrame, options: PackageOptions) -> pd.DataFrame:
    """Each reviewer's last word on each place, as an observation of theirs."""
    decisions = season.decisions
    about = decisions[
        decisions.content_hash.isin(media.content_hash) & decisions.asked.isin(season.classifier.labels)
    ]
    ordered = about.sort_values("when", kind="stable")
    rows = ordered.drop_duplicates([*PLACE, "reviewer"], keep="last").reset_index(drop=True)
    owner = media.set_index("content_hash").reindex(rows.content_hash).set_axis(rows.index)
    kinds = rows.decision.map(lambda word: _SAID[word][0]).astype("str")
    return _observations(rows.assign(began=owner.started_at_utc), owner, season.classifier).assign(
        observationID=rows.id,
        observationType=kinds,
        scientificName=_names(rows.asked, options).where(kinds == "animal"),
        classificationMethod="human",
        classifiedBy=rows.reviewer,
        classificationTimestamp=_utc(pd.to_datetime(rows.when, utc=True, format="ISO8601")),
        observationComments=[
            _SAID[word][1].format(label=label) for word, label in zip(rows.decision, rows.asked, strict=True)
        ],
    )


def _observations(rows: pd.DataFrame, owner: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """What all observations say: whose and when, to the second as the standard has it; exact in the tags."""
    starts, ends = (pd.to_timedelta(rows[name], unit="s") for name in ("start_s", "end_s"))
    tags = "start_s:" + _text(rows.start_s) + "|end_s:" + _text(rows.end_s)
    return pd.DataFrame(
        {
            "deploymentID": owner.deploymentID,
            "mediaID": owner.mediaID,
            "eventStart": _utc(rows.began + starts),
            "eventEnd": _utc((rows.began + ends).dt.ceil("s")),
            "observationLevel": "media",
            "frequencyLow": classifier.audio.fmin,
            "frequencyHigh": np.fmin(classifier.audio.fmax, owner.sample_rate_hz / 2),
            "observationTags": tags,
        },
        index=rows.index,
    )


def _names(labels: pd.Series, options: PackageOptions) -> pd.Series:
    return labels.map({label: options.scientific_name(label) for label in labels.unique()}).astype("str")


def _text(seconds: pd.Series) -> pd.Series:
    return seconds.map(lambda value: f"{value:.3f}".rstrip("0").rstrip(".")).astype("str")


def _milliseconds(seconds: pd.Series) -> pd.Series:
    return (seconds * 1_000).round().astype("int64").astype("str")


def _utc(moments: pd.Series) -> pd.Series:
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype("str")


def _parts(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Some rows of a table at a time, so that a season's text is never whole in memory."""
    for at in range(0, len(table), _ROWS):
        yield table.iloc[at : at + _ROWS]


def _csv(table: str, parts: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    """A table's text with exactly the columns of its schema, in their order, part by part."""
    columns = [field["name"] for field in json.loads(_template(_schema(table)))["fields"]]
    yield (",".join(columns) + "\n").encode("utf-8")
    for part in parts:
        text = safe_csv_text(part.reindex(columns=columns)).to_csv(
            index=False, header=False, lineterminator="\n"
        )
        yield text.encode("utf-8")


# The package ----------------------------------------------------------------------------------------


def _schema(table: str) -> str:
    return f"{table}-table-schema-acoustic.json"


@lru_cache
def _template(name: str) -> bytes:
    folder = resources.files("vernal.field.handover").joinpath("templates", "camtrap-dp")
    return folder.joinpath(name).read_bytes()


def _carried(name: str) -> Callable[[], bytes]:
    return lambda: _template(name)


def _descriptor(
    season: Season, options: PackageOptions, deployments: pd.DataFrame, said: pd.DataFrame
) -> bytes:
    """`datapackage.json`."""
    title = str(options.title)
    newest = said.classificationTimestamp.max() if len(said) else deployments.deploymentEnd.max()
    places = deployments[["longitude", "latitude"]].drop_duplicates().to_numpy().tolist()
    names = sorted({str(options.scientific_name(label)) for label in season.classifier.labels})
    content: dict[str, Any] = {
        "profile": f"{FOLDER}/{PROFILE}",
        "name": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "package",
        "title": title,
        "created": newest,
        "contributors": [_person(text, is_first=not at) for at, text in enumerate(options.people)],
        "licenses": _licences(options),
        "project": {
            "title": title,
            "samplingDesign": options.sampling_design,
            "captureMethod": [options.capture_method],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
        "spatial": {"type": "MultiPoint", "coordinates": places},
        "temporal": {
            "start": deployments.deploymentStart.min()[:10],
            "end": deployments.deploymentEnd.max()[:10],
        },
        "taxonomic": [{"scientificName": name} for name in names],
        "resources": [_resource(name) for name in TABLES],
    }
    filled = {name: value for name, value in content.items() if value}
    return (json.dumps(filled, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def _person(text: str, is_first: bool) -> Mapping[str, str]:
    """`Name <email>` in the words of data packages."""
    name, _, email = text.rstrip("> ").partition("<")
    person = {"title": name.strip(), "role": "contact" if is_first else "contributor"}
    return person | ({"email": email.strip()} if email else {})


def _licences(options: PackageOptions) -> list[dict[str, str]]:
    named = {"data": options.data_licence, "media": options.media_licence}
    return [{"name": name, "scope": scope} for scope, name in named.items() if name]


def _resource(table: str) -> dict[str, str]:
    return {
        "name": table,
        "path": f"{table}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": f"{FOLDER}/{_schema(table)}",
    }
