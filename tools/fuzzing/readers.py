"""Every reader of other people's bytes: valid files, and how they are read.

A reader takes a file or says in words why not (`InputError`, of recordings `AudioError`); anything else is a fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.common.files import write_bytes
from vernal.common.problems import InputError

SLOW_S = 20.0  # a try that takes longer is a fault
Samples = Callable[[Path], list[bytes]]


@dataclass(frozen=True)
class Reader:
    """`name` in words; `samples(folder)` makes valid files; `read(folder, content)` reads one, in an empty folder."""

    name: str
    samples: Samples
    read: Callable[[Path, bytes], object]


def readers() -> dict[str, Reader]:
    """All readers by a short name; those of the studies where nobody deleted them."""
    found = {
        "recordings": Reader("recordings: WAV, FLAC, Ogg", _sounds, _read_sound),
        "labels": Reader("label tables of five programs", _label_files, _read_labels),
        "statements": Reader("statements beside recordings", _statements, _read_statement),
        "manifests": Reader("manifests: CSV", _manifests, _read_manifest),
        "parquet": Reader("manifests: Parquet", _parquet_manifests, _read_parquet_manifest),
        "sites": Reader("tables of sites", _sites, _read_sites),
        "specs": Reader("specs of sweeps, points, problem cards", _specs, _read_spec),
        "decisions": Reader("decisions of reviewers", _decisions, _read_decisions),
        "records": Reader("run records and ledgers", _records, _read_record),
        "heads": Reader("heads of classifiers", _heads, _read_head),
        "tflite": Reader("classifiers: TFLite", _classifiers, _read_classifier),
        "encoders": Reader("encoders of others: TFLite", _classifiers, _read_tflite_encoder),
        "onnx": Reader("encoders of others: ONNX", _onnx_encoders, _read_onnx_encoder),
        "exports": Reader("parameters of an export", _export_records, _read_export),
        "embeddings": Reader("parts: embeddings", _embeddings, _read_embeddings),
        "scores": Reader("parts: scores of detection", _scores, _read_scores),
        "journals": Reader("journal of known files", _journals, _read_journal),
        "filters": Reader("filters of the page", _filters, _read_filter),
    }
    if find_spec("vernal.studies"):
        found["features"] = Reader("parts: features", _features, _read_features)
        found["results"] = Reader("results tables and truth of an audit", _results, _read_results)
    return found


# Sound ----------------------------------------------------------------------------------------------


def _sounds(folder: Path) -> list[bytes]:
    import soundfile

    rng = np.random.default_rng(0)
    sound = (0.1 * rng.normal(size=(2_400, 2))).clip(-1, 1)
    kinds = [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "PCM_24"),
        ("RF64", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
    ]
    found = []
    for number, (form, subtype) in enumerate(kinds):
        path = folder / f"{number}"
        soundfile.write(path, sound if number % 2 else sound[:, 0], 8_000, subtype, format=form)
        found.append(path.read_bytes())
    comment = b"Recorded at 21:00:00 03/04/2025 (UTC) by AudioMoth 24526B065D325963 at medium gain"
    info = b"INFOICMT" + len(comment).to_bytes(4, "little") + comment
    guano = b"GUANO|Version: 1.0\nTimestamp: 2025-04-03T21:00:00+02:00\nSerial: 12\nLoc Position: 47.1 8.5\n"
    found.append(found[0] + _chunk(b"LIST", info) + _chunk(b"guan", guano))
    return found


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _read_sound(folder: Path, content: bytes) -> object:
    from vernal.audio.checks import AudioChecks
    from vernal.audio.reading import AudioError, load_clip
    from vernal.clips.recording_metadata import read_header
    from vernal.clips.recordings import inspect_files

    path = folder / "Moth01_20250403_210000.wav"
    path.write_bytes(content)
    facts = inspect_files([path], AudioChecks())[path]
    read_header(path)
    try:
        return load_clip(path, 0.0, min(facts.get("duration_s", 3.0), 3.0))
    except AudioError as error:
        raise InputError(str(error)) from error


# Tables ---------------------------------------------------------------------------------------------


def _label_files(folder: Path) -> list[bytes]:
    from vernal.clips.annotation_formats import FORMATS
    from vernal.clips.annotations import annotation_table

    place = {"recording": "a.wav", "start_s": 0.5, "end_s": 1.5, "label": "RADR"}
    of_a_person = annotation_table([place, place | {"start_s": 2.0, "end_s": 3.0, "label": "owl"}])
    of_a_model = annotation_table([place | {"confidence": 0.7, "model": "BirdNET"}])
    return [
        module.render(of_a_model if name == "birdnet" else of_a_person).encode()
        for name, module in FORMATS.items()
    ]


def _read_labels(folder: Path, content: bytes) -> object:
    from vernal.clips.annotation_formats import read_labels

    path = folder / "night.txt"
    path.write_bytes(content)
    return read_labels(path)


def _statements(folder: Path) -> list[bytes]:
    statement = "licence: CC-BY-4.0\ncollector: Ana\nsite: Pond\ndate: '2025-04-03'\nutc_offset: '+02:00'\n"
    table = "file;annotator;licence\na.wav;Ana;CC0\nb/c.wav;Ben;\n"
    return [statement.encode(), table.encode()]


def _read_statement(folder: Path, content: bytes) -> object:
    from vernal.collection.statements import read_files_table, read_statement

    is_table = content[:4] == b"file"
    path = folder / ("files.csv" if is_table else "source.yml")
    path.write_bytes(content)
    return read_files_table(path) if is_table else read_statement(path)


_MANIFEST = pd.DataFrame(
    {
        "file_path": ["a.wav", "b/c.wav", "b/c.wav"],
        "label": ["RADR", "owl", "RADR"],
        "quality": ["high", "", "low"],
        "recorder_id": ["Moth01", "Moth02", "Moth02"],
        "date": ["2025-04-03", "2025-04-04", "2025-04-04"],
        "time": ["21:00:00", "22:00", ""],
        "start_s": ["0", "3.5", "7"],
        "end_s": ["3", "6.5", "10"],
    }
)


def _manifests(folder: Path) -> list[bytes]:
    return [
        _MANIFEST.to_csv(index=False, sep=mark).encode(encoding)
        for mark, encoding in ((",", "utf-8-sig"), (";", "utf-8"))
    ]


def _parquet_manifests(folder: Path) -> list[bytes]:
    numbers = _MANIFEST.assign(start_s=[0.0, 3.5, 7.0], end_s=[3.0, 6.5, 10.0], verified=[True, False, None])
    found = []
    for table, packing in ((_MANIFEST, "snappy"), (numbers, None), (numbers, "zstd")):
        table.to_parquet(folder / "m.parquet", compression=packing)
        found.append((folder / "m.parquet").read_bytes())
    return found


def _read_manifest(folder: Path, content: bytes, name: str = "m.csv") -> object:
    from vernal.clips.manifest import check_manifest, read_manifest

    path = folder / name
    path.write_bytes(content)
    for recording in set(_MANIFEST.file_path):
        write_bytes(folder / recording, b"")
    return check_manifest(read_manifest(path), "RADR", folder)


def _sites(folder: Path) -> list[bytes]:
    text = (
        "site,recorder,latitude,longitude,time zone,from,to,elevation\n"
        "Pond,A12,-27.5,153,Australia/Brisbane,2025-04-01,2025-04-10,12\nPond,B,,,+10:30,,,\n"
    )
    return [text.replace(",", mark).encode("utf-8") for mark in ",;"]


def _read_sites(folder: Path, content: bytes) -> object:
    from vernal.field.handover.sites import read_sites

    (folder / "sites.csv").write_bytes(content)
    return read_sites(str(folder / "sites.csv"), ["A12", "B"])


_read_parquet_manifest = partial(_read_manifest, name="m.parquet")


# Words ----------------------------------------------------------------------------------------------


def _specs(folder: Path) -> list[bytes]:
    project = Path(__file__).resolve().parents[2]
    names = ("sweeps/baseline.yml", "sweeps/stage5.yml", "base/problem.yml")
    return [(project / "conf" / name).read_bytes() for name in names] + [
        b"point: stage5_001\ndropout: 0.5\nseed: 3\n"
    ]


def _read_spec(folder: Path, content: bytes) -> object:
    from vernal.clips.problem_card import read_problem_card
    from vernal.sweeps.points import read_point_records, read_records
    from vernal.sweeps.spec import expand, read_spec

    (folder / "points").mkdir()
    path = folder / "points" / "stage5_001.yml"
    path.write_bytes(content)
    refusals = 0
    for read in (
        lambda: expand(read_spec(path, max_points=1_000)),
        lambda: read_problem_card(path),
        lambda: read_records(read_point_records(folder / "points"), "points"),
    ):
        try:
            read()
        except InputError:
            refusals += 1
    if refusals == 3:
        raise InputError("it is none of the three")
    return refusals


def _decisions(folder: Path) -> list[bytes]:
    from vernal.web.review.decisions import DecisionLog

    log = DecisionLog(folder)
    said = {"reviewer": "Ana", "queue": "q", "item": "a", "look": 1, "asked": "RADR", "decision": "target"}
    line = log.add(said | {"clip_id": "a", "file_path": "a.wav", "start_s": 0.0, "end_s": 3.0, "score": 1.5})
    log.add(said | {"item": "b", "decision": "not_target", "note": "rain"})
    log.undo(line["id"], "Ana")
    log.add_together([said | {"item": "c", "asked": name} for name in ("owl", "frog")])
    return [next(folder.glob("*.jsonl")).read_bytes()]


def _read_decisions(folder: Path, content: bytes) -> object:
    from vernal.web.review.decisions import DecisionLog, latest_decisions

    (folder / "20250403T210000.000000Z-abc.jsonl").write_bytes(content)
    log = DecisionLog(folder)
    made = log.add(
        {"reviewer": "Ben", "queue": "q", "item": "z", "look": 1, "asked": "RADR", "decision": "unsure"}
    )
    read = latest_decisions(log.read())
    if made["id"] not in set(read.id):
        raise AssertionError("a decision was made and is not read")
    return read


def _records(folder: Path) -> list[bytes]:
    began = "2025-04-03T21:00:00+00:00"
    record = {
        "run": "r1",
        "stage": "stage5",
        "started": began,
        "outcome": "finished",
        "duration_s": 1.5,
        "environment": {"code": {"version": "1"}, "packages": {"numpy": "2"}, "machine": {}},
        "parameters": {"a": {"b": 1}},
        "data": {"clips": {"rows": 2, "digest": "ab", "sha256": "cd"}},
        "points": {"p": {"config_hash": "x"}},
        "nodes": [{"node": "n", "started": began, "duration_s": 0.5}],
    }
    entry = {
        "stage": "stage5",
        "evaluation": "x",
        "splits": {"test_iid": "ab"},
        "opened": "2025",
        "previous": "",
    }
    return [
        json.dumps(record, indent=1).encode(),
        (json.dumps(entry) + "\n" + json.dumps(entry) + "\n").encode(),
    ]


def _read_record(folder: Path, content: bytes) -> object:
    from vernal.proof.ledger import append_entries, read_ledger
    from vernal.proof.run_record import differences, read_record

    path = folder / "r1.json"
    path.write_bytes(content)
    try:
        record = read_record(path)
    except InputError:
        append_entries(path, [{"stage": "stage6", "evaluation": "y", "splits": {"test_iid": "z"}}], "2025")
        return read_ledger(path)
    return differences(record, {})


# Classifiers ----------------------------------------------------------------------------------------


def _head(hidden_units: int):
    from vernal.training.heads import Head

    rng = np.random.default_rng(1)
    sizes = [1_024, *([hidden_units] if hidden_units else []), 2]
    made = [rng.normal(size=size).astype(np.float32) for size in pairwise(sizes)]
    return Head(tuple((weights, np.zeros(weights.shape[1], np.float32)) for weights in made))


def _heads(folder: Path) -> list[bytes]:
    from vernal.training.heads import save_head

    found = []
    for number in (0, 3):
        save_head(folder / "head.npz", _head(number), {"settings": {"dropout": 0.5}})
        found.append((folder / "head.npz").read_bytes())
    return found


def _read_head(folder: Path, content: bytes) -> object:
    from vernal.training.heads import load_head

    (folder / "head.npz").write_bytes(content)
    return load_head(folder / "head.npz")


def _classifiers(folder: Path) -> list[bytes]:
    return [_head_file(number) for number in (0, 3)]


@lru_cache
def _head_file(hidden_units: int) -> bytes:
    from vernal.field.export.classifier_files import head_file

    return head_file(_head(hidden_units))


def _read_classifier(folder: Path, content: bytes) -> object:
    from vernal.field.export.classifier_files import read_head

    (folder / "x.tflite").write_bytes(content)
    return read_head(folder / "x.tflite")


def _onnx_encoders(folder: Path) -> list[bytes]:
    """A matrix product, and one whose number of windows may change, with its absolute value."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(
        np.random.default_rng(1).normal(size=(1_024, 2)).astype("f4"), "weights"
    )
    found = []
    for windows, last in ((1, "product"), ("windows", "absolute")):
        nodes = [helper.make_node("MatMul", ["samples", "weights"], ["product"])]
        nodes += [helper.make_node("Abs", ["product"], ["absolute"])] if last == "absolute" else []
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [windows, size])]
            for name, size in (("samples", 1_024), (last, 2))
        ]
        graph = helper.make_graph(nodes, "encoder", *ends, [weights])
        versions = [helper.make_opsetid("", 17)]
        found.append(helper.make_model(graph, opset_imports=versions, ir_version=8).SerializeToString())
    return found


