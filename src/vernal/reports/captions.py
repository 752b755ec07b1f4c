"""How to read each figure: its caption, from `templates/sentences/captions.j2`."""

from vernal.reports.blocks import Picture
from vernal.reports.sentences import sentence


def picture(name: str, **words: float | str) -> Picture:
    """A figure with its caption; `words` fill its gaps."""
    return Picture(name, sentence(f"captions.{name}", **words))
