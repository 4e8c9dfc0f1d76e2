"""A real router's mapper (miniupnpd on nftables) forwards our port, and takes it back."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LISTEN = ("--no-mdns", "--listen", "quic://0.0.0.0:7420")
RULES = """
table inet filter {
    chain forward { type filter hook forward priority 0; policy drop;
        iifname "in0" accept; ct state established,related accept; jump miniupnpd; }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; oifname "out0" masquerade; }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""
SETTINGS = """
ext_ifname=out0
listening_ip=in0
enable_upnp=yes
enable_natpmp=no
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
secure_mode=yes
uuid=6c7a5a5a-3c5e-4a4b-9a52-0f3c5b0a9d10
allow 1024-65535 192.168.0.0/16 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
WHERE = "/usr/sbin:/sbin:/usr/bin"  # Debian's root has these on its path, others not


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=WHERE)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


@pytest.fixture
def home_router(internet: Any, tmp_path: Path, eventually: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """(a host behind a router whose mapper runs, what forwards are in force there)."""
    nft, mapper = program("nft"), program("miniupnpd")
    if importlib.util.find_spec("miniupnpc") is None:
        pytest.skip("miniupnpc is not installed")
    router = internet.router()
    host = internet.join(router)
    within = ("ip", "netns", "exec", router.space)
    subprocess.run([*within, nft, "-f", "-"], input=RULES, text=True, check=True)
    settings = tmp_path / "miniupnpd.conf"
    settings.write_text(SETTINGS)
    command = [*within, mapper, "-d", "-f", str(settings), "-P", str(tmp_path / "pid")]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    eventually(lambda: "HTTP listening on port" in (tmp_path / "log").read_text())

    def forwards() -> str:
        listed = [*within, nft, "list", "chain", "inet", "filter", "prerouting_miniupnpd"]
        return subprocess.run(listed, capture_output=True, text=True, check=True).stdout

    yield host, forwards
    running.terminate()
    running.wait()


def reach(node: Any) -> dict[str, Any]:
    return node.ctl("net", "reach")


def test_the_router_forwards_our_port_strangers_come_in_and_a_stop_withdraws_it(
    internet: Any,
    home_router: tuple[Any, Callable[[], str]],
    daemon: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    host, forwards = home_router
    alice = daemon("alice", *LISTEN, namespace=host.space)
    alice.home.mkdir()
    (alice.home / "config.toml").write_text("[links]\nport_mapping = true\n")
    alice.start()
    door = f"quic://{host.public}:7420"
    assert eventually(lambda: reach(alice)["published"]) == [door]
    assert reach(alice)["ways"][0]["kind"] == "public"
    assert f"dnat ip to {host.address}:7420" in forwards()
    paul = daemon("paul", *LISTEN, namespace=internet.host().space).start()
    paul.ctl("peers", "add", alice.ctl("invite")["invite"], "--name", "alice")
    sent = paul.ctl("send", "alice", "at your door", "--wait", "delivered", "--timeout", "20")
    assert sent["state"] in {"delivered", "read"}
    assert alice.stop() == 0
    assert "dnat" not in forwards()
