"""The final pipeline."""

from vernal.pipelines.final.pipeline import create_pipeline

__all__ = ["create_pipeline"]
