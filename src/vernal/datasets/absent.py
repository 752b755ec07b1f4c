"""What is said of a dataset that no run has written yet."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DatasetError


def absent(path: Path) -> DatasetError:
    """The error to raise where `path` should be and is not."""
    return DatasetError(f"{path} does not exist yet; run the pipeline that writes it.")
