"""Where the files that all stages share lie below a data folder, as the catalog names them."""

import re
from pathlib import Path
from typing import Any

from vernal.common.storage import as_path, is_remote


def data_root_param(data_root: Path | str) -> str:
    """`data_root=...` as a command needs it; empty for the folder `data` of the project that one works in."""
    is_usual = not is_remote(data_root) and Path(data_root).absolute() == Path("data").absolute()
    return "" if is_usual else f"data_root={data_root}"


# Whatever else a shell may take apart, a comma (PowerShell makes a list of it) and a space among it.
_TAKEN_AS_IT_STANDS = re.compile(r"[\w./:=@+~\\-]*")


def typed_command(command: str, *params: str) -> str:
    """A command with its parameters, as a person can paste it; empty parameters are left out.

    >>> typed_command("kedro review sample", "detection.recordings=/x/my season", "", "data_root=/x/out")
    'kedro review sample --params="detection.recordings=/x/my season,data_root=/x/out"'
    >>> typed_command("kedro review sample", "data_root=/x/out"), typed_command("kedro review sample", "")
    ('kedro review sample --params=data_root=/x/out', 'kedro review sample')
    """
    given = ",".join(filter(None, params))
    if not given:
        return command
    return (
        f"{command} --params={given}"
        if _TAKEN_AS_IT_STANDS.fullmatch(given)
        else f'{command} --params="{given}"'
    )


class DataFolder:
    """Paths below a data folder, on a disk or in an object store; nothing is read, and nothing need be there.

    Attributes:
        root: the folder that holds `01_raw` to `08_reporting`.
        audio_roots, clips, rejects: what ingest leaves.
        splits, curated: labelled clips with their split; the folder of curated subsets.
        miner_clips, all_clips: what trains the miner; the clips of every source.
        embeddings, heads: the folders of embeddings and of trained classifiers, by what they were made from.
        models: the folder that holds one folder of trained points a stage.
        reporting: the folder that holds one folder of results a stage.
        test_ledger: how often each test split was opened, over all stages.
    """

    def __init__(self, root: Any) -> None:
        self.root: Path = as_path(root)
        found = self.root / "02_intermediate"
        self.audio_roots = found / "audio_roots.json"
        self.clips = found / "clips.parquet"
        self.rejects = found / "rejects.csv"
        self.splits = self.root / "03_primary" / "splits.parquet"
        self.curated = self.root / "03_primary" / "curated"
        self.miner_clips = self.root / "03_primary" / "mining" / "miner_clips.parquet"
        self.all_clips = self.root / "03_primary" / "all_clips.parquet"
        self.embeddings = self.root / "04_feature" / "embeddings"
        self.models = self.root / "06_models"
        self.heads = self.models / "heads"
        self.reporting = self.root / "08_reporting"
        self.test_ledger = self.reporting / "test_ledger.jsonl"
        self.sealed_results = self.reporting / "final" / "results.csv"
