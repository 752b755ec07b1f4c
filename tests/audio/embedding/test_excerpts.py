"""The embedding of a stretch of a recording is that of a clip cut there."""

import numpy as np
import pytest

from tests.small_review import write_sound
from vernal.audio.embedding.excerpts import embed_excerpt
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.excerpts import place_excerpt


@pytest.mark.parametrize(
    "options", [EmbeddingOptions(encoder="logmel"), EmbeddingOptions(encoder="logmel", fmin=500, fmax=4_000)]
)
def test_context_changes_nothing_and_long_stretches_have_many_windows(tmp_path, options):
    path = tmp_path / "night.wav"
    write_sound(path, 12, 900, 3)
    alone, with_context = (place_excerpt(path, 3.0, 9.0, context_s) for context_s in (0.0, 2.0))
    vectors = embed_excerpt(alone, options)
    assert vectors.shape == (2, options.n_dims) and not np.allclose(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors, embed_excerpt(with_context, options))
