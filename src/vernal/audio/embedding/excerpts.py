"""The embedding of a stretch of a recording that no clip of the project covers."""

from typing import TYPE_CHECKING

import numpy as np

from vernal.audio.bandpass import bandpass
from vernal.audio.embedding.jobs import whole_window
from vernal.audio.encoders.base import get_encoder
from vernal.audio.reading import load_clip, window_starts

if TYPE_CHECKING:
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.excerpts import Excerpt


def embed_excerpt(excerpt: "Excerpt", options: "EmbeddingOptions") -> np.ndarray:
    """(n_windows, n_dims) float32: what the windows of an excerpt's clip sound like, without its context.

    Raises:
        AudioError: the recording cannot be read.
    """
    encoder = get_encoder(options.encoder)
    rate = encoder.sample_rate_hz
    samples = load_clip(excerpt.path, excerpt.start_s, excerpt.end_s, rate)
    filtered = bandpass(samples, options.fmin, options.fmax, rate)
    starts = window_starts(len(samples), rate, options.overlap, encoder.window_s)
    windows = [
        whole_window(filtered[start : start + encoder.n_samples], encoder.n_samples) for start in starts
    ]
    return encoder.embed(np.stack(windows))
