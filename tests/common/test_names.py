"""Names are the same whatever their letters; paths are told apart by their folders."""

import pytest

from vernal.common.names import folded, is_generic, lies_elsewhere, one_spelling, path_parts


def elsewhere(written, known, all_folders=()):
    *folders, name = path_parts(written)
    return lies_elsewhere(folders, path_parts(known)[:-1], name.rsplit(".", 1)[0], all_folders)


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("D:\\season\\Moth09\\20250403_210000.WAV", "Moth08/20250403_210000.WAV"),
        ("Moth09/deployment 2/x.wav", "Moth08/deployment 2/x.wav"),
        ("north/REC001.wav", "south/REC001.wav"),
        ("season/Card A/x.wav", "season/Card B/x.wav"),
        ("8/x.wav", "9/x.wav"),
    ],
)
def test_another_recorders_folder_is_elsewhere(written, known):
    assert elsewhere(written, known) and elsewhere(known, written)


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("20250403_210000.WAV", "Moth08/20250403_210000.WAV"),
        ("/media/season/MOTH08/data/20250403_210000.WAV", "Moth08/20250403_210000.WAV"),
        ("C:\\to do\\SMA1_20250403_210000.wav", "pond/SMA1_20250403_210000.wav"),
        ("2025-06-01/SMA1_20250403_210000.wav", "2025-04-03/SMA1_20250403_210000.wav"),
        ("D:/data/20250403_210000.WAV", "Moth08/20250403_210000.WAV"),
    ],
)
def test_a_recording_that_was_moved_is_the_same(written, known):
    assert not elsewhere(written, known)


def test_a_folder_of_other_recordings_is_elsewhere():
    assert not elsewhere("creek/call.wav", "pond/call.wav")
    assert elsewhere("creek/call.wav", "pond/call.wav", {"creek", "pond"})


def test_spellings_are_one_and_the_commonest_is_kept():
    names = ["Mo\u0308we", "M\u00f6we", "M\u00f6we", "M\u00d6WE ", "Pond"]
    assert set(one_spelling(names).values()) == {"M\u00f6we", "Pond"}
    assert folded("Stra\u00dfe") == folded("STRASSE")


def test_folders_of_cards_weeks_and_cameras_name_nobody():
    assert all(
        map(
            is_generic,
            ("SD1", "100MEDIA", "Card A", "April", "Week 12", "AudioMoth", "2025-04", "DCIM", "June 2025"),
        )
    )
    assert not any(map(is_generic, ("Moth08", "S4A03895", "Cole Creek", "pond", "A12", "Marsh", "Decoy")))
