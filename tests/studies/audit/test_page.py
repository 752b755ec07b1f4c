"""What a reader gets: the table of findings and the page, whatever the names in the files are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tests.report_pages import without_own_script
from vernal.common.table_files import write_table
from vernal.reports.sentences import environment_of
from vernal.studies.audit import Audit, CheckResult, Finding, NotChecked, findings_table, page

NASTY = '<script>alert("x")</script>'


@pytest.fixture
def audit() -> Audit:
    results = (
        CheckResult("a_note", "Is it so?", [Finding("a_note", "note", (), "=HYPERLINK(1)")]),
        CheckResult("an_error", "Is it?", [Finding("an_error", "error", ("=a", NASTY), f"{NASTY} & more")]),
        CheckResult("clear_one", "Fine?", []),
        CheckResult("not_made", "Why?", NotChecked("no column")),
    )
    return Audit(results, {NASTY: "a table"}, {NASTY: "setting", "x": "metric"})


def test_gravest_findings_come_first_and_no_cell_on_disk_is_a_formula(audit: Audit, tmp_path: Path) -> None:
    table = findings_table(audit.results, 10)
    assert table.severity.tolist() == ["error", "note"]
    assert table.rows.tolist() == [f"=a, {NASTY}", ""]
    write_table(table, tmp_path / "findings.csv")
    written = pd.read_csv(tmp_path / "findings.csv", keep_default_na=False)
    assert written.rows.tolist() == [f"'=a, {NASTY}", ""]
    assert written.message[1] == "'=HYPERLINK(1)"


def test_rows_beyond_the_limit_are_counted(audit: Audit) -> None:
    assert findings_table(audit.results, 1)["rows"][0] == "=a and 1 more"


def test_no_finding_gives_an_empty_table_with_its_columns() -> None:
    table = findings_table([], 10)
    assert table.columns.tolist() == ["check", "severity", "rows", "message"]
    assert len(table) == 0


def test_the_page_escapes_names_and_closes_its_tags(audit: Audit) -> None:
    text = page(audit)
    assert "<script" not in without_own_script(text)
    assert "&lt;script&gt;" in text
    open_tags: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list) -> None:
            if tag not in ("meta", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balance().feed(text)
    assert open_tags == []


def test_the_page_tells_what_was_clear_and_what_could_not_be_checked(audit: Audit) -> None:
    text = page(audit)
    for words in ("Clear one", "Not made", "no column", "1</b>error"):
        assert words in text


def test_a_page_without_findings_promises_nothing() -> None:
    text = page(Audit((), {}, {}))
    assert "no proof that the results are right" in text


def test_every_finding_that_has_words_is_found_by_some_check(project):
    folder = project / "src/vernal/studies/audit"
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    said = set(re.findall(r'sentence\(\s*f?"findings\.([a-z_{}]+)"', code))
    by_name = {"{meaning}", "{verdict}", "trivial_{verdict}"}
    assert by_name <= said
    named = {"seeds", "monotone", "unrecorded", "settings", "never", "swapped", "other"}
    named |= {f"trivial_{name}" for name in ("all", "none", "below")}
    blocks = environment_of("vernal.studies.audit").get_template("findings.j2").blocks
    assert set(blocks) == (said - by_name) | named
