# SPDX-License-Identifier: MIT
"""Clients that exist talk to rssb qmp: QEMU's own library and shell, and libvirt's way of asking."""
import base64
import json
import os
import subprocess
import sys

import pytest

from paths import ROOT
import proc
import qmp_talk
from waiting import wait_for
from world import Broker

CLIENT = ROOT / "build" / "qmp-client" / "usr" / "lib" / "python3" / "dist-packages"

LIBRARY = """
import asyncio, base64, json, sys
from qemu.qmp import QMPClient, ExecuteError

async def main():
    client = QMPClient("test")
    await client.connect(sys.argv[1])
    answer = await client.execute("request-ebpf", {"id": "rss"})
    try:
        await client.execute("request-ebpf", {"id": "foo"})
    except ExecuteError as error:
        refusal = [error.error.error.class_, error.error.error.desc]
    commands = [c["name"] for c in await client.execute("query-commands")]
    await client.disconnect()
    print(json.dumps([answer["object"], refusal, commands]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def rssb(world, build):
    broker = Broker(world, build)
    return broker.rssb()


@pytest.fixture(scope="module")
def socket_path(world, rssb):
    path = world.directory("qmp") / "sock"
    server = world.start([*rssb, "qmp", "--listen", path], unprivileged=True)
    wait_for(lambda: proc.listens(server.pid, path), "the QMP socket", 60)
    return path


def python(*args, **kwargs):
    env = {**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1"}
    env["HOME"] = "/nonexistent"  # the shell keeps a history
    return subprocess.run([sys.executable, *map(str, args)], env=env, text=True, timeout=120,
                          stdout=subprocess.PIPE, check=True, **kwargs).stdout  # fmt: skip


def test_qemus_own_library(socket_path):
    text, refusal, commands = json.loads(python("-c", LIBRARY, socket_path))
    assert base64.b64decode(text, validate=True).startswith(b"\x7fELF")
    assert refusal == ["GenericError", "Parameter 'id' does not accept value 'foo'"]
    assert "request-ebpf" in commands


def test_qmp_shell(socket_path):
    said = python("-m", "qemu.qmp.qmp_shell", socket_path,
                  input="query-version\nrequest-ebpf id=rss\nnope\n")  # fmt: skip
    assert '"package": "rss-broker-' in said
    assert '{"return": {"object": "f0VMRg' in said
    assert "The command nope has not been found" in said


def libvirt_finds(schema, path):
    """As libvirt looks for what a QEMU can do: from the command's argument down to a value."""
    entries = {entry["name"]: entry for entry in schema}
    command, what, member, value = path.split("/")
    entry = entries[entries[command][what]]
    (found,) = [m for m in entry["members"] if m["name"] == member]
    return value in entries[found["type"]]["values"]


def test_the_way_libvirt_asks(socket_path):
    """Its order at start: negotiate, version, commands, schema; every id is libvirt-N."""
    with qmp_talk.talk_to_socket(socket_path) as talk:
        results = []
        for n, request in enumerate(
            (
                {"execute": "qmp_capabilities"},
                {"execute": "query-version"},
                {"execute": "query-commands"},
                {"execute": "query-qmp-schema"},
                {"execute": "request-ebpf", "arguments": {"id": "rss"}},
            ),
            1,
        ):
            talk.send(json.dumps({**request, "id": f"libvirt-{n}"}).encode() + b"\r\n")
            answer = talk.answer()
            assert answer["id"] == f"libvirt-{n}"
            results.append(answer["return"])
    _, version, commands, schema, program = results
    assert version["qemu"]["major"] >= 9
    assert {"name": "request-ebpf"} in commands
    assert libvirt_finds(schema, "request-ebpf/arg-type/id/rss")
    assert base64.b64decode(program["object"]).startswith(b"\x7fELF")
