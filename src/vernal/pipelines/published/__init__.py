"""The published pipeline."""

from vernal.pipelines.published.pipeline import create_pipeline

__all__ = ["create_pipeline"]
