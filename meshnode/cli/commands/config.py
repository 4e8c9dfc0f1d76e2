"""`meshctl config`."""

from pathlib import Path

import click

from meshnode.cli.asking import ask, data_dir
from meshnode.cli.base import Failure, MeshGroup, invocation
from meshnode.cli.show import json_line, show_table
from meshnode.client import NoDaemonError
from meshnode.control.shapes import Setting

SETTINGS = '[{"name", "value", "source": "default|file|flag"}]'
CONFIG_FILE = "config.toml"
EXAMPLE = """\
# The settings of a node, in config.toml in its data directory. All are optional; these are the defaults.

name = ""                # shown to peers; "" means the short id
visibility = "everyone"  # or "contacts": who doesn't know this node's id learns nothing of it

[links]
listen = ["quic://0.0.0.0:0", "quic://[::]:0"]  # port 0: the last one used here, if it is free
peers = []               # invites or addresses that are always tried
mdns = true              # find nodes on this network, and be found
quic_engine = "auto"     # or "qh3", "aioquic"
port_mapping = false     # ask the router to forward our port to us (UPnP)
# metered = true         # bytes cost money here; left out, it is judged by the kind of interface
censored = false         # prefer links that look like ordinary HTTPS

[messages]
expires_s = 604800       # an undelivered message is given up after this: 7 days
keep_s = 31536000        # a year
keep_count = 100000
read_receipts = true

[relay]
for = "everyone"         # whose traffic goes through this node; or "contacts", or "nobody"
bytes_per_s = 134217728  # of others' traffic in all; less on a battery

[courier]                # sealed messages of and for people who are away, carried by whoever may meet them
carry = "everyone"       # for whom this node carries; or "contacts", or "nobody"
quota_bytes = 16777216   # of others' sealed messages, on disk
giver_bytes = 2097152    # of these, handed over by one neighbour
copies = 8               # of each sealed message of ours
after_s = 30             # a peer that can't be reached for so long is also written to by courier

[directory]              # being found by whoever knows this node's id
listed = true            # by everybody, where visibility is "everyone"; else by friends of friends
paths = 3                # disjoint ones of each search: more of them bear more liars, and ask more nodes

[quotas]                 # at each, the newest is refused and its sender tries again; nothing kept is thrown away
strangers = 64           # who may have something in the request box at a time; 0: nobody
stranger_messages = 1024 # of one stranger, in the request box
stranger_bytes = 1048576
requests_bytes = 8388608 # of all strangers together, in the request box
inbox_bytes = 2147483648 # of everybody else's messages
outbox_per_peer = 10000  # messages that may wait for one peer
outbox = 100000          # messages that may wait in all

[control]
# tcp = "127.0.0.1:7421" # serve the control API there too, with the token in control.token
"""


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl config", "meshctl config example > config.toml"],
    shape=SETTINGS,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Settings in force, and where they come from."""
    if context.invoked_subcommand is None:
        _show()


@command.command(examples=["meshctl config show"], shape=SETTINGS)
def show() -> None:
    """Show them; the same as without a word. Without a running node, what it would start with."""
    _show()


@command.command(examples=['$EDITOR "$(meshctl config path)"'], shape='{"path"}')
def path() -> None:
    """Where the configuration file is, or would be."""
    place = str(data_dir() / CONFIG_FILE)
    click.echo(json_line({"path": place}) if invocation().as_json else place)


@command.command(examples=['meshctl config example > "$(meshctl config path)"'], shape='{"example"}')
def example() -> None:
    """Print a configuration file that holds every setting with its default."""
    click.echo(json_line({"example": EXAMPLE}) if invocation().as_json else EXAMPLE, nl=invocation().as_json)


def _show() -> None:
    try:
        settings = ask(lambda node: node.config())
    except NoDaemonError:
        settings = _settings_on_disk(data_dir() / CONFIG_FILE)
    if invocation().as_json:
        click.echo(json_line(settings))
        return
    show_table(
        ("SETTING", "VALUE", "FROM"),
        [(one.name, json_line(one.value), one.source) for one in settings],
        empty="there are no settings",
    )


def _settings_on_disk(file: Path) -> list[Setting]:
    from meshnode.settings import effective  # noqa: PLC0415 - a running node knows its settings itself

    try:
        text = file.read_text() if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {error}") from None
    return [
        Setting(name=name, value=value, source="file" if source == "file" else "default")
        for name, (value, source) in effective(text, {}).items()
    ]
