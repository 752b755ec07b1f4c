"""The tables that a lab published for the same question, as facts to lay beside ours.

Ten kinds of music, 575 validation clips of 30 s, an LSTM trained from scratch on mel spectrograms and chromagrams,
raw and beat-synced (K. Papadakis, Pattern Recognition, 3rd lab; labels are numbers there). Only the rows of classes
and the accuracy are kept; averages follow from them, to the two decimals that were printed.
"""

import pandas as pd

from vernal.studies.features.classification_tables import ClassificationTable, from_rows

_SUPPORT = (40, 40, 80, 80, 40, 40, 78, 40, 103, 34)

# table -> accuracy as printed, then precision, recall and F1 of classes 0 to 9 in hundredths.
_TABLES: dict[str, tuple[float, str]] = {
    "Mel raw": (0.28, "0 0 0|11 3 4|23 68 35|32 62 42|0 0 0|0 0 0|33 37 35|0 0 0|29 25 27|0 0 0"),
    "Mel beat-sync": (
        0.38,
        "20 3 4|35 55 43|39 72 51|38 51 44|20 17 19|33 7 12|53 50 52|0 0 0|36 44 40|22 6 9",
    ),
    "Chroma raw": (0.18, "0 0 0|0 0 0|0 0 0|0 0 0|0 0 0|0 0 0|0 0 0|0 0 0|18 100 30|0 0 0"),
    "Fused raw": (0.29, "0 0 0|0 0 0|29 65 40|31 70 43|0 0 0|0 0 0|26 68 37|0 0 0|64 7 12|0 0 0"),
    "Fused beat": (
        0.37,
        "25 3 5|36 55 44|40 65 50|34 51 41|22 12 16|17 5 8|51 51 51|0 0 0|37 41 39|19 15 17",
    ),
}  # fmt: skip


def lab_tables() -> dict[str, ClassificationTable]:
    """The lab's tables by name, in its order.

    >>> round(float(lab_tables()["Mel raw"].averages.f1[0]), 2)
    0.14
    """
    return {name: from_rows(_rows(text), accuracy) for name, (accuracy, text) in _TABLES.items()}


def _rows(text: str) -> pd.DataFrame:
    rates = [[int(number) / 100 for number in row.split()] for row in text.split("|")]
    table = pd.DataFrame(rates, columns=["precision", "recall", "f1"])
    return table.assign(row=[str(number) for number in range(len(table))], support=list(_SUPPORT))
