"""Names as people and programs write them, and whether two of them mean the same thing.

Names are compared without regard to letter case, to how accents are composed, and to doubled spaces. A path is
more than its last part: equal file names in folders of two recorders are two recordings.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile

# Several classes in one text, as in `rooster;dog`; and the word for all that there are.
CLASS_DIVIDER, ALL_CLASSES = ";", "all"
# Folders that say when, what or which card, not whose: those that people, computers and recorders make.
_GENERIC = re.compile(
    r"\d{4}(?:[-_ ]?\d{2}){0,2}|[\d_ -]+|[a-z]:"
    r"|(?:(?:raw|audio|sound|field|original|backup)[ _-]*)*"
    r"(?:data|audio|recordings?|raw|files?|wavs?|flacs?|mp3s?|sounds?)(?:[ _-]*\d{4})?"
    r"|night[ _-]?\d+|day[ _-]?\d+|week[ _-]?\d+|month[ _-]?\d+"
    r"|(?:sd|memory)?[ _-]*cards?[ _-]*(?:\d+|[a-z])?|sd[ _-]*\d*|no[ _-]name|untitled|\d{3}media|\d{3}[a-z_]{5}|dcim"
    r"|audio[ _-]?moths?|song[ _-]?meters?|swift|bar[ _-]?lt|zoom|tascam|recorders?|batch[ _-]?\d*|part[ _-]?\d*"
    r"|(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|spring|summer|autumn|fall|winter|season)[ _-]*(?:\d{4}|\d{1,2})?",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])(?:\s*\..*)?", re.IGNORECASE
)
_DATE = re.compile(r"\d{4}(?:[-_ ]?\d{2}){0,2}")
# A file name of a date, a counter or a word that every recorder uses: it does not say whose it is.
_OF_ANY_RECORDER = re.compile(
    r"(?:(?:rec(?:ording)?|files?|tracks?|audio|sound|zoom|dr|ste|mono|voice|clip)[ _-]*)?"
    r"(?:[\d\W_]|(?<=\d)[tsz](?![a-z]))+"
    r"|[0-9a-f]{8}"
)


def folded(text: str) -> str:
    """Text as it is compared with other text; never shown.

    >>> folded("Cole  Creek ") == folded("cole creek"), folded("Mo\\u0308we") == folded("MÖWE")
    (True, True)
    """
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return unicodedata.normalize("NFC", composed.casefold())


def one_spelling(names: Iterable[str]) -> dict[str, str]:
    """Each name -> the spelling to use for all that differ from it in letter case, composition or spaces alone.

    It is the most frequent one, of equally frequent ones the first in order.

    >>> one_spelling(["Cole creek", "Cole Creek", "Cole Creek", "Pond"])["Cole creek"]
    'Cole Creek'
    """
    counts = Counter(names)
    best: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        best.setdefault(folded(name), " ".join(unicodedata.normalize("NFC", name).split()))
    return {name: best[folded(name)] for name in counts}


def is_reserved(name: str) -> bool:
    """Whether Windows can have no file or folder of this name: a device, or one that ends in a dot or a space.

    >>> is_reserved("NUL"), is_reserved("com1.csv"), is_reserved("console"), is_reserved("night.")
    (True, True, False, True)
    """
    return name.endswith((".", " ")) or bool(_DEVICE.fullmatch(name))


def path_parts(path: str) -> tuple[str, ...]:
    """The parts of a path of any system, as they are compared.

    >>> path_parts("D:\\\\season\\\\Moth09\\\\A.WAV")
    ('d:', 'season', 'moth09', 'a.wav')
    """
    return tuple(part for part in map(folded, re.split(r"[\\/]+", path)) if part not in ("", "."))


def n_shared_last(one: Sequence[str], other: Sequence[str]) -> int:
    """How many last parts two paths share."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def is_generic(folder: str) -> bool:
    """Whether a folder's name says when or what, and so not whose recordings lie in it.

    >>> is_generic("2025-04-03"), is_generic("Week 1"), is_generic("AudioMoth"), is_generic("Moth08")
    (True, True, True, False)
    """
    return bool(_GENERIC.fullmatch(folder))


def lies_elsewhere(
    folders: Sequence[str], known: Sequence[str], stem: str, all_folders: Collection[str] = ()
) -> bool:
    """Whether the folders of a path that is written somewhere contradict those of a recording of the same name.

    Folders often differ though the recording is the same, for it was copied or moved. They contradict each other
    where the written one is that of other recordings, where they differ in a number alone, and where the file's name
    could be any recorder's, so that only the folder says whose it is.

    Args:
        folders, known: folders as `path_parts` gives them, outermost first, of the path and of the recording.
        stem: the file's name without its ending; empty where the path only says where a label file lies.
        all_folders: the folders of all recordings.

    >>> lies_elsewhere(["d:", "season", "moth09"], ["moth08"], "20250403_210000")
    True
    >>> lies_elsewhere(["d:", "to do"], ["pond"], "north_20250403_210000")
    False
    """
    n_same = n_shared_last(folders, known)
    theirs, ours = folders[: len(folders) - n_same], known[: len(known) - n_same]
    if theirs and ours and _is_next(theirs[-1], ours[-1]):
        return True
    theirs, ours = ([name for name in names if not is_generic(name)] for names in (theirs, ours))
    if not theirs or not ours or theirs[-1] in ours or ours[-1] in theirs:
        return False
    return bool(_OF_ANY_RECORDER.fullmatch(stem.lower())) or any(
        name in all_folders or _is_next(name, ours[-1]) for name in theirs if name not in ours
    )


def _is_next(one: str, other: str) -> bool:
    """Whether two names are two of a series: they differ in a number or in a letter that stands alone."""
    return one != other and not _DATE.fullmatch(one) and _series(one) == _series(other)


def _series(name: str) -> str:
    return re.sub(r"\d+|(?<![^\W\d_])[^\W\d_](?![^\W\d_])", "#", name)
