"""The collection's report: one page that needs nothing else, for the group that made it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.problem_card import ProblemCard
from vernal.collection.agreement import EVERYBODY
from vernal.collection.drift import MOST_ALIKE
from vernal.collection.figures import FIGURES
from vernal.collection.label_files import UNKNOWN_ANNOTATOR
from vernal.common.formatting import UNDEFINED, between, count, listed, share
from vernal.reports.figures.style import Drawing, inline_svg
from vernal.reports.page import code
from vernal.reports.page_templates import page_templates
from vernal.reports.sentences import sentences_of

sentence = sentences_of("vernal.collection")

SHOWN_ROWS = 12
NO_LICENCE = "no licence"
SHOWN_GAPS = ("site", "hour", "month")
COEFFICIENT_NAMES = {
    "agreement": "raw agreement",
    "cohen": "Cohen's kappa",
    "fleiss": "Fleiss' kappa",
    "krippendorff": "Krippendorff's alpha",
}
DEMO_WORDS = (
    "DEMO GROUP: the recordings are synthetic. These numbers show how the project works; they say nothing about any "
    "animal."
)


def page(
    card: ProblemCard,
    tables: Mapping[str, pd.DataFrame],
    of_target: pd.DataFrame,
    drawings: Mapping[str, Drawing],
    facts: Mapping[str, Any],
) -> str:
    """The page as HTML text; everything that people wrote is escaped.

    Args:
        card: the problem card.
        tables: by name, as the pipeline's nodes give them.
        of_target: the manifest's rows about the target, as `collected_manifest.clips_of_target` gives them.
        drawings: those of `figures.FIGURES`, by name.
        facts: single values: `is_demo`, `command`, `strategy`, `data_root`, and the `params` of every command.
    """
    environment = page_templates("vernal.collection")
    about_target = {**tables, "manifest": of_target}
    environment.filters |= {"number": number, "interval": interval, "code": code, "count": count}
    shown = {**tables, "disagreements": _target_first(tables["disagreements"], card)}
    words = tables["suspects"].is_positive.map({True: "present", False: "absent"})
    shown["suspects"] = tables["suspects"].assign(labelled=words)
    shown["agreement"], same = comparable(tables["agreement"], card)
    return environment.get_template("collection.html.j2").render(
        card=card,
        target=card.wanted,
        tables={
            name: table.astype(object).where(table.notna(), "").to_dict("records")
            for name, table in shown.items()
        },
        same=listed(same),
        coefficients=COEFFICIENT_NAMES,
        **_lead_facts(about_target, card),
        shown=SHOWN_ROWS,
        pictures={name: inline_svg(drawings[name].svg, name, alt) for name, (_, alt) in FIGURES.items()},
        demo=DEMO_WORDS if facts["is_demo"] else "",
        steps=[
            *what_is_missing(about_target, card, facts["params"], facts["command"]),
            *next_steps(tables, card, facts["params"]),
        ],
        is_tried=bool((tables["first_check"].n_clips > 0).any()),
        tally=tally(tables, card),
        n_others=int(tables["label_files"].n_others.sum()),
        n_superseded=int((tables["inventory"].state == "superseded").sum()),
        most_alike=MOST_ALIKE,
        has_deployment=bool((tables["recordings"].role == "deployment").any()),
        uncut_s=float(tables["uncut"].uncut_s.sum()),
        reasons=count_reasons(tables["held_back"]),
        **facts,
    )


def _lead_facts(tables: Mapping[str, pd.DataFrame], card: ProblemCard) -> dict[str, Any]:
    """What the first lines of the page count."""
    manifest, agreement = tables["manifest"], tables["agreement"]
    of_all = (agreement.between == EVERYBODY) & (agreement.coefficient == "krippendorff")
    agreed = agreement[of_all & (agreement.label == card.target) & agreement.value.notna()]
    n_positive = int((manifest.label == card.target).sum())
    return {
        "agreed": next(iter(agreed.astype(object).where(agreed.notna(), "").to_dict("records")), None),
        "n_positive": n_positive,
        "n_negative": len(manifest) - n_positive,
        "n_recordings": manifest.recording.nunique(),
        "n_sites": manifest.site.nunique(),
        "gaps": _gaps(tables["coverage"]),
    }


def _gaps(coverage: pd.DataFrame) -> list[str]:
    """Sites, hours and months of deployment without training clips, in words."""
    is_gap = coverage.by.isin(SHOWN_GAPS) & (coverage.state == "missing")
    return (coverage.by + " " + coverage.value)[is_gap].tolist()


def number(value: Any, digits: int = 2) -> str:
    """A cell's number for readers: whole ones with thousands marked, others rounded; empty when missing.

    >>> number(1234), number(0.12345), number("")
    ('1,234', '0.12', '')
    """
    if value == "":
        return ""
    return f"{value:,}" if isinstance(value, int | np.integer) else share(value, digits)


def interval(
    row: Mapping[str, Any], value: str = "value", low: str = "low", high: str = "high", digits: int = 2
) -> str:
    """A row's value with its interval, as in `0.81 (0.74 to 0.88)`; a dash when there is none."""
    if row[value] == "":
        return UNDEFINED
    text = number(row[value], digits)
    return text if row[low] == "" else f"{text} ({between(row[low], row[high], digits)})"


