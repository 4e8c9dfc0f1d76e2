"""A smoke run of the real daemon: two of them on this machine find one another by an invite and exchange a message.

Started by `make smoke`. Uses loopback only, leaves nothing behind, exits 1 on the first thing that is not so.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STOP_S = 2.0  # the contract: a clean stop takes at most this long


def start(home: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "meshnode.cli.daemon", "run", "--data-dir", str(home), "--no-mdns"]
    process = subprocess.Popen(
        [*command, "--listen", "quic://127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready node="), f"the daemon said {line!r}"
    print(f"{home.name}: {line.strip()}")
    return process


def ctl(home: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "meshnode.cli.ctl", "--data-dir", str(home), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"meshctl {' '.join(arguments)}: {done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="smoke") as folder:
        alice, bob = Path(folder) / "alice", Path(folder) / "bob"
        processes = [start(alice, "--name", "alice"), start(bob, "--name", "bob")]
        try:
            invite = ctl(alice, "invite")[0]["invite"]
            ctl(bob, "peers", "add", invite, "--name", "alice")
            sent = ctl(
                bob, "send", "alice", "hello from the smoke run", "--wait", "delivered", "--timeout", "30"
            )[0]
            assert sent["state"] in {"delivered", "read"}, sent
            received = ctl(alice, "messages")
            assert [message["text"] for message in received] == ["hello from the smoke run"], received
            ping = ctl(bob, "ping", "alice", "-c", "5")[0]
            assert ping["received"] == ping["sent"], ping
            print(f"delivered; ping p50 {ping['rtt_ms']['p50']} ms over {ping['path']}")
            for process in processes:
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                code = process.wait(timeout=10)
                took = time.monotonic() - began
                assert code == 0, f"exit code {code}"
                assert took <= STOP_S, f"stopping took {took:.1f} s"
                print(f"stopped in {took:.2f} s")
        finally:
            for process in processes:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()


if __name__ == "__main__":
    main()
