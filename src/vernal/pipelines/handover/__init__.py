"""The hand-over pipeline."""

from vernal.pipelines.handover.pipeline import create_pipeline

__all__ = ["create_pipeline"]