def _target_first(table: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(dict.fromkeys([card.target, *card.names]))}
    rank = table.label.map(order).fillna(-1)
    return table.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def comparable(agreement: pd.DataFrame, card: ProblemCard) -> tuple[pd.DataFrame, list[str]]:
    """The coefficients that say something, the target's first, and the classes on which everybody said the same.

    Where all votes are equal, chance agrees as well, and no coefficient is defined.
    """
    defined = agreement[agreement.value.notna() & (agreement.coefficient != "agreement")]
    same = [name for name in card.names if name in set(agreement.label) - set(defined.label)]
    shown = agreement[agreement.label.isin(defined.label) & (agreement.n_clips > 0)]
    return _target_first(shown, card), same


def tally(tables: Mapping[str, pd.DataFrame], card: ProblemCard) -> list[tuple[str, str, str]]:
    """The numbers at the top of the page, each with its words and a detail."""
    stock, manifest = tables["inventory"], tables["manifest"]
    used = tables["recordings"][tables["recordings"].held_back.isna()]
    counts = (
        (
            (stock.kind == "recording").sum(),
            "recordings",
            f"{len(used):,} used, {used.duration_s.sum() / 60:.0f} minutes",
        ),
        (len(manifest), "labelled clips", f"{manifest.quality.notna().sum():,} with {card.target}"),
        (len(tables["held_back"]), "clips held back", ""),
        (len(tables["adversarial"]), "test clips from outsiders", ""),
    )
    return [(f"{n:,}", words, detail) for n, words, detail in counts]


def count_reasons(held_back: pd.DataFrame) -> list[tuple[str, int]]:
    """Why clips are held back, the most frequent first; numbers in the reasons are left out."""
    short = held_back.reason.str.replace(r" \(.*\)| as .*$", "", regex=True)
    return [(str(reason), int(n)) for reason, n in short.value_counts().items()]


def what_is_missing(
    tables: Mapping[str, pd.DataFrame], card: ProblemCard, params: str, training_command: str
) -> list[str]:
    """What has to come before any training, and how; empty where there is a command that trains and tests."""
    is_target = tables["manifest"].label == card.target
    if is_target.nunique() == 2:
        return [] if training_command else [sentence("steps.one_night")]
    steps = [_missing_labels(tables, card.target)]
    if not is_target.any():
        command = review_command("label-next", params)
        steps += [
            *_what_birdnet_says(tables["birdnet"], card, params),
            sentence("steps.listen", target=card.target, command=command),
        ]
    if is_target.all():
        steps.append(sentence("steps.no_negatives", target=card.target))
    return steps


def _what_birdnet_says(found: pd.DataFrame, card: ProblemCard, params: str) -> Iterator[str]:
    from vernal.audio.birdnet.own_classes import find_own_class, own_classes_like

    names = card.spellings_of_target()
    if len(found):
        first, command = found.iloc[0], review_command("birdnet", params)
        facts = {"birdnet_class": first.birdnet_class, "probability": first.probability, "command": command}
        yield sentence("steps.birdnet", target=card.target, **facts)
    elif find_own_class(names) is None and (like := own_classes_like(names)):
        yield sentence("steps.birdnet_maybe", target=card.target, classes=like)


