import pytest

from vernal.common.problems import InputError
from vernal.field.detection.options import DetectionOptions


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ()),
        ([], ()),
        ("raven", ("raven",)),
        ("audacity+raven", ("raven", "audacity")),
        ("Raven, birdnet raven", ("raven", "birdnet")),
        (["kaleidoscope", "raven"], ("raven", "kaleidoscope")),
    ],
)
def test_formats_are_named_as_a_list_or_in_one_word(given, wanted):
    assert DetectionOptions(formats=given).wanted_formats == wanted


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"overlap": 3.0}, r"detection\.overlap is 3\.0; give seconds from 0 to 2\.9"),
        ({"min_confidence": 1.0}, "min_confidence is 1.0.*below 1"),
        ({"min_confidence": "high"}, "min_confidence is 'high'"),
        ({"sensitivity": 2.0}, "0.5 to 1.5"),
        ({"formats": "ravn"}, "did you mean 'raven'"),
        ({"keep_embeddings": "yes"}, "detection.keep_embeddings is 'yes'; give true or false"),
        ({"clips": 2.5}, "clips is 2.5"),
        ({"queue_per_night": 0}, "1 or more"),
        ({"merge_gap_s": -1.0}, "merge_gap_s is -1.0"),
        ({"silence_db": 3.0}, "silence_db is 3.0; give a level in dB up to 0"),
        ({"fmin": 9_000, "fmax": 100}, "fmin is 9000 and fmax 100; give fmin below fmax"),
        ({"fmax": 0}, "fmax 0; give fmin below fmax"),
    ],
)
def test_impossible_settings_are_named_with_what_would_do(settings, words):
    with pytest.raises(InputError, match=words):
        DetectionOptions(**settings)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(InputError) as error:
        DetectionOptions(overlap=9.0, fmin=-1.0, formats="ravn")
    assert all(word in str(error.value) for word in ("overlap", "fmin", "ravn"))
