"""A trained classifier as a folder that a person can open and a program can use.

`parameters.yml` says with what it was trained and how its audio has to be read; it is written last, so a
folder without it is not finished.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.common.storage import as_path
from vernal.common.table_files import read_table, write_table
from vernal.training.heads import Head, load_head, save_head
from vernal.training.rules import MOST_EPOCHS

HEAD, LABELS, HISTORY, PARAMETERS = "head.npz", "labels.txt", "history.csv", "parameters.yml"


@dataclass(frozen=True)
class Model:
    """A head with its labels, what it was trained with, and its learning curve.

    `parameters` is plain data: `settings` of the point, `audio` (encoder, its version, band-pass, overlap),
    `trained_by`, `fit_key`, `best_epoch`, `n_steps`. `history` has one row an epoch.
    """

    head: Head
    labels: tuple[str, ...]
    parameters: dict[str, Any]
    history: pd.DataFrame

    @property
    def is_still_improving(self) -> bool:
        """Whether training ended with its epochs, and the best was among the last tenth of them."""
        most = int(self.parameters["settings"]["epochs"]) or MOST_EPOCHS
        return len(self.history) >= most and int(self.parameters["best_epoch"]) > most - max(1, most // 10)


def save_model(folder: Path, model: Model) -> None:
    """Write a model's folder; one that already holds the same fit of the same settings is left as it is."""
    import yaml

    text = yaml.safe_dump(model.parameters, sort_keys=False, allow_unicode=True)
    parameters = folder / PARAMETERS
    if parameters.is_file() and parameters.read_text(encoding="utf-8") == text:
        return
    parameters.unlink(missing_ok=True)
    save_head(folder / HEAD, model.head)
    write_text(folder / LABELS, "".join(f"{label}\n" for label in model.labels))
    write_table(model.history, folder / HISTORY)
    write_text(parameters, text)


def load_model(folder: Path | str) -> Model:
    """Read a model's folder.

    Raises:
        InputError: no such folder, or one that is not finished or damaged.
    """
    folder = as_path(folder)
    if not (folder / PARAMETERS).is_file():
        raise InputError(f"{folder} holds no finished model. Run its stage first, or check the name.")
    parameters = read_yaml(folder / PARAMETERS)
    if not isinstance(parameters, dict) or not isinstance(parameters.get("settings"), dict):
        raise InputError(
            f"{folder / PARAMETERS} is not as it was written: it has no settings. Remove {folder} and run its stage "
            "again; nothing is trained anew."
        )
    head, _ = load_head(folder / HEAD)
    try:
        labels = (folder / LABELS).read_text(encoding="utf-8").splitlines()
        history = read_table(folder / HISTORY)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is not as it was written ({error}). Remove it and run its stage again; nothing is trained anew."
        ) from error
    return Model(head, tuple(labels), parameters, history)
