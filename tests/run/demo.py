# SPDX-License-Identifier: MIT
"""make demo: the main job, shown.

1. A process without privilege gets a steering program from the broker, attaches
   it to its tap, and reads the queues.
2. A guest in an unprivileged QEMU, started through `rssb run`, does the same by
   its own ethtool.

Every number is measured: "predicted" comes from a Toeplitz hash written for the
tests, "arrived" from whoever read the queues, "ran" from the kernel.
"""
import collections
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import bpf_stats  # noqa: E402
import flows  # noqa: E402
import guest as guests  # noqa: E402
from paths import ROOT  # noqa: E402
from world import Broker, World  # noqa: E402

FLOWS = 4000
QUEUES = guests.QUEUES
BAR_WIDTH = 44
CAPABILITIES = {38: "CAP_PERFMON", 39: "CAP_BPF"}

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BLOCK = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def headline(text):
    print(f"\n{paint(text, '1')}", flush=True)


def say(text):
    print(f"  {text}", flush=True)


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def show_process(name, pid):
    """Who a process is and what it may do, from /proc."""
    of = status(pid)
    mask = int(of["CapPrm"], 16) | int(of["CapEff"], 16)
    held = [CAPABILITIES.get(bit, str(bit)) for bit in range(64) if mask >> bit & 1]
    flag = ", no_new_privs" if of["NoNewPrivs"] == "1" else ""
    say(f"{name:<8} uid {of['Uid'].split()[0]:<6} {' + '.join(held) or 'no capability'}{flag}")


def children(pid):
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if status(entry.name)["PPid"] == str(pid):
                yield int(entry.name)
        except OSError:
            continue  # it has ended


def random_steering(rng):
    """A random key, and a table that gives the queues very different shares."""
    weights = rng.sample(range(1, 9), QUEUES)
    table = rng.choices(range(QUEUES), weights, k=128)
    return flows.Steering(rng.randbytes(40), tuple(table))


def show_bars(expected, arrived, sent_s):
    """Per queue, how many were predicted and how many came.  Returns whether all is right."""
    predicted, seen = collections.Counter(expected), collections.Counter(arrived)
    longest = max(*predicted.values(), *seen.values())

    def bar(count, colour):
        return paint(BLOCK * round(BAR_WIDTH * count / longest), colour)

    for queue in range(QUEUES):
        say(f"queue {queue}  predicted {predicted[queue]:5}  {bar(predicted[queue], '36')}")
        ok = predicted[queue] == seen[queue]
        say(f"         arrived   {seen[queue]:5}  {bar(seen[queue], '32' if ok else '31')}")
    right = sum(e == s for e, s in zip(expected, arrived))
    verdict = f"{right:,} of {len(expected):,} flows came in on the predicted queue"
    say(paint(verdict, "32" if right == len(expected) else "31") + f" ({sent_s:.1f} s)")
    return right == len(expected)


def show_runs(who, runs):
    say(f"the program that {who} was handed ran {runs:,} times, says the kernel")
    return runs == FLOWS


def read_flows(client):
    """What the client prints until it is done: on which queue each flow came."""
    arrived = [None] * FLOWS
    for line in iter(client.stdout.readline, "done\n"):
        if not line:
            raise RuntimeError("the client ended early")
        flow, queue = map(int, line.split())
        arrived[flow] = queue
    return arrived


def demo_client(world, broker, build, rng):
    headline(f"1. A process without privilege reads a tap with {QUEUES} queues")
    tap, steering = world.tap("tap0"), random_steering(rng)
    table = ",".join(map(str, steering.table))
    client = world.start(
        [world.inside(build) / "tests" / "tools" / "demo_client", broker.socket, tap,
         steering.key.hex(), table, FLOWS],
        unprivileged=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if client.stdout.readline() != "ready\n":
        raise RuntimeError("the client got no steering")
    show_process("client", client.pid)

    sent = flows.random_flows(rng, FLOWS)
    (program,) = bpf_stats.programs(client.pid)
    runs = bpf_stats.program(client.pid, program)["run_cnt"]
    say(f"sending {FLOWS:,} flows: TCP and UDP, IPv4 and IPv6, random key and table")
    start = time.monotonic()
    with world.packet_socket(tap) as sock:
        for number, flow in enumerate(sent):
            sock.send(flow.frame(struct.pack("!I", number), bytes.fromhex("020000000002")))
    arrived = read_flows(client)
    good = show_bars([steering.queue(f) for f in sent], arrived, time.monotonic() - start)
    runs = bpf_stats.program(client.pid, program)["run_cnt"] - runs
    good &= show_runs("it", runs)
    client.stdin.close()
    return good


def demo_guest(world, broker, build, qemu, rng):
    headline("2. A guest in an unprivileged QEMU, through rssb run")
    tap, steering = world.tap("tap1"), random_steering(rng)
    start = time.monotonic()
    prefix = broker.rssb("run", "--")
    guest = guests.Guest(world, qemu, guests.net_arguments(tap), prefix=prefix)
    show_process("QEMU", guest.pid)
    say(f"the guest is up after {time.monotonic() - start:.1f} s")
    guest.run("ip link set eth0 up")
    guest.run(f"ethtool -L eth0 combined {QUEUES}")
    guest.set_rss("eth0", steering)
    say("in the guest: a random key and table, as with ethtool -X")

    sent = flows.random_flows(rng, FLOWS)
    program = guest.handed_over_program()
    runs = guest.run_count(program)
    guest.watch("eth0")
    start = time.monotonic()
    with world.packet_socket(tap) as sock:
        arrived = guests.send(guest, sock, sent)
    good = show_bars([steering.queue(f) for f in sent], arrived, time.monotonic() - start)
    return good & show_runs("QEMU", guest.run_count(program) - runs)


def main():
    build, qemu = ROOT / sys.argv[1], ROOT / "build" / "qemu" / "10.0" / "qemu-system-x86_64"
    rng = random.Random(seed := random.SystemRandom().getrandbits(32))
    with World() as world, bpf_stats.enabled():
        headline("0. The broker")
        broker = Broker(world, build)
        show_process("front", broker.process.pid)
        for pid in children(broker.process.pid):
            show_process("loader", pid)
        good = demo_client(world, broker, build, rng)
        good &= demo_guest(world, broker, build, qemu, rng)
    print(paint("\nAll as predicted.", "32") if good else f"\nNot as predicted (seed {seed}).")
    return 0 if good else 1


def interrupted(*_):
    """Ctrl-C, a hang-up and a kill all unwind what was set up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit("\ndemo: interrupted")


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, interrupted)
sys.exit(main())
