"""The collection pipeline."""

from vernal.pipelines.collection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
