# SPDX-License-Identifier: MIT
"""Fixtures that folders of tests share.  tests/conftest.py gives them to all."""
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from waiting import wait_for


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="rssb-unit.") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture
def listener(directory):
    """As a socket unit makes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(directory / "sock"))
        os.chmod(directory / "sock", 0o666)
        sock.listen()
        yield sock


@pytest.fixture
def interposed(tmp_path):
    """The environment of a process whose C library has these functions instead of its own."""

    def build_from(source):
        (tmp_path / "interpose.c").write_text(source)
        library = tmp_path / "interpose.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "interpose.c"], check=True
        )
        # ASan minds another library before its own.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {**os.environ, "LD_PRELOAD": str(library), "ASAN_OPTIONS": asan.lstrip(":")}

    return build_from


@pytest.fixture
def memory_cgroup():
    """A memory cgroup of 24 MiB, of whichever version this machine has."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    if (v1 / "memory.limit_in_bytes").exists():
        group, limit = v1 / f"rssb-test.{os.getpid()}", "memory.limit_in_bytes"
    elif "memory" in (v2 / "cgroup.controllers").read_text().split():
        group, limit = v2 / f"rssb-test.{os.getpid()}", "memory.max"
        (v2 / "cgroup.subtree_control").write_text("+memory")
    else:
        pytest.skip("this machine has no memory cgroup")
    group.mkdir()
    (group / limit).write_text(str(24 << 20))
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the processes' end")
    group.rmdir()
