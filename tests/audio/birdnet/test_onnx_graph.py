"""The ONNX files give the logits that the TFLite files give: heads exactly, the whole network to single precision."""

from itertools import pairwise

import numpy as np
import pytest

from vernal.audio.birdnet.classifier import DenseLayer, make_classifier
from vernal.audio.birdnet.model import interpreter
from vernal.audio.birdnet.onnx_graph import make_onnx_classifier, make_onnx_head

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
N_SAMPLES = 144_000


def layers(*widths: int) -> list[DenseLayer]:
    rng = np.random.default_rng(sum(widths))
    return [
        DenseLayer(rng.normal(0, 0.06, (n_in, n_out)).astype("<f4"), rng.normal(0, 0.3, n_out).astype("<f4"))
        for n_in, n_out in pairwise(widths)
    ]


def run_onnx(content: bytes, values: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {session.get_inputs()[0].name: values})[0]


@pytest.mark.parametrize("widths", [(1_024, 1), (96, 8, 3)])
def test_a_head_is_its_layers_with_relu_between(widths):
    own = layers(*widths)
    content = make_onnx_head(own)
    onnx.checker.check_model(content, full_check=True)
    x = np.random.default_rng(0).gamma(0.5, 0.7, size=(7, widths[0])).astype(np.float32)
    expected = x
    for layer in own[:-1]:
        expected = np.maximum(expected @ layer.weights + layer.bias, 0)
    expected = expected @ own[-1].weights + own[-1].bias
    np.testing.assert_allclose(run_onnx(content, x), expected, atol=1e-5)
    assert make_onnx_head(own) == content


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"has weights \(96, 1\) and bias \(1,\); expected weights \(1024, n\)"
    ):
        make_onnx_classifier(layers(96, 1))


def sounds() -> np.ndarray:
    """Noise, silence, the loudest square wave, and a tone over next to nothing, as a recorder of a low rate gives it."""
    rng = np.random.default_rng(1)
    times = np.arange(N_SAMPLES) / 48_000
    tone = 0.3 * np.sin(2 * np.pi * 700 * times)
    return np.stack(
        [
            0.1 * rng.standard_normal(N_SAMPLES),
            np.zeros(N_SAMPLES),
            np.where(np.arange(N_SAMPLES) // 24 % 2, 1.0, -1.0),
            tone,
            tone + 1e-6 * rng.standard_normal(N_SAMPLES),
        ]
    ).astype(np.float32)


@pytest.mark.chain
@pytest.mark.parametrize("widths", [(1_024, 2), (1_024, 16, 1)])
def test_the_whole_network_gives_the_logits_of_the_tflite_file(widths):
    own = layers(*widths)
    content = make_onnx_classifier(own)
    onnx.checker.check_model(content, full_check=True)
    assert make_onnx_classifier(own) == content and len(content) < 32_000_000
    tflite = interpreter(make_classifier(own))
    taken, given = tflite.get_input_details()[0]["index"], tflite.get_output_details()[0]["index"]
    windows = sounds()
    expected = []
    for window in windows:
        tflite.set_tensor(taken, window[np.newaxis])
        tflite.invoke()
        expected.append(tflite.get_tensor(given)[0].copy())
    together = run_onnx(content, windows)
    np.testing.assert_allclose(together, expected, atol=5e-5)
    np.testing.assert_array_equal(together[3:4], run_onnx(content, windows[3:4]))
