"""Numbers and text as people read them: the same number of digits everywhere, and a dash for what is undefined."""

import math
import re
from collections.abc import Sequence

UNDEFINED = "–"
NBSP = "\u00a0"
MOST_EXAMPLES = 5  # of one kind, in a message
FEW = 10  # clips; of fewer, shares are not told
# What a terminal obeys instead of showing it (all controls but line break and tab, and what turns the direction of
# writing), and halves of surrogate pairs, which nothing can write.
_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]"
)


def visible(text: str) -> str:
    r"""Text as it goes to a terminal or a log: what would steer it, or cannot be written, is shown by its number.

    >>> print(visible("H\udcfchn\x1b[31m \u202egpj.wav"))
    H\xfchn\x1b[31m \u202egpj.wav
    """
    return _UNSEEN.sub(lambda found: _number_of(ord(found[0])), text)


def _number_of(code: int) -> str:
    byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code  # a byte of a name that is no UTF-8
    return f"\\x{byte:02x}" if byte < 0x100 else f"\\u{byte:04x}"


def share(value: float, decimals: int = 2) -> str:
    """A number between 0 and 1, or a difference of such; a dash where it is undefined.

    >>> share(0.788), share(-0.004, 3), share(float("nan"))
    ('0.79', '-0.004', '–')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def percent(value: float) -> str:
    """A share as percent, with the finer digit only where it matters.

    >>> percent(0.25), percent(0.004), percent(0.9999)
    ('25\\xa0%', '0.4\\xa0%', 'over 99.9\\xa0%')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if 0.999 < value < 1:
        return f"over 99.9{NBSP}%"
    if 0 < value < 0.001:
        return f"below 0.1{NBSP}%"
    digits = 1 if 0 < value < 0.02 or 0.98 < value < 1 else 0
    return f"{round(100 * value, digits):g}{NBSP}%"


def rate_of(value: float, n: float) -> str:
    """A share of `n` as percent; of fewer than `FEW` their number, since percents of few say more than is known.

    >>> rate_of(1 / 3, 3), rate_of(0.5, 40)
    ('1', '50\\xa0%')
    """
    return f"{value * n:.0f}" if n < FEW and math.isfinite(value) else percent(value)


def between(low: float, high: float, decimals: int = 2) -> str:
    """An interval, or a dash where there is none.

    >>> between(0.7, 0.86)
    '0.70 to 0.86'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNDEFINED
    return f"{share(low, decimals)} to {share(high, decimals)}"


def minutes(value: float) -> str:
    """Minutes, to one digit below ten; with hours from two hours on.

    >>> minutes(7.24), minutes(180.4)
    ('7.2 minutes', '180 minutes (3.0 hours)')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{amount(value)} minutes" + (f" ({value / 60:.1f} hours)" if value >= 120 else "")


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(8.6), duration(95), duration(5400)
    ('9 s', '1 min 35 s', '1 h 30 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    minutes = round(whole / 60)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def amount(value: float) -> str:
    """A number of minutes or the like, to one digit below ten.

    >>> amount(0.0), amount(7.24), amount(1234.5)
    ('0', '7.2', '1,234')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{round(value, 1):g}" if value < 10 else f"{value:,.0f}"


def fine_amount(value: float) -> str:
    """A number with the digits that say something.

    >>> fine_amount(12.0), fine_amount(1234.5), fine_amount(2.34)
    ('12', '1,234.5', '2.3')
    """
    return amount(value) if value < 10 else f"{value:,.1f}".removesuffix(".0")


def whole_range(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A count that is to be expected, and the ends of its interval, rounded outwards: a count has no decimals.

    >>> whole_range(252.3, 100.9, 480.2), whole_range(0.0, 0.0, 0.6)
    (('252', '100', '481'), ('0', '0', '1'))
    """
    return f"{round(value):,}", f"{math.floor(low):,}", f"{math.ceil(high):,}"


def hours(value: float) -> str:
    """Hours, the finer the fewer they are.

    >>> hours(0.456), hours(2.34), hours(1234.5)
    ('0.46', '2.3', '1,234')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def count(number: float, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "seed"), count(1200, "clip")
    ('1 seed', '1,200 clips')
    """
    if not math.isfinite(number):
        return f"{UNDEFINED} {many or one + 's'}"
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Words with commas and an `and`.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def examples(cases: Sequence[str], divider: str = "; ", most: int = MOST_EXAMPLES) -> str:
    """The first of some cases, and how many more there are.

    >>> examples(["a", "b", "c"], most=2)
    'a; b; and 1 more'
    """
    more = [f"and {len(cases) - most:,} more"] if len(cases) > most else []
    return divider.join([*cases[:most], *more])
