"""What the project's commands share: `--params`, where the project and its results are, messages, tables of text.

Quick to import: commands that only look something up must not load pandas or a pipeline.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from vernal.commands.parameter_mistakes import check_names
from vernal.common.files import write_text
from vernal.common.formatting import visible
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.common.storage import as_path, is_remote

PARAMS_HELP = "Parameters as for kedro run, above all data_root: --params=data_root=/x/out"


PROBLEMS_FILE = "08_reporting/problems.txt"


def echo(text: str, err: bool = False) -> None:
    """Print what may hold names and words of others."""
    click.echo(visible(text), err=err)


def told(error: InputError, params: Mapping[str, Any]) -> str:
    """A mistake's message; where it shows a few of many cases, with the file in the data folder that has all."""
    words = visible(str(error))
    if not error.whole:
        return words
    path = data_root(find_project(), params) / PROBLEMS_FILE
    try:
        write_text(path, error.whole + "\n")
    except OSError:
        return words
    return f"{words}\nAll cases are listed in {path}"


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Show what a person can mend as one message, without a traceback."""
    try:
        yield
    except InputError as error:
        raise click.ClickException(told(error, {})) from error
    except OSError as error:
        what = error.filename or "A file or folder"
        raise click.ClickException(visible(f"{what} cannot be used: {error.strerror or error}.")) from error


class ClearErrors(click.Group):
    """A group whose commands fail in words."""

    def invoke(self, ctx: click.Context) -> Any:
        with clear_errors():
            return super().invoke(ctx)


class ClearCommand(click.Command):
    """A command of its own that fails in words."""

    def invoke(self, ctx: click.Context) -> Any:
        with clear_errors():
            return super().invoke(ctx)


def parse_params(text: str) -> dict[str, str]:
    """`a=1,b.c=x` as names and text, as `kedro run --params` takes it.

    Raises:
        click.BadParameter: a part that is no `name=value`.

    >>> parse_params("data_root=/x/out, target=rooster")
    {'data_root': '/x/out', 'target': 'rooster'}
    """
    values = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{part!r} is no name=value; write --params=data_root=/x/out")
        values[name.strip()] = value.strip()
    return values


def _params(ctx: click.Context, option: click.Parameter, text: str) -> dict[str, str]:
    values = parse_params(text)
    conf = find_project() / "conf"
    if values and (conf / "base").is_dir():
        try:
            check_names(conf, None, as_groups(values))
        except InputError as error:
            raise click.BadParameter(str(error)) from error
    return values


def as_groups(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names with dots as groups within groups.

    >>> as_groups({"source.field": "/x", "target": "owl"})
    {'source': {'field': '/x'}, 'target': 'owl'}
    """
    groups: dict[str, Any] = {}
    for name, value in values.items():
        *outer, last = name.split(".")
        group = groups
        for part in outer:
            inner = group.get(part)
            group[part] = group = inner if isinstance(inner, dict) else {}
        group[last] = value
    return groups


def typed_params(values: Mapping[str, str]) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`, numbers and booleans read as such; what is text stays as it was typed."""
    from vernal.common.safe_yaml import parse_yaml
    from vernal.framework.config import TEXTS

    return as_groups(
        {
            name: text if name in TEXTS else parse_yaml(text, f"--params {name}")
            for name, text in values.items()
        }
    )


with_params = click.option("--params", default="", callback=_params, help=PARAMS_HELP)


def find_project() -> Path:
    """The project that the current folder lies in, or else the current folder."""
    from kedro.utils import find_kedro_project

    return Path(find_kedro_project(Path.cwd()) or Path.cwd())


def data_root(project: Path, params: Mapping[str, str]) -> Path:
    """Where results lie: from `--params`, else `conf/local`, else `conf/base`, else `data`."""
    value = params.get("data_root")
    for environment in ("local", "base"):
        file = project / "conf" / environment / "parameters.yml"
        if value is None and file.is_file():
            content = read_yaml(file)
            value = content.get("data_root") if isinstance(content, dict) else None
            if not isinstance(value, str) or "${" in value:
                value = None
    return as_path(value) if is_remote(value) else project / Path(value or "data").expanduser()


def text_table(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as aligned columns; whole numbers to the right.

    >>> print(text_table([["part", "clips"], ["a", 12]]))
    part  clips
    a        12
    """
    texts = [[visible(str(cell)).replace("\n", r"\n") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row, written in zip(rows, texts, strict=True):
        cells = [
            text.rjust(width) if isinstance(cell, int) else text.ljust(width)
            for cell, text, width in zip(row, written, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def size_text(n_bytes: float) -> str:
    """A size as a person reads it.

    >>> size_text(0), size_text(1536), size_text(25_300_000)
    ('0 B', '1.5 kB', '24.1 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1024 or unit == "GB":
            break
        n_bytes /= 1024
    return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.1f} {unit}"
