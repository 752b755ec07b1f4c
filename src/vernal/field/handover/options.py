"""What a data package says of its project, which no table knows."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from vernal.common.settings import one_of, settings

DESIGNS = (
    "simpleRandom", "systematicRandom", "clusteredRandom", "experimental", "targeted", "opportunistic"
)  # fmt: skip
CAPTURES = ("timeLapse", "activityDetection")


@settings("handover")
class PackageOptions:
    """The words of Camtrap DP about a project. What is missing is named before anything is written.

    `contributors`: `Name` or `Name <email>` each; the first is the contact. `sampling_design`, `capture_method`: as
    Camtrap DP has them; recordings by a schedule are `timeLapse`, triggered ones `activityDetection`.
    `scientific_names`: of each label; a label that is one itself, as BirdNET's are, needs none. `data_licence`,
    `media_licence`: names such as CC-BY-4.0, both or neither.
    """

    title: str | None = None
    contributors: Sequence[str] | str | None = ()
    sampling_design: Annotated[str, one_of(DESIGNS)] | None = None
    capture_method: Annotated[str, one_of(CAPTURES)] = "timeLapse"
    scientific_names: Mapping[str, str] | None = None
    data_licence: str | None = None
    media_licence: str | None = None

    def __post_init__(self) -> None:
        if bool(self.data_licence) != bool(self.media_licence):
            raise ValueError("data_licence and media_licence go together; give both, or neither")

    @property
    def people(self) -> tuple[str, ...]:
        """The contributors, one a name."""
        listed = self.contributors or ()
        names = re.split(r"[+;]", listed) if isinstance(listed, str) else listed
        return tuple(name.strip() for name in names if name.strip())

    def scientific_name(self, label: str) -> str | None:
        """The scientific name of a label; None where nobody gave one and it is none.

        >>> PackageOptions().scientific_name("Gallus gallus_Red Junglefowl")
        'Gallus gallus'
        """
        given = (self.scientific_names or {}).get(label)
        if given:
            return given
        first = label.partition("_")[0]
        return first if re.fullmatch(r"[A-Z][a-z]+( [a-z-]+){1,2}", first) else None
