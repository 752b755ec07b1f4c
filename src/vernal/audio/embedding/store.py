"""Where embeddings are kept: append-only, named by content, readable by anything that reads Parquet.

A folder for each group of settings (encoder, version, band-pass, overlap) holds parts: Parquet files of
some hundred windows, `key` and `vector` (see `vernal.common.part_store`).
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.common.files import abandoned, write_bytes
from vernal.common.part_store import (
    PartStore,
    as_parquet,
    check_types,
    damaged,
    open_part,
    part_name,
    read_part,
)
from vernal.common.problems import InputError
from vernal.common.storage import remove_tree

_BATCH = 16_384  # windows that are read at once, 64 MB
_SHOWN_SETTINGS = ("encoder", "encoder_version", "fmin", "fmax", "overlap", "n_dims")
_ENCODER_FACTS = ("sample_rate_hz", "window_s", "encoder_file")
INFO_COLUMNS = ("settings_id", *_SHOWN_SETTINGS, "parts", "windows", "bytes", *_ENCODER_FACTS)
_TYPES = {"key": "string", "content_hash": "string", "start_s": "double", "end_s": "double"}
_WHEN_DAMAGED = (
    "`kedro store verify` lists all damaged parts; `kedro store prune` removes them, and the next run embeds their "
    "windows again."
)


class EmbeddingStore(PartStore):
    """Embeddings in a folder; several processes may read and write it at once."""

    cannot_write = (
        "Cannot write to the embedding store {store}: {reason}. "
        "What was stored before is whole; free space or change the folder, then run again."
    )

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self._keys_of: dict[Path, np.ndarray] = {}

    def known_keys(self, options: EmbeddingOptions, without: Collection[str] = ()) -> set[str]:
        """Keys of all windows stored under these settings, `without` those of parts of these names.

        Raises:
            InputError: a part is damaged.
        """
        known: set[str] = set()
        for part in self._parts(options.settings_id):
            if part.name not in without:
                known.update(self._keys(part, options.n_dims))
        return known

    def append(self, part: EmbeddingPart) -> Path | None:
        """Keep a part. Failures in it are not kept.

        Returns:
            The file written, or None for a part without vectors.
        Raises:
            InputError: the folder cannot be written.
        """
        if part.vectors.shape != (len(part.rows), part.options.n_dims):
            raise ValueError(f"{len(part.rows)} rows came with vectors of shape {part.vectors.shape}")
        if not np.isfinite(part.vectors).all():
            raise ValueError("a part holds vectors that are not finite")
        if part.rows.empty:
            return None
        content = _as_parquet(part.rows, part.vectors)
        return self._append(part.options.settings_id, part.options.settings, content)

    def load(self, options: EmbeddingOptions, keys: Sequence[str] | pd.Series) -> np.ndarray:
        """Vectors of these windows.

        Returns:
            (n_keys, n_dims) float32 in the order of `keys`; a key may come several times.
        Raises:
            InputError: a window is not stored, or a part is damaged.
        """
        vectors = np.empty((len(keys), options.n_dims), dtype=np.float32)
        for rows, some in self.read(options, keys):
            vectors[rows] = some
        return vectors

    def read(
        self, options: EmbeddingOptions, keys: Sequence[str] | pd.Series
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Vectors of these windows a batch at a time, as they lie on disk: a season is larger than memory.

        Returns:
            `rows` (n,) places in `keys`, and `vectors` (n, n_dims) float32 of those; together every key once.
        Raises:
            InputError: a window is not stored, or a part is damaged.
        """
        parts = self._parts(options.settings_id)
        keys_of = [self._keys(part, options.n_dims) for part in parts]
        stored = pd.Index(np.concatenate([np.empty(0, dtype=object), *keys_of]), dtype=object)
        rows = _first_positions(stored).reindex(pd.Index(keys, dtype=object)).to_numpy()
        n_missing = int(np.isnan(rows).sum())
        if n_missing:
            raise InputError(
                f"{n_missing:,} of {len(rows):,} windows are not in the embedding store {self.folder} "
                f"(settings {options.settings_id}: {options}). Run the embedding pipeline first."
            )
        yield from _batches(
            parts, [len(part_keys) for part_keys in keys_of], rows.astype(np.int64), options.n_dims
        )

    def parts(self, options: EmbeddingOptions) -> list[Path]:
        """The files of these settings, by name; what a file of a name holds never changes."""
        return self._parts(options.settings_id)

    def parts_by_content(self, options: EmbeddingOptions) -> dict[str, list[Path]]:
        """Which parts hold windows of a file, by the hash of its content; see `vectors_in`.

        Raises:
            InputError: a part is damaged.
        """
        found: dict[str, list[Path]] = {}
        for part in self._parts(options.settings_id):
            for content in sorted(set(_read_column(part, "content_hash", options.n_dims).to_pylist())):
                found.setdefault(content, []).append(part)
        return found

    def info(self) -> pd.DataFrame:
        """One row for each group of settings: `INFO_COLUMNS`; settings are missing where their file is not whole."""
        rows = []
        for folder in self._groups():
            parts = self._parts(folder.name)
            settings = self._settings(folder)
            counts = {"parts": len(parts), "windows": sum(count_windows(part) for part in parts)}
            size = sum(part.stat().st_size for part in parts)
            rows.append({"settings_id": folder.name, **settings, **counts, "bytes": size})
        return pd.DataFrame(rows).reindex(columns=list(INFO_COLUMNS))

    def prune(
        self,
        keep_keys: Collection[str] | None = None,
        keep_settings: Collection[str] | None = None,
        dry_run: bool = False,
    ) -> pd.DataFrame:
        """Remove damaged files, files of interrupted writers, and, if asked, what nobody needs.

        Embeddings are kept where their settings cannot be read: nobody can tell whether they are needed.

        Args:
            keep_keys: windows to keep; None keeps all.
            keep_settings: settings ids to keep; None keeps all.
            dry_run: only say what would be removed.
        Returns:
            One row a file: `settings_id`, `file`, `reason` (`damaged`, `abandoned`, `settings`, `keys`),
            `windows` and `bytes` that go.
        """
        removed: list[dict[str, Any]] = []
        for folder in self._groups():
            is_told = bool(self._settings(folder))
            if is_told and keep_settings is not None and folder.name not in keep_settings:
                removed += [
                    _removal(folder, part, "settings", count_windows(part))
                    for part in self._parts(folder.name)
                ]
                if not dry_run:
                    remove_tree(folder)
                continue
            left = abandoned(folder)
            broken = [file for file in self._files(folder) if self._fault(file)]
            for file in [*left, *broken]:
                removed.append(_removal(folder, file, "damaged" if file in broken else "abandoned", 0))
                if not dry_run:
                    file.unlink()
            if is_told and keep_keys is not None:
                for part in self._parts(folder.name):
                    if part not in broken:
                        removed += self._keep_only(folder, part, set(keep_keys), dry_run)
        self._keys_of.clear()
        return pd.DataFrame(removed, columns=["settings_id", "file", "reason", "windows", "bytes"])

    def _keep_only(self, folder: Path, part: Path, keys: set[str], dry_run: bool) -> list[dict[str, Any]]:
        """Put a part with fewer windows in the place of one; the new one is whole before the old one goes."""
        is_kept = np.array([key in keys for key in self._keys(part)], dtype=bool)
        if is_kept.all():
            return []
        rows, vectors = _read_part(part)
        kept = _as_parquet(rows[is_kept], vectors[is_kept]) if is_kept.any() else b""
        removal = _removal(folder, part, "keys", int((~is_kept).sum()))
        if not dry_run:
            if kept:
                write_bytes(folder / part_name(kept), kept)
            part.unlink()
        return [{**removal, "bytes": removal["bytes"] - len(kept)}]

    def _keys(self, part: Path, n_dims: int | None = None) -> np.ndarray:
        """Keys of a part; parts never change, so each is read once."""
        if part not in self._keys_of:
            self._keys_of[part] = _read_column(part, "key", n_dims).to_numpy(zero_copy_only=False)
        return self._keys_of[part]

    def _check(self, part: Path) -> None:
        _read_part(part, self._settings(part.parent).get("n_dims"))


