"""`meshnode run`: one node in the foreground, until SIGTERM, SIGINT or the control API stops it."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

import structlog

from meshnode import __version__
from meshnode.backend import NodeBackend
from meshnode.build import build_node
from meshnode.cli.options import DaemonOptions
from meshnode.control.server import ControlServer
from meshnode.identity import read_passphrase
from meshnode.logs import configure_logs
from meshnode.memory import keep_freed_memory
from meshnode.node import Node
from meshnode.realworld import real_world
from meshnode.settings import CONFIG_BYTES_MAX, CONFIG_FILE, NodeSettings, load_settings
from meshnode.store import DirectoryLock
from meshnode.store.files import read_file
from protocols.errors import MeshError, SettingsError
from protocols.ids import node_id_text

STOP_S = 2.0  # the contract: a clean stop takes at most this long

log = structlog.stdlib.get_logger()


def run_daemon(options: DaemonOptions) -> int:
    """Serve until told to stop. Gives the exit code; refusals are sentences on standard error."""
    configure_logs(options.log_format, options.log_level)
    keep_freed_memory()
    try:
        with DirectoryLock(options.data_dir):
            asyncio.run(_serve(options))
    except MeshError as error:
        sys.stderr.write(f"meshnode: {error}\n")
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def _serve(options: DaemonOptions) -> None:
    config_text = _config_text(options.data_dir)
    flags = _overlay(options, load_settings(config_text))
    settings = load_settings(config_text, flags)
    world = real_world(options.data_dir, settings)
    passphrase = read_passphrase(options.passphrase_file)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        node = await build_node(settings, world, passphrase=passphrase)
    except BaseException:
        await world.storage.close()
        raise
    backend = NodeBackend(node, options.data_dir, config_text, flags)
    control = ControlServer(
        backend,
        options.data_dir,
        version=__version__,
        entropy=world.entropy,
        log=lambda name, fields: log.warning(name, **fields),
        tcp=settings.control.tcp,
    )
    node.stopping = stopping
    try:
        await node.start()
        socket = await control.start()
        await _until_stopped(node, socket)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await control.close()
                await node.close()
        log.info("stopped")


async def _until_stopped(node: Node, socket: Path) -> None:
    def ready() -> None:
        sys.stdout.write(f"ready node={node_id_text(node.node_id)} control={socket}\n")
        sys.stdout.flush()
        log.info("ready", node=node_id_text(node.node_id), addresses=list(node.record.addresses))

    running = asyncio.create_task(node.run(ready))
    stopped = asyncio.create_task(node.stopping.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _config_text(data_dir: Path) -> str:
    data = read_file(data_dir / CONFIG_FILE, CONFIG_BYTES_MAX)
    try:
        return "" if data is None else data.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{data_dir / CONFIG_FILE} is not text in UTF-8") from None


def _overlay(options: DaemonOptions, settings: NodeSettings) -> dict[str, Any]:
    """Only what was said on the command line; peers come beside those of the file."""
    links: dict[str, Any] = {}
    if options.listen:
        links["listen"] = list(options.listen)
    if options.peers:
        links["peers"] = [*settings.links.peers, *options.peers]
    if not options.mdns:
        links["mdns"] = False
    overlay: dict[str, Any] = {"links": links} if links else {}
    if options.name is not None:
        overlay["name"] = options.name
    if options.control_tcp is not None:
        overlay["control"] = {"tcp": options.control_tcp}
    return overlay
