"""The tables' columns, declared once; the catalog names them as validators, so Kedro checks each load and save.

These guard what the project itself writes. What people write is checked in `vernal.clips.manifest`, where the
messages are made for them.
"""

import pandera.pandas as pa

from vernal.clips.manifest import QUALITIES, SPLITS
from vernal.clips.nights import NIGHT_SOURCES
from vernal.clips.recordings import SOURCES


def _text(check: pa.Check | None = None) -> pa.Column:
    """A column of text that may be missing."""
    return pa.Column(str, check, nullable=True)


_LISTED = {
    "source": pa.Column(str, pa.Check.isin(SOURCES)),
    "file_path": pa.Column(str),
    "label": pa.Column(str),
    "is_positive": pa.Column(bool),
    "quality": _text(pa.Check.isin(QUALITIES)),
    "call_type": _text(),
    "site": _text(),
    "recorder_id": _text(),
    "date": _text(),
    "time": _text(),
    "night": _text(),
    "group": _text(),
    "split": _text(pa.Check.isin(SPLITS)),
    "start_s": pa.Column(float, pa.Check.ge(0), nullable=True),
    "end_s": pa.Column(float, pa.Check.gt(0), nullable=True),
}
LISTED_CLIPS = pa.DataFrameSchema(_LISTED)

_CLIPS = _LISTED | {
    "clip_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{16}$"), unique=True),
    "content_hash": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{64}$")),
    "night_from": pa.Column(str, pa.Check.isin(NIGHT_SOURCES)),
    "duration_s": pa.Column(float, pa.Check.gt(0)),
    "sample_rate_hz": pa.Column(int, pa.Check.gt(0)),
    "channels": pa.Column(int, pa.Check.ge(1)),
}
CLIPS = pa.DataFrameSchema(
    _CLIPS,
    checks=pa.Check(
        lambda clips: ~clips.is_positive | clips.quality.notna(), error="every positive has a quality"
    ),
)
SPLITS_COLUMNS = _CLIPS | {
    "source": pa.Column(str, pa.Check.eq("labelled")),
    "split": pa.Column(str, pa.Check.isin(SPLITS)),
    "block": pa.Column(str),
}
SPLITS_TABLE = pa.DataFrameSchema(
    SPLITS_COLUMNS,
    checks=pa.Check(
        lambda clips: clips.groupby("block").split.nunique().le(1).all(), error="no block is in two splits"
    ),
)
