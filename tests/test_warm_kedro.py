"""A command that starts warm is the command that a person starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tiny_season import AS_A_PERSON
from tests.warm_kedro import warm_kedro


@pytest.mark.chain
@pytest.mark.parametrize("arguments", [["registry", "list"], ["run", "--pipeline=nosuch"]])
def test_it_says_the_same_and_ends_with_the_same_status(project: Path, arguments: list[str]):
    warm, plain = (
        subprocess.run([*kedro, *arguments], cwd=project, capture_output=True, text=True)
        for kedro in ([warm_kedro()], AS_A_PERSON)
    )
    assert (warm.returncode, warm.stdout, warm.stderr) == (plain.returncode, plain.stdout, plain.stderr)
