"""The collection's page says what to do, about the target first, in words that fit the numbers."""

import numpy as np
import pandas as pd

from vernal.collection.agreement import AGREEMENT_COLUMNS
from vernal.collection.report import comparable, next_steps

PARAMS = "target=RADR,data_root=/x/out"
NOTHING = {
    "inventory": ["collector", "reason"],
    "label_problems": ["line_label", "n_rows"],
    "strong_annotations": ["annotator", "label_file"],
    "weak_annotations": ["annotator", "label_file"],
    "disagreements": ["label"],
    "suspects": ["label"],
    "coverage": ["by", "value", "state"],
    "gains": ["label", "gain"],
}


def tables(**rows):
    empty = {name: pd.DataFrame(columns=columns, dtype="str") for name, columns in NOTHING.items()}
    return empty | {name: pd.DataFrame(found, columns=NOTHING[name]) for name, found in rows.items()}


def test_nothing_to_do(card):
    assert next_steps(tables(), card, PARAMS) == []


def test_steps_count_as_people_do(card):
    one = next_steps(
        tables(inventory=[("Ben", "no licence")], label_problems=[(np.nan, np.nan)]), card, PARAMS
    )
    assert one == [
        (
            "Ask Ben for a licence, write it into the file `source.yml` beside the recordings, and run again: 1 "
            "recording waits for one."
        ),
        "Correct what was refused: 1 label file, each listed below with its reason.",
    ]
    many = next_steps(
        tables(
            inventory=[("Ben", "no licence"), ("Ana", "no licence")],
            label_problems=[(np.nan, np.nan), ("owll", 1), ("RADRR", 4), ("RADR", np.nan)],
        ),
        card,
        PARAMS,
    )
    assert "Ask Ana, Ben" in many[0] and "2 recordings wait" in many[0]
    assert "6 labels and 1 label file," in many[1]


def test_labels_that_nobody_signed_are_asked_for(card):
    found = next_steps(
        tables(
            strong_annotations=[("unknown", "a.txt"), ("unknown", "a.txt"), ("Ana", "b.txt")],
            weak_annotations=[("unknown", "c.csv")],
        ),
        card,
        PARAMS,
    )
    assert found == [
        "Say who wrote 2 label files: name the annotator in a `source.yml` beside the labels, or in a column."
    ]


def test_coefficients_of_the_target_come_first_and_undefined_ones_are_named(card):
    rows = [
        ("PSCR", "Ana and Ben", "agreement", 1.0),
        ("PSCR", "Ana and Ben", "cohen", np.nan),
        ("RADR", "everybody", "fleiss", 0.7),
        ("grunt", "everybody", "fleiss", 0.6),
        ("owl", "everybody", "fleiss", np.nan),
    ]
    table = pd.DataFrame(rows, columns=["label", "between", "coefficient", "value"])
    shown, same = comparable(table.reindex(columns=list(AGREEMENT_COLUMNS)).assign(n_clips=9), card)
    assert shown.label.tolist() == ["RADR", "grunt"]
    assert same == [name for name in card.names if name in ("PSCR", "owl")]


def test_gaps_are_named_as_places_and_hours_and_say_what_to_record(card):
    rows = [
        ("site", "marsh", "missing"),
        ("hour", "04", "missing"),
        ("site", "pond", "thin"),
        ("recorder", "R1", "missing"),
    ]
    (step,) = next_steps(tables(coverage=rows), card, PARAMS)
    assert step.endswith("no training clip was made: site marsh, hour 04.")


def test_clips_to_hear_come_with_the_command_that_plays_them(card):
    found = next_steps(tables(disagreements=[("RADR",), ("RADR",)], suspects=[("RADR",)]), card, PARAMS)
    assert found == [
        f'Listen together to the 2 clips on which you disagree about RADR: `kedro review disagreements --params="{PARAMS}"`.',
        f'Listen again to 1 clip whose label of RADR a model doubts: `kedro review suspects --params="{PARAMS}"`.',
    ]
