"""Encoders: what turns a few seconds of sound into a vector.

Some are built in, behind one interface (`base.Encoder`): BirdNET's network, plain log-mel statistics, and Google's
speech embedding. Others are files that a person names (`files.EncoderFile`).
"""

from vernal.audio.encoders.base import ENCODERS, Encoder, encoder_version, get_encoder
from vernal.audio.encoders.files import EncoderFile

__all__ = ["ENCODERS", "Encoder", "EncoderFile", "encoder_version", "get_encoder"]