def _read_encoder(folder: Path, content: bytes, suffix: str) -> object:
    from vernal.audio.encoders.files import EncoderFile
    from vernal.audio.encoders.networks import check_in

    path = folder / f"x{suffix}"
    path.write_bytes(content)
    return check_in(
        _encoder_worker(), EncoderFile("x", str(path), sample_rate_hz=1_024, window_s=1.0, n_dims=2)
    )


@lru_cache
def _encoder_worker():
    """One for all files, since to start it takes longer than to hear a file."""
    from vernal.common.workers import BoundedWorker

    return BoundedWorker(memory_mb=2_000, seconds=SLOW_S / 2)


_read_tflite_encoder = partial(_read_encoder, suffix=".tflite")
_read_onnx_encoder = partial(_read_encoder, suffix=".onnx")


def _export_records(folder: Path) -> list[bytes]:
    import hashlib

    import yaml

    from vernal.audio.embedding.options import EmbeddingOptions

    digest = hashlib.sha256(_head_file(3)).hexdigest()
    record = {
        "vernal_export": 1,
        "labels": ["RADR", "owl"],
        "files": {"x_head.tflite": digest},
        "audio": asdict(EmbeddingOptions()),
        "settings": {"dropout": 0.5},
        "operating_point": {"threshold_logit": 0.5, "goal": "f1", "val_f1": 0.9},
    }
    parts = [{"labels": [label], "operating_point": record["operating_point"]} for label in record["labels"]]
    return [yaml.safe_dump(one, sort_keys=False).encode() for one in (record, record | {"merged": parts})]


