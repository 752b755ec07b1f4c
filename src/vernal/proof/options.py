"""What can be set about proof."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vernal.common.problems import Problems, suggest

CHECKS = {
    "recorder_date": "No recorder's night is in two splits",
    "content_hash": "No audio file is in two splits",
    "near_duplicates": "No recording is in two splits under another name",
    "miner_training": "Mined clips were new to the miner",
    "mined_held_out": "Mined clips are apart from validation and test",
    "training_test": "No test clip trains or ends training, and no validation clip trains",
    "thresholds": "Every threshold follows from validation alone",
    "audio_settings": "Training and inference read audio in the same way",
    "coverage": "Every clip of every test split was scored by every point",
}


@dataclass(frozen=True)
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

    allow: list | str | None = None
    near_duplicate_cosine: float = 0.8
    near_duplicate_correlation: float = 0.5
    listened_pairs: int = 5000
    listed_pairs: int = 20

    def __post_init__(self) -> None:
        problems = Problems("proof")
        unknown = [f"{name!r} ({suggest(name, CHECKS)})" for name in self.allowed if name not in CHECKS]
        problems.add("unknown check in proof.allow", unknown, f"Checks: {', '.join(CHECKS)}.")
        shares = ("near_duplicate_cosine", "near_duplicate_correlation")
        bad = [f"{name}: {getattr(self, name)!r}" for name in shares if not 0 < getattr(self, name) <= 1]
        problems.add("number out of range", bad, "Give a number above 0, up to 1.")
        counts = [
            f"{name}: {getattr(self, name)!r}"
            for name in ("listened_pairs", "listed_pairs")
            if getattr(self, name) < 1
        ]
        problems.add("count out of range", counts, "Give 1 or more.")
        problems.raise_if_any()

    @property
    def allowed(self) -> list[str]:
        """The names in `allow`.

        >>> ProofOptions("coverage;thresholds").allowed
        ['coverage', 'thresholds']
        """
        listed = self.allow if isinstance(self.allow, list) else [self.allow or ""]
        return [name for text in listed for name in re.split(r"[;,\s\[\]]+", str(text)) if name]
