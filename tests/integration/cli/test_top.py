# SPDX-License-Identifier: MIT
"""rssb top: what it counts is what came, and it behaves on a terminal.

All is done by nobody without a capability.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios

import pytest

import flows
from command import ok
from tap_reader import MAC
from waiting import wait_for

QUEUES = 4
FLOWS = 400


def top_until(n_packets, grant, while_running, world, command):
    """What `rssb top` prints as JSON while something happens, and until all of it is counted."""
    words = command("top", grant, "--json", "--interval", "0.2", "--count", "1000")
    with world.start(words, unprivileged=True, stdout=subprocess.PIPE, text=True) as top:
        lines = [json.loads(top.stdout.readline())]
        while_running()
        while sum(line["packets"] for line in lines) < n_packets:
            lines.append(json.loads(top.stdout.readline()))
        lines.append(json.loads(top.stdout.readline()))  # and nothing is counted twice
        top.kill()
    return lines


def summed(lines, key):
    total = {}
    for line in lines:
        for name, count in line[key].items():
            total[name] = total.get(name, 0) + count
    return total


@pytest.mark.parametrize("managed", [[], ["--managed"]])
def test_top_counts_every_packet(world, rssb, command, reader, attach, rng, managed):
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    grant = attach(*managed, "--stats", steering.words())
    strange = 7

    def send():
        assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]
        with world.packet_socket("tap0") as sock:
            for _ in range(strange):
                sock.send(MAC + MAC + b"\x88\xb5" + bytes(50))

    lines = top_until(FLOWS + strange, grant, send, world, command)
    assert {line["grant"] for line in lines} == {int(grant)}
    assert sum(line["packets"] for line in lines) == FLOWS + strange
    expected = [0] * QUEUES
    octets = [0] * QUEUES
    expected[0], octets[0] = strange, strange * 64
    for flow in sent:
        queue = steering.queue(flow)
        expected[queue] += 1
        octets[queue] += len(flow.frame(bytes(8), MAC))
    for i in range(QUEUES):
        assert sum(line["queues"][i]["packets"] for line in lines) == expected[i]
        assert sum(line["queues"][i]["bytes"] for line in lines) == octets[i]
    assert summed(lines, "hashed") == {
        **dict.fromkeys(["ipv4", "ipv6", "ip_ex", "tcp_ex", "udp_ex"], 0),
        **dict.fromkeys(["tcp4", "udp4", "tcp6", "udp6"], FLOWS // 4),
    }
    fallback = {"no-type": 0, "truncated": 0, "not-ip": strange, "bad-config": 0}
    assert summed(lines, "default-queue") == fallback


def test_top_line_by_line(rssb, reader, attach):
    attach("--stats", "--label", "web", "equal 4")
    out = ok(rssb("top", "web", "--count", "3", "--interval", "0.1"))
    assert out == "0 packets/s: 0 0 0 0; default queue: nothing\n" * 3


def test_top_ends_with_the_grant(world, rssb, command, reader, attach):
    attach("--stats", "--label", "web", "equal 4")
    top = world.start(
        command("top", "web", "--interval", "0.1"), unprivileged=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert top.stdout.readline()
    ok(rssb("release", "web"))
    assert "rssb: top: web: no such grant" in top.communicate(timeout=60)[1]
    assert top.returncode == 1


class Terminal:
    """rssb top on a terminal of its own."""

    def __init__(self, world, words, columns=80, rows=24, term="xterm"):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.process = world.start(
            words, unprivileged=True, stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": term},
        )  # fmt: skip
        self.slave = slave
        self.output = b""

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.output += os.read(self.master, 65536)
        return self.output

    def screens(self):
        """Each screen drawn in full, as its lines of text."""
        drawn = self.read().decode().split("\033[H")[1:]
        full = [text.split("\033[J")[0] for text in drawn if "\033[J" in text]
        return [text.replace("\033[K", "").split("\r\r\n") for text in full]

    def wait_screens(self, n):
        return wait_for(lambda: len(s := self.screens()) >= n and s, f"{n} screens")

    def end(self):
        """Its exit status; it must have left the terminal as it was."""
        status = self.process.wait(60)
        assert self.read().endswith(b"\033[?25h\033[?1049l")
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


@pytest.fixture
def terminal(world, command, reader, attach):
    attach("--stats", "--label", "web", "equal 4")
    return lambda *size: Terminal(world, command("top", "web", "--interval", "0.2"), *size)


def test_top_on_a_terminal(world, terminal, reader, rng):
    """Whatever part of the packets a screen is of: all are of queue 2."""
    top = terminal()
    some = flows.random_flows(rng, FLOWS)
    sent = [flow for flow, queue in zip(some, reader.queues_of(some)) if queue == 2]
    quiet = len(top.wait_screens(1))
    wait_for(lambda: len(s := top.screens()) > quiet and "█" not in "".join(s[-1]), "no packets")
    before = len(top.screens())
    for _ in range(5):
        reader.queues_of(sent)
    screens = top.wait_screens(before + 5)[before:]
    for lines in screens:
        assert len(lines) <= 24
        assert all(len(line) <= 80 for line in lines)
    busy = next(lines for lines in screens if "█" in "".join(lines))
    assert busy[0].startswith("grant web: ")
    assert busy[2].split() == ["queue", "packets/s", "table", "share", "bytes/s"]
    assert [line.split()[3] for line in busy[3 : 3 + QUEUES]] == ["0.0%", "0.0%", "100.0%", "0.0%"]
    assert ["█" in line for line in busy[3 : 3 + QUEUES]] == [False, False, True, False]
    assert len(busy[3 + 2]) == 80
    os.write(top.master, b"q")
    assert top.end() == 0
    assert b"\033[3" not in top.output  # no colours


def test_top_is_redrawn_when_resized(terminal):
    top = terminal(200, 50)
    top.wait_screens(1)
    top.resize(40, 8)
    before = len(top.screens())
    for lines in top.wait_screens(before + 3)[before + 1 :]:
        assert len(lines) <= 8
        assert all(len(line) <= 40 for line in lines)
    os.write(top.master, b"q")
    assert top.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_top_quits_cleanly(terminal, number):
    top = terminal()
    top.wait_screens(1)
    top.process.send_signal(number)
    assert top.end() == 0


def test_top_on_a_dumb_terminal(terminal):
    """TERM=dumb: lines, and no escape sequence."""
    top = terminal(80, 24, "dumb")
    wait_for(lambda: top.read().count(b"packets/s: ") >= 2, "two lines")
    top.process.terminate()
    assert top.process.wait(60) == 0
    assert b"\033" not in top.read()
    os.close(top.master)
    os.close(top.slave)
