"""What the page calls the columns of a queue's dataset, and how it writes their values."""

from typing import Any

_NAMES = {
    "absent": "say it is absent",
    "annotator": "labelled by",
    "clip_file": "cut out as",
    "collector": "recorded by",
    "confidence": "confidence",
    "differs": "votes that differ",
    "diversity": "unlike labelled clips",
    "is_present": "said to be present",
    "label_probability": "annotators' certainty",
    "label_quality": "support for the label",
    "logit": "score",
    "n_absent": "votes against",
    "n_annotators": "annotators",
    "n_differing": "votes that differ",
    "n_present": "votes for",
    "n_votes": "votes",
    "present": "say it is present",
    "probability": "probability by the model",
    "rarity": "from a rare site or hour",
    "similarity": "likeness",
    "snr_db": "signal to noise (dB)",
    "started_at": "recording began",
    "subset": "in subsets",
    "uncertainty": "uncertainty of the model",
}


def name_of(column: str) -> str:
    """A column's name in plain words.

    >>> name_of("n_present"), name_of("water_level")
    ('votes for', 'water level')
    """
    return _NAMES.get(column, column.replace("_", " "))


def in_words(value: Any) -> Any:
    """A value as the page shows it: yes and no, and numbers with two decimals where they have any.

    >>> in_words(True), in_words(0.4412), in_words(3.0), in_words("a")
    ('yes', '0.44', '3', 'a')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
    return value