def _first_positions(stored: pd.Index) -> pd.Series:
    """Position of the first occurrence of every key."""
    positions = pd.Series(np.arange(len(stored), dtype=np.float64), index=stored)
    return positions[~stored.duplicated()]


def _batches(
    parts: list[Path], sizes: list[int], rows: np.ndarray, n_dims: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Collect rows of the parts laid end to end, part by part, in batches of `_BATCH` and more."""
    ends = np.cumsum(sizes)
    part_of = np.searchsorted(ends, rows, side="right")
    order = np.argsort(part_of, kind="stable")
    bounds = np.searchsorted(part_of[order], np.arange(len(parts) + 1))
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for number, part in enumerate(parts):
        wanted = order[bounds[number] : bounds[number + 1]]
        if len(wanted):
            first = ends[number] - sizes[number]
            found.append((wanted, _vectors(part, n_dims)[rows[wanted] - first]))
        if sum(len(some) for some, _ in found) >= _BATCH:
            yield _joined(found)
            found = []
    if found:
        yield _joined(found)


def _joined(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([rows for rows, _ in found]), np.concatenate([vectors for _, vectors in found])


def _as_parquet(rows: pd.DataFrame, vectors: np.ndarray) -> bytes:
    """A part as a file. Vectors do not compress, and every page carries a checksum."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    table = pa.table(
        {
            "key": pa.array(rows["key"].tolist(), pa.string()),
            "content_hash": pa.array(rows["content_hash"].tolist(), pa.string()),
            "start_s": pa.array(rows["start_s"].to_numpy(dtype=np.float64)),
            "end_s": pa.array(rows["end_s"].to_numpy(dtype=np.float64)),
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
    return as_parquet(table, compression="none", use_dictionary=["content_hash"])


def _read_column(part: Path, column: str, n_dims: int | None = None) -> Any:
    """One column of a part as an Arrow array without missing values; None: vectors of any width.

    Raises:
        InputError: the part is damaged, or no part of such vectors.
    """
    check = partial(_check_columns, n_dims=n_dims, size=part.stat().st_size)
    table = read_part(part, [column], _WHEN_DAMAGED, check)
    values = table.column(column).combine_chunks()
    if values.null_count:
        raise damaged(part, ValueError(f"{column} has missing values"), _WHEN_DAMAGED)
    return values


def _check_columns(file: Any, n_dims: int | None, size: int) -> None:
    """Refuse what is no part, by its footer: vectors are stored plainly, so that a small file holds few windows."""
    width = r"[1-9]\d*" if n_dims is None else str(n_dims)
    check_types(file, _TYPES | {"vector": rf"fixed_size_list<\w+: float>\[{width}\]"})
    numbers = file.schema_arrow.field("vector").type.list_size
    if 4 * numbers * file.metadata.num_rows > size:
        raise ValueError(f"{file.metadata.num_rows:,} windows in {size:,} bytes")


def read_whole(part: Path, n_dims: int) -> tuple[np.ndarray, np.ndarray]:
    """All windows of a part: keys (n,) and vectors (n, n_dims) float32.

    Raises:
        InputError: the part is damaged.
    """
    keys = _read_column(part, "key", n_dims).to_numpy(zero_copy_only=False)
    return keys, _vectors(part, n_dims)


def vectors_in(part: Path, keys: Collection[str], n_dims: int) -> dict[str, np.ndarray]:
    """Those of these windows that a part holds: key -> (n_dims,) float32.

    Raises:
        InputError: the part is damaged.
    """
    stored = _read_column(part, "key", n_dims).to_pylist()
    rows = {key: row for row, key in enumerate(stored) if key in keys}
    if not rows:
        return {}
    vectors = _vectors(part, n_dims)
    return {key: vectors[row].copy() for key, row in rows.items()}


def _vectors(part: Path, n_dims: int | None) -> np.ndarray:
    """The vectors of a part, all finite."""
    column = _read_column(part, "vector", n_dims)
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    if not np.isfinite(vectors).all():
        raise damaged(part, ValueError("it holds vectors that are not finite"), _WHEN_DAMAGED)
    return vectors


def _read_part(part: Path, n_dims: int | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    columns = {name: _read_column(part, name, n_dims) for name in _TYPES}
    rows = pd.DataFrame({name: column.to_numpy(zero_copy_only=False) for name, column in columns.items()})
    return rows, _vectors(part, n_dims)


def count_windows(part: Path) -> int:
    """Windows in a part, by its footer; 0 where that is damaged."""
    from pyarrow import ArrowException

    try:
        with open_part(part) as file:
            return file.metadata.num_rows
    except (ArrowException, OSError):
        return 0


def _removal(folder: Path, file: Path, reason: str, windows: int) -> dict[str, Any]:
    size = file.stat().st_size
    return {
        "settings_id": folder.name,
        "file": file.name,
        "reason": reason,
        "windows": windows,
        "bytes": size,
    }
