"""What can be set about proof."""

import re
from typing import Annotated

from pydantic import AfterValidator

from vernal.common.problems import suggest
from vernal.common.settings import Count, PositiveShare, settings

CHECKS = {
    "recorder_date": "No night is in two splits",
    "content_hash": "No audio file is in two splits",
    "near_duplicates": "No copy of a recording was found in another split",
    "miner_training": "Mined clips were new to the miner",
    "mined_held_out": "Mined clips are apart from validation and test",
    "training_test": "No test clip trains or ends training, and no validation clip trains",
    "thresholds": "Every threshold follows from validation alone",
    "audio_settings": "Training and inference read audio in the same way",
    "coverage": "Every clip of every test split was scored by every point",
}


def _names(allow: list | str | None) -> list[str]:
    listed = allow if isinstance(allow, list) else [allow or ""]
    return [name for text in listed for name in re.split(r"[;,\s\[\]]+", str(text)) if name]


def _are_checks(allow: list | str | None) -> list | str | None:
    unknown = [f"{name!r} ({suggest(name, CHECKS)})" for name in _names(allow) if name not in CHECKS]
    if unknown:
        raise ValueError(f"unknown check {'; '.join(unknown)}. Checks: {', '.join(CHECKS)}")
    return allow


@settings("proof")
class ProofOptions:
    """What a certificate demands.

    allow: names of checks (`CHECKS`) whose failure is a warning and does not fail the run; a list, or one text
        with `;` or spaces between.
    near_duplicate_cosine: embeddings this close, in (0, 1], are worth listening to; what it was measured on is
        in docs/proof.md.
    near_duplicate_correlation: sound this alike, in (0, 1), is the same recording.
    listened_pairs: how many of the close pairs are listened to at most, the closest neighbours first.
    listed_pairs: pairs that the certificate names.
    """

    allow: Annotated[list | str | None, AfterValidator(_are_checks)] = None
    near_duplicate_cosine: PositiveShare = 0.8
    near_duplicate_correlation: PositiveShare = 0.5
    listened_pairs: Count = 200_000
    listed_pairs: Count = 20

    @property
    def allowed(self) -> list[str]:
        """The names in `allow`.

        >>> ProofOptions("coverage;thresholds").allowed
        ['coverage', 'thresholds']
        """
        return _names(self.allow)
