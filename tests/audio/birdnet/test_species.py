import numpy as np
import pytest

from vernal.audio.birdnet.model import EMBEDDING, LOGITS, interpreter, model_path
from vernal.audio.birdnet.species import species_logits, species_names


def test_the_logits_are_those_of_the_network_itself():
    with pytest.warns(UserWarning, match="experimental_preserve_all_tensors"):
        run = interpreter(model_path().read_bytes(), experimental_preserve_all_tensors=True)
    rng = np.random.default_rng(0)
    sound = (
        0.1 * np.sin(2 * np.pi * 3000 * np.arange(144_000) / 48_000) + 0.01 * rng.normal(size=144_000)
    ).astype("f4")
    run.set_tensor(run.get_input_details()[0]["index"], sound[None])
    run.invoke()
    theirs, embedding = run.get_tensor(LOGITS), run.get_tensor(EMBEDDING)
    assert embedding.shape == (1, 1_024) and theirs.shape == (1, len(species_names()))
    np.testing.assert_allclose(species_logits(embedding), theirs, atol=1e-3)
    assert len(species_names()) == 6_522 and all("_" in name for name in species_names())


@pytest.mark.parametrize("n", [1, 3])
def test_rows_are_clips_and_columns_species(n):
    assert species_logits(np.zeros((n, 1_024))).shape == (n, 6_522)
