"""Encoders: what turns three seconds of sound into a vector.

Two are built in, behind one interface (`base.Encoder`): BirdNET's network, and plain log-mel statistics.
"""

from vernal.audio.encoders.base import ENCODERS, Encoder, encoder_version, get_encoder

__all__ = ["ENCODERS", "Encoder", "encoder_version", "get_encoder"]
