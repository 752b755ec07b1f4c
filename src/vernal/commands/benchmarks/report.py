"""Measurements as a table on the terminal."""

from collections.abc import Mapping
from typing import Any

from vernal.commands.command_line import text_table


def terminal_table(columns: Mapping[str, str], results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as aligned columns, a row a thing measured; `columns`: result -> heading."""
    rows = [["measured", *columns.values()]]
    rows += [[name, *(shown(values.get(column)) for column in columns)] for name, values in results.items()]
    return text_table(rows)


def shown(value: Any) -> str:
    """A number with as many digits as say something.

    >>> [shown(value) for value in (None, True, 12, 0.000123456, 4.5678, 12345.6, "a")]
    ['-', 'yes', '12', '0.00012', '4.57', '12,346', 'a']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"
