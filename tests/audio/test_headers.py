"""Whatever a header says, what a file holds is read, and what it says wrongly is told."""

import struct

import numpy as np
import pytest
import soundfile

from vernal.audio import headers
from vernal.audio.checks import AudioChecks, check_audio, length_in_words
from vernal.audio.headers import open_sound, true_length
from vernal.audio.reading import AudioError, AudioReader, load_clip
from vernal.clips.recording_facts import recording_facts
from vernal.field.detection.file_facts import identify

RATE = 48_000
SOUND = (0.1 * np.random.default_rng(0).standard_normal(RATE * 4 + 77)).astype("float32")
PCM = (SOUND * 32767).astype("<i2").tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(data_length: int, riff_length: int = 0, behind: bytes = b"") -> bytes:
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16))
    return (
        b"RIFF"
        + struct.pack("<I", riff_length)
        + b"WAVE"
        + form
        + b"data"
        + struct.pack("<I", data_length)
        + PCM
        + behind
    )


LYING = {"never written": 0, "beyond 4 GiB": RATE * 2, "a byte short of a sample": len(PCM) - 101}


@pytest.mark.parametrize("length", LYING.values(), ids=LYING)
def test_a_wav_that_holds_more_than_its_header_says_is_read_to_its_end(tmp_path, length):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(length))
    assert true_length(path) == (length, len(PCM))
    assert check_audio(path).n_frames == len(SOUND)
    np.testing.assert_allclose(load_clip(path), SOUND, atol=1e-4)
    facts = identify(str(path))
    assert (
        facts.n_frames == len(SOUND) and not facts.reason and "4 s are there and were read" in facts.message
    )
    told = recording_facts(path)
    assert told["n_frames"] == len(SOUND) and "problem" not in told and told["length"] == facts.message


@pytest.mark.parametrize(
    "content",
    [
        riff(len(PCM)),
        riff(len(PCM), 8, chunk(b"LIST", b"INFOabc") + chunk(b"id3 ", bytes(40))),
        riff(len(PCM) + 44),
        riff(0xFFFFFFFF, 0xFFFFFFFF),
        riff(len(PCM), 0, bytes(50_000)),
    ],
    ids=["true", "with chunks behind", "counts its own header", "stream", "space set aside"],
)
def test_a_wav_whose_header_is_true_or_says_too_much_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert true_length(path) is None
    assert check_audio(path).n_frames == len(SOUND) and identify(str(path)).message == ""
    assert "length" not in recording_facts(path)


def test_a_wav_without_samples_before_its_chunks_is_empty(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(0).removesuffix(PCM) + chunk(b"LIST", b"INFOabcd"))
    assert true_length(path) is None and recording_facts(path)["problem"] == "holds no sound"


def test_more_than_a_length_of_32_bits_can_say_is_read_as_rf64(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(RATE))
    monkeypatch.setattr(headers, "_MAX_RIFF", 0)
    with open_sound(path) as file:
        assert file.format == "RF64" and file.frames == len(SOUND)


@pytest.mark.parametrize("said", [0, RATE])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_of_unknown_or_wrong_length_is_read_to_its_end_from_anywhere(tmp_path, said, subtype):
    path = tmp_path / "a.flac"
    soundfile.write(path, SOUND, RATE, subtype=subtype)
    assert true_length(path) is None
    content = bytearray(path.read_bytes())
    form = int.from_bytes(content[18:26], "big") >> 36 << 36
    content[18:26], content[26:42] = (form | said).to_bytes(8, "big"), bytes(16)
    path.write_bytes(content)
    assert true_length(path) == (said, len(SOUND))
    with AudioReader(path, RATE) as reader:
        np.testing.assert_allclose(reader.read(RATE * 3, RATE * 3 + 100), SOUND[RATE * 3 :][:100], atol=1e-4)
    assert check_audio(path).n_frames == identify(str(path)).n_frames == len(SOUND)
    assert recording_facts(path)["n_frames"] == len(SOUND)


def triggered(
    n_silent: int, comment: bytes = b"Recorded by AudioMoth. Amplitude threshold was 512."
) -> bytes:
    """Two stretches of sound with a block between them that stands for many, as AudioMoth's firmware writes it."""
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16))
    listed = chunk(b"LIST", b"INFO" + chunk(b"ICMT", comment.ljust(488 - 44 - 20, b"\0")))
    head = b"WAVE" + form + listed + b"data"
    bits = [1 if n_silent >> bit & 1 else -1 for bit in range(32)] + [0] * 224
    sound = PCM[: 512 - 12 - len(head)] + PCM[: 512 * 100]
    data = sound + np.array(bits, "<i2").tobytes() + PCM[: 512 * 50 + 100]
    return b"RIFF" + struct.pack("<I", len(head) + 4 + len(data)) + head + struct.pack("<I", len(data)) + data


