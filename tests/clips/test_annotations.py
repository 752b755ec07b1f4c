"""Every format gives back what it was given, for all that it says it carries."""

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.clips.annotation_formats import FORMATS, decode, read_labels, recognise
from vernal.clips.annotations import (
    ANNOTATION_COLUMNS,
    DIFFICULTIES,
    PROMINENCES,
    TEXT_COLUMNS,
    annotation_table,
)
from vernal.clips.manifest import QUALITIES
from vernal.common.problems import InputError

WORDS = (
    st.text(string.ascii_letters + string.digits + " '.,;=+-@()éßñ蛙\"[]", min_size=1, max_size=20)
    .map(str.strip)
    .filter(bool)
)
TIMES = st.floats(0, 86_400, allow_nan=False).map(lambda value: round(value, 6))
HERTZ = st.floats(0, 48_000, allow_nan=False).map(lambda value: round(value, 3))


def maybe(strategy):
    return st.one_of(st.none(), strategy)


@st.composite
def annotations(draw, recording=WORDS, may_be_weak=True):
    start, end = sorted([draw(TIMES), draw(TIMES)])
    low, high = sorted([draw(HERTZ), draw(HERTZ)])
    is_weak = may_be_weak and draw(st.booleans())
    return {
        "recording": draw(recording).replace("/", "").replace("\\", ""),
        "start_s": np.nan if is_weak else start,
        "end_s": np.nan if is_weak else end,
        "low_hz": low if draw(st.booleans()) else np.nan,
        "high_hz": high if draw(st.booleans()) else np.nan,
        "channel": draw(maybe(st.integers(1, 8))),
        "label": draw(WORDS),
        "is_present": not is_weak or draw(st.booleans()),
        "annotator": draw(maybe(WORDS)),
        "annotated_at": draw(maybe(st.datetimes().map(lambda value: value.isoformat()))),
        "session": draw(maybe(WORDS)),
        "prominence": draw(maybe(st.sampled_from(PROMINENCES))),
        "difficulty": draw(maybe(st.sampled_from(DIFFICULTIES))),
        "confidence": draw(maybe(st.floats(0, 1).map(lambda value: round(value, 6)))),
        "quality": draw(maybe(st.sampled_from(QUALITIES))),
        "model": draw(maybe(WORDS)),
        "note": draw(maybe(WORDS)),
    }


def carried(rows, columns):
    """A table of these rows in which everything that a format does not carry is missing."""
    table = annotation_table(rows)
    blank = [name for name in ANNOTATION_COLUMNS if name not in (*columns, "is_present")]
    return table.assign(
        **{
            name: pd.Series(np.nan, index=table.index, dtype="str" if name in TEXT_COLUMNS else "float64")
            for name in blank
        }
    )


def assert_round_trip(module, table):
    text = module.render(table)
    again = module.parse(text, "again")
    pd.testing.assert_frame_equal(again.drop(columns="line"), table)
    assert again.line.is_monotonic_increasing and again.line.is_unique
    assert module.render(again) == text


@given(st.lists(annotations(), max_size=6))
def test_plain_csv_gives_everything_back(rows):
    assert_round_trip(FORMATS["csv"], carried(rows, FORMATS["csv"].CARRIES))


@given(st.lists(annotations(may_be_weak=False), max_size=6))
def test_raven_gives_everything_but_absence_back(rows):
    assert_round_trip(FORMATS["raven"], carried(rows, FORMATS["raven"].CARRIES))


@given(st.lists(annotations(recording=st.just("night.wav"), may_be_weak=False), max_size=6))
def test_audacity_gives_back_what_a_label_says(rows):
    module = FORMATS["audacity"]
    rows = [{**row, "label": row["label"].replace("[", "(").replace("]", ")")} for row in rows]
    assert_round_trip(module, carried(rows, module.CARRIES))


@given(st.lists(annotations(may_be_weak=False), max_size=6))
def test_kaleidoscope_gives_back_people_and_models(rows):
    module = FORMATS["kaleidoscope"]
    rows = [{**row, "annotator": None if row["model"] else row["annotator"]} for row in rows]
    assert_round_trip(module, carried(rows, module.CARRIES))


@given(st.lists(annotations(may_be_weak=False), max_size=6))
def test_birdnet_gives_back_a_models_detections(rows):
    module = FORMATS["birdnet"]
    rows = [{**row, "model": row["model"] or "BirdNET"} for row in rows]
    assert_round_trip(module, carried(rows, module.CARRIES))


@pytest.mark.parametrize("name", ["birdnet", "csv", "kaleidoscope"])
def test_no_text_of_a_table_is_a_formula_to_a_spreadsheet(name):
    texts = {"recording": "=r.wav", "label": "=l", "model": "=m"}
    written = FORMATS[name].render(annotation_table([{"start_s": 0, "end_s": 1, "confidence": 0.5, **texts}]))
    cells = written.splitlines()[1].split(",")
    assert sum(cell.startswith("'=") for cell in cells) >= 3
    assert not any(cell.startswith("=") for cell in cells)


@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(annotations(recording=st.just("a.wav"), may_be_weak=False), min_size=1, max_size=3),
)
def test_a_written_file_is_recognised(name, rows):
    module = FORMATS[name]
    fixed = {"label": "RADR", **({"model": "BirdNET"} if name == "birdnet" else {})}
    text = module.render(annotation_table([{**row, **fixed} for row in rows]))
    assert recognise(text, "file") == name


def test_files_are_written_and_read_whole(tmp_path):
    table = annotation_table(
        [{"recording": "a b.wav", "start_s": 1.0, "end_s": 2.0, "label": "=RADR", "annotator": "Ana"}]
    )
    path = tmp_path / "with a space.csv"
    path.write_text(FORMATS["csv"].render(table), encoding="utf-8")
    again, name = read_labels(path)
    assert name == "csv"
    pd.testing.assert_frame_equal(again.drop(columns="line"), table)
    assert again.line.tolist() == [2]
    assert "'=RADR" in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="did you mean 'audacity'"):
        read_labels(path, "audacty")


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_read_or_refused_in_words(content):
    try:
        text = decode(content, "file")
        module = FORMATS[recognise(text, "file")]
        module.parse(text, "file")
    except InputError as error:
        assert "file" in str(error)


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["1", "2.5", "-1", "1e400", "nan", "", "=1", "\x00", '"', "\\"]
)


@given(st.sampled_from(sorted(FORMATS)), st.lists(st.lists(CELLS, max_size=12), max_size=4), st.data())
def test_damaged_tables_are_read_or_refused_in_words(name, rows, data):
    module = FORMATS[name]
    whole = module.render(
        annotation_table([{"recording": "a.wav", "start_s": 1, "end_s": 2, "label": "R", "model": "BirdNET"}])
    )
    delimiter = "\t" if name in ("raven", "audacity") else ","
    text = whole + "\n".join(delimiter.join(row) for row in rows)
    cut = data.draw(st.integers(0, len(text)))
    for damaged in (text, text[cut:], text[:cut]):
        try:
            table = module.parse(damaged, "file")
        except InputError as error:
            assert "file" in str(error)
        else:
            assert list(table.columns) == [*ANNOTATION_COLUMNS, "line"]
