"""The report of a detection run as one HTML page that needs nothing else."""

from collections.abc import Mapping

from vernal.common.formatting import listed
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.detections import UNHEARD
from vernal.field.detection.false_alarms import measured_precision
from vernal.field.detection.headline import answer_section
from vernal.field.detection.page_sections import (
    files_section,
    meaning_section,
    nights_section,
    threshold_section,
    unheard_section,
)
from vernal.field.detection.played import listen_section
from vernal.field.detection.validation_section import validation_section
from vernal.reports.blocks import BAD, WARNING, Section, Text
from vernal.reports.confusers import confusers_of_detections
from vernal.reports.figures.style import Drawing
from vernal.reports.page import sections_page
from vernal.reports.sentences import sentences_of

sentence = sentences_of("vernal.field.detection")


def render_page(run: DetectionRun, figures: Mapping[str, Drawing]) -> str:
    """The page as text; the same results give the same text.

    Args:
        figures: `activity`, `hours`, `precision` and `call_density`.
    """
    sections = [
        answer_section(run),
        listen_section(run),
        validation_section(
            run.validation,
            run.options,
            measured_precision(run.classifier),
            run.command("sample"),
        ),
        nights_section(run),
        Section("confusers", "What BirdNET hears", list(confusers_of_detections(run.found.detections))),
        threshold_section(run),
        meaning_section(run),
        unheard_section(run),
        files_section(run),
    ]
    alt = {
        "activity": "detections by recorder and night",
        "hours": "detections by the hour",
        "precision": "precision and share of calls by threshold",
        "call_density": "call density by night",
    }
    labels = run.classifier.labels
    return sections_page(
        "Detection report",
        "Detection",
        listed(labels),
        sentence("sections.question", labels=labels, folder=run.audio_root),
        sections,
        {name: (drawing, alt[name]) for name, drawing in figures.items()},
        _warnings(run),
        run.is_demo,
    )


def _warnings(run: DetectionRun) -> list[Text]:
    lost = run.recordings[run.recordings.state == UNHEARD]
    found = [Text(note, WARNING) for note in run.classifier.notes]
    if len(lost):
        found.insert(0, Text(sentence("sections.lost", n=len(lost), n_all=len(run.recordings)), BAD))
    return found
