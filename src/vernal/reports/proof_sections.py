"""The certificate and the ledger as sections of a stage's report."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vernal.clips.manifest import split_name
from vernal.proof.certificate import FAIL, NOT_CHECKED, PASS, WARNING
from vernal.proof.ledger import Entry, is_intact, times_opened
from vernal.reports import Bullets, Fold, Heading, Section, Table, Text
from vernal.reports import blocks as tones
from vernal.reports.sentences import sentence

_TONES = {PASS: "", NOT_CHECKED: tones.WARNING, WARNING: tones.BAD, FAIL: tones.BAD}
_WORDS = {
    PASS: "passed",
    NOT_CHECKED: "not checked",
    WARNING: "failed, allowed by proof.allow",
    FAIL: "FAILED",
}


def certificate_notices(certificate: Mapping[str, Any]) -> list[Text]:
    """What stands at the top of a report whose certificate did not pass, in red where a check failed."""
    return [
        Text(f"{line['title']}: {_WORDS[line['verdict']]} (see Proof).", _TONES[line["verdict"]])
        for line in certificate["checks"]
        if line["verdict"] != PASS
    ]


def certificate_section(certificate: Mapping[str, Any], splits: pd.DataFrame | None = None) -> Section:
    """The certificate as a table of checks, with the cases of what failed and the closest pairs.

    Args:
        splits: names the files of the closest pairs; without it they are named by clip.
    """
    lines = certificate["checks"]
    wrong = [line for line in lines if line["verdict"] not in (PASS, NOT_CHECKED)]
    unchecked = [line for line in lines if line["verdict"] == NOT_CHECKED]
    blocks: list[Any] = [
        Text(
            sentence(
                "proof.checks",
                n=len(lines),
                wrong=len(wrong),
                unchecked=len(unchecked),
                results=certificate["results"],
            ),
            tones.BAD if wrong else tones.WARNING if unchecked else tones.GOOD,
        ),
        Table(
            ["check", "verdict", "what was found"],
            [[line["title"], _WORDS[line["verdict"]], line["said"]] for line in lines],
            sentence("proof.found_again"),
            [_TONES[line["verdict"]] for line in lines],
        ),
        *(Text(sentence("proof.unchecked", line=line), tones.WARNING) for line in unchecked),
    ]
    for line in wrong:
        more = line["n_cases"] - len(line["cases"])
        cases = [*line["cases"], *([f"and {more:,} more"] if more else [])]
        blocks += [
            Text(sentence("proof.wrong", line=line), tones.BAD),
            Bullets([Text(case) for case in cases]),
        ]
    if certificate["closest_pairs"]:
        blocks.append(Fold("The closest pairs of two splits", [_pairs(certificate["closest_pairs"], splits)]))
    return Section("certificate", "Proof", blocks)


def _pairs(pairs: Sequence[Mapping[str, Any]], splits: pd.DataFrame | None) -> Table:
    names = {} if splits is None else dict(zip(splits.clip_id, splits.file_path, strict=True))
    rows = [
        [
            names.get(pair["clip_id"], pair["clip_id"]),
            pair["split"],
            names.get(pair["other_clip_id"], pair["other_clip_id"]),
            pair["other_split"],
            f"{pair['cosine']:.4f}",
            f"{pair['correlation']:.3f}",
        ]
        for pair in pairs
    ]
    columns = ["clip", "split", "clip ", "split ", "cosine", "correlation"]
    return Table(columns, rows, sentence("proof.closest"))


def ledger_section(entries: Sequence[Entry], splits: pd.DataFrame, stage: str) -> Section:
    """How often the test splits were looked at."""
    own, every = times_opened(entries, splits, stage), times_opened(entries, splits)
    rows = [[split_name(name), f"{own[name]:,}", f"{every[name]:,}"] for name in every]
    blocks: list[Any] = [
        Text(sentence("proof.ledger")),
        Table(["split", "by this stage", "by all stages"], rows, sentence("proof.times_opened")),
    ]
    if not is_intact(entries):
        blocks.insert(0, Text(sentence("proof.ledger_changed"), tones.BAD))
    return Section("ledger", "How often the test was used", blocks)


def card_section(model_card: str, data_card: str) -> Section:
    """The two cards as they stand in their files."""
    return Section(
        "cards",
        "Model card and data card",
        [
            Text(sentence("proof.cards")),
            Fold("Model card", markdown_blocks(model_card), is_printed=True),
            Fold("Data card", markdown_blocks(data_card), is_printed=True),
        ],
    )


def markdown_blocks(markdown: str) -> list[Any]:
    """The cards' own Markdown (headings, paragraphs, lists, tables) as blocks of a report."""
    blocks: list[Any] = []
    lines = markdown.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("|"):
            end = at
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            header, _, *body = [_cells(row) for row in lines[at:end]]
            blocks.append(Table(header, body))
            at = end
            continue
        if line.startswith("* "):
            end = at
            while end < len(lines) and lines[end].startswith("* "):
                end += 1
            blocks.append(Bullets([Text(_plain(item[2:])) for item in lines[at:end]]))
            at = end
            continue
        if line.startswith("#"):
            blocks.append(Heading(_plain(line.lstrip("#").strip())))
        elif line.strip():
            blocks.append(Text(_plain(line.removeprefix("> "))))
        at += 1
    return blocks


def _cells(row: str) -> list[str]:
    return [_plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _plain(text: str) -> str:
    """Text without the marks of Markdown: escapes resolved, bold left off."""
    return re.sub(r"\\(.)", r"\1", text.replace("**", ""))
