"""The proof pipeline."""

from vernal.pipelines.proof.pipeline import create_pipeline

__all__ = ["create_pipeline"]
