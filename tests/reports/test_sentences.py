"""Sentences are words in templates, and facts from Python."""

import re

import pytest
from jinja2 import UndefinedError

from vernal.field.detection.page_sections import FILES
from vernal.field.detection.validation_section import SAID
from vernal.reports.figures import FIGURES
from vernal.reports.sentences import environment_of, sentence
from vernal.reports.uncertainty import LIMITS


def test_a_sentence_is_one_line_with_its_facts_and_keeps_numbers_with_their_units():
    found = sentence("answer.nothing_leads", floor=0.9)
    assert found == "No configuration reaches the precision floor of 0.9, so none leads."
    assert sentence("answer.exact", low=0.0, high=0.25) == "(exact interval 0\xa0% to 25\xa0%)"


def test_a_fact_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError, match="floor"):
        sentence("answer.nothing_leads")


PACKAGES = ("vernal.reports", "vernal.collection", "vernal.field.detection")


def test_every_sentence_of_the_templates_is_said_by_some_section(project):
    code = "".join(path.read_text("utf-8") for path in (project / "src" / "vernal").rglob("*.py"))
    # Those of the studies, which may be deleted, have tests of their own.
    said = set(re.findall(r"""sentence\(\s*f?["']((?!findings|study|published)[a-z_.{}]+)["']""", code))
    blocks = {
        f"{name.removesuffix('.j2')}.{block}"
        for words in map(environment_of, PACKAGES)
        for name in words.list_templates()
        for block in words.get_template(name).blocks
    }
    # These are said by name.
    by_name = {"uncertainty.{name}", "captions.{name}", "validation.{name}", "files.{name}"}
    assert by_name <= said
    named = {f"uncertainty.{name}" for name in LIMITS} | {f"captions.{name}" for name in FIGURES}
    named |= {f"validation.{name}" for name in SAID} | {f"files.{name}" for name in FILES}
    assert blocks == (said - by_name) | named
