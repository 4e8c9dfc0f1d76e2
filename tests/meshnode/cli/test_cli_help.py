"""Help, examples, completion and the reference page: told once, the same everywhere."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from meshnode.cli import ctl, daemon
from meshnode.cli.base import MeshCommand, MeshGroup, PlainCommand
from meshnode.cli.commands.config import EXAMPLE
from meshnode.settings import NodeSettings, load_settings

ROOT = Path(__file__).parents[3]


def commands(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    found = [(name, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            inner = command.get_command(context, child)
            assert inner is not None
            found += commands(inner, f"{name} {child}")
    return found


ALL = [*commands(ctl.cli, "meshctl"), *commands(daemon.cli, "meshnode")[1:]]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_the_help_of_a_command_has_an_example_of_it_and_its_json(name: str, command: click.Command) -> None:
    assert isinstance(command, (PlainCommand, MeshGroup))
    root, words = (
        (daemon.cli, name.split()[1:]) if name.startswith("meshnode") else (ctl.cli, name.split()[1:])
    )
    shown = CliRunner().invoke(root, [*words, "--help"], prog_name=name.split(maxsplit=1)[0]).stdout
    assert any(name in example for example in command.examples)
    assert all(example in shown for example in command.examples)
    if isinstance(command, MeshCommand):
        assert "With --json:" in shown
    assert command.help


def test_the_list_of_commands_is_as_the_commands_say_themselves() -> None:
    for name, lazy in ctl.LAZY.items():
        command = ctl.cli.get_command(click.Context(ctl.cli), name)
        assert command is not None
        assert (command.help or "").splitlines()[0] == lazy.summary


def test_help_does_not_import_what_it_does_not_need() -> None:
    code = (
        "import sys; sys.argv = ['meshctl', '--help']\n"
        "from meshnode.cli.ctl import main\n"
        "try: main()\n"
        "finally: print([name for name in ('asyncio', 'msgspec', 'h11', 'ssl') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


def test_the_reference_page_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    made_with = re.search(r"\(click (\d+\.\d+)\)", page)
    if made_with is None or not version("click").startswith(made_with[1] + "."):
        pytest.skip("another version of click lays the help out in its own way")
    spec = importlib.util.spec_from_file_location(
        "make_cli_reference", ROOT / "tools" / "make_cli_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert page == tool.reference(), "run: python tools/make_cli_reference.py"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_program(alone: Any, shell: str) -> None:
    assert "_MESHCTL_COMPLETE" in alone.ctl("completion", shell).stdout


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(ctl.cli, ["frobnicate"]).exit_code == 2
    assert CliRunner().invoke(daemon.cli, ["frobnicate"]).exit_code == 2


def test_the_example_configuration_is_the_defaults_and_leaves_no_setting_out() -> None:
    assert load_settings(EXAMPLE) == NodeSettings()
    without_hash = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
    names = set(re.findall(r"^(\w+) = ", without_hash, flags=re.MULTILINE)) | set(
        re.findall(r"^\[(\w+)\]", EXAMPLE, re.MULTILINE)
    )
    wanted = set(NodeSettings.__struct_fields__)
    defaults = NodeSettings()
    for name in NodeSettings.__struct_fields__:
        section = getattr(defaults, name)
        wanted |= set(getattr(section, "__struct_encode_fields__", ()))
    assert names == wanted


def test_settings_are_shown_from_the_file_when_no_node_runs(alone: Any) -> None:
    alone.data_dir.mkdir()
    (alone.data_dir / "config.toml").write_text('name = "pi"')
    rows = {one["name"]: one for one in alone.json("config")}
    assert rows["name"] == {"name": "name", "value": "pi", "source": "file"}
    assert rows["links.mdns"]["source"] == "default"


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"colour = 3"])
def test_a_broken_configuration_is_said_in_a_sentence(alone: Any, content: bytes) -> None:
    alone.data_dir.mkdir()
    (alone.data_dir / "config.toml").write_bytes(content)
    result = alone.ctl("config")
    assert result.exit_code == 1
    assert "config.toml" in result.stderr
