"""The demo pipeline."""

from vernal.pipelines.demo.pipeline import create_pipeline

__all__ = ["create_pipeline"]
