"""Reference pages, from the files and the code that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from tools.docs_site.catalog import read_catalog
from tools.docs_site.markdown import code, table


def parameters(project: Path) -> str:
    """Every parameter with its default and its comment: the files themselves."""
    base = project / "conf" / "base"
    files = [base / "parameters.yml", *sorted(base.glob("*/parameters.yml"))]
    blocks, names = [], []
    for file in files:
        name = file.relative_to(project).as_posix()
        title = "What people set" if file.parent == base else file.parent.name
        names.append(f"[{title}](#{title.lower().replace(' ', '-')})")
        text = file.read_text(encoding="utf-8").rstrip()
        blocks.append(f'## {title}\n\n```yaml title="{name}"\n{text}\n```')
    return "\n\n".join([" · ".join(names), *blocks])


def catalog(project: Path) -> str:
    """Every dataset with its layer, place and type."""
    blocks = []
    for part, entries in groupby(read_catalog(project), key=lambda entry: entry.part):
        rows = [
            (
                code(entry.name),
                entry.layer,
                "<br>".join(filter(None, (entry.description, code(entry.place)))),
            )
            for entry in entries
        ]
        blocks.append(f"## {part}\n\n{table(['dataset', 'layer', 'what and where it is'], rows)}")
    return "\n\n".join(blocks)


def manifest_columns(project: Path) -> str:
    """Names that a manifest may use, from the module that checks it."""
    from vernal.clips import manifest

    kinds = [
        ("required", manifest.REQUIRED_COLUMNS),
        ("optional text", manifest.OPTIONAL_TEXT_COLUMNS),
        ("optional numbers, in seconds", manifest.PART_COLUMNS),
        ("reserved: the project computes them", manifest.RESERVED_COLUMNS),
    ]
    allowed = {"quality": manifest.QUALITIES, "split": manifest.SPLITS}
    rows = [
        (code(name), kind, ", ".join(code(value) for value in allowed.get(name, ())))
        for kind, names in kinds
        for name in names
    ]
    return table(["column", "kind", "values"], rows)


def table_schemas(project: Path) -> str:
    """Columns of the project's own tables, from the schemas that Kedro checks on load and save."""
    from vernal.clips import schemas

    named = {"listed_clips": schemas.LISTED_CLIPS, "clips": schemas.CLIPS, "splits": schemas.SPLITS_TABLE}
    blocks = []
    for name, schema in named.items():
        rows = [
            (
                code(column),
                _KINDS[str(kind.dtype)] + (", may be missing" if kind.nullable else ""),
                "; ".join(map(_rule, kind.checks)),
            )
            for column, kind in schema.columns.items()
        ]
        also = "".join(f"\n\nAlso checked: {check.error}." for check in schema.checks)
        blocks.append(f"### {name}\n\n{table(['column', 'holds', 'checked'], rows)}{also}")
    return "\n\n".join(blocks)


_KINDS = {
    "string[pyarrow]": "text",
    "float64": "a number",
    "int64": "a whole number",
    "bool": "true or false",
}
_RULES: dict[str, Callable[..., str]] = {
    "isin": lambda allowed_values: "one of " + ", ".join(map(code, allowed_values)),
    "equal_to": lambda value: code(value),
    "greater_than": lambda min_value: f"above {min_value}",
    "greater_than_or_equal_to": lambda min_value: f"at least {min_value}",
    "str_matches": lambda pattern: f"of the form {code(pattern)}",
}


def _rule(check: Any) -> str:
    """A schema's check of a column in words."""
    return _RULES[check.name](**check.statistics)


def commands(project: Path) -> str:
    """The help of each command, as it is printed."""
    blocks = []
    for path, command in project_commands():
        context = click.Context(command, info_name=f"kedro {path}", terminal_width=78, max_content_width=78)
        level = "##" if " " not in path else "###"
        blocks.append(f"{level} kedro {path}\n\n```text\n{command.get_help(context).strip()}\n```")
    return "\n\n".join(blocks)


def project_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the project with its subcommands, by what is typed after `kedro`."""
    import importlib

    from vernal.cli import COMMANDS, cli
    from vernal.commands import viz

    yield "run", cli.commands["run"]
    for name, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(module), name)
        yield name, command
        if isinstance(command, click.Group):
            for inner in sorted(command.commands):
                yield f"{name} {inner}", command.commands[inner]
    yield "viz run", viz.run
    yield "viz build", viz.build
