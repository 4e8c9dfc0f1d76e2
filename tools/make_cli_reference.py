"""Write docs/cli.md from the help of the commands themselves: python tools/make_cli_reference.py"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from meshnode.cli import ctl, daemon  # the path is set above

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 100
CLICK = ".".join(version("click").split(".")[:2])  # another one may lay the help out differently
INTRODUCTION = """\
# Command lines

Written from the commands' own help by `tools/make_cli_reference.py` (click {click}); do not edit.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no node answers here. Results go to standard output, errors to
standard error, as one sentence that says what to do. `--json` and `--data-dir` stand before or after the command. The
JSON is described in [control-api.md](control-api.md).
"""


def reference() -> str:
    sections = [*sections_of(daemon.cli, None, "meshnode"), *sections_of(ctl.cli, None, "meshctl")]
    return "\n".join([INTRODUCTION.replace("{click}", CLICK), *sections])


def sections_of(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    level = "##" if parent is None else "###"
    yield f"{level} {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            inner = command.get_command(context, child)
            assert inner is not None, "it is in the list"
            yield from sections_of(inner, context, child)


if __name__ == "__main__":
    PAGE.write_text(reference())
