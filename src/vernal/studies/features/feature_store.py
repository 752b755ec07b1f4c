"""Where features are kept: append-only, named by content, one clip readable without the others.

As `vernal.audio.embedding.store`, but for sequences of unequal length: a part (see `vernal.common.part_store`) holds a
few dozen clips, each a row group of its own, so that a batch is read from disk and nothing else is.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vernal.common.hashing import digest
from vernal.common.part_store import PartStore, as_parquet, check_rows, check_types, damaged, open_part
from vernal.common.problems import InputError
from vernal.common.storage import local_copy
from vernal.studies.features.options import FeatureOptions, Kind

_OPEN_PARTS = 8
_TYPES = {"key": "string", "n_rows": "int32", "values": r"list<\w+: float>"}
_WHEN_DAMAGED = "Delete that file and run again; its clips are computed anew."


@dataclass(frozen=True, eq=False)
class FeaturePart:
    """Some clips' sequences of one kind, on their way to the store: key -> (n_rows, n_dims) float32."""

    kind: Kind
    options: FeatureOptions
    sequences: dict[str, np.ndarray]


class FeatureStore(PartStore):
    """Sequences in a folder; several processes may read and write it at once."""

    cannot_write = (
        "Cannot write to the feature store {store}: {reason}. "
        "What was stored before is whole; free space or change the folder, then run again."
    )

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self._seen: dict[str, set[Path]] = {}
        self._places: dict[str, dict[str, tuple[Path, int, int]]] = {}
        self._open: OrderedDict[Path, Any] = OrderedDict()

    def __enter__(self) -> "FeatureStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the parts that are held open for reading."""
        while self._open:
            self._open.popitem()[1].close()

    def append(self, part: FeaturePart) -> Path | None:
        """Keep a part.

        Returns:
            The file written, or None for a part without clips.
        Raises:
            InputError: the folder cannot be written.
            ValueError: a sequence has no rows, another width than its kind, or values that are not finite.
        """
        n_dims = part.options.n_dims(part.kind.feature)
        for key, sequence in part.sequences.items():
            if (
                sequence.ndim != 2
                or not len(sequence)
                or sequence.shape[1] != n_dims
                or not np.isfinite(sequence).all()
            ):
                raise ValueError(
                    f"{part.kind} of {key} has the shape {sequence.shape}, not (n, {n_dims}), or is not finite"
                )
        if not part.sequences:
            return None
        settings_id, settings = part.options.settings_id(part.kind), part.options.settings(part.kind)
        return self._append(settings_id, settings, _as_parquet(part.sequences))

    def lengths(self, options: FeatureOptions, kind: Kind) -> dict[str, int]:
        """Rows of every stored clip, by key.

        Raises:
            InputError: a part is damaged.
        """
        return {key: n_rows for key, (_, _, n_rows) in self._index(options.settings_id(kind)).items()}

    def load(self, options: FeatureOptions, kind: Kind, key: str) -> np.ndarray:
        """One clip's sequence, (n_rows, n_dims) float32, read from disk.

        Raises:
            InputError: the clip is not stored, or its part is damaged.
        """
        found = self._index(options.settings_id(kind)).get(key)
        if found is None:
            raise InputError(
                f"A clip's {kind.feature} ({kind.sync}) is not in the feature store {self.folder}. "
                "Run the features pipeline from its start."
            )
        path, group, n_rows = found
        return self._sequence(path, group, (n_rows, options.n_dims(kind.feature)))

    def _sequence(self, path: Path, group: int, shape: tuple[int, int]) -> np.ndarray:
        """The sequence of a row group; a width of -1 is any."""
        values = self._read(path, "values", group).flatten().to_numpy(zero_copy_only=False)
        try:
            if not np.isfinite(values).all():
                raise ValueError("it holds values that are not finite")
            return values.reshape(shape)
        except ValueError as error:
            raise damaged(path, error, _WHEN_DAMAGED) from error

    def _check(self, part: Path) -> None:
        n_dims = self._settings(part.parent).get("n_dims", -1)
        self._read(part, "key")
        for group, n_rows in enumerate(self._read(part, "n_rows").to_pylist()):
            self._sequence(part, group, (n_rows, n_dims))

    def _belong(self, settings: dict[str, Any], group: str) -> bool:
        return digest("spectral feature", settings) == group

    def _index(self, settings_id: str) -> dict[str, tuple[Path, int, int]]:
        """Part, row group and length of every key; parts never change, so each is read once."""
        places, seen = self._places.setdefault(settings_id, {}), self._seen.setdefault(settings_id, set())
        for path in self._parts(settings_id):
            if path in seen:
                continue
            keys, lengths = self._read(path, "key").to_pylist(), self._read(path, "n_rows").to_pylist()
            for group, (key, n_rows) in enumerate(zip(keys, lengths, strict=True)):
                places.setdefault(key, (path, group, n_rows))
            seen.add(path)
        return places

    def _read(self, path: Path, column: str, group: int | None = None) -> Any:
        """A column of a part, or of one of its row groups, as an Arrow array."""
        from pyarrow import ArrowException

        try:
            file = self._file(path)
            columns = {"columns": [column], "use_threads": False}
            table = file.read(**columns) if group is None else file.read_row_group(group, **columns)
            told = file.metadata if group is None else file.metadata.row_group(group)
            check_rows(table, told.num_rows)
            values = table.column(column).combine_chunks()
            if values.null_count:
                raise ValueError(f"{column} has missing values")
            return values
        except (ArrowException, OSError, KeyError, IndexError, ValueError) as error:
            raise damaged(path, error, _WHEN_DAMAGED) from error

    def _file(self, path: Path) -> Any:
        if path not in self._open:
            file = open_part(local_copy(path))
            check_types(file, _TYPES)
            self._open[path] = file
            if len(self._open) > _OPEN_PARTS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]


def _as_parquet(sequences: dict[str, np.ndarray]) -> bytes:
    """A part as a file, a row group a clip."""
    import pyarrow as pa

    lengths = np.array([sequence.size for sequence in sequences.values()], dtype=np.int64)
    flat = np.concatenate(
        [np.asarray(sequence, dtype=np.float32).reshape(-1) for sequence in sequences.values()]
    )
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    table = pa.table(
        {
            "key": pa.array(list(sequences), pa.string()),
            "n_rows": pa.array([len(sequence) for sequence in sequences.values()], pa.int32()),
            "values": pa.ListArray.from_arrays(pa.array(ends), pa.array(flat)),
        }
    )
    return as_parquet(table, row_group_size=1, compression="none", use_dictionary=False)


def stored_bytes(lengths: Iterable[int], n_dims: int) -> float:
    """Mean bytes of a clip's values: four a number.

    >>> stored_bytes([10, 20], 12)
    720.0
    """
    return float(np.mean([4 * n_dims * n_rows for n_rows in lengths]))
