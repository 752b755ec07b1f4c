"""Clips to hear and to see on a page: compressed sound and a small spectrogram, both within the page itself.

A page stays small enough to be sent by mail: clips are cut to a few seconds, sound is MP3, which every browser plays,
and when the room for sound is spent the rest is named without it.
"""

import io
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernal.audio.excerpts import WINDOW, spectrogram
from vernal.audio.reading import SAMPLE_RATE_HZ, AudioError, load_clip
from vernal.reports.blocks import Sound, Sounds
from vernal.reports.sentences import sentence

LONGEST_S = 8.0
MOST_BYTES = 2_000_000  # of all sound and pictures of one page, as they stand in it
LOUDEST, MOST_GAIN = 0.7, 100.0  # quiet clips are made as loud as others, by 40 dB at the most
COLUMNS, ROWS = 300, 120  # of a picture, at the most
GREYS = 32  # levels of a picture: fewer bytes, and no eye tells more
# From silence to the loudest, in red, green and blue; an excerpt of matplotlib's magma, which prints and is told apart
# by colour-blind eyes.
COLOURS = ((0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191))


@dataclass(frozen=True)
class Clip:
    """A stretch of a recording to be shown.

    Attributes:
        path: the recording; `start_s`, `end_s`: the stretch, seconds; NaN is the file's own start or end.
        title: what is most wanted beside it, such as its score; `note`: where it is from.
    """

    path: Path
    start_s: float
    end_s: float
    title: str
    note: str


class SoundPage:
    """What one page has room for.

    Args:
        top_hz: the highest frequency that is shown.
        most_bytes: of all sound and pictures together.
    """

    def __init__(self, top_hz: int, most_bytes: int = MOST_BYTES) -> None:
        self.top_hz = top_hz
        self.room = most_bytes

    def block(self, clips: Iterable[Clip]) -> Sounds:
        """Clips side by side, each with sound and picture as far as there is room, or why it has none."""
        return Sounds([self._shown(clip) for clip in clips])

    def _shown(self, clip: Clip) -> Sound:
        end_s = min(clip.end_s, clip.start_s + LONGEST_S) if clip.end_s == clip.end_s else clip.end_s
        if self.room <= 0:
            return Sound(clip.title, clip.note, without=sentence("listening.no_room"))
        try:
            samples = load_clip(clip.path, clip.start_s, end_s)[: round(LONGEST_S * SAMPLE_RATE_HZ)]
            if not len(samples):
                return Sound(clip.title, clip.note, without=sentence("listening.empty"))
        except (AudioError, OSError) as error:
            return Sound(clip.title, clip.note, without=sentence("listening.gone", why=str(error)))
        sound = data_address("audio/mpeg", compressed(samples, self.top_hz))
        picture = data_address("image/png", spectrogram_png(samples, self.top_hz))
        self.room -= len(sound) + len(picture)
        return Sound(clip.title, clip.note, sound, picture, len(samples) / SAMPLE_RATE_HZ, self.top_hz)


def data_address(kind: str, content: bytes) -> str:
    """What a page writes in the place of a file's address to carry the file itself."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


def compressed(samples: NDArray[np.float32], top_hz: int) -> bytes:
    """The sound as MP3, at a usual level, with half the samples where no frequency above them is shown.

    Args:
        samples: (n,) mono at 48 kHz.
    """
    import soundfile
    from scipy.signal import resample_poly

    is_halved = top_hz <= SAMPLE_RATE_HZ // 4
    heard = resample_poly(samples, 1, 2) if is_halved else samples
    peak = float(np.abs(heard).max(initial=0.0))
    gain = min(LOUDEST / peak, MOST_GAIN) if peak > 0 else 1.0
    file = io.BytesIO()
    rate_hz = SAMPLE_RATE_HZ // 2 if is_halved else SAMPLE_RATE_HZ
    soundfile.write(file, (heard * gain).astype(np.float32), rate_hz, format="MP3")
    return file.getvalue()


def spectrogram_png(samples: NDArray[np.float32], top_hz: int) -> bytes:
    """A spectrogram from 0 Hz to `top_hz`; colours run from the clip's usual level, the median, to its loudest.

    Args:
        samples: (n,) mono at 48 kHz.
    """
    from PIL import Image

    levels = spectrogram(samples)[:, : round(top_hz * WINDOW / SAMPLE_RATE_HZ)]
    drawn = _at_most(_at_most(levels, COLUMNS).T, ROWS)[::-1].astype(float)
    usual = float(np.median(drawn))
    above = np.clip((drawn - usual) / max(drawn.max() - usual, 1.0), 0, 1)
    picture = Image.fromarray(np.rint(above * (GREYS - 1)).astype(np.uint8))
    picture.putpalette(_palette())
    file = io.BytesIO()
    picture.save(file, format="PNG", compress_level=9)
    return file.getvalue()


def _at_most(values: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    """At most `n` rows, each the highest of neighbours, so that a short call is not lost."""
    starts = np.unique(np.linspace(0, len(values), min(n, len(values)), endpoint=False).astype(int))
    return np.maximum.reduceat(values, starts, axis=0)


def _palette() -> list[int]:
    at = np.linspace(0, len(COLOURS) - 1, GREYS)
    channels = [np.interp(at, range(len(COLOURS)), channel) for channel in zip(*COLOURS, strict=True)]
    return np.rint(np.stack(channels, axis=1)).astype(int).ravel().tolist()
