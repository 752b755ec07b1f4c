"""The features pipeline."""

from vernal.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]