def _read_export(folder: Path, content: bytes) -> object:
    from vernal.field.detection.classifier import choose_classifier
    from vernal.field.detection.options import DetectionOptions

    write_bytes(folder / "x" / "x_head.tflite", _head_file(3))
    write_bytes(folder / "x" / "x_parameters.yml", content)
    return choose_classifier(DetectionOptions(model=str(folder / "x")), folder)


# Stores ---------------------------------------------------------------------------------------------


def _embeddings(folder: Path) -> list[bytes]:
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingPart

    options = EmbeddingOptions()
    rows = pd.DataFrame(
        {"key": ["a", "b"], "content_hash": ["x", "x"], "start_s": [0.0, 3.0], "end_s": [3.0, 6.0]}
    )
    vectors = np.random.default_rng(2).normal(size=(2, options.n_dims)).astype(np.float32)
    part = EmbeddingPart(options, rows, vectors, pd.DataFrame(columns=list(FAILURE_COLUMNS)))
    return [Path(EmbeddingStore(folder).append(part)).read_bytes()]


def _read_embeddings(folder: Path, content: bytes) -> object:
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.common.part_store import part_name

    options, store = EmbeddingOptions(), EmbeddingStore(folder)
    write_bytes(folder / options.settings_id / part_name(content), content)
    is_whole = (store.verify().state == "ok").all()
    read = store.load(options, ["a", "b"])
    if is_whole and not np.isfinite(read).all():
        raise AssertionError("verified, and not finite")
    return read


