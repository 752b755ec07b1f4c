"""Tables row by row."""

from typing import Any, cast

import pandas as pd


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries by column name."""
    return cast("list[dict[str, Any]]", table.to_dict("records"))
