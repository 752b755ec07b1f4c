"""The mining pipeline."""

from vernal.pipelines.mining.pipeline import create_pipeline

__all__ = ["create_pipeline"]
