"""A stage's report: one HTML page that needs nothing else, readable by someone who was not there.

The page is a list of sections of plain blocks; more sections (a certificate, a model card) can be given and
look like the rest.
"""

from vernal.reports.blocks import Bullets, Fold, Heading, Picture, Section, Table, Text, Tile, Tiles
from vernal.reports.page import render_report

__all__ = [
    "Bullets",
    "Fold",
    "Heading",
    "Picture",
    "Section",
    "Table",
    "Text",
    "Tile",
    "Tiles",
    "render_report",
]
