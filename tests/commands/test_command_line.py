"""What the project's commands share."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vernal.commands.command_line import (
    PROBLEMS_FILE,
    ClearCommand,
    ClearErrors,
    data_root,
    echo,
    find_project,
    parse_params,
    size_text,
    text_table,
    told,
    typed_params,
)
from vernal.common.problems import InputError, Problems


def test_the_data_root_comes_from_the_command_then_local_then_base(tmp_path: Path):
    assert data_root(tmp_path, {}) == tmp_path / "data"
    base, local = (tmp_path / "conf" / name / "parameters.yml" for name in ("base", "local"))
    base.parent.mkdir(parents=True)
    base.write_text("data_root: from_base\n", encoding="utf-8")
    assert data_root(tmp_path, {}) == tmp_path / "from_base"
    local.parent.mkdir()
    local.write_text("target: rooster\n", encoding="utf-8")
    assert data_root(tmp_path, {}) == tmp_path / "from_base"
    local.write_text("data_root: from local\n", encoding="utf-8")
    assert data_root(tmp_path, {}) == tmp_path / "from local"
    assert data_root(tmp_path, {"data_root": "/x/out"}) == Path("/x/out")
    assert data_root(tmp_path, {"data_root": "~/out"}) == Path.home() / "out"


def test_params_are_names_and_values():
    assert parse_params("") == {}
    assert parse_params("a=1, b.c=x=y,") == {"a": "1", "b.c": "x=y"}
    with pytest.raises(click.BadParameter, match="'x' is no name=value"):
        parse_params("a=1,x")


def test_the_project_is_found_from_a_folder_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "vernal"\n', encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert find_project() == tmp_path


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("Give a name."), "Error: Give a name.\n"),
        (FileNotFoundError(2, "No such file", "x.csv"), "Error: x.csv cannot be used: No such file.\n"),
        (OSError("disk full"), "Error: A file or folder cannot be used: disk full.\n"),
    ],
)
def test_what_a_person_can_mend_is_one_message(error: Exception, message: str):
    def fail() -> None:
        raise error

    group = ClearErrors("group", commands=[click.Command("fail", callback=fail)])
    for result in (
        CliRunner().invoke(group, ["fail"]),
        CliRunner().invoke(ClearCommand("fail", callback=fail)),
    ):
        assert (result.exit_code, result.output) == (1, message)


def test_other_errors_stay_errors():
    def fail() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(ClearCommand("fail", callback=fail)).exception, ZeroDivisionError)


def test_tables_align_and_sizes_are_short():
    assert text_table([["a", "long name"], ["bb", 7]]) == "a   long name\nbb          7"
    sizes = [size_text(n) for n in (0, 1023, 1024, 3 << 20, 5 << 40)]
    assert sizes == ["0 B", "1023 B", "1.0 kB", "3.0 MB", "5120.0 GB"]


def test_what_a_message_leaves_out_is_in_a_file_that_it_names(tmp_path: Path):
    problems = Problems("The manifest m.csv")
    problems.add("file not found", [f"{i}.wav" for i in range(9)], "Check the paths.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    message = told(caught.value, {"data_root": str(tmp_path)})
    path = tmp_path / "08_reporting" / "problems.txt"
    assert message.endswith(f"; and 4 more. Check the paths.\nAll cases are listed in {path}")
    assert "    8.wav\n" in path.read_text(encoding="utf-8")
    assert told(InputError("short"), {"data_root": str(tmp_path / "x")}) == "short"
    assert not (tmp_path / "x").exists()


BAD = "a\x1b[2Jb\r\udcfc\u202e"
GOOD = r"a\x1b[2Jb\x0d\xfc\u202e"


def test_what_others_wrote_steers_no_terminal(tmp_path, monkeypatch):
    @click.command(cls=ClearCommand)
    @click.argument("how")
    def command(how):
        echo(BAD)
        echo(text_table([["name", "n"], [f"{BAD}\nnext", 1]]))
        if how == "input":
            raise InputError(BAD)
        raise PermissionError(13, BAD, BAD)

    for how in ("input", "folder"):
        result = CliRunner().invoke(command, [how])
        assert result.exit_code == 1 and not set(BAD[1:]) & set("\x1b\r\u202e") & set(result.output)
        assert result.output.count(GOOD) >= 3 and rf"{GOOD}\nnext" in result.output
    problems = Problems("The season")
    problems.add("odd name", [BAD] * 9, "Rename it.")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        problems.raise_if_any()
    assert GOOD in told(raised.value, {}) and r"\udcfc" in (tmp_path / "data" / PROBLEMS_FILE).read_text()


def test_parameters_are_grouped_and_typed():
    assert typed_params({"data_root": "/x", "review.repeats": "0.2", "a.b.c": "true"}) == {
        "data_root": "/x",
        "review": {"repeats": 0.2},
        "a": {"b": {"c": True}},
    }
