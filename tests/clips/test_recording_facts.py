"""What names and headers of recordings tell, written as the devices write them."""

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from vernal.clips.recording_facts import is_recording, recording_facts
from vernal.clips.recording_metadata import HeaderFacts, read_comment, read_guano, read_header, read_wamd
from vernal.clips.recording_names import read_name


@pytest.mark.parametrize(
    ("name", "recorder", "started", "scheme"),
    [
        ("20230501_213000.WAV", None, "2023-05-01T21:30:00", "AudioMoth"),
        ("20230501_213000T.WAV", None, "2023-05-01T21:30:00", "AudioMoth"),
        ("24F3190361CBE9A7_20230501_213000.WAV", "24F3190361CBE9A7", "2023-05-01T21:30:00", "Song Meter"),
        ("5E90A4D4.WAV", None, "2020-04-10T16:54:44+00:00", "AudioMoth, old firmware"),
        ("SMM01234_20240501_053000.wav", "SMM01234", "2024-05-01T05:30:00", "Song Meter"),
        ("S4A03895_20190522_013000.flac", "S4A03895", "2019-05-22T01:30:00", "Song Meter"),
        ("SM3_0+1_20140102$235959.wav", "SM3", "2014-01-02T23:59:59", "Song Meter"),
        ("Swamp_SM4_20240501_053000_003.wav", "Swamp_SM4", "2024-05-01T05:30:00", "Song Meter"),
        ("20230501T213000+0100_Pond.wav", None, "2023-05-01T21:30:00+01:00", "AudioMoth"),
        ("Voice 20240501 153012.mp3", None, "2024-05-01T15:30:12", "phone"),
        ("Recording_20240501-1530.m4a", None, "2024-05-01T15:30:00", "phone"),
        ("REC 2024-05-01 21.30.05.mp3", None, "2024-05-01T21:30:05", "date and time"),
        ("New Recording 12.m4a", None, None, ""),
        ("20231332_999999.wav", None, None, ""),
        ("DEADBEEF.wav", None, None, ""),
        ("12345678.wav", None, None, ""),
    ],
)
def test_names_of_devices(name, recorder, started, scheme):
    facts = read_name(f"some folder/{name}")
    assert facts.recorder_id == recorder
    assert (facts.started_at.isoformat() if facts.started_at else None) == started
    assert facts.scheme == scheme


@given(st.text(max_size=40))
def test_no_name_breaks_the_reader(name):
    read_name(name)


@pytest.mark.parametrize(
    ("comment", "serial", "started"),
    [
        ("Recorded at 19:17:30 10/12/2018 (UTC) by AudioMoth 24526B065D325963 at gain setting 2 while battery state was 3.7V", "24526B065D325963", "2018-12-10T19:17:30+00:00"),
        ("Recorded at 10:25:00 04/04/2020 (UTC+5:30) by AudioMoth 24526B065D325963 at medium gain while battery was 4.0V and temperature was -1.5C.", "24526B065D325963", "2020-04-04T10:25:00+05:30"),
        ("Recorded at 02:00:00 15/05/2021 (UTC-7) during deployment 41C351E84E9996C2 at medium gain while battery was less than 2.5V", "41C351E84E9996C2", "2021-05-15T02:00:00-07:00"),
        ("Recorded at 02:00:00.500 15/05/2021 (UTC) by AudioMoth 249BC3055C02FE06 at high gain", "249BC3055C02FE06", "2021-05-15T02:00:00+00:00"),
    ],
)  # fmt: skip
def test_audiomoth_comments_of_every_firmware(comment, serial, started):
    facts = read_comment(comment)
    assert facts.recorder_id == serial and facts.started_at.isoformat() == started
    assert facts.origin == "AudioMoth comment"


def test_a_comment_about_something_else_tells_nothing():
    assert read_comment("my frog").origin == ""
    assert read_comment("opso_metadata{not json").origin == ""
    assert read_comment('opso_metadata{"frames": 3}').origin == ""


def test_guano():
    text = (
        "GUANO|Version: 1.0\nMake: Wildlife Acoustics, Inc.\nModel: Song Meter Mini\nSerial: SMM01234\n"
        "Timestamp: 2025-04-03T21:00:00-07:00\nLoc Position: 37.4 -122.1\nNote: by the pond\n"
    )
    facts = read_guano(text.encode() + b"\x00")
    assert facts.device == "Wildlife Acoustics, Inc. Song Meter Mini" and facts.recorder_id == "SMM01234"
    assert facts.started_at.isoformat() == "2025-04-03T21:00:00-07:00"
    assert (facts.latitude, facts.longitude) == (37.4, -122.1)
    assert facts.texts["guano_Note"] == "by the pond"


