"""One list of checks, run over every dataset class: what a format owes whoever reads and writes it."""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import AbstractDataset, DataCatalog, DatasetError

import vernal.datasets
from tests.object_storage import s3_server
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.common.files import TEMPORARY_PREFIX
from vernal.common.safe_yaml import read_yaml
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.score_store import StoredScores
from vernal.field.detection.scoring import BlockScores, Traces
from vernal.reports.figures import Drawing
from vernal.studies.features.feature_store import FeaturePart
from vernal.studies.features.fitting import FailedFit
from vernal.studies.features.options import FeatureOptions, Kind
from vernal.training.chunk import FailedHead
from vernal.training.heads import Head
from vernal.training.models import Model

AUDIO = EmbeddingOptions(encoder="logmel")
MFCC = Kind("mfcc", "none")
ENTRY = {"stage": "s", "evaluation": "a", "points": 1, "splits": {"test_iid": {"clips": 1, "digest": "d"}}}


def head(weight: float) -> Head:
    return Head(((np.full((2, 1), weight, dtype=np.float32), np.zeros(1, dtype=np.float32)),))


def model(weight: float) -> Model:
    history = pd.DataFrame({"epoch": [1], "loss": [weight]})
    return Model(
        head(weight),
        ("rooster",),
        {"point": "p", "settings": {"l2": weight}, "audio": {}, "fit_key": "k"},
        history,
    )


def classifier(threshold: float) -> Classifier:
    return Classifier("c", head(1.0), ("rooster",), AUDIO, 1.0, threshold, "drawn", True, (), {})


def embeddings(key: str) -> EmbeddingPart:
    rows = pd.DataFrame({"key": [key], "content_hash": "c", "start_s": 0.0, "end_s": 3.0})
    return EmbeddingPart(AUDIO, rows, np.full((1, AUDIO.n_dims), 0.5, dtype=np.float32), pd.DataFrame())


def scores(block: int) -> StoredScores:
    one = np.zeros(1)
    found = BlockScores("c" * 64, block, 2, one, one + 3, np.zeros((1, 1)), 3.0, Traces((0.0, 0.0, 0.0)))
    return StoredScores("run", {}, (found,))


def features(key: str) -> FeaturePart:
    return FeaturePart(MFCC, FeatureOptions(), {key: np.zeros((2, 20), dtype=np.float32)})


def table(*numbers: int) -> pd.DataFrame:
    return pd.DataFrame({"night": [f"2025-04-{number:02d}" for number in numbers], "n": numbers})


@dataclass(frozen=True)
class Case:
    """A dataset class with two values to save; without any where a person writes it or its own test does.

    `plain`: what was loaded in a form that can be compared. `adds`: a second save keeps the first.
    """

    name: str
    place: str = "path"
    ending: str = ""
    values: tuple[Any, ...] = ()
    plain: Callable[[Any], Any] = lambda loaded: loaded
    options: dict[str, Any] = field(default_factory=dict)
    adds: bool = False
    before: str = "absent"  # or "empty" or "empty and there": how it is before anybody wrote it
    remote: bool = True

    @property
    def cls(self) -> type[AbstractDataset]:
        return dict(dataset_classes())[self.name]

    def at(self, folder: Path | str) -> Any:
        return self.cls(**{self.place: f"{folder}/a b/thing{self.ending}"}, **self.options)


def dataset_classes() -> Iterator[tuple[str, type[AbstractDataset]]]:
    for module in pkgutil.iter_modules(vernal.datasets.__path__):
        content = importlib.import_module(f"vernal.datasets.{module.name}")
        for name, value in vars(content).items():
            if name.endswith("Dataset") and value.__module__ == content.__name__ and not name.startswith("_"):
                yield name, value


def frames(loaded: dict[str, pd.DataFrame]) -> dict[str, Any]:
    return {name: frame.to_dict("list") for name, frame in loaded.items()}


def files_below(folder: str) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in Path(folder).rglob("*") if file.is_file())


def named(text: str) -> dict[str, Callable[[], bytes]]:
    return {f"{text}/{text}.txt": lambda: text.encode()}


