"""The model with another last layer gives what the layers give."""

from itertools import pairwise

import numpy as np
import pytest

from vernal.audio.birdnet.classifier import DenseLayer, make_classifier, make_head


def layers_of(*widths: int) -> list[DenseLayer]:
    rng = np.random.default_rng(0)
    return [
        DenseLayer(rng.normal(0, 0.05, (n_in, n_out)), rng.normal(0, 1, n_out))
        for n_in, n_out in pairwise(widths)
    ]


def logits(vectors: np.ndarray, layers: list[DenseLayer]) -> np.ndarray:
    for layer in layers[:-1]:
        vectors = np.maximum(vectors @ layer.weights + layer.bias, 0)
    return vectors @ layers[-1].weights + layers[-1].bias


def run(content: bytes, values: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    model = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    index = model.get_input_details()[0]["index"]
    model.resize_tensor_input(index, values.shape)
    model.allocate_tensors()
    model.set_tensor(index, values)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


@pytest.mark.parametrize("widths", [(1_024, 1), (1_024, 16, 3), (1_024, 8, 8, 2)])
def test_head_and_stand_alone_classifier_give_the_layers_logits(widths):
    from vernal.audio.encoders import get_encoder

    layers = layers_of(*widths)
    samples = (0.1 * np.random.default_rng(1).standard_normal((2, 144_000))).astype(np.float32)
    vectors = get_encoder("birdnet_v2.4").embed(samples)
    expected = logits(vectors.astype(np.float64), layers)
    head, classifier = make_head(layers), make_classifier(layers)
    assert np.abs(run(head, vectors) - expected).max() < 1e-5
    assert np.abs(run(classifier, samples) - expected).max() < 5e-5
    assert len(head) < 2_000 + 5_000 * sum(widths[1:])
    assert 24e6 < len(classifier) < 27e6


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected weights \(1024, n\)"):
        make_classifier(layers_of(512, 1))
    with pytest.raises(ValueError, match=r"expected weights \(8, n\)"):
        make_head([*layers_of(512, 8), *layers_of(4, 1)])
    with pytest.raises(ValueError, match="not numbers"):
        make_head([DenseLayer(np.full((1_024, 1), np.nan), np.zeros(1))])
    with pytest.raises(ValueError, match="at least one layer"):
        make_head([])
