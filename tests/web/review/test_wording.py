"""Plain words for columns and values."""

from vernal.web.review.wording import in_words, name_of


def test_columns_that_have_no_word_are_spelled_as_they_are():
    assert name_of("n_absent") == "votes against"
    assert name_of("water_level_m") == "water level m"


def test_values_are_short_and_read_by_people():
    assert [in_words(value) for value in (0.4412, -2.0, 7, False, "Ana")] == ["0.44", "-2", 7, "no", "Ana"]
