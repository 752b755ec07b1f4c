"""Certificates: verdicts, what fails a run, and that nothing of one run shows in its bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.proof.conftest import MadeStage
from tests.proof.test_checks import all_findings
from vernal.common.problems import InputError
from vernal.proof.certificate import Finding, certificate, failed_lines, overall, refuse
from vernal.proof.options import CHECKS, ProofOptions
from vernal.reports.proof_sections import certificate_notices, certificate_section

GOOD = Finding("coverage", "2 points.", {"points": 2})
BAD = Finding(
    "near_duplicates", "1 pair.", {"n": 1}, [f"a{at} and b" for at in range(12)], "Give them a group."
)


def certified(options: ProofOptions | None = None, *findings: Finding) -> dict:
    return certificate("s", "RADR", "abc", findings or (GOOD, BAD), [], options or ProofOptions())


def test_one_failed_check_fails_the_certificate_and_the_run():
    one = certified()
    assert one["verdict"] == "fail"
    assert [line["verdict"] for line in one["checks"]] == ["pass", "fail"]
    with pytest.raises(
        InputError,
        match=r"s: failed check near_duplicates \(12\): a0 and b; .*Give them a group.*proof.allow",
    ):
        refuse({"s.certificate": one})


def test_an_allowed_failure_is_a_warning_and_fails_nothing():
    one = certified(ProofOptions(allow=["near_duplicates"]))
    assert one["verdict"] == "warning"
    assert not failed_lines(one)
    refuse({"s.certificate": one})


def test_a_check_that_nobody_knows_cannot_be_allowed():
    with pytest.raises(
        InputError,
        match=r"proof\.allow is .*; unknown check 'near_duplicate' \(did you mean 'near_duplicates'\?\)",
    ):
        ProofOptions(allow=["near_duplicate"])


@pytest.mark.parametrize(
    "setting",
    [
        {"near_duplicate_cosine": 0},
        {"near_duplicate_correlation": 1.5},
        {"listened_pairs": 0},
        {"listed_pairs": -1},
    ],
)
def test_impossible_settings_are_refused(setting):
    with pytest.raises(InputError, match=f"{next(iter(setting))} is {next(iter(setting.values()))}"):
        ProofOptions(**setting)


def test_the_worst_verdict_counts():
    assert overall(["pass"]) == overall([]) == "pass"
    assert overall(["warning", "fail", "pass"]) == "fail"
    assert overall(["not checked", "warning", "pass"]) == "warning"


UNCHECKED = Finding("thresholds", "None.", {"points": 0}, (), "Give validation clips.", is_checked=False)


def test_what_was_not_checked_has_not_passed():
    one = certified(None, GOOD, UNCHECKED)
    assert [line["verdict"] for line in one["checks"]] == ["pass", "not checked"]
    assert one["verdict"] == "incomplete" and one["checks"][1]["remedy"] == "Give validation clips."
    assert not failed_lines(one)
    refuse({"s.certificate": one})
    (notice,) = certificate_notices(one)
    assert notice.tone == "warning" and notice.text.startswith(
        "Every threshold follows from validation alone: not"
    )
    section = text_of(certificate_section(one))
    assert "1 of 2 checks passed, 1 was not checked for the results" in section and "All 2" not in section
    assert "Give validation clips." in section
    assert "All 1 check passed" in text_of(certificate_section(certified(None, GOOD)))
    assert "1 of 3 checks did not pass, 1 was not checked" in text_of(
        certificate_section(certified(None, GOOD, BAD, UNCHECKED))
    )


def test_every_line_has_its_evidence_and_the_record_is_plain(made: MadeStage):
    findings = all_findings(made)
    of = made.results.digest
    one = certificate("made", "RADR", of, findings.values(), [], ProofOptions())
    assert [line["check"] for line in one["checks"]] == list(CHECKS)
    assert all(line["evidence"] and line["said"] for line in one["checks"])
    again = certificate("made", "RADR", of, all_findings(made).values(), [], ProofOptions())
    assert json.dumps(one) == json.dumps(again)


def test_the_digest_names_the_results(made: MadeStage):
    of, again = made.results.digest, replace(made.results, points=made.points.copy())
    assert of == again.digest
    changed = made.points.assign(threshold_logit=made.points.threshold_logit + 1e-9)
    assert of != replace(made.results, points=changed).digest


def text_of(section) -> str:
    return repr(section)


def test_the_report_shows_failures_in_red_and_names_the_results():
    section = certificate_section(certified())
    text = text_of(section)
    assert "FAILED" in text and "tone='bad'" in text and "`abc`" in text
    assert "a0 and b" in text and "and 2 more" in text
    (notice,) = certificate_notices(certified(ProofOptions(allow=["near_duplicates"])))
    assert notice.tone == "bad" and "allowed by proof.allow" in notice.text
    assert certificate_notices(certified(None, GOOD)) == []


def test_closest_pairs_are_named_by_file_where_that_is_known(made: MadeStage):
    pair = made.near_duplicates["pairs"].iloc[0].to_dict()
    one = certificate("s", "RADR", "abc", [GOOD], [pair], ProofOptions())
    assert f"{pair['clip_id']}.wav" in text_of(certificate_section(one, made.splits))
