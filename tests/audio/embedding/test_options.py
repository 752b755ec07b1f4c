"""The audio settings: what is in their ids, what a person may get wrong, and encoders that are files."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from tests.onnx_encoders import write_encoder
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.common.hashing import digest
from vernal.common.problems import InputError


@pytest.fixture
def described(tmp_path: Path) -> dict:
    """What a person says of an encoder of theirs: half a second at 16 kHz, 12 values."""
    file = write_encoder(tmp_path / "small.onnx", n_samples=8_000, n_dims=12)
    return {"file": str(file), "sample_rate_hz": 16_000, "window_s": 0.5, "n_dims": 12, "output": "embedding"}


@pytest.fixture
def options(described: dict) -> EmbeddingOptions:
    return EmbeddingOptions(encoder="small", encoders={"small": described})


def test_ids_of_built_in_encoders_stay_what_they_were():
    # Embeddings are found again by these; another id embeds every season again.
    settings = EmbeddingOptions(encoder="logmel", fmin=200, overlap=1).settings
    assert settings == {
        "encoder": "logmel", "encoder_version": "1", "n_dims": 384, "sample_rate_hz": 48_000, "window_s": 3.0,
        "fmin": 200, "fmax": 15_000, "overlap": 1, "audio_revision": 1,
    }  # fmt: skip
    assert EmbeddingOptions(encoder="logmel", fmin=200, overlap=1).settings_id == "1ba06d117833396a"
    assert EmbeddingOptions(encoder="logmel").settings_id == digest({**settings, "fmin": 0, "overlap": 0.0})


def test_ids_of_built_in_encoders_do_not_depend_on_files_beside_them(described):
    alone, beside = EmbeddingOptions(), EmbeddingOptions(encoders={"small": described})
    assert alone.settings == beside.settings and alone.settings_id == beside.settings_id
    assert "encoders" not in str(beside)


def test_the_id_of_a_file_depends_on_its_content_and_on_how_it_is_used(options, described, tmp_path):
    def with_(**values) -> EmbeddingOptions:
        return EmbeddingOptions(encoder="small", encoders={"small": {**described, **values}})

    moved = tmp_path / "elsewhere.onnx"
    moved.write_bytes(Path(described["file"]).read_bytes())
    assert with_(file=str(moved), licence="MIT").settings_id == options.settings_id
    other = write_encoder(tmp_path / "other.onnx", n_samples=8_000, n_dims=12, gain=2.0)
    changed = [
        with_(file=str(other)), with_(scale=2.0), with_(output="rows", n_dims=6), with_(hop_s=0.25),
        with_(sample_rate_hz=8_000, window_s=1.0), replace(options, overlap=0.1),
    ]  # fmt: skip
    assert len({one.settings_id for one in (options, *changed)}) == 7


def test_options_go_to_workers_and_into_records_and_back(options, described):
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301
    kept = EmbeddingOptions.from_settings(options.settings)
    assert kept.settings == options.settings and kept.settings_id == options.settings_id
    with pytest.raises(
        InputError, match=r"Where the file of the encoder small lies is not known .* under encoders\.small"
    ):
        _ = kept.facts.path  # type: ignore[union-attr]
    renamed = EmbeddingOptions(encoders={"another_name": described})
    assert kept.with_files_of(renamed).facts.file == described["file"]  # type: ignore[union-attr]
    assert kept.with_files_of(EmbeddingOptions()) is kept
    built_in = EmbeddingOptions(encoder="logmel", overlap=1)
    assert EmbeddingOptions.from_settings(built_in.settings) == built_in


def test_a_value_left_empty_is_not_given(options, described):
    empty = {**described, "sha256": None, "licence": None}
    assert EmbeddingOptions(encoder="small", encoders={"small": empty}) == options


def test_a_hop_is_the_overlap_where_none_is_asked_for(described):
    hopping = EmbeddingOptions(encoder="small", encoders={"small": {**described, "hop_s": 0.2}})
    assert hopping.overlap_s == pytest.approx(0.3)
    assert replace(hopping, overlap=0.1).overlap_s == 0.1
    assert EmbeddingOptions().overlap_s == 0.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sample_rate_hz": 16}, r"encoders\.small\.sample_rate_hz is 16; give Hz, a whole number from 1000 to 1000000"),
        ({"n_dims": 0}, r"encoders\.small\.n_dims is 0; give a whole number, 1 or more"),
        ({"window_s": 0.33333}, r"encoders\.small: a window of 0\.33333 s is 5333\.28 samples at 16000 Hz"),
        ({"hop_s": 0.6}, r"encoders\.small: hop_s is 0\.6 and window_s 0\.5; sound between windows would not be heard"),
        ({"sha256": "abc"}, r"encoders\.small: sha256 is 'abc'; give 64 hexadecimal digits"),
        ({"scale": 0}, r"encoders\.small\.scale is 0; give a number above 0"),
        ({"stride": 1}, r"There is no encoders\.small\.stride"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_description_is_told(described, values, words):
    with pytest.raises(InputError, match=words):
        EmbeddingOptions(encoder="small", encoders={"small": {**described, **values}})


def test_what_is_missing_and_names_that_are_taken_are_told_together(described):
    with pytest.raises(InputError) as told:
        EmbeddingOptions(encoders={"logmel": described, "half": {"file": "x.onnx"}, "text": "x.onnx"})
    lines = str(told.value).splitlines()
    assert lines[0] == "encoders.logmel is the name of a built-in encoder"
    assert any(line.startswith("encoders.half.sample_rate_hz is missing") for line in lines)
    assert any(line.startswith("encoders.text is 'x.onnx'; give settings as name: value") for line in lines)


def test_an_unknown_encoder_is_named_with_the_nearest_of_both_kinds(described):
    with pytest.raises(InputError, match=r"embedding\.encoder is 'smal'; did you mean 'small'"):
        EmbeddingOptions(encoder="smal", encoders={"small": described})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"overlap": 0.5}, r"overlap is 0\.5 s; give less than the 0\.5 s of a window of small"),
        ({"fmax": 9_000}, r"a band-pass at 9000 Hz; small hears 16,000 samples a second, so give less than 8000 Hz"),
        ({"fmin": 8_000}, r"a band-pass at 8000 Hz"),
        ({"fmin": 20, "fmax": 60}, r"filter of so narrow or low a band grows without end"),
    ],
)  # fmt: skip
def test_band_and_overlap_must_go_with_the_encoder(options, values, words):
    with pytest.raises(InputError, match=words):
        replace(options, **values)


@pytest.mark.parametrize(
    ("name", "words"), [("gone.onnx", "there is no such file"), ("x.txt", r"give a \.tflite or")]
)
def test_a_file_that_is_not_there_is_told_before_it_is_asked_for_an_id(tmp_path, described, name, words):
    (tmp_path / "x.txt").touch()
    options = EmbeddingOptions(
        encoder="small", encoders={"small": {**described, "file": str(tmp_path / name)}}
    )
    with pytest.raises(InputError, match=rf"encoders\.small\.file is .*{name}"):
        _ = options.settings_id
