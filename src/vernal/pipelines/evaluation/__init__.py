"""The evaluation pipeline."""

from vernal.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
