"""What every command of ours has: `--json` and `--data-dir` before or after its name, examples, the shape of its JSON.

Nothing here imports more than click: `meshctl --help` must be quick.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import click

from protocols.errors import MeshError

FAILED, NO_DAEMON = 1, 3  # 2, wrong usage, is click's own
HELP_WIDTH = 100


@dataclass(slots=True)
class Invocation:
    """What was asked for beside the command itself."""

    data_dir: Path | None = None  # None: the default
    as_json: bool = False


class Failure(click.ClickException):
    """One sentence on standard error, and exit code 1."""

    exit_code = FAILED

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        context = click.get_current_context(silent=True)
        self._program = context.find_root().info_name if context else None

    def show(self, file: Any = None) -> None:
        click.echo(f"{self._program or 'meshnode'}: {self.message}", file=file, err=file is None)


class NoDaemonFailure(Failure):
    exit_code = NO_DAEMON


def invocation() -> Invocation:
    return click.get_current_context().ensure_object(Invocation)


def failure_of(error: MeshError) -> Failure:
    """How a person and a script hear of an error."""
    from meshnode.cli.show import clean  # noqa: PLC0415 - only what fails pays for it
    from meshnode.client import ControlError, NoDaemonError  # noqa: PLC0415 - only what fails pays for it

    lines = [clean(str(error))]
    if isinstance(error, ControlError):
        lines += [f"  {clean(one.node_id)}  {clean(one.label)}" for one in error.candidates]
    return (NoDaemonFailure if isinstance(error, NoDaemonError) else Failure)("\n".join(lines))


def _set_json(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value:
        context.ensure_object(Invocation).as_json = True


def _set_data_dir(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).data_dir = value


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--data-dir"],
            type=click.Path(path_type=Path, file_okay=False),
            expose_value=False,
            callback=_set_data_dir,
            help="The node's data directory; else MESHNODE_DATA_DIR, else the platform's place.",
        ),
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_set_json, help="Machine-readable answer."
        ),
    ]


class PlainCommand(click.Command):
    """A command with `examples`: whole command lines."""

    def __init__(self, *args: Any, examples: Sequence[str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        write_section(formatter, "Examples", self.examples)


class MeshCommand(PlainCommand):
    """A command of `meshctl`. `shape` describes what `--json` prints."""

    def __init__(self, *args: Any, shape: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.shape = shape
        self.params += _common_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_section(formatter, "With --json", self.shape.splitlines())


class MeshGroup(click.Group):
    """A group that has the same options, examples and shape. Its commands are MeshCommands."""

    command_class = MeshCommand

    def __init__(self, *args: Any, examples: Sequence[str], shape: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples, self.shape = tuple(examples), shape
        self.params += _common_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        write_section(formatter, "Examples", self.examples)
        write_section(formatter, "With --json", self.shape.splitlines())


class Lazy(NamedTuple):
    module: str
    summary: str  # as the command's own short help, so that `--help` need not import it


class RootGroup(MeshGroup):
    """The whole of `meshctl`: its commands live in modules that are imported on use."""

    def __init__(self, *args: Any, lazy: dict[str, Lazy], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.lazy:
            return None
        module = importlib.import_module(self.lazy[cmd_name].module)
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MeshError as error:
            raise failure_of(error) from None


def write_section(formatter: click.HelpFormatter, title: str, lines: Sequence[str]) -> None:
    """Lines that are not to be re-wrapped. Nothing where there are none."""
    if lines:
        with formatter.section(title):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