def _scores(folder: Path) -> list[bytes]:
    from vernal.field.detection.score_store import ScoreStore, StoredScores
    from vernal.field.detection.scoring import BlockScores, Traces

    scores = BlockScores(
        "ab" * 32,
        0,
        1,
        np.array([0.0, 3.0]),
        np.array([3.0, 6.0]),
        np.ones((2, 2)),
        6.0,
        Traces((-0.1, 0.1, 0.0)),
    )
    ScoreStore(folder).append(StoredScores("run", {"audio": {}}, (scores,)))
    return [next(folder.rglob("*.parquet")).read_bytes()]


def _read_scores(folder: Path, content: bytes) -> object:
    from vernal.field.detection.score_store import ScoreStore

    write_bytes(folder / "run" / "ab" / f"{'ab' * 32}-0.parquet", content)
    ScoreStore(folder).verify()
    return ScoreStore(folder).load("run", "ab" * 32, 0)


def _journals(folder: Path) -> list[bytes]:
    from vernal.field.detection.file_facts import FileFacts
    from vernal.field.detection.file_journal import KnownFiles

    journal = KnownFiles(folder / "known.jsonl")
    facts = FileFacts(1_000, 17, "ab" * 32, 144_000, 48_000, 1)
    journal.append({"/x/a.wav": facts, "/x/b.wav": FileFacts(1, 2, reason="unreadable", message="no sound")})
    return [journal.file.read_bytes()]


