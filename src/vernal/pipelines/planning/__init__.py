"""The planning pipeline."""

from vernal.pipelines.planning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
