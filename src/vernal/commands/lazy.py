"""A click group whose commands are imported when they are called.

`kedro --help` lists every command; importing what each needs would make every Kedro command slow.
"""

import importlib
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands by module and one line of help, and loads one when it is used.

    Args:
        commands_by_module: command name -> (module, short help). The module has a click command whose name is the
            command's, under the attribute of the same name.
    """

    def __init__(self, *args: Any, commands_by_module: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (module, help_text) in commands_by_module.items():
            self.add_command(LazyCommand(name, module, help_text))


class LazyCommand(click.Command):
    """Stands for a command of a module that is not imported yet."""

    def __init__(self, name: str, module: str, help_text: str) -> None:
        super().__init__(name, short_help=help_text, help=help_text, add_help_option=False)
        self._module = module
        self.allow_extra_args = True

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        real = getattr(importlib.import_module(self._module), str(self.name))
        return real.make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        return ctx.command.invoke(ctx)
