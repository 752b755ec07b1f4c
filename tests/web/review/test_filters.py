"""Filters choose rows and run nothing."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.web.review.filters import choose

TABLE = pd.DataFrame(
    {
        "clip_id": list("abcde"),
        "score": [0.1, 0.5, 2.0, np.nan, -3.0],
        "limit": [0.0, 1.0, 1.0, 1.0, -4.0],
        "site": pd.Series(["Pond", "Creek", None, "Pond", "O'Hara"], dtype="str"),
        "is_positive": [True, False, True, False, False],
    }
)


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("score > 0.1", "bc"),
        ("0.1 <= score < 2", "ab"),
        ("score > limit", "ace"),
        ("score < -1", "e"),
        ("not score > 0.1", "ade"),
        ("site == 'Pond' and score < 1 or site == \"O'Hara\"", "ae"),
        ("site in ['Pond', 'Creek']", "abd"),
        ("site not in ('Pond', 'Creek')", "ce"),
        ("site in ['Pond', None]", "acd"),
        ("site == None", "c"),
        ("site != None and score != None", "abe"),
        ("site != 'Pond'", "be"),
        ("'po' in site", "ad"),
        ("is_positive", "ac"),
        ("is_positive and not site == 'Pond'", "c"),
        ("is_positive == False", "bde"),
        ("1 < 2", "abcde"),
        ("site < 'D'", "b"),
    ],
)
def test_rows_are_chosen(expression, chosen):
    assert "".join(choose(TABLE, expression).clip_id) == chosen


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("__import__('os').system('true')", "cannot stand in a filter"),
        ("score.__class__ == 1", "cannot stand in a filter"),
        ("(lambda: 1)() == 1", "cannot stand in a filter"),
        ("[x for x in site]", "cannot stand in a filter"),
        ("score + 1 > 2", "cannot stand in a filter"),
        ("f'{score}' == '1'", "cannot stand in a filter"),
        ("score is None", "write == or !="),
        ("skore > 1", "did you mean 'score'"),
        ("site > 1", "compares text with a number"),
        ("site", "no yes-or-no column"),
        ("score >", "cannot be read"),
        ("", "cannot be read"),
        ("None < score", "None in the filter"),
        ("1 in [1]", "takes a column and a list"),
        ("not " * 40 + "is_positive", "nested more than"),
        ("score > 1 " * 500, "longer than"),
    ],
)
def test_everything_else_is_refused_in_words(expression, words):
    with pytest.raises(InputError, match=words):
        choose(TABLE, expression)


@given(st.text(max_size=60))
def test_any_text_chooses_or_is_refused(text):
    with contextlib.suppress(InputError):
        assert set(choose(TABLE, text).clip_id) <= set("abcde")


@given(st.floats(-5, 5), st.booleans())
def test_a_filter_and_its_opposite_divide_the_known(level, is_strict):
    op, opposite = (">", "<=") if is_strict else (">=", "<")
    above, below = choose(TABLE, f"score {op} {level}"), choose(TABLE, f"score {opposite} {level}")
    assert sorted([*above.clip_id, *below.clip_id]) == ["a", "b", "c", "e"]
