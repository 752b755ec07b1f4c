"""Files of absurd contents are whole, drawn, and differ in what they hold."""

import contextlib
import io
import json
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from tests.tools.fuzzing.test_readers import samples_of
from tools.fuzzing.structure import restructured

# Of a hundred draws of each, how many files there are at least beside those that were given.
KINDS = {"parquet": 90, "scores": 90, "manifests": 90, "specs": 80, "decisions": 80, "tflite": 50, "onnx": 50}


def drawn(name):
    samples = samples_of(name)
    return [
        (samples[n % len(samples)], restructured(samples[n % len(samples)], Random(n))) for n in range(100)
    ]


@pytest.mark.parametrize("name", KINDS)
def test_draws_are_files_of_other_contents_and_the_same_draw_gives_the_same_file(name):
    made = drawn(name)
    assert made == drawn(name)
    assert len({after for before, after in made if after != before}) >= KINDS[name]


def test_tables_are_whole_and_get_other_types_columns_and_rows():
    before = pq.read_table(io.BytesIO(samples_of("parquet")[0]))
    made = [pq.ParquetFile(io.BytesIO(after)).read() for _, after in drawn("parquet")]
    assert any(table.num_rows > before.num_rows for table in made) and any(
        not table.num_rows for table in made
    )
    assert len({tuple(table.column_names) for table in made}) > 10
    assert len({str(kind) for table in made for kind in table.schema.types}) > 10


def test_documents_are_whole_and_get_other_values():
    assert len({str(yaml.safe_load(after)) for _, after in drawn("specs")}) > 80
    lines = [line for _, after in drawn("decisions") for line in after.splitlines()]
    assert len({str(json.loads(line)) for line in lines}) > 80


def test_rows_of_text_get_other_cells_and_columns():
    rows = [after.splitlines()[0] for _, after in drawn("manifests") if after]
    assert len(set(rows)) > 20 and sum(row.count(b",") + row.count(b";") > 5 for row in rows) > 80


def test_arrays_are_whole_and_get_other_types_and_shapes():
    file = io.BytesIO()
    np.save(file, np.ones((3, 2), "f4"))
    made = [np.load(io.BytesIO(restructured(file.getvalue(), Random(n)))) for n in range(100)]
    assert len({array.dtype for array in made}) > 5 and len({array.shape for array in made}) > 5


def test_sounds_get_other_formats():
    found = set()
    for _, after in drawn("recordings"):
        with contextlib.suppress(soundfile.LibsndfileError):
            found.add(soundfile.info(io.BytesIO(after)).format)
    assert len(found) > 5


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1", b"\0TFL3xx"])
def test_what_is_of_no_known_kind_stays_as_it_is(content):
    assert restructured(content, Random(0)) == content
