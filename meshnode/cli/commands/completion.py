"""`meshctl completion`."""

import click
from click.shell_completion import get_completion_class

from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import json_line


@click.command(
    cls=MeshCommand,
    examples=[
        "meshctl completion bash > ~/.local/share/bash-completion/completions/meshctl",
        "meshctl completion zsh > ~/.zfunc/_meshctl",
        "meshctl completion fish > ~/.config/fish/completions/meshctl.fish",
    ],
    shape='{"shell", "script"}',
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for a shell."""
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    script = kind(root, {}, "meshctl", "_MESHCTL_COMPLETE").source()
    click.echo(json_line({"shell": shell, "script": script}) if invocation().as_json else script)
