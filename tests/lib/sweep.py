# SPDX-License-Identifier: MIT
"""One broker a fault, many faults: what came of each, and what must never come of any.

In `make soak` (RSSB_SOAK is set) a sweep is whole; in `make check` it takes samples.  In an emulated
host, where the start of a broker takes some seconds, it takes some of those samples, and the next sweep
others.
"""
import collections
import concurrent.futures
import contextlib
import errno
import itertools
import os
import random
from pathlib import Path

import bpf_fd
import wire
from flows import TCP, Flow, Steering
from injected import DEADLINE_S, FRONT, KILL, Fault, Injected
from waiting import FACTOR, wait_for

WHOLE = bool(os.environ.get("RSSB_SOAK"))
SPARSER = 1 if FACTOR == 1 else 5  # of the samples of make check one of so many
WORKERS = 2
TURNS = itertools.count()
MAC = bytes.fromhex("020000000002")

STEERING = Steering.random(random.Random(7), 4)
FLOWS = [Flow.random(random.Random(n), 4, TCP) for n in range(8)]
ACQUIRE = wire.acquire(steering=(0x1FF, 4, 0, STEERING.key, STEERING.table))


def samples(n, every, at_least=2):
    """The calls 1 to n: all, or one of so many; in an emulated host fewer, but not below at_least."""
    if WHOLE:
        return range(1, n + 1)
    calls = range(1, n + 1, every)
    step = max(1, min(SPARSER, len(calls) // at_least))
    return calls[next(TURNS) % step :: step]


def faults(process, error, calls, only=""):
    return [Fault(process, error, n, only) for n in calls]


def steers(prog):
    return all(
        bpf_fd.test_run(prog, f.frame(b"", MAC)) == STEERING.queue(f) for f in FLOWS
    )


def is_granted(broker):
    """Whether a request is granted, and the program steers as was asked."""
    with contextlib.suppress(wire.Closed, ConnectionError):
        with wire.Connection(broker.socket, DEADLINE_S) as c, c.ask(ACQUIRE) as reply:
            assert reply.status in (wire.OK, wire.BUSY, wire.INTERNAL), reply.reason
            return reply.status == wire.OK and steers(reply.fds[wire.PROG])
    return False


def serves(broker):
    """A request may fail; the next one works, or the service has ended."""
    return any(is_granted(broker) for _ in range(3))


# --- at start -------------------------------------------------------------------------------


class Unlike(Exception):
    """What must not be."""


def demand(condition, what):
    if not condition:
        raise Unlike(what)


def start_under(build, fault, *args, **keywords):
    """Returns "serves", or "refuses": with one line and status 1; or, if it was killed, "dies"."""
    broker = Injected(build, *args, fault=fault, **keywords)
    try:
        broker.start()
        serving = broker.outcome() == "up" and serves(broker)
        status = broker.stop() if serving else broker.process.wait(DEADLINE_S)
        return judge_start(broker, fault, serving, status)
    finally:
        broker.clean()


def judge_start(broker, fault, serving, status):
    wait_for(lambda: not broker.n_programs(), "the end of its programs")
    if serving and status == 0:
        return "serves"
    if fault.error == KILL and fault.process == FRONT:
        demand(broker.hit and status == 137, f"killed, and its status is {status}")
        return "dies"
    judge_end(broker, status)
    demand(len(broker.errors()) == 1, f"more than one line says why: {broker.log()}")
    return "refuses"


def judge_end(broker, status):
    demand(status == 1, f"its status is {status}: {broker.log()}")
    demand(broker.errors(), f"no line says why: {broker.log()}")


# --- in a request -----------------------------------------------------------------------------


def state(broker):
    """What must be as before when nothing is asked any more."""
    maps = Path(f"/proc/{broker.front.pid}/maps").read_text().count("bpf-map")
    return broker.front.kinds(), broker.loader.kinds(), maps, broker.n_programs()


class Served:
    """A broker that requests are made of, each under a fault; a new one when it has ended."""

    def __init__(self, build, *args, **keywords):
        self.build, self.args, self.keywords = build, args, keywords
        self.broker = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.broker:
            self.broker.clean()
        self.broker = None

    def get(self):
        """The broker, at rest."""
        if not self.broker:
            self.broker = Injected(self.build, *self.args, **self.keywords)
            self.broker.start().wait_ready()
            wait_for(self.broker.is_at_rest, "a full pool")
            n = self.broker.front.kinds()["anon_inode:bpf-prog"]  # the kernel frees others late
            wait_for(lambda: self.broker.n_programs() == n, "the pool's programs alone")
            self.at_rest = state(self.broker)
        return self.broker

    def settles(self):
        """Whether all is as before: soon, or the broker has ended."""
        def settled():
            if self.broker.process.poll() is not None:
                return "ended"
            with contextlib.suppress(OSError):  # it ends just now
                return "as before" if state(self.broker) == self.at_rest else None

        try:
            return wait_for(settled, "as before", DEADLINE_S)
        except AssertionError:
            raise Unlike(f"{state(self.broker)}, before {self.at_rest}: {self.broker.log()}") from None

    def ask_under(self, fault, request):
        """Returns "answered", "fails" (the next is answered), "ends", or "is not met"."""
        broker = self.get()
        try:
            with request(broker) as ask:
                broker.arm(fault)
                answered = ask()
            how = self.settles()
            broker.disarm()
            if how == "as before" and not serves(broker):  # the fault came last, or it is one
                how = self.settles()
                demand(how == "ended", "the next request fails, too")
            if how == "as before":
                how = self.settles()  # the end of a process is noticed a moment later
                demand(how == "as before" or broker.hit, "it ended after a request")
            if how == "as before":
                return "is not met" if not broker.hit else "answered" if answered else "fails"
            self._judge_end(fault, broker.process.wait(DEADLINE_S))
            self.end()
            return "ends"
        except BaseException:
            self.end()
            raise

    def _judge_end(self, fault, status):
        if fault.error == KILL and fault.process == FRONT:
            demand(status == 137, f"killed, and its status is {status}")
        else:
            judge_end(self.broker, status)
        wait_for(lambda: not self.broker.n_programs(), "the end of its programs")


# --- many of them -----------------------------------------------------------------------------


def sweep(one, all_faults, workers=WORKERS):
    """Applies each; returns how often each came out.  Whatever went wrong fails, with every fault named."""
    wrong, counts = [], collections.Counter()

    def attempt(fault):
        try:
            return one(fault)
        except (Unlike, AssertionError, OSError, ValueError) as error:
            return fault, error

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for result in pool.map(attempt, all_faults):
            if isinstance(result, str):
                counts[result] += 1
            else:
                wrong.append(result)
    print(f"{len(all_faults)} faults: {dict(counts)}")
    assert not wrong, describe(wrong)
    return counts


def mostly_met(counts):
    """The counts.  Two runs differ in some calls; but faults that come to nothing try nothing."""
    assert 2 * counts["is not met"] <= sum(counts.values()), counts
    return counts


def describe(wrong):
    names = {KILL: "SIGKILL", **errno.errorcode}
    lines = [f"{len(wrong)} went wrong"]
    for fault, error in wrong[:20]:
        who = ("front", "loader", "closer", "closer's hand")[fault.process]
        lines.append(f"{names[fault.error]} at call {fault.n} {fault.only} of the {who}: {error!r}")
    return "\n".join(lines)