def test_a_triggered_recording_is_read_as_long_as_it_lasted(tmp_path):
    path = tmp_path / "20250403_210000T.WAV"
    path.write_bytes(triggered(5_000))
    n_before = (path.read_bytes().index(b"data") * -1 - 8 + 512) // 2 + 256 * 100
    with AudioReader(path, RATE) as reader:
        samples = reader.read(0, reader.n_samples)
        assert np.array_equal(
            reader.read(n_before + 10, n_before + 20), samples[n_before + 10 : n_before + 20]
        )
    assert len(samples) == n_before + 5_000 * 256 + 256 * 50 + 50
    assert samples[:n_before].std() > 0.05 and not samples[n_before:][: 5_000 * 256].any()
    np.testing.assert_allclose(samples[n_before + 5_000 * 256 :], SOUND[: 256 * 50 + 50], atol=1e-4)
    facts = identify(str(path))
    assert "a triggered recording of AudioMoth: 0.8" in facts.message and not facts.reason
    assert recording_facts(path)["n_frames"] == facts.n_frames == len(samples)


def test_what_only_looks_like_a_triggered_recording_is_left_as_it_is(tmp_path):
    path = tmp_path / "a.wav"
    for content in (triggered(5_000, b"Recorded by somebody else"), triggered(0)):
        path.write_bytes(content)
        assert true_length(path) is None


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_length_that_was_not_known_yet_misses_nothing(tmp_path, length):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(length))
    assert check_audio(path).n_frames == len(SOUND) and identify(str(path)).message == ""


def test_an_rf64_whose_length_was_never_written_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.wav"
    content = bytearray(riff(0xFFFFFFFF, 0xFFFFFFFF))
    content[:4] = b"RF64"
    path.write_bytes(content[:12] + chunk(b"ds64", bytes(28)) + content[12:])
    assert check_audio(path).n_frames == len(SOUND)


def test_what_is_missing_is_told_by_collection_and_detection_alike(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(len(PCM) + 90_000))
    words = length_in_words(path, len(SOUND), len(SOUND), RATE)
    assert words == identify(str(path)).message == recording_facts(path)["length"]
    assert "90,000 bytes more than the file has" in words


def test_any_bytes_are_a_file_or_a_refusal(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(300):
        content = bytearray(riff(RATE))
        for at in rng.integers(0, 60, 3):
            content[at] = rng.integers(256)
        path = tmp_path / f"{number}.wav"
        path.write_bytes(content[: rng.integers(4, 400)])
        true_length(path)
        try:
            check_audio(path, AudioChecks())
        except ValueError:
            continue


def test_a_git_lfs_pointer_is_called_one(tmp_path):
    path = tmp_path / "night.wav"
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1152044\n", encoding="utf-8"
    )
    words = "is a Git LFS pointer, not the recording: `git lfs pull`"
    with pytest.raises(AudioError, match=words):
        check_audio(path, AudioChecks())
    assert recording_facts(path)["problem"] == words
    assert identify(str(path)).message == words


def test_a_flac_that_announces_more_than_it_holds_is_read_as_far_as_it_goes_by_all(tmp_path):
    path = tmp_path / "night.flac"
    soundfile.write(path, SOUND, RATE)
    content = bytearray(path.read_bytes())
    numbers = int.from_bytes(content[18:26], "big")
    content[18:26] = ((numbers >> 36 << 36) | 2 * len(SOUND)).to_bytes(8, "big")
    path.write_bytes(content)
    facts, found = recording_facts(path), identify(str(path))
    assert facts["n_frames"] == found.n_frames
    # The last frame, a tenth of a second at the most, may be cut off itself.
    assert 0 <= len(SOUND) - found.n_frames <= RATE / 10
    assert facts["length"].startswith("the header announces 8 s; 3.9") and found.reason == "truncated"
    with open_sound(path) as file:
        assert len(file.read()) == found.n_frames
    with pytest.raises(AudioError, match="the header announces 8 s") as caught:
        check_audio(path, AudioChecks())
    assert caught.value.reason == "truncated"
