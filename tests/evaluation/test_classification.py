import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from vernal.evaluation.classification import averages_of, confusion_matrix, report, report_of

# Machines that run tests are slow at times; that is no finding.

SUPPORT = [40, 40, 80, 80, 40, 40, 78, 40, 103, 34]
NONE = (0.00, 0.00, 0.00)

# Five classification reports of a lab on ten music genres: per-class precision, recall and F1, then accuracy
# and the macro and weighted averages as printed. The scan they come from is broken in places, repaired here
# by hand where only one reading is possible:
# * mel raw, fused raw: columns torn apart ("0 .00", "0.6 34 O. 07 C).12") and letters for digits (O, C); in
# mel   raw the first rows stand beside a repetition of themselves and have lost their class numbers;
# * chroma raw: a garbled line between the rows of classes 8 and 9 holds no numbers and is left out;
# * all: "0.2 8 57 5" is accuracy 0.28 of 575, and "veiahted d avo" is the weighted average.
TABLES = {
    "mel raw": (
        [
            NONE, (0.11, 0.03, 0.04), (0.23, 0.68, 0.35), (0.32, 0.62, 0.42),
            NONE, NONE, (0.33, 0.37, 0.35), NONE,
            (0.29, 0.25, 0.27), NONE,
        ],
        (0.28, (0.13, 0.19, 0.14), (0.18, 0.28, 0.21)),
    ),
    "mel beat-synced": (
        [
            (0.20, 0.03, 0.04), (0.35, 0.55, 0.43), (0.39, 0.72, 0.51), (0.38, 0.51, 0.44),
            (0.20, 0.17, 0.19), (0.33, 0.07, 0.12), (0.53, 0.50, 0.52), NONE,
            (0.36, 0.44, 0.40), (0.22, 0.06, 0.09),
        ],
        (0.38, (0.30, 0.31, 0.27), (0.33, 0.38, 0.33)),
    ),
    "chroma raw": (
        [NONE] * 8 + [(0.18, 1.00, 0.30), NONE],
        (0.18, (0.02, 0.10, 0.03), (0.03, 0.18, 0.05)),
    ),
    "fused raw": (
        [
            NONE, NONE, (0.29, 0.65, 0.40), (0.31, 0.70, 0.43),
            NONE, NONE, (0.26, 0.68, 0.37), NONE,
            (0.64, 0.07, 0.12), NONE,
        ],
        (0.29, (0.15, 0.21, 0.13), (0.23, 0.29, 0.19)),
    ),
    "fused beat-synced": (
        [
            (0.25, 0.03, 0.05), (0.36, 0.55, 0.44), (0.40, 0.65, 0.50), (0.34, 0.51, 0.41),
            (0.22, 0.12, 0.16), (0.17, 0.05, 0.08), (0.51, 0.51, 0.51), NONE,
            (0.37, 0.41, 0.39), (0.19, 0.15, 0.17),
        ],
        (0.37, (0.28, 0.30, 0.27), (0.32, 0.37, 0.32)),
    ),
}  # fmt: skip
# Rows are rounded to two decimals, so an average of them may be off by half of the last digit, and so may its
# own rounding.
TOLERANCE = 0.0101


@pytest.mark.parametrize("name", TABLES)
def test_the_averages_of_the_labs_tables_follow_from_their_rows(name):
    rows, (accuracy, macro, weighted) = TABLES[name]
    classes = pd.DataFrame(rows, columns=["precision", "recall", "f1"]).assign(support=SUPPORT)
    found = averages_of(classes).set_index("average")
    for average, printed in (("macro", macro), ("weighted", weighted)):
        assert found.loc[average, ["precision", "recall", "f1"]].tolist() == pytest.approx(
            printed, abs=TOLERANCE
        )
    assert found.loc["weighted", "recall"] == pytest.approx(accuracy, abs=TOLERANCE)
    assert found.support.tolist() == [575, 575]


@pytest.mark.parametrize("name", TABLES)
def test_f1_in_the_labs_tables_is_the_harmonic_mean_of_its_row(name):
    for precision, recall, f1 in TABLES[name][0]:
        # Rounding of precision and recall alone moves F1 by up to twice their half digit where they are
        # small.
        low, high = (
            2 * p * r / (p + r) if p + r else 0.0
            for p, r in (
                (max(precision - 0.005, 0), max(recall - 0.005, 0)),
                (precision + 0.005, recall + 0.005),
            )
        )
        assert low - 0.005 <= f1 <= high + 0.005


def test_weighted_and_macro_are_not_the_same_thing():
    rows, (_, macro, weighted) = TABLES["chroma raw"]
    found = averages_of(pd.DataFrame(rows, columns=["precision", "recall", "f1"]).assign(support=SUPPORT))
    assert found.recall.round(2).tolist() == [macro[1], weighted[1]] == [0.10, 0.18]


LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)


@given(LABELS)
def test_equal_to_scikit_learns_report(pairs):
    true, predicted = zip(*pairs, strict=True)
    ours = report(true, predicted, "abc")
    theirs = classification_report(true, predicted, labels=list("abc"), output_dict=True, zero_division=0)
    for row in ours.classes.to_dict("records"):
        expected = theirs[row["label"]]
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(
            [expected[key] for key in ("precision", "recall", "f1-score", "support")]
        )
    for average in ("macro", "weighted"):
        row = ours.averages.set_index("average").loc[average]
        expected = theirs[f"{average} avg"]
        assert row[["precision", "recall", "f1"]].tolist() == pytest.approx(
            [expected[key] for key in ("precision", "recall", "f1-score")]
        )


@given(LABELS)
def test_micro_f1_is_accuracy_and_so_is_weighted_recall(pairs):
    true, predicted = zip(*pairs, strict=True)
    found = report(true, predicted)
    accuracy = np.mean([one == other for one, other in pairs])
    averages = found.averages.set_index("average")
    assert found.accuracy == averages.loc["micro", "f1"] == pytest.approx(accuracy)
    assert averages.loc["weighted", "recall"] == pytest.approx(accuracy)


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_units_and_the_names_of_classes_change_no_average(pairs, random):
    renamed = [
        (one.replace("a", "z"), other.replace("a", "z")) for one, other in random.sample(pairs, len(pairs))
    ]
    one, other = (report(*zip(*p, strict=True)).averages for p in (pairs, renamed))
    assert one.drop(columns="average").to_numpy() == pytest.approx(other.drop(columns="average").to_numpy())


def test_the_confusion_matrix_has_true_classes_in_rows():
    matrix = confusion_matrix(["frog", "frog", "owl"], ["owl", "frog", "owl"])
    assert matrix.loc["frog"].to_dict() == {"frog": 1, "owl": 1}
    assert matrix.index.name == "true" and matrix.columns.name == "predicted"
    transposed = report_of(matrix.T).classes
    assert report_of(matrix).classes.precision.tolist() == transposed.recall.tolist()


def test_bad_labels_are_named():
    with pytest.raises(ValueError, match="class 'owl' is not among the labels frog"):
        confusion_matrix(["owl"], ["frog"], ["frog"])
    with pytest.raises(ValueError, match="2 true, 1 predicted"):
        confusion_matrix(["a", "b"], ["a"])
