from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vernal.common.problems import InputError
from vernal.training.heads import Head
from vernal.training.models import PARAMETERS, Model, load_model, save_model


def model(**parameters) -> Model:
    head = Head(((np.ones((2, 1)), np.zeros(1)),))
    return Model(
        head,
        ("RADR",),
        {"point": "p", "settings": {}, **parameters},
        pd.DataFrame({"epoch": [1], "loss": [0.1]}),
    )


def test_a_model_comes_back_as_it_was(tmp_path: Path):
    save_model(tmp_path / "p", model(fit_key="k"))
    back = load_model(tmp_path / "p")
    assert back.head.same_as(model().head)
    assert back.labels == ("RADR",)
    assert back.parameters == {"point": "p", "settings": {}, "fit_key": "k"}


def test_an_unchanged_model_is_not_written_again(tmp_path: Path):
    save_model(tmp_path / "p", model(fit_key="k"))
    before = (tmp_path / "p" / "head.npz").stat().st_mtime_ns
    save_model(tmp_path / "p", model(fit_key="k"))
    assert (tmp_path / "p" / "head.npz").stat().st_mtime_ns == before


def test_a_folder_without_parameters_is_not_finished(tmp_path: Path):
    save_model(tmp_path / "p", model())
    (tmp_path / "p" / PARAMETERS).unlink()
    with pytest.raises(InputError, match="holds no finished model"):
        load_model(tmp_path / "p")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "point: p\n",
            r"parameters\.yml is not as it was written: it has no settings\. Remove .* and run its stage",
        ),
        ("- 1\n", "is not as it was written"),
        ("settings: {seed: [\n", r"parameters\.yml is not valid YAML"),
    ],
)
def test_parameters_that_somebody_changed_are_named(tmp_path: Path, text: str, said: str):
    save_model(tmp_path / "p", model())
    (tmp_path / "p" / PARAMETERS).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_model(tmp_path / "p")


@pytest.mark.parametrize("name", ["labels.txt", "history.csv"])
@pytest.mark.parametrize("content", [b"\xff\xfe\xed", None])
def test_a_damaged_folder_is_named(tmp_path: Path, name: str, content: bytes | None):
    save_model(tmp_path / "p", model())
    assert (tmp_path / "p" / name).is_file()
    (tmp_path / "p" / name).unlink()
    if content:
        (tmp_path / "p" / name).write_bytes(content)
    with pytest.raises(InputError, match=r"p is not as it was written .* Remove it"):
        load_model(tmp_path / "p")


@pytest.mark.parametrize(
    ("epochs", "n_epochs", "best", "is_still_improving"),
    [
        (50, 50, 49, True),
        (50, 50, 45, False),
        (50, 30, 29, False),  # early stopping ended it, or it was killed: not at its last epoch
        (6, 6, 6, True),
        (6, 6, 5, False),
        (0, 200, 195, True),
        (0, 50, 50, False),
    ],
)
def test_a_model_whose_best_epoch_is_among_the_last_was_still_improving(
    epochs, n_epochs, best, is_still_improving
):
    made = model(best_epoch=best)
    made.parameters["settings"] = {"epochs": epochs}
    made = replace(made, history=pd.DataFrame({"epoch": range(1, n_epochs + 1)}))
    assert made.is_still_improving is is_still_improving
