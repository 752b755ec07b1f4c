"""Settings that contradict each other: between training and analysis, or between two spellings."""

import ast
import re
from itertools import combinations

import pandas as pd

from vernal.studies.audit.findings import NotChecked, Told, check, sentence
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.cells import canonical, numbers
from vernal.studies.published.experiments import Experiments

TRAINING = re.compile(r"(^|_)(train|trainer|training)(_|$)")
ANALYSIS = re.compile(
    r"(^|_)(analy[sz]er?|analysis|infer|inference|predict|prediction|predictor|scoring|detection|detector|"
    r"evaluation|test|testing)(_|$)"
)
# These may differ: they change how fast a run is or how densely it looks, not what the model hears.
MAY_DIFFER = frozenset(
    {
        "threads",
        "workers",
        "batch_size",
        "batchsize",
        "device",
        "min_conf",
        "threshold",
        "epochs",
        "top_n",
        "locale",
    }
)
DENSITY = frozenset({"overlap", "hop", "hop_s", "stride"})
_WHAT_IT_MEANS = {
    "density": (
        "warning",
        (
            "Windows overlap differently in the two, so scores a file are not comparable with those the model was "
            "tuned on."
        ),
    ),
    "sound": (
        "error",
        (
            "The model is tested on sound that it was never trained on, and the result says nothing about the "
            "setting."
        ),
    ),
}
LEAST_WORD = 6  # letters of a word before a one-letter difference is a slip and not another word


@check("training_and_analysis_differ", "Do training and analysis use the same settings?")
def check_train_and_analysis(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows trained with one value of a setting and analysed with another."""
    pairs = list(_pairs(experiments))
    if not pairs:
        raise NotChecked("No setting is recorded both for training and for analysis.")
    for name, training, analysis in pairs:
        here, there = (experiments.cells[column].map(canonical) for column in (training, analysis))
        differs = (here != there) & (here != "") & (there != "")
        if not differs.any():
            continue
        examples = pd.DataFrame({"a": here, "b": there})[differs].drop_duplicates().head(3)
        values = ", ".join(f"{a} and {b}" for a, b in zip(examples.a, examples.b, strict=True))
        severity, meaning = _WHAT_IT_MEANS["density" if name in DENSITY else "sound"]
        facts = {"setting": name, "training": training, "analysis": analysis, "values": values}
        text = sentence("findings.train_and_analysis", n=differs.sum(), meaning=meaning, **facts)
        yield severity, experiments.names[differs], text


def _pairs(experiments: Experiments):
    """Settings by their last word that occur under a section of training and one of analysis."""
    columns = [
        c for c, role in experiments.roles.items() if role in ("setting", "count", "machine") and "." in c
    ]
    sections = {
        column: column.rsplit(".", 1)[0].lower().replace("-", "_").replace(".", "_") for column in columns
    }
    for training in columns:
        name = training.rsplit(".", 1)[-1].lower().replace("-", "_")
        if not TRAINING.search(sections[training]) or name in MAY_DIFFER:
            continue
        for analysis in columns:
            same_name = analysis.rsplit(".", 1)[-1].lower().replace("-", "_") == name
            if same_name and ANALYSIS.search(sections[analysis]) and not TRAINING.search(sections[analysis]):
                yield name, training, analysis


@check("settings_spelled_two_ways", "Is every value spelled in one way?")
def check_spelling(experiments: Experiments, options: AuditOptions) -> Told:
    """One value spelled in several ways, and values that are one slip apart."""
    for column in experiments.columns("setting"):
        written = experiments.cells[column]
        if pd.Series(numbers(written)).notna().any():
            continue
        yield from _spellings(experiments, column, written)
        yield from _slips(experiments, column, written)


def _spellings(experiments: Experiments, column: str, written: pd.Series) -> Told:
    is_given = written != ""
    forms = pd.DataFrame({"one": experiments.settings[column], "written": written})[
        is_given
    ].drop_duplicates()
    several = forms[forms.duplicated("one", keep=False)]
    if several.empty:
        return
    usual = {
        one: written[is_given & (experiments.settings[column] == one)].mode().iloc[0]
        for one in several.one.unique()
    }
    is_odd = (
        is_given
        & experiments.settings[column].isin(list(usual))
        & (written != experiments.settings[column].map(usual))
    )
    examples = "; ".join(
        " and ".join(group.written.head(3)) for _, group in several.groupby("one", sort=False)
    )
    yield "note", experiments.names[is_odd], sentence("findings.spelled", column=column, examples=examples)


def _slips(experiments: Experiments, column: str, written: pd.Series) -> Told:
    values = {value: set(_words(value)) for value in written[written != ""].unique()}
    items = sorted({item for value in values for item in _items(value)})
    for first, second in combinations(items, 2):
        slip = one_slip_apart(first, second)
        if slip is None:
            continue
        rare, usual = sorted(
            (first, second), key=lambda item: int(written.map(lambda cell, i=item: i in _items(cell)).sum())
        )
        is_rare = written.map(lambda cell, item=rare: item in _items(cell)).astype(bool)
        text = sentence(
            "findings.slip",
            column=column,
            rare=repr(rare),
            usual=repr(usual),
            one=slip[0],
            other=slip[1],
            n=is_rare.sum(),
        )
        yield "warning", experiments.names[is_rare], text


def _items(cell: str) -> list[str]:
    """The values in a cell: the items of a list, or the cell; of a path, its last part."""
    try:
        value = ast.literal_eval(cell) if cell[:1] in "[(" else cell
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = cell
    listed = value if isinstance(value, list | tuple) else [value]
    return [canonical(item).rsplit("/", 1)[-1] for item in listed]


def _words(text: str) -> list[str]:
    """Runs of letters, cut where the case rises: `topPicks_50` -> top, picks."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)]


def one_slip_apart(first: str, second: str) -> tuple[str, str] | None:
    """The two words in which values differ by one letter, all else being the same; None when they differ
    otherwise.

    >>> one_slip_apart("top_recorder_50", "top_recoder_50"), one_slip_apart("site_a", "site_b")
    (('recorder', 'recoder'), None)
    """
    if re.findall(r"\d+", first) != re.findall(r"\d+", second):
        return None
    words, others = _words(first), _words(second)
    if len(words) != len(others):
        return None
    differing = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    if len(differing) != 1 or min(map(len, differing[0])) < LEAST_WORD:
        return None
    return differing[0] if _one_edit(*differing[0]) else None


def _one_edit(a: str, b: str) -> bool:
    """One letter replaced, dropped or added; a plural is no slip."""
    if a + "s" == b or b + "s" == a:
        return False
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) == 1
    longer, shorter = sorted((a, b), key=len, reverse=True)
    return len(longer) == len(shorter) + 1 and any(
        longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer))
    )
