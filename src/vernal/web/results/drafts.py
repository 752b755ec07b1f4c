"""A sweep while it is put together: text in fields, what the parser says to each, and the spec it makes.

The judge is always the parser of specs (`vernal.sweeps.spec`); here its words are only sorted to the fields that they
are about.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vernal.common.problems import InputError
from vernal.common.safe_yaml import parse_yaml
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.points import SafeDumper
from vernal.sweeps.setting import Value
from vernal.sweeps.setting_problems import SettingProblems
from vernal.sweeps.spec import Spec, parse_spec

DEFAULT, ONE, AXIS = "default", "one", "axis"
MOST_TEXT = 20_000
Subsets = Mapping[str, Collection[str]] | None


@dataclass(frozen=True)
class Draft:
    """What stands in the fields of the sweep builder.

    `uses`: per setting `one` or `axis`; settings that are not named have their default. `texts`: what was typed for
    them. `order`: axes in the order that was asked for, as typed; the last one changes fastest.
    """

    stage: str = ""
    description: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    @property
    def axes(self) -> list[str]:
        """Names of the axes: those of `order` first, then the others in the order of the settings."""
        chosen = [name for name in SETTINGS if self.uses.get(name) == AXIS]
        asked = [name for name in dict.fromkeys(self.order) if name in chosen]
        return asked + [name for name in chosen if name not in asked]


@dataclass(frozen=True)
class Checked:
    """A draft after the parser saw it.

    `spec` is None where something is wrong; `problems` holds words by field (`stage` or a setting), `words` all that
    the parser said, in its own form.
    """

    spec: Spec | None
    problems: Mapping[str, str]
    words: str


def draft_from_form(pairs: Sequence[tuple[str, str]]) -> Draft:
    """Read the fields of the form: `stage`, `description`, `order`, `use.<setting>`, `text.<setting>`."""
    values = {name: text[:MOST_TEXT] for name, text in pairs}
    uses = {
        name: values[f"use.{name}"] for name in SETTINGS if values.get(f"use.{name}", DEFAULT) in (ONE, AXIS)
    }
    texts = {name: " ".join(values.get(f"text.{name}", "").split()) for name in SETTINGS}
    order = tuple(part for part in values.get("order", "").replace(",", " ").split() if part in SETTINGS)
    description = " ".join(values.get("description", "").split())
    return Draft(values.get("stage", "").strip(), description, uses, texts, order)


def draft_from_spec(spec: Spec) -> Draft:
    """The fields that would give this spec."""
    one = {name: typed_one(value) for name, value in spec.base_params.items()}
    many = {name: typed_many(values) for name, values in spec.axes.items()}
    uses = dict.fromkeys(one, ONE) | dict.fromkeys(many, AXIS)
    return Draft(spec.stage, spec.description, uses, one | many, tuple(spec.axes))


def typed_many(values: Sequence[Value]) -> str:
    """Values of an axis as a person would type them.

    >>> typed_many([("high", "medium"), ("low",)]), typed_many([0.5, True])
    ('[high, medium], [low]', '0.5, true')
    """
    return _flow([_plain(value) for value in values])


def typed_one(value: Value) -> str:
    """One value as a person would type it.

    >>> typed_one(("high", "medium")), typed_one(()), typed_one(0.0005)
    ('high, medium', '[]', '0.0005')
    """
    if isinstance(value, tuple):
        return _flow(list(value)) or "[]"
    return _flow([value])


def _flow(values: list[Any]) -> str:
    return _dump(values, SafeDumper, True).strip()[1:-1]


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def check_draft(draft: Draft, subsets: Subsets, reserved: Collection[str] = ()) -> Checked:
    """What the parser says.

    Args:
        subsets: known curated subsets by setting; None leaves them unchecked.
        reserved: names that no stage may have.
    """
    problems: dict[str, str] = {}
    raw: dict[str, Any] = {}
    for name, use in draft.uses.items():
        try:
            raw[name] = _read_field(name, use, draft.texts.get(name, ""))
        except InputError as error:
            problems[name] = str(error)
            continue
        said = _setting_words(name, raw[name] if use == AXIS else [raw[name]], subsets)
        if said:
            problems[name] = said
    if name_words := stage_words(draft.stage, reserved):
        problems["stage"] = name_words
    content = {
        "stage": draft.stage or None,
        "description": draft.description,
        "axes": {name: raw[name] for name in draft.axes if name in raw},
        "base_params": {name: raw[name] for name, use in draft.uses.items() if use == ONE and name in raw},
    }
    try:
        spec = parse_spec(content, f"{draft.stage or 'the sweep'}.yml", subsets)
    except InputError as error:
        return Checked(None, problems, str(error))
    return Checked(None if problems else spec, problems, "")


def _read_field(name: str, use: str, text: str) -> Any:
    """What was typed, as plain data: a list of values for an axis, else one value.

    Raises:
        InputError: nothing typed, or text that cannot be read as values.
    """
    if not text:
        raise InputError(
            "Type at least one value, or use the default."
            if use == AXIS
            else "Type a value, or use the default."
        )
    is_list = use == AXIS or (SETTINGS[name].kind in ("names", "subsets") and not text.startswith("["))
    try:
        value = parse_yaml(f"[{text}]" if is_list else text)
    except InputError as error:
        raise InputError(
            "This cannot be read as values. Put commas between them, names with special letters in quotes, and a "
            "value that is a list itself in [brackets]."
        ) from error
    if is_list and not isinstance(value, list):
        raise InputError("The brackets do not match.")
    return value


def _setting_words(name: str, values: Sequence[Any], subsets: Subsets) -> str:
    """What is wrong with the values of one setting, each once."""
    found = SettingProblems()
    for raw in values:
        value = found.value(name, raw, at="")
        if value is not None:
            found.check_subsets(name, value, subsets, at="")
    said = [text.removeprefix(f"{name}: ") for text in [*found.wrong, *found.subsets]]
    return "; ".join(dict.fromkeys(said))


def stage_words(stage: str, reserved: Collection[str] = ()) -> str:
    """What is wrong with the name of a stage; empty if nothing is."""
    if not stage:
        return "Give the sweep a name: small letters, digits and _."
    try:
        name = parse_spec({"stage": stage}, "the name").stage
    except InputError as error:
        return str(error).partition("\n")[2].removeprefix("- ") or str(error)
    if name in reserved:
        return f"{name!r} is the name of something else in this project; choose another."
    return ""


def reserved_names() -> frozenset[str]:
    """Names that a stage may not have: those of pipelines, and of folders that hold other things."""
    import vernal

    folder = Path(vernal.__file__).parent / "pipelines"
    pipelines = {path.name for path in folder.iterdir() if (path / "pipeline.py").is_file()}
    return frozenset(pipelines | {"heads", "runs", "curated"})


class _SpecDumper(SafeDumper):
    """Mappings in lines, lists of values in brackets."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, flow_style=False)


def spec_text(spec: Spec) -> str:
    """The spec as the text of its file; parsed again it gives the same points."""
    base = {name: _plain(value) for name, value in spec.base_params.items()}
    content = {
        "stage": spec.stage,
        **({"description": spec.description} if spec.description else {}),
        "axes": {name: [_plain(value) for value in values] for name, values in spec.axes.items()},
        **({"base_params": base} if base else {}),
    }
    return _dump(content, _SpecDumper, None)


def _dump(content: Any, dumper: type[SafeDumper], flow_style: bool | None) -> str:
    import yaml

    return yaml.dump(
        content,
        Dumper=dumper,
        default_flow_style=flow_style,
        sort_keys=False,
        allow_unicode=True,
        width=1_000_000,
    )
