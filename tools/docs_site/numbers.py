"""Results as Markdown, from what `tools.docs_site.results` copied."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tools.docs_site.markdown import code, table
from tools.docs_site.results import read_demo, read_features
from vernal.common.formatting import between, percent, share
from vernal.common.table_files import read_table
from vernal.evaluation.effects import HIGHER, LOWER
from vernal.evaluation.proportions import exact_interval
from vernal.proof.near_duplicates import MISSED


def demo_season(project: Path) -> str:
    """What the tutorial's run gives, in a few sentences."""
    demo = read_demo(project)
    first, last = demo["leaderboard"][0], demo["last"][0]
    changes = demo["effects"]
    shown = sum(change["verdict"] in (HIGHER, LOWER) for change in changes)
    return (
        f"With the shipped settings the run has {demo['points']} points in {demo['configurations']} configurations. "
        f"The first configuration has a mean F1 of {first['test_ood_f1_mean']:.3f} out of distribution (95 % interval "
        f"over nights and seeds {first['test_ood_f1_low']:.3f} to {first['test_ood_f1_high']:.3f}), the last one "
        f"{last['test_ood_f1_mean']:.3f} ({last['test_ood_f1_low']:.3f} to {last['test_ood_f1_high']:.3f}): the "
        f"intervals {_overlap(first, last)}. Of {len(changes)} changes of one setting, {shown or 'none'} "
        f"{'shows' if shown == 1 else 'show'} a difference there. The certificate says **{demo['verdict']}** after "
        f"{demo['checks']} checks."
    )


def _overlap(first: dict[str, float], last: dict[str, float]) -> str:
    return "overlap" if first["test_ood_f1_low"] <= last["test_ood_f1_high"] else "do not overlap"


def few_clips(project: Path) -> str:
    """How sure a share of nine in ten is, by the number of calls that it was found on."""
    rows = [
        f"| {found} of {out_of} | {between(*exact_interval(found, out_of))} |"
        for found, out_of in ((9, 10), (27, 30), (90, 100))
    ]
    return "\n".join(["| calls found | recall lies between (90 % interval) |", "| --- | --- |", *rows])


def demo_splits(project: Path) -> str:
    """Clips of each split of the demo season."""
    rows = [
        (code(row["split"]), row["n_positive"], row["n_negative"], row["n_blocks"])
        for row in read_demo(project)["splits"]
    ]
    head = ["split", "positives", "negatives", "blocks that stay together"]
    return table(head, rows, head[1:])


def demo_subsets(project: Path) -> str:
    """How many clips mining gives on the demo season."""
    rows = [(code(name), rows) for name, rows in read_demo(project)["subsets"].items()]
    return table(["subset", "clips"], rows, ["clips"])


def demo_leaderboard(project: Path) -> str:
    """The first lines of the demo season's leaderboard."""
    rows = [
        (
            row["rank"],
            _subset(row["positive_subsets"]),
            _subset(row["negative_subsets"]),
            "yes" if row["balance"] else "no",
            f"{row['test_ood_f1_mean']:.3f}",
            f"{row['test_ood_f1_low']:.3f} to {row['test_ood_f1_high']:.3f}",
        )
        for row in read_demo(project)["leaderboard"]
    ]
    head = ["rank", "added positives", "added negatives", "balanced", "F1, test_ood", "95 % interval"]
    return table(head, rows, ["rank", "F1, test_ood"])


def _subset(level: object) -> str:
    """A level of an axis; of a subset the name without its folder, which the column gives."""
    return code(str(level).rpartition("/")[2])


