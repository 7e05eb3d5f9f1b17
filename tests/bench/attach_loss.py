#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many packets rssb attach loses on a busy tap, by name and by --fd.

usage: tests/bench/attach_loss.py [ATTACHES]    as root, after make

A sender in C speed is not needed: what counts is the time for which a queue is
attached that nobody reads, and the rate, which is printed beside the result.
"""
import fcntl
import os
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import flows  # noqa: E402  (found by the path above)
import random  # noqa: E402
from paths import ROOT  # noqa: E402
from tap_reader import MAC, TapReader  # noqa: E402
from world import Broker, World  # noqa: E402

QUEUES = 4
TUNSETSTEERINGEBPF = 0x800454E0
PAUSE_S = 0.02  # between two attaches


class Traffic(threading.Thread):
    """Sends as fast as it can, reads all queues, and counts both."""

    def __init__(self, world, reader):
        super().__init__()
        self.sock = world.packet_socket(reader.ifname)
        self.reader, self.sent, self.received, self.ending = reader, 0, 0, False
        rng = random.Random(1)
        self.frames = [flow.frame(b"", MAC) for flow in flows.random_flows(rng, 256)]

    def run(self):
        """In bursts that fit a queue, so that only a queue that nobody reads loses packets."""
        while not self.ending:
            for frame in self.frames[:64]:
                self.sock.send(frame)
            self.sent += 64
            self.frames = self.frames[64:] + self.frames[:64]
            self.received += sum(1 for _ in self.reader.drain())
        time.sleep(0.2)
        self.received += sum(1 for _ in self.reader.drain())
        self.sock.close()


def measure(world, reader, attach, times):
    """(packets lost, packets sent, seconds) over so many attaches."""
    list(reader.drain())
    traffic = Traffic(world, reader)
    start = time.monotonic()
    traffic.start()
    for _ in range(times):
        attach()
        time.sleep(PAUSE_S)
    seconds = time.monotonic() - start
    traffic.ending = True
    traffic.join()
    return traffic.sent - traffic.received, traffic.sent, seconds


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    build = Path(os.environ.get("RSSB_BUILD", ROOT / "build")).absolute()
    with World() as world:
        broker = Broker(world, build)
        rssb = [build / "rssb", "--socket", broker.socket, "attach"]
        with TapReader(world, world.tap(), QUEUES) as reader:
            fd = reader.fds[0]

            def by_fd():
                world.run([*rssb, "--fd", fd, "equal 4"], pass_fds=[fd])

            def by_name():
                world.run([*rssb, "tap0", "equal 4"])

            def first_by_name():
                fcntl.ioctl(fd, TUNSETSTEERINGEBPF, struct.pack("i", -1))
                by_name()

            for what, attach in {
                "nothing is done": lambda: time.sleep(0.01),
                "--fd": by_fd,
                "by name, in place of a program": by_name,
                "by name, in place of the kernel": first_by_name,
            }.items():
                lost, sent, seconds = measure(world, reader, attach, times)
                print(f"{what:32} {times} times: {lost} of {sent:,} packets lost, "
                      f"at {sent / seconds:,.0f} a second", flush=True)  # fmt: skip


main()
