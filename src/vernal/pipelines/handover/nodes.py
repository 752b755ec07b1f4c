"""Put what detection found and people decided into a package to publish."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from vernal.field.detection.classifier import Classifier
from vernal.field.handover.camtrap_dp import Season, package_files
from vernal.field.handover.options import PackageOptions


def write_package(
    recordings: pd.DataFrame,
    files: pd.DataFrame,
    detections: pd.DataFrame,
    sites: pd.DataFrame,
    classifier: Classifier,
    review_log: pd.DataFrame,
    options: PackageOptions,
) -> dict[str, Callable[[], Any]]:
    """The season as a Camtrap Data Package."""
    season = Season(recordings, files, detections, sites, classifier, review_log)
    return package_files(season, options)