CASES = [
    Case(
        "AudioFolderDataset",
        values=({"a/x.wav": lambda: np.zeros(9)}, {"b/y.wav": lambda: np.zeros(9)}),
        plain=files_below,
        options={"sample_rate_hz": 8_000},
        adds=True,
        before="empty",
        remote=False,
    ),
    Case(
        "ClassifierDataset",
        "filepath",
        ".npz",
        (classifier(0.1), classifier(0.2)),
        lambda one: one.as_record(),
    ),
    Case("DecisionLogDataset", before="empty and there"),
    Case("DrawingDataset", values=(Drawing("<svg/>", b"1"), Drawing("<svg></svg>", b"2"))),
    Case("DrawingsDataset", values=({"a": Drawing("<svg/>", b"1")}, {"b": Drawing("<svg/>", b"2")})),
    Case(
        "EmbeddingStoreDataset",
        "filepath",
        values=(embeddings("a"), embeddings("b")),
        plain=lambda store: store.known_keys(AUDIO),
        adds=True,
        before="empty",
    ),
    Case(
        "FeatureStoreDataset",
        "filepath",
        values=(features("a"), features("b")),
        plain=lambda store: set(store.lengths(FeatureOptions(), MFCC)),
        adds=True,
        before="empty",
    ),
    Case(
        "FileFolderDataset",
        values=(named("a"), named("b")),
        plain=files_below,
        adds=True,
        before="empty",
        remote=False,
    ),
    Case(
        "FitLibraryDataset",
        values=([FailedFit("a", "no")], [FailedFit("b", "no")]),
        plain=lambda library: {key for key in "ab" if library.problem(key)},
        adds=True,
        before="empty",
    ),
    Case(
        "HeadLibraryDataset",
        values=([FailedHead("a", "no")], [FailedHead("b", "no")]),
        plain=lambda library: {key for key in "ab" if library.problem(key)},
        adds=True,
        before="empty",
    ),
    Case(
        "KnownFilesDataset",
        "filepath",
        ".jsonl",
        ({"/a.wav": FileFacts(size=1)}, {"/b.wav": FileFacts(size=2)}),
        lambda journal: set(journal.load()),
        adds=True,
        before="empty and there",
    ),
    Case("LakeDataset", options={"inbox": "x"}, before="empty", remote=False),
    Case(
        "LedgerDataset",
        "filepath",
        ".jsonl",
        ([ENTRY], [{**ENTRY, "evaluation": "b"}]),
        lambda entries: {entry["evaluation"] for entry in entries},
        adds=True,
        before="empty and there",
    ),
    Case(
        "ModelsDataset",
        values=({"s_001": model(1.0)}, {"s_002": model(2.0)}),
        plain=lambda models: {name: one.parameters for name, one in models.items()},
    ),
    Case("PageDataset", "filepath", ".md", ("a\nb \u00b1\n", "c\n")),
    Case(
        "PartitionedTableDataset",
        values=(table(3, 4), table(5)),
        plain=lambda rows: rows.to_dict("list"),
        options={"partitions": {"date": "night"}},
    ),
    Case(
        "PointsDataset",
        values=({"s_001": {"point": "s_001"}}, {"s_002": {"point": "s_002"}}),
        plain=set,
        adds=True,
        before="empty",
        remote=False,
    ),
    Case("RecordDataset", "filepath", ".json", ({"b": 1, "a": "\u00e4"}, {})),
    Case(
        "ScoreStoreDataset",
        values=(scores(0), scores(1)),
        plain=lambda store: store.finished("run"),
        adds=True,
        before="empty",
    ),
    Case("StageResultsDataset", "filepath", ".json"),
    Case("StageResultsDataset", "filepath", ".json"),
    Case("TableDataset", "filepath", ".csv", (table(1, 2), table(3)), lambda rows: rows.to_dict("list")),
    Case("TableDataset", "filepath", ".parquet", (table(1, 2), table(3)), lambda rows: rows.to_dict("list")),
    Case("TablesDataset", values=({"a/one": table(1)}, {"two": table(2)}), plain=frames),
    Case(
        "TablesDataset",
        values=({"a/one": table(1)}, {"two": table(2)}),
        plain=frames,
        options={"sealed": True},
    ),
    Case("TrainingPackageDataset", before="empty", remote=False),
    Case(
        "WrittenFilesDataset",
        values=(named("a"), named("b")),
        plain=files_below,
        before="empty",
        remote=False,
    ),
]
# A person's own, of which each has its own way to say that it is not there; see the tests of what reads them.
WRITTEN_BY_PEOPLE = {
    "DeclaredModelDataset": {"data_root": "d", "model": "s/p"},
    "ManifestDataset": {"filepath": "m.csv"},
    "ProblemCardDataset": {"filepath": "problem.yml"},
    "RecordingFolderDataset": {"path": "folder"},
    "SpecDataset": {"filepath": "stage.yml"},
    "DecisionLogDataset": {"path": "log"},
}
WRITTEN = [case for case in CASES if case.values]


def names(cases: list[Case]) -> list[str]:
    return [f"{case.name}{case.ending}{'-'.join(case.options)}" for case in cases]


every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
every_written = pytest.mark.parametrize("case", WRITTEN, ids=names(WRITTEN))


