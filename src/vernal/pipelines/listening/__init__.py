"""The listening pipeline."""

from vernal.pipelines.listening.pipeline import create_pipeline

__all__ = ["create_pipeline"]