def _read_journal(folder: Path, content: bytes) -> object:
    from vernal.field.detection.file_journal import KnownFiles

    (folder / "known.jsonl").write_bytes(content)
    return KnownFiles(folder / "known.jsonl").load()


def _filters(folder: Path) -> list[bytes]:
    return [
        b"score >= 0.5 and recorder_id in ['Moth07', 'Moth08']",
        b"not (score < -1.5) or 'owl' in note and site == None",
    ]


def _read_filter(folder: Path, content: bytes) -> object:
    from vernal.web.review.filters import choose

    columns = {
        "score": [0.2, 0.9],
        "recorder_id": ["Moth07", None],
        "note": ["an owl", ""],
        "site": [None, "Pond"],
    }
    return choose(pd.DataFrame(columns), content.decode("utf-8", "surrogateescape"))


# Studies --------------------------------------------------------------------------------------------


def _feature_kind():
    from vernal.studies.features.options import FeatureOptions, Kind

    return Kind("mfcc", "none"), FeatureOptions()


def _features(folder: Path) -> list[bytes]:
    from vernal.studies.features.feature_store import FeaturePart, FeatureStore

    kind, options = _feature_kind()
    sequence = np.random.default_rng(3).normal(size=(4, options.n_dims(kind.feature))).astype(np.float32)
    return [Path(str(FeatureStore(folder).append(FeaturePart(kind, options, {"a": sequence})))).read_bytes()]


def _read_features(folder: Path, content: bytes) -> object:
    from vernal.common.part_store import part_name
    from vernal.studies.features.feature_store import FeatureStore

    kind, options = _feature_kind()
    store = FeatureStore(folder)
    write_bytes(folder / options.settings_id(kind) / part_name(content), content)
    store.verify()
    return store.load(options, kind, "a")


def _results(folder: Path) -> list[bytes]:
    runs = "run_name,seed,dropout,test_iid_f1,test_iid_recall\nR1,1,0.5,0.8,0.93\nR2,2,0.0,0.6,0.6\n"
    truth = "file_path,label,split,start_s,end_s\na.wav,RADR,test,0,3\nb.wav,negative,train,0,3\n"
    return [runs.encode(), truth.encode()]


def _read_results(folder: Path, content: bytes) -> object:
    from vernal.studies.audit.truth import read_truth
    from vernal.studies.published.experiments import read_experiments

    path = folder / "x.csv"
    path.write_bytes(content)
    return read_truth(path, "RADR") if content[:9] == b"file_path" else read_experiments(path)
