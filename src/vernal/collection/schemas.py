"""The collection's tables, declared once; the catalog names them as validators, so Kedro checks each save.

Numbers are coerced: an empty CSV does not know what its columns would hold.
"""

from typing import Any

import pandera.pandas as pa

from vernal.clips.annotations import DIFFICULTIES, PROMINENCES
from vernal.clips.manifest import QUALITIES
from vernal.collection.quality import BY_PERSON, BY_RATIO, NOT_GRADED
from vernal.collection.statements import ROLES

_TEXT: dict[str, Any] = {"dtype": str, "nullable": True}
_NUMBER: dict[str, Any] = {"dtype": float, "nullable": True}

RECORDINGS = pa.DataFrameSchema({
    "content_hash": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{64}$"), unique=True),
    "recording": pa.Column(str),
    "object_path": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{2}/[0-9a-f]{64}")),
    "role": pa.Column(str, pa.Check.isin(ROLES)),
    "date": pa.Column(checks=pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"), **_TEXT),
    "licence": pa.Column(**_TEXT),
    "held_back": pa.Column(**_TEXT),
})  # fmt: skip
MANIFEST = pa.DataFrameSchema(
    {
        "file_path": pa.Column(str, pa.Check.str_matches(r"^[^/\\]")),
        "start_s": pa.Column(float, pa.Check.ge(0), coerce=True),
        "end_s": pa.Column(float, pa.Check.gt(0), coerce=True),
        "label": pa.Column(str),
        "quality": pa.Column(checks=pa.Check.isin(QUALITIES), **_TEXT),
        "quality_assigned": pa.Column(checks=pa.Check.isin(QUALITIES), **_TEXT),
        "quality_proposed": pa.Column(checks=pa.Check.isin(QUALITIES), **_TEXT),
        "quality_from": pa.Column(checks=pa.Check.isin([BY_PERSON, BY_RATIO, NOT_GRADED]), **_TEXT),
        "prominence": pa.Column(checks=pa.Check.isin(PROMINENCES), **_TEXT),
        "difficulty": pa.Column(checks=pa.Check.isin(DIFFICULTIES), **_TEXT),
        "label_probability": pa.Column(float, pa.Check.in_range(0, 1), coerce=True),
        "snr_db": pa.Column(coerce=True, **_NUMBER),
        "date": pa.Column(checks=pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"), **_TEXT),
    },
    checks=[
        pa.Check(lambda clips: clips.end_s > clips.start_s, error="every clip ends after it starts"),
        pa.Check(
            lambda clips: ~clips.duplicated(["file_path", "start_s", "end_s"]), error="no clip is there twice"
        ),
        pa.Check(
            lambda clips: clips.quality.notna() == clips.quality_from.isin([BY_PERSON, BY_RATIO]),
            error="every tier says where it is from",
        ),
    ],
)
