"""The documentation site, built once as `.ci/run` builds it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.shared_folder import made_once


def build(project, site, *args):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(site), *args],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )


@pytest.fixture(scope="session")
def site(project, tmp_path_factory):
    """The built site."""
    pytest.importorskip("mkdocs")

    def make(folder):
        done = build(project, folder / "site")
        assert done.returncode == 0, done.stdout + done.stderr

    return made_once(tmp_path_factory, "a built site", make) / "site"
