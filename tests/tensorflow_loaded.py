"""Loads TensorFlow as a training worker does, when it is imported."""

from vernal.training.program import prepare_tensorflow

prepare_tensorflow()
