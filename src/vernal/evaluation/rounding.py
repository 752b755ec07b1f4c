"""Tables that are the same bytes in every run: how numbers are rounded and written, decided once.

Metrics keep six decimals, far below any interval and above the last bits in which machines differ. Logits are
kept whole: a rounded threshold could unflag the very clip that set it.
"""

from dataclasses import dataclass, fields

import pandas as pd

DECIMALS = 6


def settled(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its floats rounded to six decimals, columns ending in `logit` excepted; -0 becomes 0.

    >>> settled(pd.DataFrame({"f1": [2 / 3], "threshold_logit": [1 / 3]})).iloc[0].tolist()
    [0.666667, 0.3333333333333333]
    """
    rounded = {
        name: frame[name].round(DECIMALS) + 0.0
        for name in frame.columns
        if pd.api.types.is_float_dtype(frame[name].dtype) and not str(name).endswith("logit")
    }
    return frame.assign(**rounded)


@dataclass(frozen=True)
class TableGroup:
    """Tables that belong together; each is an attribute."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {part.name: getattr(self, part.name) for part in fields(self)}
