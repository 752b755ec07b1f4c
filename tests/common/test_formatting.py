"""Text for the terminal: everything that people read stays, everything that steers is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.formatting import visible


@given(st.text(st.characters()))
def test_any_text_can_be_written_and_steers_nothing(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert not {unicodedata.category(letter) for letter in shown} & {"Cs", "Zl", "Zp"}
    assert not [letter for letter in shown if unicodedata.category(letter) == "Cc" and letter not in "\n\t"]
    assert not [
        letter for letter in shown if unicodedata.bidirectional(letter) in ("RLO", "LRO", "RLE", "LRE", "RLI")
    ]
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "text", ["Möwe – 12 %", "نقيق", "👩\u200d🔬", "می\u200cخواهم", "a\tb\nc", "蛙", r"C:\x\new"]
)
def test_what_people_write_stays(text):
    assert visible(text) == text
