# SPDX-License-Identifier: MIT
"""The broker with newer libbpfs than this Debian's (seen: 1.4 and 1.7), which ask for other calls.

The libraries are those of the test QEMUs (tests/setup/qemu.sh); nothing of them is installed.
"""
from pathlib import Path

from broker import Broker
from paths import ROOT
import pytest
import wire
from waiting import wait_for

NAME = "ld-linux-x86-64.so.2"


def dynamic_linker(version):
    """The words that run a program with this QEMU's libraries, and which libbpf they have."""
    root = ROOT / "build" / "qemu" / version
    places = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
    linkers = [place / NAME for place in places if (place / NAME).exists()]
    (library,) = places[0].glob("libbpf.so.*.*.*")
    return [(linkers or [Path("/lib64", NAME)])[0], "--library-path", ":".join(map(str, places))], library


def ask(broker, object_id):
    """A set; a broker whose pool is empty for a second says BUSY, and is asked again."""

    def answer():
        reply = wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, object_id=object_id))
        return reply if reply.status != wire.BUSY else None

    return wait_for(answer, "an answer that is not BUSY")


@pytest.mark.parametrize("version", ["10.0", "sid"])
def test_a_newer_libbpf(build, version, tmp_path):
    """It starts, tries its own objects and a file's, and makes sets."""
    if build.name == "san":
        pytest.skip("the sanitizers are those of this libc; the plain build is tested")
    words, library = dynamic_linker(version)
    tmp_path.chmod(0o755)
    objects = tmp_path / "objects"
    objects.mkdir(mode=0o755)
    (objects / "qemu.bpf.o").write_bytes((ROOT / "build/qemu/10.0/rss.bpf.o").read_bytes())
    with Broker(build, "--objects", objects, prefix=words) as broker:
        maps = Path(f"/proc/{broker.process.pid}/maps").read_text()
        assert f"/{library.name}" in maps
        for object_id in wire.objects(broker.socket).values():
            with ask(broker, object_id) as reply:
                assert reply.status == wire.OK, reply.reason
