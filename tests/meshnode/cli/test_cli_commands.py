"""What a person types at `meshctl`, and what comes back."""

import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshnode.cli.ctl import cli
from meshnode.control import shapes
from protocols.errors import RefusedError, StoreError

BOB = "b" * 56

JSON_COMMANDS = {
    "status": ["node_id", "name", "version", "uptime_s", "peers", "links", "transports", "services", "store"],
    "id": ["node_id", "short", "name", "fingerprint"],
    "id show": ["node_id", "short", "name", "fingerprint"],
    "send bob hi": ["message_id", "state"],
    "ping bob -c 2": ["sent", "received", "rtt_ms", "path"],
    "invite": ["invite"],
    "invite revoke i1": ["id", "uses_left"],
    "peers add meshnode://invite/abc": ["node_id", "name", "state", "trust", "links"],
    "peers name bob bobby": ["node_id", "name"],
    "peers block bob": ["node_id", "state"],
    "peers unblock bob": ["node_id", "state"],
    "peers remove bob": ["node_id"],
    "peers accept bob": ["node_id", "trust"],
    "peers decline bob": ["node_id", "trust"],
    "peers forget-address quic://10.0.0.2:7": ["address", "awaited", "peers"],
    "peers verify bob": ["node_id", "code", "state"],
    "peers verify bob --matches": ["node_id", "trust"],
    "policy explain bob --size 2M --class bulk --battery 15 --discharging --metered --censored": [
        *("transport", "link", "reason", "considered")
    ],
    "map": ["me", "landmark", "nodes", "edges", "left_out"],
    "map --deep": ["me", "landmark", "nodes", "edges", "left_out"],
    "trace bob": ["peer", "name", "end", "hops", "took_ms", "steps"],
    "net stats": ["passed", "neighbours", "relayed_for", "relays_for", "destinations", "routing_bytes"],
    "trust why bob": ["key", "node_id", "short", "name", "contact", "present", "standing", "figures"],
    "stop": ["stopping"],
    "version": ["version"],
    "config path": ["path"],
    "config example": ["example"],
    "completion bash": ["shell", "script"],
}
JSON_LISTS = [
    "trust",
    "trust list",
    "peers",
    "peers list",
    "peers requests",
    "invite list",
    "transports",
    "config",
    "config show",
    "doctor",
]


@pytest.mark.parametrize("command", JSON_COMMANDS)
def test_the_json_of_a_command_has_its_keys(live: Any, command: str) -> None:
    assert set(JSON_COMMANDS[command]) <= live.json(*command.split()).keys()


@pytest.mark.parametrize("command", JSON_LISTS)
def test_the_json_of_a_list_is_a_list(live: Any, command: str) -> None:
    answer = live.json(*command.split())
    assert isinstance(answer, list)
    assert answer


@pytest.mark.parametrize("command", [*JSON_COMMANDS, *JSON_LISTS, "messages"])
def test_json_after_the_command_means_the_same(live: Any, command: str) -> None:
    live.do(lambda: live.node.store("hi"))
    before, after = live.ctl("--json", *command.split()), live.ctl(*command.split(), "--json")
    assert after.exit_code == before.exit_code == 0
    assert [type(json.loads(line)) for line in after.stdout.splitlines()] == [
        type(json.loads(line)) for line in before.stdout.splitlines()
    ]


