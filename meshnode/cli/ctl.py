"""`meshctl`: everything about a node but running it. A thin hand on the control API."""

import click

from meshnode.cli.base import HELP_WIDTH, Lazy, RootGroup

COMMANDS = "meshnode.cli.commands"
LAZY = {
    "status": Lazy(f"{COMMANDS}.status", "How the node is."),
    "id": Lazy(f"{COMMANDS}.identity", "Who this node is; keep, restore or revoke its identity."),
    "invite": Lazy(f"{COMMANDS}.invite", "Make an invite: a link, and a QR code to scan."),
    "peers": Lazy(f"{COMMANDS}.peers", "Who this node knows."),
    "send": Lazy(f"{COMMANDS}.send", "Send a text to a peer."),
    "messages": Lazy(f"{COMMANDS}.messages", "Read messages, or follow them as they come."),
    "broadcast": Lazy(f"{COMMANDS}.broadcast", "Tell everybody around something, and read what others tell."),
    "ping": Lazy(f"{COMMANDS}.ping", "Measure round trips to a peer's node."),
    "courier": Lazy(f"{COMMANDS}.courier", "Sealed messages for people who are away."),
    "find": Lazy(f"{COMMANDS}.find", "Look a node up: where it can be reached now."),
    "directory": Lazy(f"{COMMANDS}.directory", "How nodes that moved are found again."),
    "map": Lazy(f"{COMMANDS}.map", "The network as this node sees it."),
    "trace": Lazy(f"{COMMANDS}.trace", "Follow the way to a peer hop by hop, or what became of a message."),
    "net": Lazy(f"{COMMANDS}.net", "What goes over the links."),
    "trust": Lazy(f"{COMMANDS}.trust", "How neighbours stand, by what they did while this node ran."),
    "transports": Lazy(f"{COMMANDS}.transports", "Transports, and where they listen."),
    "policy": Lazy(f"{COMMANDS}.policy", "How the node decides."),
    "events": Lazy(f"{COMMANDS}.events", "Follow everything that happens."),
    "config": Lazy(f"{COMMANDS}.config", "Settings in force, and where they come from."),
    "doctor": Lazy(f"{COMMANDS}.doctor", "Find out what is wrong, and how to mend it."),
    "stop": Lazy(f"{COMMANDS}.stop", "Stop the node cleanly."),
    "version": Lazy(f"{COMMANDS}.version", "Versions of what is installed."),
    "completion": Lazy(f"{COMMANDS}.completion", "Print a completion script for a shell."),
}


@click.group(
    cls=RootGroup,
    lazy=LAZY,
    examples=[
        "meshctl status",
        "meshctl invite",
        "meshctl peers add meshnode://invite/...",
        "meshctl send bob 'on my way' --wait delivered",
        "meshctl --json messages --follow",
    ],
    context_settings={"max_content_width": HELP_WIDTH, "help_option_names": ["-h", "--help"]},
)
def cli() -> None:
    """Speak to the node of this machine.

    PEER is a name, a short id, a NodeId or an invite. Exit codes: 0 done, 1 refused or failed, 2 wrong usage,
    3 no node answers here.
    """


def main() -> None:
    cli(prog_name="meshctl")


if __name__ == "__main__":
    main()