def answer(tables: Mapping[str, pd.DataFrame], card: ProblemCard, command: str, params: str) -> str:
    """What came of the collection in one sentence, and below it what to type next.

    Args:
        command: what trains on it; empty where something is missing.
        params: those of every command.
    """
    missing = what_is_missing(tables, card, params, command)
    lines = [missing[0] if missing else _enough(tables["manifest"], card.target)]
    held_back = tables["recordings"].held_back
    if command:
        lines.append(command)
    elif len(held_back) and (held_back == NO_LICENCE).all():
        lines.append(sentence("steps.write_licence"))
    elif name := next((name for name in ("birdnet", "queue") if len(tables[name])), ""):
        lines.append(review_command("birdnet" if name == "birdnet" else "label-next", params))
    return "\n".join(lines) + "\n"


def _enough(manifest: pd.DataFrame, target: str) -> str:
    is_target = manifest.label == target
    return sentence(
        "steps.enough",
        target=target,
        n_positive=is_target.sum(),
        n_negative=(~is_target).sum(),
        n_recordings=manifest.recording.nunique(),
    )


def review_command(queue: str, params: str) -> str:
    """The command that opens a queue of the collection."""
    return f'kedro review {queue} --params="{params}"'


def _missing_labels(tables: Mapping[str, pd.DataFrame], target: str) -> str:
    recordings, refused, manifest = (tables[name] for name in ("recordings", "label_problems", "manifest"))
    strong, weak = tables["strong_annotations"], tables["weak_annotations"]
    held_back = recordings.held_back.dropna()
    if len(held_back) == len(recordings):
        return sentence("steps.all_held_back", n=len(held_back), reason=held_back.mode()[0])
    if not len(strong) and not len(weak):
        return _refused(refused) if len(refused) else sentence("steps.nothing_labelled")
    of_target = weak[weak.label == target]
    is_negative = manifest.label != target
    if not len(strong) and len(of_target):
        n_present, n_absent = (
            of_target.content_hash[is_it].nunique() for is_it in (of_target.is_present, ~of_target.is_present)
        )
        counts = {"n_present": n_present, "n_absent": n_absent, "n_negative": is_negative.sum()}
        return sentence("steps.whole_recordings", target=target, **counts)
    return sentence("steps.none_sure", target=target, lacks_negatives=not is_negative.all())


def _refused(refused: pd.DataFrame) -> str:
    first = refused.iloc[0]
    # A file that could not be read is named by its reason.
    file = "" if first.reason.startswith(first.file_path) else first.file_path
    return sentence("steps.all_refused", n=len(refused), file=file, reason=first.reason)


def next_steps(tables: Mapping[str, pd.DataFrame], card: ProblemCard, params: str) -> list[str]:
    """What the group could do next, from what was found; the most useful first."""
    return list(_next_steps(tables, card, params))


def _next_steps(tables: Mapping[str, pd.DataFrame], card: ProblemCard, params: str) -> Iterator[str]:
    inventory, problems, coverage = tables["inventory"], tables["label_problems"], tables["coverage"]
    unlicensed = inventory[inventory.reason.fillna("") == NO_LICENCE]
    if len(unlicensed):
        people = sorted(unlicensed.collector.dropna().unique())
        yield sentence("steps.licence", people=people, n=len(unlicensed))
    if len(problems):
        is_label = problems.line_label.notna()
        n_labels = int(problems.n_rows[is_label].fillna(1).sum())
        kinds = ((n_labels, "label"), (int((~is_label).sum()), "label file"))
        yield sentence("steps.refused", kinds=[count(n, kind) for n, kind in kinds if n])
    labels = pd.concat([tables["strong_annotations"], tables["weak_annotations"]])
    if n_unsigned := labels.label_file[labels.annotator == UNKNOWN_ANNOTATOR].nunique():
        yield sentence("steps.unsigned", n=n_unsigned)
    if n_divided := int((tables["disagreements"].label == card.target).sum()):
        yield sentence(
            "steps.disagreements",
            n=n_divided,
            target=card.target,
            command=review_command("disagreements", params),
        )
    if n_suspect := int((tables["suspects"].label == card.target).sum()):
        yield sentence(
            "steps.suspects", n=n_suspect, target=card.target, command=review_command("suspects", params)
        )
    if (coverage.state == "missing").any():
        yield sentence("steps.coverage", gaps=_gaps(coverage))
    gains = tables["gains"]
    for row in gains[(gains.label == card.target) & gains.gain.notna()].to_dict("records"):
        facts = {"more": row["more"], "metric": row["metric"], "gain": row["gain"]}
        facts["command"] = review_command("label-next", params)
        yield sentence("steps.gain", low=row["gain_low"], high=row["gain_high"], **facts)
