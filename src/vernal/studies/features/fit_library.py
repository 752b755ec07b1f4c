"""Trained networks by what they were trained on, one file a fit, so that nothing is ever trained twice.

A file holds weights, scaling, learning curve and the logits of its validation and test clips; equal fits give equal
bytes. How long it took stands in a file beside it, since that differs between runs.
"""

import json
from typing import Any

import pandas as pd

from vernal.common.files import write_bytes, write_text
from vernal.common.json_text import read_json
from vernal.common.problems import InputError
from vernal.studies.features.batches import Scaling
from vernal.studies.features.fitting import TrainedNetwork
from vernal.training.head_library import TrainedLibrary, plain_columns
from vernal.training.heads import npz_bytes, read_npz

_TIMES = ".times.json"


class FitLibrary(TrainedLibrary[TrainedNetwork]):
    """Trained networks with their logits."""

    def load(self, key: str) -> TrainedNetwork:
        file, times_file = self._file(key), self._file(key, _TIMES)
        try:
            meta, arrays = read_npz(file)
            weights = [arrays[f"weights_{i}"] for i in range(meta.pop("n_weights"))]
            scaling = Scaling(arrays["mean"], arrays["std"]) if "mean" in arrays else None
            logits = arrays["logits"]
            times = read_json(times_file) if times_file.is_file() else {}
            history = pd.DataFrame(meta.pop("history"))
            best_epoch, n_parameters = meta.pop("best_epoch"), meta.pop("n_parameters")
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{file} is not a whole file of a trained network ({error}). Delete it and run again."
            ) from error
        train_s, score_s = (times.get(name, float("nan")) for name in ("train_s", "score_s"))
        return TrainedNetwork(
            key, logits, history, best_epoch, weights, scaling, n_parameters, train_s, score_s, meta
        )

    def _save(self, result: TrainedNetwork) -> None:
        times = {"train_s": round(result.train_s, 3), "score_s": round(result.score_s, 6)}
        write_text(self._file(result.key, _TIMES), json.dumps(times) + "\n")
        meta: dict[str, Any] = {
            **result.meta,
            "n_weights": len(result.weights),
            "history": plain_columns(result.history),
            "best_epoch": int(result.best_epoch),
            "n_parameters": int(result.n_parameters),
        }
        arrays = {
            "logits": result.logits.astype("<f8"),
            **{f"weights_{i}": array for i, array in enumerate(result.weights)},
        }
        if result.scaling is not None:
            arrays |= {"mean": result.scaling.mean, "std": result.scaling.std}
        write_bytes(self._file(result.key), npz_bytes(meta, arrays))
