"""Which copies the search for near-duplicates misses is measured, not typed."""

import numpy as np
import pandas as pd
import pytest

from tools.docs_site.missed_copies import CHANGES, CLIP_S, measure
from vernal.proof.near_duplicates import MISSED


def test_the_certificates_rates_are_of_these_changes():
    measured = pd.read_csv(MISSED)
    assert measured.change.tolist() == list(CHANGES)
    assert (measured.found <= measured.copies).all() and measured.copies.min() >= 50


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_as_long_as_its_original_and_another_sound(name):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 5 * 16_000)
    copy = CHANGES[name](sound, 16_000, rng)
    assert len(copy) == round(CLIP_S * 16_000)
    # An Ogg file is another only once it is written.
    assert name == "coded as Ogg Vorbis" or not np.array_equal(copy, sound[: len(copy)])


@pytest.mark.slow
def test_the_search_misses_what_the_certificate_says(shared_data):
    fresh, shown = measure(shared_data), pd.read_csv(MISSED)
    assert fresh[["change", "copies"]].equals(shown[["change", "copies"]])
    # Another machine may round a copy across a limit.
    assert np.abs(fresh.found - shown.found).max() <= 3
