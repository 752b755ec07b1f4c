"""The detection pipeline."""

from vernal.pipelines.detection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
