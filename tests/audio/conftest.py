"""What tests of audio share."""

import pytest


@pytest.fixture(scope="module")
def peer_audio():
    """BirdNET-Analyzer's audio module; its settings are read, not changed."""
    return pytest.importorskip("birdnet_analyzer.audio")
