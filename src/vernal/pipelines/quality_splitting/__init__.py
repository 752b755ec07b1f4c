"""The quality_splitting pipeline."""

from vernal.pipelines.quality_splitting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
