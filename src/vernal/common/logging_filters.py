"""What Kedro logs when a run fails, left out where the command tells the same in a user's words.

A mistake of a user ends a run with one message (see `vernal.cli`). Kedro's own lines would say it twice, with the
node's whole signature, and advise a way to resume that is not needed: a run that is repeated goes on where it was.
"""

import logging
import sys

from vernal.common.formatting import visible
from vernal.common.problems import mistake_in


def tell_mistakes_once() -> None:
    """Let no handler of this process show them; logging has to be configured before."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(UsersMistakes())


def show_what_steers() -> None:
    """Let no line of this process steer a terminal, whichever handler writes it."""
    logging.setLogRecordFactory(VisibleRecord)


class VisibleRecord(logging.LogRecord):
    """A line of a log without what would steer a terminal: names of files and people may hold anything."""

    def getMessage(self) -> str:
        """The line as it is shown."""
        return visible(super().getMessage())


class UsersMistakes(logging.Filter):
    """Drops Kedro's lines about a user's mistake; everything else passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown."""
        if record.name.partition(".")[0] != "kedro":
            return True
        # That a run of which nothing is finished can be repeated as it was helps nobody.
        return not mistake_in(sys.exc_info()[1]) and "No nodes ran." not in str(record.msg)
