"""Cards and votes that several tests share."""

import pytest

from vernal.collection.problem_card import make_problem_card

CARD = {
    "title": "Where do the frogs call?",
    "target": "RADR",
    "labelling": "multi",
    "world": "open",
    "unit": "clip",
    "performance": {"metric": "average precision", "split": "test_ood", "at_least": 0.8},
    "users": "the reserve's ecologists",
    "use": "choosing ponds to restore",
    "classes": [
        {"name": "RADR", "audioset": "Frog", "band_hz": [200, 1200], "also_written": ["Rana draytonii"]},
        {"name": "grunt", "parent": "RADR"},
        {"name": "growl", "parent": "RADR"},
        {"name": "owl", "audioset": "Owl"},
    ],
}


@pytest.fixture
def card_values():
    """A problem card as plain values."""
    return {
        **CARD,
        "classes": [dict(entry) for entry in CARD["classes"]],
        "performance": dict(CARD["performance"]),
    }


@pytest.fixture
def card(card_values):
    """A problem card."""
    return make_problem_card(card_values)
