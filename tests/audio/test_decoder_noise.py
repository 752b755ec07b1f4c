"""What the MP3 decoder complains of is counted, not printed; what others print meanwhile is passed on."""

import os

import numpy as np
import pytest
import soundfile

from vernal.audio.checks import AudioChecks, check_audio
from vernal.audio.decoder_noise import noise_caught
from vernal.audio.headers import open_sound
from vernal.audio.reading import load_clip
from vernal.clips.recording_facts import recording_facts
from vernal.field.detection.file_facts import identify

RATE = 48_000


@pytest.fixture
def damaged(tmp_path):
    """An MP3 of 6 s, without a count of its frames, with three stretches that are no MP3; a whole one beside it."""
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "whole.mp3", 0.1 * rng.standard_normal(6 * RATE), RATE, format="MP3")
    content = bytearray((tmp_path / "whole.mp3").read_bytes())
    for start in (10_000, 30_000, 50_000):
        content[start : start + 300] = rng.integers(0, 256, 300, dtype=np.uint8).tobytes()
    (tmp_path / "damaged.mp3").write_bytes(content.replace(b"Xing", b"\0" * 4).replace(b"Info", b"\0" * 4))
    return tmp_path / "damaged.mp3"


def test_a_damaged_file_is_read_in_silence_and_its_damages_are_counted(damaged, capfd):
    assert check_audio(damaged, AudioChecks()).n_passed_over == 2
    assert check_audio(damaged.with_name("whole.mp3"), AudioChecks()).n_passed_over == 0
    assert len(load_clip(damaged)) > 3 * RATE
    assert capfd.readouterr().err == ""


def test_collection_and_detection_say_how_much_was_passed_over(damaged, capfd):
    n = check_audio(damaged, AudioChecks()).n_passed_over
    words = f"the decoder passed over {n} places that are no sound"
    assert recording_facts(damaged)["length"] == words
    found = identify(str(damaged))
    assert (found.reason, found.message) == ("", words)
    assert not identify(str(damaged.with_name("whole.mp3"))).message
    assert capfd.readouterr().err == ""


def test_the_samples_are_those_that_the_decoder_gives_otherwise(damaged, capfd):
    expected, _ = soundfile.read(damaged)
    with open_sound(damaged) as file:
        assert np.array_equal(file.read(), expected)
    assert "Illegal Audio-MPEG-Header" in capfd.readouterr().err


def test_what_others_print_meanwhile_is_passed_on(capfd):
    with noise_caught() as told:
        os.write(2, b"Note: Illegal Audio-MPEG-Header 0x1 at offset 8.\nNote: Trying to resync...\n")
        os.write(2, b"  3/9  embedding\nNote: Skipped 240 bytes in input.\n")
    assert told == [1]
    assert capfd.readouterr().err == "  3/9  embedding\n"
