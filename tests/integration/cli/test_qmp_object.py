# SPDX-License-Identifier: MIT
"""What request-ebpf of rssb qmp returns: the very object that the broker loads."""
import base64
import hashlib
import json
import struct
import subprocess

import pytest

import bpf_fd
import qmp_talk
import wire

ARRAY, MMAPABLE, SOCKET_FILTER = 2, 0x400, 1

# As the kernel keeps the names: 15 bytes of them.
MAPS = [
    ["tap_rss_map_con", ARRAY, 4, 10, 1, MMAPABLE],
    ["tap_rss_map_toe", ARRAY, 4, 40, 1, MMAPABLE],
    ["tap_rss_map_ind", ARRAY, 4, 2, 128, MMAPABLE],
]


@pytest.fixture(scope="module")
def rssb(world, broker, build):
    return broker.rssb()


@pytest.fixture(scope="module")
def elf(world, rssb):
    """The bytes behind request-ebpf, asked for by nobody."""
    command = world.command([*rssb, "qmp", "--stdio"], unprivileged=True)
    with qmp_talk.talk_to_program(command) as talk:
        talk.exchange(qmp_talk.NEGOTIATE)
        return base64.b64decode(talk.execute("request-ebpf", id="rss")["return"]["object"],
                                validate=True)  # fmt: skip


@pytest.fixture
def loaded(elf, build, tmp_path):
    """What plain libbpf makes of them."""
    path = tmp_path / "rss.bpf.o"
    path.write_bytes(elf)
    loader = build / "tests" / "tools" / "ebpf_loader"
    return json.loads(subprocess.run([loader, path], stdout=subprocess.PIPE, check=True).stdout)


def test_plain_libbpf_loads_it_and_finds_what_qemu_expects(loaded):
    assert (loaded["name"], loaded["type"]) == ("tun_rss_steerin", SOCKET_FILTER)
    assert loaded["maps"] == MAPS


def test_it_is_what_the_broker_loads(elf, loaded, broker):
    """The same id, and the same program tag: the kernel's hash of the instructions."""
    with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG)) as reply:
        assert reply.status == wire.OK
        assert hashlib.sha256(elf).digest() == reply.object_id
        (tag,) = struct.unpack_from("8s", bpf_fd.info(reply.fds[wire.PROG]), 8)
        assert tag.hex() == loaded["tag"]


@pytest.mark.parametrize("form", ["elf", "base64", "json"])
def test_export_gives_the_same_in_all_three_formats(elf, world, rssb, form):
    path = world.dir / f"export.{form}"
    path.touch()
    path.chmod(0o666)
    world.run([*rssb, "export", "--format", form, "-o", path], unprivileged=True)
    data = path.read_bytes()
    if form == "json":
        answer = json.loads(data)
        assert list(answer) == ["return"] and list(answer["return"]) == ["object"]
        data = answer["return"]["object"].encode()
    if form != "elf":
        data = base64.b64decode(data, validate=False)
    assert data == elf


def test_qemu_10_gives_another_object_in_the_same_words(elf, qemu):
    """What makes the comparison above mean something: objects do differ."""
    with qmp_talk.talk_to_program(qmp_talk.qemu_args(qemu)) as talk:
        talk.exchange(qmp_talk.NEGOTIATE)
        theirs = base64.b64decode(talk.execute("request-ebpf", id="rss")["return"]["object"])
    assert theirs[:4] == elf[:4] == b"\x7fELF"
    assert theirs != elf
