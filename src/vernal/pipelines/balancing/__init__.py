"""The balancing pipeline."""

from vernal.pipelines.balancing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
