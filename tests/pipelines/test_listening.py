"""From recordings that nobody labelled to a first batch to decide on."""

import pytest

from tests.small_review import make_context, write_sound
from tests.tiny_season import kedro_run
from vernal.web.review.options import ReviewOptions
from vernal.web.review.service import ReviewService


@pytest.mark.chain
def test_one_command_and_an_example_give_a_batch_to_listen_to(project, tmp_path):
    season = tmp_path / "season"
    for number in range(3):
        write_sound(season / f"R1_2025040{number + 1}_210000.wav", 9, 500.0 * number, seed=number)
    params = f"--params=source.unlabelled={season},target=owl,data_root={tmp_path / 'out'}"
    said = kedro_run(project, "--pipeline=listening", params).stderr
    assert "ready to be listened to" in said and "kedro review --loop --example" in said
    service = ReviewService(
        make_context(tmp_path / "out", project, source={"unlabelled": str(season)}), ReviewOptions(), "Ana"
    )
    name = service.begin_loop({"examples": ["R1_20250402_210000.wav@4.5"]})
    assert len(service.queue(name).items) == 9
    refused = kedro_run(project, params, check=False)
    assert refused.returncode == 1 and "--pipeline=listening" in refused.stderr
