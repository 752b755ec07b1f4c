"""Trained networks by what they were trained on, one file a fit, so that nothing is ever trained twice.

A file holds weights, scaling, learning curve and the logits of its validation and test clips; equal fits give equal
bytes. How long it took stands in a file beside it, since that differs between runs.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.files import write_bytes, write_text
from vernal.common.problems import InputError
from vernal.common.storage import as_path, local_copy
from vernal.studies.features.batches import Scaling
from vernal.studies.features.fitting import FailedFit, Fit

_FIT, _TIMES, _PROBLEM = ".npz", ".times.json", ".problem.txt"
_META = "meta.json"
NetworkResult = Fit | FailedFit


class FitLibrary:
    """A folder of fits. Files are written whole, so readers and writers never meet."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)

    def keys(self) -> set[str]:
        """The keys of all finished fits."""
        if not self.folder.is_dir():
            return set()
        return {file.stem for file in self.folder.glob(f"*{_FIT}") if not file.name.startswith(".")}

    def add(self, results: Iterable[Fit | FailedFit]) -> None:
        """Keep fits, and the reasons of those that failed; a failed one is tried again next time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for result in results:
            problem = self.folder / f"{result.key}{_PROBLEM}"
            if isinstance(result, FailedFit):
                write_text(problem, result.problem)
                continue
            times = {"train_s": round(result.train_s, 3), "score_s": round(result.score_s, 6)}
            write_text(self.folder / f"{result.key}{_TIMES}", json.dumps(times) + "\n")
            write_bytes(self.folder / f"{result.key}{_FIT}", _as_bytes(result))
            problem.unlink(missing_ok=True)

    def problem(self, key: str) -> str | None:
        """Why a fit failed the last time, or None."""
        file = self.folder / f"{key}{_PROBLEM}"
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def load(self, key: str) -> Fit:
        """The fit of a key.

        Raises:
            InputError: it is not there, or its file is damaged.
        """
        file = self.folder / f"{key}{_FIT}"
        try:
            with np.load(local_copy(file), allow_pickle=False) as archive:
                meta = json.loads(archive[_META])
                weights = [archive[f"weights_{i}"] for i in range(meta.pop("n_weights"))]
                scaling = Scaling(archive["mean"], archive["std"]) if "mean" in archive.files else None
                logits = archive["logits"]
            times_file = self.folder / f"{key}{_TIMES}"
            times = json.loads(times_file.read_text(encoding="utf-8")) if times_file.is_file() else {}
            history = pd.DataFrame(meta.pop("history"))
            best_epoch, n_parameters = meta.pop("best_epoch"), meta.pop("n_parameters")
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{file} is not a whole file of a trained network ({error}). Delete it and run again."
            ) from error
        return Fit(
            key,
            logits,
            history,
            best_epoch,
            weights,
            scaling,
            n_parameters,
            times.get("train_s", float("nan")),
            times.get("score_s", float("nan")),
            meta,
        )


def _as_bytes(fit: Fit) -> bytes:
    history = {
        name: [None if pd.isna(value) else value for value in fit.history[name].tolist()]
        for name in fit.history.columns
    }
    meta: dict[str, Any] = {
        **fit.meta,
        "n_weights": len(fit.weights),
        "history": history,
        "best_epoch": int(fit.best_epoch),
        "n_parameters": int(fit.n_parameters),
    }
    arrays = {
        "logits": fit.logits.astype("<f8"),
        **{f"weights_{i}": array for i, array in enumerate(fit.weights)},
    }
    if fit.scaling is not None:
        arrays |= {"mean": fit.scaling.mean, "std": fit.scaling.std}
    members = {_META: json.dumps(meta, sort_keys=True, indent=1, allow_nan=False).encode("utf-8")}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # Without the time and the system of its writing, which would differ between equal files.
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, content)
    return whole.getvalue()
