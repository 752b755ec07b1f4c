"""A user's mistake is told once."""

import logging

import pytest

from vernal.common.logging_filters import UsersMistakes
from vernal.common.problems import InputError


def shown(name: str, error: BaseException | None) -> bool:
    record = logging.LogRecord(name, logging.ERROR, "x.py", 1, "Node failed", (), None)
    if error is None:
        return UsersMistakes().filter(record)
    try:
        raise error
    except type(error):
        return UsersMistakes().filter(record)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("name", "error", "is_shown"),
    [
        ("kedro.pipeline.node", InputError("no such folder"), False),
        ("kedro.runner", caused(ValueError("loading"), InputError("no such folder")), False),
        ("kedro.pipeline.node", ValueError("a bug"), True),
        ("kedro.pipeline.node", None, True),
        ("vernal.framework.hooks", InputError("no such folder"), True),
        ("kedrology", InputError("no such folder"), True),
    ],
)
def test_only_kedros_lines_about_mistakes_are_dropped(name, error, is_shown):
    assert shown(name, error) is is_shown


def test_a_line_of_a_project_steers_no_terminal(project):
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    record = logging.getLogRecordFactory()(
        "x", logging.INFO, "x.py", 1, "%s", ("a\x1b[2Jb\udcfc\u202e",), None
    )
    assert logging.Formatter("%(message)s").format(record) == r"a\x1b[2Jb\xfc\u202e"


def test_that_a_run_without_results_can_be_repeated_is_not_told():
    said = "No nodes ran. Repeat the previous command to attempt a new run."
    record = logging.LogRecord("kedro.runner.runner", logging.WARNING, "x.py", 1, said, (), None)
    assert not UsersMistakes().filter(record)
