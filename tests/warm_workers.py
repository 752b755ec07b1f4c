"""Imported by the process of which workers are forks: loads what they would, as they load it."""

import ai_edge_litert.interpreter
import pyarrow.parquet
import scipy.signal
import soundfile

import vernal.field.detection.running
from vernal.training.program import prepare_tensorflow

__all__ = ["ai_edge_litert", "pyarrow", "scipy", "soundfile", "vernal"]

prepare_tensorflow()
