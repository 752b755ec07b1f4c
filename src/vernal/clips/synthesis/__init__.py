"""The demo season: a synthetic season of recordings, to try the whole chain on.

`plan_season` says which sounds there are, `render` makes one of them. Nothing is downloaded and no sound is
stored; the same options give the same season. Numbers that come from it say nothing about any animal.
"""

from vernal.clips.synthesis.mixing import SAMPLE_RATE_HZ, Components, components, render, write_wav
from vernal.clips.synthesis.options import SeasonOptions
from vernal.clips.synthesis.season import MANIFEST_COLUMNS, Season, manifest, plan_season, recipe

__all__ = [
    "MANIFEST_COLUMNS",
    "SAMPLE_RATE_HZ",
    "Components",
    "Season",
    "SeasonOptions",
    "components",
    "manifest",
    "plan_season",
    "recipe",
    "render",
    "write_wav",
]