@pytest.mark.parametrize("command", [*JSON_COMMANDS, *JSON_LISTS, "messages"])
def test_every_command_has_a_readable_form(live: Any, command: str) -> None:
    result = live.ctl(*command.split(), stdin="y\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    assert not result.stdout.startswith(("{", "["))


def test_the_data_directory_may_be_named_after_the_command(live: Any, alone: Any) -> None:
    result = alone.__class__(alone.data_dir / "elsewhere").ctl(
        "id", "--data-dir", str(live.data_dir), "--json"
    )
    assert json.loads(result.stdout)["name"] == "me"


def test_the_data_directory_may_come_from_the_environment(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHNODE_DATA_DIR", str(live.data_dir))
    assert CliRunner().invoke(cli, ["--json", "id"]).exit_code == 0


# Exit codes


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "id",
        "peers",
        "send bob hi",
        "messages",
        "messages --follow",
        "ping bob",
        "invite",
        "events",
        "stop",
    ],
)
def test_without_a_node_the_exit_code_is_3_and_the_sentence_says_what_to_do(alone: Any, command: str) -> None:
    result = alone.ctl(*command.split())
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "meshctl: no node answers here; start one with 'meshnode run'\n"


@pytest.mark.parametrize(
    "command",
    [
        "nonsense",
        "send",
        "ping bob -c 0",
        "ping bob -c many",
        "send bob hi --wait forever",
        "send bob hi --expires soon",
        "send bob hi --expires 900w",
        "send bob hi --lines",
        "invite --expires 0d",
        "invite --expires 900w",
        "policy explain bob --size big",
        "completion tcsh",
        "--no-such-option",
    ],
)
def test_wrong_usage_is_2(live: Any, command: str) -> None:
    assert live.ctl(*command.split()).exit_code == 2


def test_a_refusal_is_1_and_shows_the_candidates(live: Any) -> None:
    error = RefusedError("ambiguous", "'bob' has several devices; say which by its id")
    error.candidates = [(BOB, "laptop\x1b[31m")]  # pyright: ignore[reportAttributeAccessIssue] - as the peers service does
    live.node.fault = error
    result = live.ctl("send", "bob", "hi")
    assert result.exit_code == 1
    assert result.stderr == f"meshctl: 'bob' has several devices; say which by its id\n  {BOB}  laptop\n"


def test_a_wait_that_runs_out_is_1_and_the_json_still_tells_the_state(live: Any) -> None:
    live.node.send = slow_send
    result = live.ctl("--json", "send", "bob", "hi", "--wait", "delivered", "--timeout", "0.01")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "queued"
    assert "stays queued" in result.stderr


def test_an_expired_message_is_said_to_be_so(live: Any) -> None:
    async def expired(_request: shapes.SendMessage) -> shapes.Sent:
        return shapes.Sent(message_id="m1", state="expired", to=BOB)

    live.node.send = expired
    assert "expired before" in live.ctl("send", "bob", "hi", "--wait", "sent").stderr


async def slow_send(_request: shapes.SendMessage) -> shapes.Sent:
    return shapes.Sent(message_id="m1", state="queued", to=BOB)


def test_a_ping_that_nobody_answers_is_1(live: Any) -> None:
    async def silence(request: shapes.Ping) -> shapes.Pong:
        return shapes.Pong(
            sent=request.count, received=0, rtt_ms=shapes.RoundTrips(min=None, p50=None, p99=None), path=[]
        )

    live.node.ping = silence
    result = live.ctl("ping", "bob")
    assert result.exit_code == 1
    assert result.stdout == "4 sent, 0 received\nround trip: min -, p50 -, p99 -\n"


def test_exit_codes_hold_for_the_real_program(alone: Any) -> None:
    process = alone.process("status")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (
        3,
        "",
        "meshctl: no node answers here; start one with 'meshnode run'\n",
    )


# Single commands


def test_a_text_of_dash_comes_from_standard_input(live: Any) -> None:
    live.ctl("send", "bob", "-", stdin="two\nlines\n")
    assert live.node.stored[0].text == "two\nlines"
    live.ctl("send", "bob", stdin="no dash needed")
    assert live.node.stored[1].text == "no dash needed"


def test_a_text_that_is_too_long_is_refused_before_it_is_sent(live: Any) -> None:
    result = live.ctl("send", "bob", stdin="x" * (shapes.TEXT_CHARS_MAX + 1))
    assert result.exit_code == 1
    assert "at most 65536 characters" in result.stderr
    assert live.node.stored == []


def test_send_hands_everything_on(live: Any) -> None:
    live.ctl("send", "bob", "hi", "--wait", "read", "--timeout", "3", "--expires", "2h", "--class", "bulk")
    assert live.node.asked == [
        shapes.SendMessage(to="bob", text="hi", wait="read", timeout_s=3, expires_s=7200, traffic="bulk")
    ]


def test_messages_are_json_lines(live: Any) -> None:
    live.do(lambda: [live.node.store(text) for text in ("one", "two")])
    lines = live.ctl("--json", "messages").stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["one", "two"]
    assert json.loads(live.ctl("messages", "--since", "m1", "--json").stdout)["text"] == "two"


def test_messages_show_who_and_when_in_local_time(live: Any) -> None:
    live.do(lambda: (live.node.store("hello\nthere"), live.node.store("hi", "out")))
    at = datetime.fromisoformat("2026-01-02T03:04:05Z").astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert live.ctl("messages").stdout == f"{at}  bob >  hello\n    there\n{at}  > me  hi  (delivered)\n"


def test_all_messages_are_read_page_by_page(live: Any) -> None:
    live.do(lambda: [live.node.store(str(number)) for number in range(shapes.LIST_MAX + 1)])
    lines = live.ctl("--json", "messages").stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == [str(n) for n in range(shapes.LIST_MAX + 1)]
    assert live.node.asked == [
        shapes.ListMessages(since="", limit=shapes.LIST_MAX),
        shapes.ListMessages(since=f"m{shapes.LIST_MAX}", limit=shapes.LIST_MAX),
    ]


def test_a_limit_gives_the_newest_in_one_page(live: Any) -> None:
    live.do(lambda: [live.node.store(text) for text in ("one", "two", "three")])
    lines = live.ctl("--json", "messages", "--limit", "2").stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["two", "three"]
    assert live.node.asked == [shapes.ListMessages(limit=2)]


def test_a_strangers_message_is_shown_as_a_request(live: Any) -> None:
    live.do(lambda: live.node.store("let me in", request=True))
    assert live.ctl("messages").stdout.endswith("bob >  let me in  (request)\n")
    assert live.json("messages")["request"] is True


def test_no_messages_is_said_to_people_and_not_to_scripts(live: Any) -> None:
    assert live.ctl("messages").stdout == "there are no messages\n"
    assert live.ctl("--json", "messages").stdout == ""


def test_messages_are_followed_until_ctrl_c(live: Any) -> None:
    live.do(lambda: live.node.store("one"))
    process = live.process("--json", "messages", "--follow")
    assert json.loads(process.stdout.readline())["text"] == "one"
    live.do(lambda: live.node.store("two"))
    assert json.loads(process.stdout.readline())["text"] == "two"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_events_are_followed_in_both_forms(live: Any) -> None:
    live.do(lambda: live.node.events.emit("peer_connected", {"name": "bob"}))
    process = live.process("events", "--after", "boot-0")
    assert process.stdout.readline().endswith("peer_connected  name=bob\n")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    process = live.process("events", "--after", "boot-0", "--json")
    assert json.loads(process.stdout.readline())["fields"] == {"name": "bob"}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_reader_that_goes_away_is_no_drama(live: Any) -> None:
    live.do(lambda: [live.node.store("x" * 1000) for _ in range(1000)])
    process = live.process("messages", "--follow", "--limit", "1000")
    process.stdout.readline()
    process.stdout.close()
    process.wait(30)
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_invite_has_a_code_to_scan_and_says_what_to_type(live: Any) -> None:
    shown = live.ctl("invite", "--expires", "2h", "--uses", "5").stdout
    assert "▄" in shown
    assert "meshctl peers add meshnode://invite/abc" in shown
    assert "5 times" in shown
    assert live.node.asked == [shapes.CreateInvite(expires_s=7200, uses=5)]


def test_a_name_that_is_not_pinned_stands_in_quotation_marks(live: Any) -> None:
    rows = live.ctl("peers").stdout.splitlines()
    assert rows[0].split() == ["NAME", "ID", "STATE", "TRUST", "LINKS"]
    assert rows[1].split() == [
        '"bob"',
        "bbbbbbbb",
        "connected",
        "pinned",
        "quic",
        "quic://10.0.0.2:7",
        "1.5",
        "ms",
    ]


def test_what_peers_call_themselves_cannot_steer_the_terminal(live: Any) -> None:
    async def nasty() -> list[shapes.Peer]:
        own = "\x1b]0;owned\x07\x1b[2Jbob\r\u202e\x9b31m"
        gone = shapes.Peer(
            node_id=BOB,
            name=own,
            state="blocked",
            trust="stranger",
            links=[],
            self_name=own,
            conflict=True,
            revoked=True,
        )
        away = shapes.Peer(
            node_id="", name="", state="known", trust="met", links=[], last_seen="2026-01-02T03:04:05Z"
        )
        return [gone, away]

    live.node.peers = nasty
    result = live.ctl("peers")
    assert not set(result.stdout + result.stderr) & set("\x1b\x07\r\u202e\x9b")
    assert "revoked by its owner" in result.stdout
    assert "warning: bbbbbbbb calls itself" in result.stderr
    as_json = live.ctl("--json", "peers").stdout
    assert not set(as_json) & set("\x1b\x07\r\u202e\x9b")
    assert json.loads(as_json)[0]["name"].endswith("\u202e\x9b31m")


def test_codes_that_differ_are_a_warning(live: Any) -> None:
    result = live.ctl("peers", "verify", "bob", stdin="n\n")
    assert result.exit_code == 1
    assert "123 4567" in result.stdout
    assert "somebody may sit between" in result.stderr
    assert live.node.asked[-1] == shapes.ConfirmVerification(peer="bob", matches=False)


def test_a_code_that_never_came_says_how_to_get_one(live: Any) -> None:
    async def waiting(_request: shapes.PeerQuery) -> shapes.Verification:
        return shapes.Verification(node_id=BOB, name="bob", state="waiting")

    live.node.verify_peer = waiting
    assert "the other side types 'meshctl peers verify' too" in live.ctl("peers", "verify", "bob").stderr


def test_a_revocation_is_handed_to_the_node(live: Any, tmp_path: Path) -> None:
    file = tmp_path / "revocation.txt"
    file.write_text("AAAA\n")
    assert live.json("peers", "revoked", str(file))["revoked"] is True
    assert shapes.ImportRevocation(revocation="AAAA") in live.node.asked


def test_status_tells_of_trouble_and_of_strangers(live: Any) -> None:
    async def troubled() -> shapes.Status:
        return shapes.Status(
            node_id=BOB,
            name="me",
            version="1",
            uptime_s=90_061,
            peers=0,
            links=0,
            transports=[],
            services=[],
            store={"messages": "the disk is full", "peers": "ok"},
            requests=2,
            energy="saver",
        )

    live.node.status = troubled
    shown = live.ctl("status").stdout
    for words in ("up 1 d 1 h", "messages: the disk is full", "2 strangers wrote", "energy      saver"):
        assert words in shown


def test_nothing_to_choose_from_means_wait(live: Any) -> None:
    async def nothing(_request: shapes.ExplainPolicy) -> shapes.PolicyAnswer:
        return shapes.PolicyAnswer(transport=None, link=None, reason="no_link", considered=[])

    live.node.explain_policy = nothing
    assert live.ctl("policy", "explain", "bob").stdout == "wait: no_link\nthere was nothing to choose from\n"


def test_doctor_reports_a_node_that_fails_and_exits_with_1(live: Any) -> None:
    async def broken() -> list[shapes.Check]:
        raise StoreError("the disk is full")

    live.node.doctor = broken
    result = live.ctl("doctor")
    assert result.exit_code == 1
    assert "FAILED   node: the disk is full" in result.stdout
    assert "meshctl: failed: node" in result.stderr
