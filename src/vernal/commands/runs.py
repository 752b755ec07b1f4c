"""`kedro runs`: which runs there were, what each was made with, and what changed between two."""

from collections.abc import Mapping
from typing import Any

import click

from vernal.commands.command_line import ClearErrors, data_root, echo, find_project, text_table, with_params
from vernal.proof.run_record import RUNNING, differences, find_record, read_records

_LISTED = 30


@click.group(name="runs", cls=ClearErrors)
def runs() -> None:
    """List recorded runs, show one, compare two.

    \b
    Example:  kedro runs diff stage5~1 stage5
    """


@runs.command("list")
@click.argument("stage", required=False)
@with_params
def list_runs(stage: str | None, params: Mapping[str, str]) -> None:
    """List recorded runs, the oldest first.

    \b
    Runs of equal `results` gave the same tables.
    Example:  kedro runs list stage5 --params=data_root=/x/out
    """
    root = data_root(find_project(), params)
    records = read_records(root, stage)
    if not records:
        echo(f"No run{f' of {stage}' if stage else ''} is recorded in {root} yet.")
        return
    rows = [["run", "stage", "outcome", "seconds", "results", "certificate", "code"]]
    rows += [
        [
            record["run"],
            record["stage"] or "(data)",
            _outcome(record),
            "" if record.get("duration_s") is None else f"{record['duration_s']:.0f}",
            record.get("results") or "",
            record.get("verdict") or "",
            _code(record),
        ]
        for record in records
    ]
    echo(text_table(rows))


@runs.command("show")
@click.argument("run")
@with_params
def show(run: str, params: Mapping[str, str]) -> None:
    """Show what a run was made with, and how long each node took.

    \b
    RUN is a run's name or its beginning, a stage (its last run), STAGE~1 (the one before), or STAGE/RUN.
    Example:  kedro runs show stage5
    """
    record = find_record(read_records(data_root(find_project(), params)), run)
    environment = record.get("environment", {})
    lines = [
        f"{record['run']}  {record['stage'] or '(data)'}: {_outcome(record)}",
        *([f"error: {record['error']}"] if record.get("error") else []),
        *([f"failed in: {record['failed_node']}"] if record.get("failed_node") else []),
        f"command: {record.get('command') or 'not known'}",
        f"started {record['started']}, ended {record.get('ended') or '-'}, {record.get('duration_s') or 0:.1f} s",
        f"results {record.get('results') or '-'}, certificate {record.get('verdict') or '-'}",
        f"code {_code(record)}",
    ]
    blocks = [
        ("data", {name: _data_words(value) for name, value in record.get("data", {}).items()}),
        ("settings of every point", record.get("settings", {})),
        ("seeds", record.get("seeds", {})),
        ("packages", environment.get("packages", {})),
        ("machine", environment.get("machine", {})),
    ]
    for title, values in blocks:
        if values:
            rows = [[f"  {name}", _word(value)] for name, value in values.items()]
            lines += ["", title, text_table(rows)]
    points = record.get("points", {})
    if points:
        lines += ["", f"points: {len(points)} ({next(iter(points))} .. {list(points)[-1]})"]
    if record.get("nodes"):
        rows = [[f"  {node['node']}", f"{node['duration_s']:8.1f} s"] for node in record["nodes"]]
        lines += ["", "nodes", text_table(rows)]
    echo("\n".join(lines))


@runs.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--all", "every", is_flag=True, help=f"Show more than {_LISTED} differences of a kind.")
@with_params
def diff(a: str, b: str, every: bool, params: Mapping[str, str]) -> None:
    """Compare two runs: data, settings, code, environment, results.

    \b
    A and B as for `kedro runs show`.
    Example:  kedro runs diff stage5~1 stage5
    """
    records = read_records(data_root(find_project(), params))
    left, right = find_record(records, a), find_record(records, b)
    found = differences(left, right)
    lines = [f"{left['stage']}/{left['run']}  ->  {right['stage']}/{right['run']}"]
    for kind, rows in found.items():
        if not rows:
            lines.append(f"{kind}: the same")
            continue
        shown = rows if every else rows[:_LISTED]
        lines.append(f"{kind}: {len(rows)} different")
        lines.append(text_table([[f"  {name}", _word(old), "->", _word(new)] for name, old, new in shown]))
        if len(shown) < len(rows):
            lines.append(f"  and {len(rows) - len(shown)} more (--all)")
    echo("\n".join(lines))


def _outcome(record: Mapping[str, Any]) -> str:
    # A run that is at work now looks the same; the lock of the data folder tells them apart.
    return "interrupted or running" if record["outcome"] == RUNNING else str(record["outcome"])


def _code(record: Mapping[str, Any]) -> str:
    code = record.get("environment", {}).get("code", {})
    commit = (code.get("commit") or "")[:10]
    return f"{code.get('version', '')}{f' {commit}' if commit else ''}{' with changes' if code.get('is_dirty') else ''}"


def _data_words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _word(value)
    if "rows" in value:
        return f"{value['rows']:,} rows, {value['digest'][:16]}"
    return f"sha256 {value.get('sha256', '')[:16]}"


def _word(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).replace("\n", " ")
