"""The layout of a stage's files: held against the catalog, on a disk and in an object store."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from vernal.common.data_folder import DataFolder
from vernal.common.table_files import write_table
from vernal.sweeps.stage_folder import SEAL, TEXT_COLUMNS, StageFolder

ROOT = "${setting:data_root}"
SHARED = {
    "audio_roots": "audio_roots",
    "clips": "clips",
    "rejects": "rejects",
    "splits": "splits",
    "curated_subsets": "curated",
    "miner_clips": "miner_clips",
    "all_clips": "all_clips",
    "known_embeddings": "embeddings",
    "known_heads": "heads",
    "final.known_results": "sealed_results",
}
OF_ALL_STAGES = {"heads", "embeddings", "test_ledger"}
# Further names for a file that another dataset has already, or no file of the stage's.
ALIASES = {"known_evaluation": "evaluation_tables", "{figure}_plot": "plots"}


@pytest.fixture(scope="module")
def catalog(project: Path) -> dict[str, dict]:
    """Every entry of the catalog, by name, as it is written."""
    entries: dict[str, dict] = {}
    for file in sorted((project / "conf" / "base").rglob("catalog*.yml")):
        entries |= yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return entries


def place(entry: dict) -> str:
    """Where an entry lies; what is kept in `store_root` is in the data folder unless somebody sets that."""
    return str(entry.get("filepath") or entry.get("path")).replace("${setting:store_root}", ROOT)


def test_the_catalog_and_the_stage_folder_say_the_same(catalog: dict[str, dict]):
    folder = StageFolder(ROOT, "{stage}")
    of_stage = {
        name.removeprefix("{stage}."): entry
        for name, entry in catalog.items()
        if name.startswith("{stage}.") and place(entry).startswith(ROOT)
    }
    assert len(of_stage) > 15
    for name, entry in of_stage.items():
        owner = folder.data if name in OF_ALL_STAGES else folder
        path = getattr(owner, ALIASES.get(name, name)).as_posix()
        assert place(entry).removesuffix("/{figure}") == path, name


def test_text_in_the_catalog_is_text_in_the_stage_folder(catalog: dict[str, dict]):
    for name, entry in catalog.items():
        if name.startswith("{stage}.") and entry["type"].endswith("TableDataset"):
            own = TEXT_COLUMNS.get(Path(place(entry)).name, ())
            assert tuple(entry.get("text_columns", ())) == own, name


def test_the_catalog_and_the_data_folder_say_the_same(catalog: dict[str, dict]):
    data = DataFolder(ROOT)
    for name, attribute in SHARED.items():
        assert place(catalog[name]) == getattr(data, attribute).as_posix(), name


def test_the_paths_of_an_object_store_are_its_addresses():
    folder = StageFolder("s3://season/out", "stage5")
    assert str(folder.points_table) == "s3://season/out/08_reporting/stage5/points.csv"
    assert str(folder.data.splits) == "s3://season/out/03_primary/splits.parquet"


def test_tables_keep_names_and_hashes_as_text_and_missing_ones_are_named(tmp_path: Path):
    folder = StageFolder(tmp_path, "stage5")
    assert folder.missing_tables() == [
        "05_model_input/stage5/plan.parquet",
        "08_reporting/stage5/points.csv",
        "08_reporting/stage5/leaderboard.csv",
        "08_reporting/stage5/effects.csv",
    ]
    write_table(
        pd.DataFrame({"point": ["s_1"], "config_hash": ["0012"], "encoder_version": ["2.4"]}),
        folder.points_table,
    )
    assert folder.read_table(folder.points_table).iloc[0].tolist() == ["s_1", "0012", "2.4"]
    assert "08_reporting/stage5/points.csv" not in folder.missing_tables()


def test_what_a_run_did_not_leave_reads_as_no_rows_and_no_tables(tmp_path: Path):
    folder = StageFolder(tmp_path, "stage5")
    assert folder.read_failures().columns.tolist() == ["point", "step", "message"]
    write_table(pd.DataFrame({"key": ["a"]}), folder.evaluation_tables / "key.parquet")
    assert folder.read_evaluation_tables() == {}
    (folder.evaluation_tables / SEAL).touch()
    assert list(folder.read_evaluation_tables()) == ["key"]