def test_no_class_is_missing_from_the_list():
    assert {case.name for case in CASES} | set(WRITTEN_BY_PEOPLE) == {name for name, _ in dataset_classes()}


def test_every_type_in_the_catalog_is_one_of_them(project: Path):
    types = {
        entry["type"]
        for file in (project / "conf").rglob("catalog*.yml")
        for entry in read_yaml(file).values()
        if entry["type"].startswith("vernal.")
    }
    known = {f"{value.__module__}.{name}" for name, value in dataset_classes()}
    assert types <= known and len(types) > 20


@every_case
def test_before_it_is_written(case: Case, tmp_path: Path):
    dataset = case.at(tmp_path)
    assert dataset.exists() == (case.before == "empty and there")
    if case.before == "absent":
        with pytest.raises(
            DatasetError, match=r"thing.* does not exist yet; run the pipeline that writes it\.$"
        ):
            dataset.load()
    else:
        dataset.load()
    assert not list(tmp_path.rglob("*")), "reading writes nothing"


@every_written
def test_what_is_saved_is_loaded(case: Case, tmp_path: Path):
    check_round_trip(case, tmp_path)
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*"))


def check_round_trip(case: Case, folder: Path | str) -> None:
    first, second = case.values
    case.at(folder).save(first)
    loaded = case.plain(case.at(folder).load())
    assert case.at(folder).exists()
    case.at(folder).save(second)
    both = case.plain(case.at(folder).load())
    alone = case.plain(_saved_alone(case, second, folder))
    assert loaded != both
    assert both == (type(both)([*loaded, *alone]) if case.adds else alone)


def _saved_alone(case: Case, value: Any, folder: Path | str) -> Any:
    """What loads where nothing else was saved before."""
    dataset = case.at(f"{folder}/alone")
    dataset.save(value)
    return dataset.load()


@every_written
def test_a_save_that_fails_keeps_what_was_there(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = case.values
    case.at(tmp_path).save(first)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    if case.name == "KnownFilesDataset":
        pytest.skip("a journal of lines: one that breaks off is passed over, which its own tests hold")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DatasetError, match=r"No space left on device"):
        case.at(tmp_path).save(second)
    monkeypatch.undo()
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    # The seal of a folder is broken first, so that nobody takes half of it for the whole.
    seal = {file for file in before if file.name == ".whole"}
    assert {file: content for file, content in before.items() if file not in seal} == after


@every_case
def test_its_description_names_its_place(case: Case, tmp_path: Path):
    assert (tmp_path / "a b").as_posix() in Path(
        str(next(iter(case.at(tmp_path)._describe().values())))
    ).as_posix()
    assert f"vernal.datasets.{case.cls.__module__.rpartition('.')[2]}" in str(case.at(tmp_path))


@every_written
def test_a_worker_of_a_cluster_writes_and_reads_the_same(case: Case, tmp_path: Path):
    sent = pickle.dumps(case.at(tmp_path))
    pickle.loads(sent).save(case.values[0])  # noqa: S301
    read_there = pickle.loads(sent).load()  # noqa: S301
    assert case.plain(read_there) == case.plain(case.at(tmp_path).load())


@every_written
def test_the_catalog_makes_it_and_kedro_viz_shows_it(case: Case, tmp_path: Path):
    entry = {
        "type": f"{case.cls.__module__}.{case.name}",
        case.place: f"{tmp_path}/thing{case.ending}",
        "metadata": {"description": "x"},
        **case.options,
    }
    dataset = DataCatalog.from_config({"thing": entry})["thing"]
    assert dataset.metadata == {"description": "x"}
    dataset.save(case.values[0])
    if hasattr(dataset, "preview"):
        shown = dataset.preview()
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown
        kind = inspect.signature(dataset.preview, eval_str=True).return_annotation.__name__
        assert kind in ("TablePreview", "JSONPreview", "ImagePreview", "HTMLPreview")
        assert kind != "JSONPreview" or json.loads(shown)


@pytest.mark.parametrize("name", sorted(WRITTEN_BY_PEOPLE))
def test_what_people_write_is_never_written_here(name: str):
    dataset = dict(dataset_classes())[name](**WRITTEN_BY_PEOPLE[name])
    with pytest.raises(DatasetError, match=re.escape(type(dataset).refusal)):
        dataset.save("anything")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.mark.parametrize(
    "case", [case for case in WRITTEN if case.remote], ids=names([c for c in WRITTEN if c.remote])
)
def test_an_object_store_is_as_good_as_a_disk(case: Case, bucket: str):
    check_round_trip(case, f"{bucket}/{case.name}{case.ending}{len(case.options)}")
