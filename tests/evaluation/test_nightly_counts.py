import pytest

from vernal.common.problems import InputError
from vernal.evaluation import nightly_counts

TEXT = """
COUNTS
======
R1:
  2025-04-03:   10 files
  2025-04-04:   30 files
  R1 Total: 41 files
------
R2:
  2025-04-03:   20 files
  R2 Total: 20 files
======
Total positive files: 60
Mean (average): 20.00 files/day
Median: 20.0 files/day
     1-10 files:   1 days ( 33.3%)
    11-25 files:   2 days ( 33.3%)
      25+ files:   1 days ( 33.3%)
R1:
  Recording days: 2
  Range: 10-31 files/day
Busy night scenario (median 20 files):
  - At 95% precision: expect ~1.0 false positives/night
  - At 90% recall: expect to miss ~2.0 true calls/night
  - At 90% F1: expect ~3.6 total errors/night
Key Statistics:
  - Max files in one day: 30
"""


def test_nightly_lines_are_read():
    nights = nightly_counts.parse(TEXT).nights
    assert nights.n_files.tolist() == [10, 30, 20] and nights.recorder_id.tolist() == ["R1", "R1", "R2"]


def test_cells_that_do_not_follow_are_found():
    table = nightly_counts.check(nightly_counts.parse(TEXT))
    wrong = table[~table.agrees]
    assert wrong[["part", "cell", "published", "recomputed"]].to_numpy().tolist() == [
        ["R1", "total", 41.0, 40.0],
        ["distribution", "11-25 files: days", 2.0, 1.0],
        ["R1", "Range, high", 31.0, 30.0],
        ["Busy night scenario", "total errors at 90 % F1", 3.6, pytest.approx(2.0)],
    ]
    assert table.agrees.sum() == 14


def test_what_the_definitions_give_stands_beside_the_texts_own_formula():
    table = nightly_counts.check(nightly_counts.parse(TEXT))
    claims = table[table.by_definition.notna()].set_index("cell")
    assert claims.by_definition.round(3).tolist() == [1.053, 2.0, 3.636]
    assert claims.agrees_by_definition.tolist() == [False, True, True]
    assert claims.note.str.len().min() > 10


def test_the_published_table_follows_from_its_own_formulas(shared_data):
    text = (shared_data / "published" / "positive_counts_by_recorder_date.txt").read_text(encoding="utf-8")
    counts = nightly_counts.parse(text)
    table = nightly_counts.check(counts)
    assert (len(counts.nights), counts.nights.n_files.sum()) == (139, 7887)
    assert len(table) > 100 and table.agrees.all()
    claims = table[table.by_definition.notna()]
    assert len(claims) == 9
    follows = claims.agrees_by_definition.astype(bool)
    assert claims[follows].cell.str.contains("recall").all() and follows.sum() == 3


def test_a_text_without_counts_is_refused():
    with pytest.raises(InputError, match="holds no counts of files a night"):
        nightly_counts.parse("Dear reader,\nthere were frogs.\n")
