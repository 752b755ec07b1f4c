"""The audit pipeline."""

from vernal.pipelines.audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
