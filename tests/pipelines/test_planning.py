"""The plan of a stage: points that are embedded by encoders of their own."""

import pytest

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.clips.mining import MiningOptions
from vernal.common.problems import InputError
from vernal.pipelines.planning.nodes import plan_stage
from vernal.sweeps.spec import parse_spec
from vernal.training import fitting

PROJECTS = EmbeddingOptions(encoder="logmel")


def planned(selection=None, **axes):
    spec = parse_spec({"stage": "x", "axes": axes}, "x.yml")
    return plan_stage(spec, {}, selection, MiningOptions(), PROJECTS)


def test_without_an_encoder_of_its_own_a_point_has_the_projects_and_no_column_says_so():
    plan = planned(seed=[1, 2])
    assert "encoder" not in plan
    assert fitting.audio_settings_of(plan, PROJECTS) == [PROJECTS]


def test_an_encoder_is_an_axis_as_any_other():
    plan = planned(encoder=["", "birdnet_v2.4"], fmin=[0, 200])
    assert plan.encoder.tolist() == ["logmel", "logmel", "birdnet_v2.4", "birdnet_v2.4"]
    assert plan.fit_hash.is_unique
    audio = {(one.encoder, one.fmin) for one in fitting.audio_settings_of(plan, PROJECTS)}
    assert audio == {("logmel", 0), ("logmel", 200), ("birdnet_v2.4", 0), ("birdnet_v2.4", 200)}


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"encoder": ["brdnet_v2.4"]}, r"unknown encoder \(1\): 'brdnet_v2\.4' \(did you mean 'birdnet_v2\.4'\?\)"),
        ({"encoder": ["speech_embedding"], "overlap": [0, 1]}, r"overlap is 1 s; give less than the 0\.79 s"),
        ({"encoder": ["speech_embedding"], "fmax": [9_000]}, r"give less than 8000 Hz"),
    ],
)  # fmt: skip
def test_what_cannot_be_embedded_is_told_when_the_stage_is_planned(axes, words):
    with pytest.raises(InputError, match=words):
        planned(**axes)
