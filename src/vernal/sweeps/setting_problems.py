"""What is wrong with the settings that people wrote, collected over a whole spec or over many point files.

Names and values are read one by one; what cannot be read is noted with its place, and everything noted is
raised together, with a suggestion for each misspelled name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vernal.common.problems import Problems, shown, suggest
from vernal.common.safe_yaml import read_yaml
from vernal.sweeps.point_settings import SETTINGS, PointSettings
from vernal.sweeps.setting import Value

# What the shipped mining settings make of low-quality positives and of recordings without the target.
BEST_LOW_QUALITY = ("small", "medium", "large", "top50")
HARD_NEGATIVES = ("hardneg_conf_min_50", "hardneg_conf_min_85", "hardneg_conf_min_99")


def subsets_made(best: Iterable[str], hard: Iterable[str]) -> dict[str, list[str]]:
    """Names of curated subsets, by the setting that can name them, from the names in the mining settings."""
    return {
        "positive_subsets": [*(f"bestLowQuality/{name}" for name in best), "reviewed/positives"],
        "negative_subsets": [*(f"hardNeg/{name}" for name in hard), "reviewed/negatives"],
    }


KNOWN_SUBSETS: Mapping[str, Collection[str]] = subsets_made(BEST_LOW_QUALITY, HARD_NEGATIVES)
NAME_ALIASES = {"regularization": "regularisation"}
_SHOWN = 20


class SettingProblems:
    """Collects what is wrong with settings, over a whole spec or over many point files."""

    def __init__(self) -> None:
        self.unknown: list[tuple[str, str]] = []
        self.twice: list[str] = []
        self.wrong: list[str] = []
        self.subsets: list[str] = []
        self.impossible: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.unknown or self.twice or self.wrong or self.subsets or self.impossible)

    def name(self, raw: Any, at: str) -> str | None:
        """The setting that a person's key names, or None (noted)."""
        name = canonical_name(raw)
        if name not in SETTINGS:
            self.unknown.append((at, raw if isinstance(raw, str) else shown(raw)))
            return None
        return name

    def value(self, name: str, raw: Any, at: str) -> Value | None:
        """The canonical value of a setting, or None (noted)."""
        try:
            return SETTINGS[name].canonical(raw)
        except ValueError as error:
            self.wrong.append(f"{at}{name}: {shown(raw)} ({error})")
            return None

    def mapping(self, raw: Mapping[Any, Any], at: str) -> dict[str, Any]:
        """Canonical names and values of a mapping; what is wrong is noted and left out."""
        values: dict[str, Any] = {}
        for key, given in raw.items():
            name = self.name(key, at)
            if name is None:
                continue
            if name in values:
                self.twice.append(f"{at}{name}")
            value = self.value(name, given, at)
            if value is not None:
                values[name] = value
        return values

    def check_subsets(
        self, name: str, value: Value, known: Mapping[str, Collection[str]] | None, at: str
    ) -> None:
        """Note subsets that nobody makes, or that belong to the other class."""
        if known is None or name not in known or not isinstance(value, tuple):
            return
        for subset in value:
            if subset not in known[name]:
                self.subsets.append(f"{at}{name}: {subset!r} ({_subset_hint(name, subset, known)})")

    def raise_if_any(self, where: str) -> None:
        """Raise everything noted as one message.

        Raises:
            InputError: something was noted.
        """
        problems = Problems(where)
        self.add_to(problems)
        problems.raise_if_any()

    def add_to(self, problems: Problems) -> None:
        """Hand over what was noted to a larger list."""
        hints = [_name_hint(raw) for _, raw in self.unknown[:_SHOWN]]
        cases = [
            f"{at}{raw!r}" + (f" ({hint})" if hint else "") for (at, raw), hint in _pairs(self.unknown, hints)
        ]
        remedy = "Mend the spelling."
        if not all(hints):
            remedy = "Settings are " + ", ".join(SETTINGS) + "."
        problems.add("unknown setting", cases, remedy)
        problems.add("setting given twice", self.twice, "Keep one of the two.")
        problems.add("value that is not allowed", self.wrong, "Change each as said in brackets.")
        problems.add("unknown curated subset", self.subsets, "Name a subset that the mining settings make.")
        problems.add(
            "impossible combination", dict.fromkeys(self.impossible), "Change one of the two settings."
        )


def settings_from(raw: Mapping[str, Any], where: str = "these settings") -> PointSettings:
    """Settings from names and values as a person spells them; what is not given has its default.

    Raises:
        InputError: unknown names, values out of range, impossible combinations; all of them.

    >>> settings_from({"focal-loss": True}).focal_loss
    True
    """
    found = SettingProblems()
    values = found.mapping(raw, at="")
    found.raise_if_any(where)
    return PointSettings(**values)


def canonical_name(raw: Any) -> Any:
    """The name of a setting, written with underscores.

    >>> canonical_name("focal-loss")
    'focal_loss'
    """
    if not isinstance(raw, str):
        return raw
    name = raw.strip().replace("-", "_")
    return NAME_ALIASES.get(name, name)


def _name_hint(raw: str) -> str:
    hint = suggest(raw.strip().lower().replace("-", "_")[:100], SETTINGS)
    return hint if hint.startswith("did you mean") else ""


def _subset_hint(name: str, subset: str, known: Mapping[str, Collection[str]]) -> str:
    for other, names in known.items():
        if other != name and subset in names:
            return f"it is one of the {other}"
    by_last_part = {one.rpartition("/")[2]: one for one in known[name]}
    if subset in by_last_part:
        return f"did you mean {by_last_part[subset]!r}?"
    return suggest(subset, known[name]) if known[name] else "no subset of this kind is made"


def _pairs(cases: list[Any], hints: list[str]) -> Iterable[tuple[Any, str]]:
    """Hints are looked for only where they will be shown: each costs a comparison with every name."""
    return zip(cases, hints + [""] * (len(cases) - len(hints)), strict=True)


def known_subsets(project: Path) -> Mapping[str, Sequence[str]]:
    """Names of the curated subsets that the project makes: those of its mining settings, and the reviewed.

    A person's own settings in `conf/local` add to those of `conf/base`, as they do in a run.
    """
    options: dict[str, Any] = {}
    for name in ("base/mining/parameters.yml", "local/parameters.yml", "local/mining/parameters.yml"):
        file = project / "conf" / name
        content = read_yaml(file) if file.is_file() else None
        own = content.get("mining") if isinstance(content, dict) else None
        for kind, subsets in (own if isinstance(own, dict) else {}).items():
            is_table = isinstance(subsets, dict) and isinstance(options.get(kind), dict)
            options[kind] = {**options[kind], **subsets} if is_table else subsets
    best, hard, confusers = (
        found if isinstance(found := options.get(name), dict) else usual
        for name, usual in (
            ("best_low_quality", BEST_LOW_QUALITY),
            ("hard_negatives", HARD_NEGATIVES),
            ("confusers", ()),
        )
    )
    return subsets_made(best, [*hard, *confusers])
