"""`meshctl doctor`."""

import click

from meshnode.cli.asking import ask, data_dir
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.checks import check_machine
from meshnode.cli.show import clean, json_line
from meshnode.client import ControlError, NoDaemonError
from meshnode.control.shapes import Check

MARKS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(
    cls=MeshCommand,
    examples=["meshctl doctor", "meshctl --json doctor | jq '.[] | select(.state != \"ok\")'"],
    shape='[{"name", "state": "ok|warning|failed", "detail", "mend"}]',
)
def command() -> None:
    """Find out what is wrong, and how to mend it.

    Works with and without a running node. Exits with 1 when something failed.
    """
    asked = _ask_node()
    checks = check_machine(data_dir(), running=asked[0].state == "ok") + asked
    if invocation().as_json:
        click.echo(json_line(checks))
    else:
        for check in checks:
            click.echo(f"{MARKS[check.state]}  {check.name}: {clean(check.detail)}")
            if check.mend:
                click.echo(f"         -> {clean(check.mend)}")
    if failed := [check.name for check in checks if check.state == "failed"]:
        raise Failure(f"failed: {', '.join(failed)}")


def _ask_node() -> list[Check]:
    """What the node says of itself; first, whether it answers."""
    try:
        checks = ask(lambda node: node.doctor())
    except NoDaemonError as error:
        return [Check(name="node", state="warning", detail="no node answers here", mend=str(error))]
    except ControlError as error:
        mend = "stop it and start it again; its log says more"
        return [Check(name="node", state="failed", detail=str(error), mend=mend)]
    return [Check(name="node", state="ok", detail="answers"), *checks]
