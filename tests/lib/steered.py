# SPDX-License-Identifier: MIT
"""The one proof that a guest's packets are steered by the program it was handed.

QEMU steers right in its own code when its program is not in use, so the runs of
that very program are counted too.  It must never be content with less.
"""
import collections
import json

import flows
import guest as guests

FLOWS = 2000
SAMPLE = 50


def rssb_hash(build, flow, steering):
    """What the command line tool predicts: an implementation of its own."""
    proto = flows.PROTO_NAMES[flow.proto]
    command = [build / "rssb", "hash", "--json", "--proto", proto, *flow.endpoints()]
    return json.loads(guests.output_of([*command, steering.words()]))


def check_prediction(build, rng, steering, sent, seen):
    for flow, queue in rng.sample(list(zip(sent, seen)), min(SAMPLE, len(sent))):
        predicted = rssb_hash(build, flow, steering)
        assert predicted["hash"] == flows.toeplitz(steering.key, flow.hash_input())
        assert predicted["queue"] == queue, flow


def check(guest, world, tap, build, rng, steering, iface="eth0", program=None, n=FLOWS,
          mac=guests.MAC):
    """Every flow comes in where it should, and the program took every decision.

    program: its fd in QEMU, or those of which it is one, by default the one of QEMU's
    command line.  Returns it.
    """
    sent = flows.random_flows(rng, n)
    expected = [steering.queue(flow) for flow in sent]
    if program is None:
        program = guest.handed_over_program()
    programs = [program] if isinstance(program, int) else list(program)
    runs, counts = [guest.run_count(fd) for fd in programs], guest.queue_counts(iface)

    guest.watch(iface)
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent, mac)

    wrong = [(flow, e, s) for flow, e, s in zip(sent, expected, seen) if e != s]
    assert not wrong, f"{len(wrong)} of {n} flows, the first: {wrong[0]}"
    arrived = [after - before for after, before in zip(guest.queue_counts(iface), counts)]
    per_queue = collections.Counter(expected)
    assert arrived == [per_queue[queue] for queue in range(guests.QUEUES)]
    check_prediction(build, rng, steering, sent, seen)
    ran = [guest.run_count(fd) - before for fd, before in zip(programs, runs)]
    assert max(ran) == sum(ran) == n
    assert "Unable to load eBPF program" not in guest.stderr()
    return programs[ran.index(n)]
