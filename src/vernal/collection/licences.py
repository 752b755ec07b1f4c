"""Terms of use: the usual ones under one name, and what counts as none.

Names are those of SPDX. A text that is not known stays as it was written, marked as not recognised:
a person has to read it. No text, or one that says nothing, is no licence.
"""

import re

_NONE = {
    "", "unknown", "?", "-", "none", "n/a", "na", "not given", "tbd", "todo", "to be clarified", "no licence",
    "no license",
}  # fmt: skip
_OTHERS = {
    "cc0": "CC0-1.0", "cczero": "CC0-1.0", "public domain": "CC0-1.0", "publicdomain": "CC0-1.0", "mit": "MIT",
    "apache2.0": "Apache-2.0", "bsd3clause": "BSD-3-Clause", "odbl": "ODbL-1.0",
}  # fmt: skip
_CC = re.compile(
    r"^(?:https?://creativecommons\.org/licenses/|cc|creative ?commons)[ \-_/]*"
    r"(?P<terms>by(?:[ \-_]*(?:nc|nd|sa))*)"
    r"[ \-_/]*(?:v|version)?[ ]*(?P<version>\d(?:\.\d)?)?(?:[ \-_/].*)?$"
)
_CC0 = re.compile(
    r"^(?:https?://creativecommons\.org/publicdomain/zero/.*"
    r"|cc[ \-]?0(?:[ \-_v]*1(?:\.0)?)?(?:[ \-_]*universal)?)$"
)


def is_missing(licence: str | None) -> bool:
    """Whether these words are no licence.

    >>> is_missing("?"), is_missing("CC BY 4.0")
    (True, False)
    """
    return not isinstance(licence, str) or licence.strip().lower() in _NONE


def normalise(licence: str) -> tuple[str, bool]:
    """The licence's usual name and whether it was recognised.

    >>> normalise("cc by-nc 4.0"), normalise("https://creativecommons.org/licenses/by/4.0/")
    (('CC-BY-NC-4.0', True), ('CC-BY-4.0', True))
    >>> normalise("ask Maria")
    ('ask Maria', False)
    """
    text = re.sub(r"\s+", " ", licence).strip()
    lowered = text.lower()
    if _CC0.match(lowered):
        return "CC0-1.0", True
    match = _CC.match(lowered)
    if match:
        terms = re.findall(r"by|nc|nd|sa", match["terms"])
        # Without a version the terms are known and the text is not; 4.0 must not be assumed.
        version = match["version"] or ""
        version += ".0" if len(version) == 1 else ""
        return "-".join(["CC", *map(str.upper, terms), *filter(None, [version])]), bool(version)
    known = _OTHERS.get(lowered) or _OTHERS.get(re.sub(r"[ \-]", "", lowered))
    return known or text, known is not None