def wamd(fields):
    return b"".join(struct.pack("<HI", key, len(text)) + text for key, text in fields.items())


def test_wildlife_acoustics_chunk():
    chunk = wamd(
        {
            0: b"\x01\x00",
            1: b"SM4",
            2: b"S4A03895",
            5: b"2019-05-22 01:30:00.512+02:00",
            6: b"WGS84,46.5,N,6.1,W",
        }
    )
    facts = read_wamd(chunk)
    assert facts.device == "Wildlife Acoustics SM4" and facts.recorder_id == "S4A03895"
    assert facts.started_at.isoformat() == "2019-05-22T01:30:00+02:00"
    assert (facts.latitude, facts.longitude) == (46.5, -6.1)


def with_chunk(path, name, body):
    """Append a chunk to a WAV file and correct its length."""
    raw = path.read_bytes() + name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)
    path.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])


def test_chunks_are_found_behind_the_sound(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav")
    info = b"INFOICMT" + struct.pack("<I", 4) + b"hey\x00" + b"ICOP" + struct.pack("<I", 9) + b"CC BY 4.0\x00"
    with_chunk(path, b"LIST", info)
    with_chunk(path, b"guan", b"GUANO|Version: 1.0\nSerial: X1\nTimestamp: 2025-04-03T21:00:00Z\n")
    facts = read_header(path)
    assert facts.origin == "GUANO" and facts.recorder_id == "X1" and facts.copyright == "CC BY 4.0"
    assert facts.started_at == datetime(2025, 4, 3, 21, tzinfo=UTC)
    assert len(soundfile.read(path)[0]) == 24_000


def test_headers_of_real_files(shared_data):
    odd = shared_data / "odd"
    assert read_header(odd / "metadata.wav").recorder_id == "24526B065D325963"
    gps = read_header(odd / "audiomoth_gps.wav")
    assert gps.recorder_id == "243B1F026488F56E" and gps.started_at.isoformat() == "2024-05-28T10:00:00+00:00"
    assert read_header(odd / "silence_10s.mp3") == HeaderFacts()
    assert "holds no sound" in recording_facts(odd / "empty_2c.wav")["problem"]
    assert recording_facts(odd / "stereo.wav")["channels"] == 2


@given(st.binary(max_size=400))
def test_no_chunk_breaks_the_reader(raw):
    read_guano(raw)
    read_wamd(raw)


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_a_header_that_claims_hours_costs_nothing(tmp_path_factory, raw, claimed):
    path = tmp_path_factory.mktemp("h") / "a.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", claimed) + b"WAVE" + b"LIST" + struct.pack("<I", claimed) + raw
    )
    read_header(path)


def test_the_same_sound_has_one_hash_in_every_lossless_form(tmp_path):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 8_000).astype("int16")
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    soundfile.write(tmp_path / "a.flac", samples, 16_000)
    first, second = (recording_facts(tmp_path / name) for name in ("a.wav", "a.flac"))
    assert first["sound_hash"] == second["sound_hash"]
    soundfile.write(tmp_path / "c.wav", samples, 22_050)
    assert recording_facts(tmp_path / "c.wav")["sound_hash"] != first["sound_hash"]


def test_a_recording_is_too_long_by_its_duration_whatever_its_rate(tmp_path, write_tone, monkeypatch):
    monkeypatch.setattr("vernal.clips.recording_facts._MAX_DURATION_S", 1)
    assert "problem" not in recording_facts(write_tone(tmp_path / "a.wav", 0.9, rate=48_000))
    assert "cut it" in recording_facts(write_tone(tmp_path / "b.wav", 1.1, rate=8_000))["problem"]


def test_what_cannot_be_heard_is_said_in_words(tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(100), 8_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan]), 8_000, subtype="FLOAT")
    (tmp_path / "phone.m4a").write_bytes(b"\x00\x00\x00\x18ftypM4A ")
    (tmp_path / "not.wav").write_bytes(b"hello")
    problems = {path.name: recording_facts(path)["problem"] for path in tmp_path.iterdir()}
    assert problems["zero.wav"] == "is silent from start to end"
    assert problems["nan.wav"] == "holds values that are not numbers"
    assert "convert it to WAV or FLAC" in problems["phone.m4a"]
    assert problems["not.wav"].startswith("cannot be read as sound: ")
    assert str(tmp_path) not in problems["not.wav"]
    assert is_recording("A.WAV") and is_recording("x.M4A") and not is_recording("labels.txt")
