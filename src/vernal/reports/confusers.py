"""What BirdNET takes sounds for, in words: of held-out clips, and of detections."""

from collections.abc import Iterable

import pandas as pd

from vernal.common.formatting import percent
from vernal.reports.blocks import Block, Table, Text
from vernal.reports.sentences import sentence

MOST_SPECIES = 4


def species_words(named: pd.DataFrame) -> str:
    """The classes that most of some sounds are taken for, with the sounds of each and the highest confidence.

    Args:
        named: `birdnet_species`, `birdnet_confidence`.
    """
    by_name = named.groupby("birdnet_species").birdnet_confidence.agg(["size", "max"]).reset_index()
    ordered = by_name.sort_values(["size", "max", "birdnet_species"], ascending=[False, False, True])
    return ", ".join(
        f"{str(name).partition('_')[2] or name} ({n:,}, up to {percent(highest)})"
        for name, n, highest in ordered.head(MOST_SPECIES).itertuples(index=False)
    )


def confusers_of_detections(detections: pd.DataFrame) -> Iterable[Block]:
    """What BirdNET hears in detections, by label and by what people said of them; nothing where nobody asked."""
    if "birdnet_species" not in detections or detections.empty:
        return
    yield Text(sentence("listening.confusers"))
    known = detections.dropna(subset="birdnet_confidence")
    rows = [
        [str(label), str(state), f"{len(own):,}", species_words(own)]
        for (label, state), own in known.groupby(["label", "review_state"], sort=True)
    ]
    yield Table(
        (
            "label",
            "review",
            "detections",
            "BirdNET's most confident classes (detections, highest confidence)",
        ),
        rows,
    )
