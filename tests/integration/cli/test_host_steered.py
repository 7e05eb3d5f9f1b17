# SPDX-License-Identifier: MIT
"""librssb-qemu.so's ioctl(): the program of a host-steered tap stays on it, any other may go.

What calls ioctl() is a Python of its own, through the C library, as QEMU does.
"""
import pytest

import flows
from command import ok
from tap_reader import TapReader

FLOWS = 100
STRANGE = NULL, CLOSED = 0, 999
TAKE_OFF = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = ctypes.c_int(-1)
for word in sys.argv[1:]:
    print(libc.ioctl(int(word), 0x800454E0, ctypes.byref(fd)), ctypes.get_errno())
"""


@pytest.fixture
def take_off(world, build):
    """TUNSETSTEERINGEBPF(-1) on these fds, under the library; returns what it printed."""

    def run(host_steered, *fds):
        command = ["env", f"LD_PRELOAD={world.inside(build / 'librssb-qemu.so')}",
                   f"RSSB_HOST_STEERED={host_steered}", "/usr/bin/python3", "-c", TAKE_OFF, *fds]  # fmt: skip
        done = world.run(command, unprivileged=True, pass_fds=[fd for fd in fds if fd not in STRANGE])
        assert done.stderr == ""
        return done.stdout

    return run


@pytest.mark.parametrize("names, stays", [
    ("tap0", True), ("other:tap0", True), ("tap0:other", True),
    ("", False), ("tap", False), ("tap00:xtap0", False), (":", False),
])  # fmt: skip
def test_the_program_stays(rssb, reader, take_off, rng, names, stays):
    ok(rssb("attach", "tap0", "table 3"))
    assert take_off(names, reader.fds[0]) == "0 0\n"
    queues = set(reader.queues_of(flows.random_flows(rng, FLOWS)))
    assert queues == ({3} if stays else {0, 1, 2, 3})


def test_another_tap_is_not_touched(world, rssb, reader, take_off, rng):
    world.tap("tap1")
    with TapReader(world, "tap1", 4) as other:
        for name in ("tap0", "tap1"):
            ok(rssb("attach", name, "table 3"))
        assert take_off("tap0", reader.fds[1], other.fds[2]) == "0 0\n0 0\n"
        sent = flows.random_flows(rng, FLOWS)
        assert set(reader.queues_of(sent)) == {3}
        assert set(other.queues_of(sent)) == {0, 1, 2, 3}
    world.run(["ip", "link", "del", "tap1"])


def test_errors_are_the_kernels(take_off):
    assert take_off("tap0", NULL, CLOSED) == "-1 25\n-1 9\n"  # ENOTTY, EBADF