def _signed(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def demo_effects(project: Path) -> str:
    """What each setting changed on the demo season."""
    rows = [
        (
            code(row["axis"]),
            f"{_subset(row['level_a'])} to {_subset(row['level_b'])}",
            _signed(row["effect"]),
            f"{_signed(row['low'])} to {_signed(row['high'])}",
            f"{row['minimum_detectable_effect']:.3f}",
            row["verdict"],
        )
        for row in read_demo(project)["effects"]
    ]
    head = ["setting", "from, to", "change of F1", "interval", "smallest detectable", "verdict"]
    return table(head, rows, ["change of F1", "smallest detectable"])


def features_esc10(project: Path) -> str:
    """What features made from scratch reach on ESC-10."""
    return _standings(project, "esc10")


def features_companion(project: Path) -> str:
    """The same on the companion set."""
    return _standings(project, "companion")


def _standings(project: Path, name: str) -> str:
    """A features study's leaderboard: accuracy, macro F1 and their intervals, and the size of a clip."""
    from vernal.studies.features.pictures import described

    rows = [
        (
            described(row),
            f"{row['accuracy_mean']:.2f}",
            between(row["accuracy_low"], row["accuracy_high"]),
            f"{row['macro_f1_mean']:.2f}",
            between(row["macro_f1_low"], row["macro_f1_high"]),
            f"{row['bytes_per_clip']:,.0f}",
        )
        for row in read_features(project, name).to_dict("records")
    ]
    head = ["", "accuracy", "95 % interval", "macro F1", "95 % interval", "bytes per clip"]
    return table(head, rows, ["accuracy", "macro F1", "bytes per clip"])


def encoders_esc10(project: Path) -> str:
    """Encoders compared on ESC-10."""
    return _encoders(project, "esc10")


def encoders_boobook(project: Path) -> str:
    """Encoders compared on the boobook's recordings."""
    return _encoders(project, "boobook")


def _encoders(project: Path, name: str) -> str:
    """Average precision with each encoder, and its difference from the first with interval and verdict."""
    found = read_table(project / "docs" / "results" / f"encoders_{name}.csv")
    rows = [
        (
            code(row["encoder"]),
            f"{row['average_precision']:.2f}",
            "" if pd.isna(row["effect"]) else _signed(row["effect"]),
            "" if pd.isna(row["low"]) else f"{_signed(row['low'])} to {_signed(row['high'])}",
            "" if pd.isna(row["effect"]) else row["verdict"],
        )
        for row in found.to_dict("records")
    ]
    head = ["encoder", "average precision", "difference", "95 % interval", "verdict"]
    return table(head, rows, ["average precision", "difference"])


def features_lab(project: Path) -> str:
    """The first table of the lab exercise, as it was printed."""
    from vernal.studies.features.lab_tables import lab_tables

    return f"```text\n{lab_tables()['Mel raw'].text()}```"


def validation(project: Path) -> str:
    """How often what a checked sample says holds, by how it was drawn and who checked it."""
    found = read_table(project / "docs" / "results" / "validation.csv")
    shares = ["precision_covered", "precision_covered_by_nights", "density_covered", "nights_covered"]
    shares += ["share_covered", "threshold_found", "threshold_holds", "calls_kept"]
    rows = [
        (
            {"made": "synthetic"}.get(row["season"], row["season"]),
            row["way"],
            row["reviewer"],
            *(percent(row[name]) for name in shares[:2]),
            share(row["precision_error"], 3),
            *(percent(row[name]) for name in shares[2:5]),
            share(row["density_error"]),
            *(percent(row[name]) for name in shares[5:]),
        )
        for row in found.to_dict("records")
    ]
    head = [
        "season",
        "drawn over",
        "reviewer",
        "precision: interval holds",
        "the same, resampling nights",
        "precision: error",
        "windows with calls: interval holds",
        "nights: interval holds",
        "share of calls: interval holds",
        "windows with calls: relative error",
        "threshold for 0.9 recommended",
        "it has 0.9 on the other windows",
        "calls kept",
    ]
    return table(head, rows, head[3:])


def missed_copies(project: Path) -> str:
    """Which changed copies the search finds."""
    found = read_table(MISSED)
    rows = [(row.change, row.copies, row.found) for row in found.itertuples()]
    return table(["the copy is", "copies", "found"], rows, ["copies", "found"])


def hostile_trials(project: Path) -> str:
    """How often readers, the page and interrupted work were tried, and what came of it."""
    found = read_table(project / "docs" / "results" / "hostile_trials.csv")
    rows = [
        (
            row.what,
            f"{row.tries:,}",
            f"{row.refused:,}",
            f"{row.taken:,}",
            row.faults,
            f"{row.seconds:.0f}",
            f"{row.slowest_s:.1f}" if row.slowest_s else "",
            f"{row.more_mb:.0f}" if row.slowest_s else "",
        )
        for row in found.itertuples()
    ]
    head = [
        "tried",
        "times",
        "refused with a message",
        "accepted",
        "faults",
        "seconds in all",
        "seconds for one, at most",
        "MB added",
    ]
    led = "Coverage led the readers' trials" if found.guided.any() else "No coverage led the readers' trials"
    return f"{table(head, rows, head[1:])}\n\n{led}."


def near_duplicates(project: Path) -> str:
    """How alike copies and other clips are, and what that says about the limits."""
    found = read_table(project / "docs" / "results" / "near_duplicates.csv")
    rows = [
        (
            row.kind,
            row.pairs,
            f"{row.cosine_low:.3f} to {row.cosine_high:.3f}",
            f"{row.correlation_low:.2f} to {row.correlation_high:.2f}",
        )
        for row in found.itertuples()
    ]
    copies, others = found[found.is_copy], found[~found.is_copy]
    return (
        f"{table(['pairs of clips', 'pairs', 'cosine', 'correlation'], rows, ['pairs'])}\n\n"
        f"A cosine that finds every copy ({copies.cosine_low.min():.3f}) takes other sounds (up to "
        f"{others.cosine_high.max():.3f}) for copies too, while the correlation has a gap from "
        f"{others.correlation_high.max():.2f} to {copies.correlation_low.min():.2f}."
    )


def published_tables(project: Path) -> str:
    """Which published leaderboards follow from the published runs."""
    tables = read_table(project / "docs" / "results" / "published_tables.csv")
    rows = [
        (
            code(row.table),
            row.lines,
            f"{row.agree} of {row.cells}",
            "rounding" if row.is_reproduced else f"{row.largest_difference:.3f}",
            row.lines_of_one_run or "",
        )
        for row in tables.itertuples()
    ]
    head = ["published table", "rows", "cells that agree", "largest difference", "rows of a single run"]
    return table(head, rows, ["rows", "cells that agree", "rows of a single run"])


def published_findings(project: Path) -> str:
    """What the audit says about the published runs."""
    findings = read_table(project / "docs" / "results" / "published_findings.csv")
    rows = [(code(row.check), row.severity, row.rows or "", row.message) for row in findings.itertuples()]
    return table(["check", "severity", "rows", "what was found"], rows, ["rows"])


def published_counts(project: Path) -> str:
    """How large the published table is."""
    counts = json.loads((project / "docs" / "results" / "published_counts.json").read_text(encoding="utf-8"))
    return (
        f"The table holds {counts['runs']} runs; they are {counts['configurations']} configurations, of which "
        f"{counts['single_runs']} were run once."
    )
