# SPDX-License-Identifier: MIT
"""Sweeps: each system call of start-up, and of a request of each kind, fails once, or is the last.

Demanded: the broker never hangs, and never dies of a signal that it was not sent.  It serves, or it
says why not and ends with status 1, so that its supervisor starts it again.  A request may fail,
the next one works.  Afterwards there are as many fds, mappings and BPF programs as before.
`make soak` tries every call, `make check` one of some.
"""
import collections
import concurrent.futures
import contextlib
import errno
import os
import signal
import struct
import subprocess

import bpf_fd
import pytest
import wire
from broker import CLIENT, Broker, running
from injected import CLOSER, FRONT, KILL, LOADER, TRIAL, Fault, Injected
from interposed import OLD_KERNEL
from request_kinds import KINDS, ask, prepared
from sweep import (ACQUIRE, FLOWS, MAC, SPARSER, WHOLE, Served, faults, mostly_met, samples, serves,
                   start_under, steers, sweep)  # fmt: skip
from waiting import wait_for

PROCESSES = {"front": FRONT, "loader": LOADER}
AT_START = {**PROCESSES, "trial": TRIAL}
EVERY_AT_START, EVERY_IN_A_REQUEST = 23, 11
SHARES = 3
# Of two trials.  Not the probes for types: without these the verifier needs seconds.
BPF_CALLS = 1, 2, 12, 14, 16, 18, 34, 35

BPF_ERRORS = [errno.EPERM, errno.ENOMEM, errno.EINVAL, errno.EBUSY, errno.E2BIG, errno.EAGAIN,
              errno.ENOSYS]  # fmt: skip


def name(error):
    return errno.errorcode.get(error, "SIGKILL")


@pytest.fixture(autouse=True)
def plain_build(build):
    if "san" in build.parts:
        pytest.skip("the sanitizers make calls of their own; the plain build is swept")


# --- at start ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start_calls(build):
    """How many calls front, loader and the objects' trials make until the broker serves."""
    with Injected(build) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        return {process: broker.calls(process) for process in AT_START.values()}


def sweep_start(build, start_calls, process, error):
    n = start_calls[process]
    if process == TRIAL and not WHOLE:
        n = 100  # behind them are libbpf's probes: without one the verifier needs seconds
    calls = samples(n, EVERY_AT_START, at_least=5)  # some faults of a sweep come to nothing
    assert start_calls[process] > 100
    found = sweep(lambda fault: start_under(build, fault), faults(process, error, calls))
    assert found["dies" if (error, process) == (KILL, FRONT) else "refuses"] > 0


at_start = pytest.mark.parametrize("process", AT_START.values(), ids=AT_START)
both = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)


@at_start
def test_fault_38_killed_at_start(build, start_calls, process):
    sweep_start(build, start_calls, process, KILL)


def killed_with_a_closer(build, environment, n, process):
    """A broker whose process is killed in front of its n-th call; all of them are gone then."""
    with contextlib.ExitStack() as stack:
        broker = Injected(build, fault=Fault(process, KILL, n), env=environment)
        stack.callback(broker.clean)
        broker.start()
        if broker.outcome() == "up":  # the closer's end may be noticed a moment later
            serves(broker)
            broker.stop()
        wait_for(lambda: not running(broker.program), "the end of all its processes")
        wait_for(lambda: not broker.n_programs(), "the end of its programs")
        return "killed" if broker.hit else "not met"


@pytest.mark.parametrize("process", [FRONT, CLOSER], ids=["front", "closer"])
def test_fault_38_killed_at_start_with_a_closer(build, interposed, process):
    """Whichever is killed, and wherever, none of the other processes is left."""
    environment = interposed(OLD_KERNEL)
    with Injected(build, env=environment) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        n = broker.calls(process)
    assert n > 5
    calls = samples(n, 5 if process == CLOSER else 3 * EVERY_AT_START)
    found = sweep(lambda fault: killed_with_a_closer(build, environment, fault.n, process),
                  faults(process, KILL, calls))  # fmt: skip
    assert found["killed"]


@at_start
def test_fault_40_not_permitted_at_start(build, start_calls, process):
    sweep_start(build, start_calls, process, errno.EPERM)


@at_start
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE], ids=name)
def test_fault_46_no_fd_at_start(build, start_calls, process, error):
    sweep_start(build, start_calls, process, error)


@at_start
def test_fault_47_no_memory_of_the_kernel_at_start(build, start_calls, process):
    sweep_start(build, start_calls, process, errno.ENOMEM)


@at_start
def test_fault_48_interrupted_at_start(build, start_calls, process):
    sweep_start(build, start_calls, process, errno.EINTR)


@pytest.mark.parametrize("error", BPF_ERRORS, ids=name)
def test_fault_39_bpf_fails_at_start(build, error):
    """libbpf's probes may fail; of what has to be loaded the first is needed, others are left out.

    EAGAIN is what a load says that a stop has interrupted: the trial is made again.
    """
    calls = samples(36, 1) if WHOLE else BPF_CALLS
    found = sweep(lambda fault: start_under(build, fault), faults(TRIAL, error, calls, "bpf"))
    assert found["serves"] and bool(found["refuses"]) == (error != errno.EAGAIN)


# --- in a request -------------------------------------------------------------------------------


def request(kind):
    """Prepares one request of a kind; gives what asks it."""

    @contextlib.contextmanager
    def prepare(broker):
        with prepared(broker, kind) as message:
            wait_for(broker.is_at_rest, "a full pool")
            yield lambda: ask(broker, kind, message)

    return prepare


def count_calls(served, kind, process, only=""):
    """How many calls one clean request makes, until all is at rest."""
    far = 1 << 20
    broker = served.get()
    with request(kind)(broker) as ask_it:
        broker.arm(Fault(process, errno.EINTR, far, only))
        assert ask_it()
    assert served.settles() == "as before"
    return far - broker.control.countdown


def sweep_kinds(build, process, error, kinds, only, every):
    """What came of each fault in a request of each kind, of one broker."""
    found = collections.Counter()
    with Served(build, *LENIENT) as served:
        for kind in kinds:
            calls = samples(count_calls(served, kind, process, only), every)
            assert calls, f"{kind} comes to no call of the process"
            found += sweep(lambda f, k=kind: served.ask_under(f, request(k)),
                           faults(process, error, calls, only), workers=1)  # fmt: skip
    return found


def sweep_requests(build, process, error, kinds=KINDS, only="", every=EVERY_IN_A_REQUEST):
    """By some brokers at once: after most faults a second goes by until there is a set again."""
    shares = [list(kinds)[i::SHARES] for i in range(SHARES)]
    with concurrent.futures.ThreadPoolExecutor(SHARES) as pool:
        found = pool.map(lambda share: sweep_kinds(build, process, error, share, only, every), filter(None, shares))
        return mostly_met(sum(found, collections.Counter()))


LENIENT = ("--tokens=1000000000",)
# Of the others' requests the loader learns nothing.
LOADED = ["handoff", "program-only", "managed", "counting"]


def kinds_of(process):
    return LOADED if process == LOADER else KINDS


@both
def test_fault_38_killed_in_a_request(build, process):
    every = 4 if process == LOADER else EVERY_IN_A_REQUEST  # the loader makes about a dozen
    assert sweep_requests(build, process, KILL, kinds_of(process), every=every)["ends"] > 4


@both
def test_fault_40_not_permitted_in_a_request(build, process):
    assert sweep_requests(build, process, errno.EPERM, kinds_of(process))["answered"] > 2


@both
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE], ids=name)
def test_fault_46_no_fd_in_a_request(build, process, error):
    assert sweep_requests(build, process, error, kinds_of(process))["answered"] > 2


@both
def test_fault_47_no_memory_of_the_kernel_in_a_request(build, process):
    assert sweep_requests(build, process, errno.ENOMEM, kinds_of(process))["answered"] > 2


@both
def test_fault_48_interrupted_in_a_request(build, process):
    assert sweep_requests(build, process, errno.EINTR, kinds_of(process))["answered"] > 2


@pytest.mark.parametrize("error", BPF_ERRORS, ids=name)
def test_fault_39_bpf_fails_in_a_request(build, error):
    """The client has its set already; the next one is made a second later."""
    found = sweep_requests(build, LOADER, error, ["handoff", "counting"], "bpf", every=3)
    assert found["answered"] > 2 and not found["ends"]


# --- what clients hold ----------------------------------------------------------------------------

HELD = 100 // SPARSER


def hold(broker):
    """Grants of a hundred sets (in an emulated host fewer), each asked for on a connection that stays."""
    with wire.Connection(broker.socket) as connection:
        grants = []
        while len(grants) < HELD:
            reply = connection.ask(ACQUIRE)
            assert reply.status in (wire.OK, wire.BUSY)
            grants += [reply] if reply.status == wire.OK else []
        return grants


def judge_held(grants):
    """Each steers, follows a change of its maps, and steers by that."""
    for grant in grants:
        prog, table = grant.fds[wire.PROG], grant.fds[wire.TABLE]
        assert steers(prog)
        for i in range(128):
            bpf_fd.update(table, i, struct.pack("<H", 3))
        assert bpf_fd.test_run(prog, FLOWS[0].frame(b"", MAC)) == 3


def was_killed(broker):
    """By the fault, maybe a moment after the client has gone; else nothing was in its way."""
    try:
        return broker.process.wait(0.5) == 137
    except subprocess.TimeoutExpired:
        return bool(broker.hit) and broker.process.wait(60) == 137


def killed_while_held(build, fault, kind):
    broker = Injected(build)
    grants = []
    try:
        broker.start().wait_ready()
        grants = hold(broker)
        with contextlib.suppress(ConnectionError, wire.Closed), request(kind)(broker) as ask_it:
            broker.arm(fault)
            ask_it()
        died = was_killed(broker)
        judge_held(grants)
        return "dies" if died else "is not met"
    finally:
        for grant in grants:
            grant.close()
        broker.clean()


@pytest.mark.parametrize("kind", KINDS)
def test_fault_38_what_a_hundred_clients_hold_steers_on(build, kind):
    with Served(build, *LENIENT) as served:
        calls = samples(count_calls(served, kind, FRONT), 17)
    found = sweep(lambda fault: killed_while_held(build, fault, kind), faults(FRONT, KILL, calls))
    assert mostly_met(found)["dies"]


# --- limits and signals ---------------------------------------------------------------------------


def test_fault_46_sixteen_fds(build):
    """Not enough even for the pool: it says so and ends."""
    broker = Broker(build, prefix=["prlimit", "--nofile=16"])
    with contextlib.ExitStack() as stack:
        stack.callback(broker.clean)
        status, log = broker.fails()
    assert status == 1
    assert log.count("<3>") >= 1 and "ready: " not in log


@pytest.fixture(scope="module")
def full(build):
    """How many fds the front has when its pool is full."""
    with Broker(build) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        return len(broker.front.fds())


@pytest.mark.parametrize("more", [*range(-60, -4, 8), *range(-2, 4), 10])
def test_fault_46_few_fds(build, full, more):
    """With any number it refuses to start or serves; not even a connection has room in a full pool's."""
    broker = Broker(build, prefix=["prlimit", f"--nofile={full + more}"])
    with contextlib.ExitStack() as stack:
        stack.callback(broker.clean)
        broker.start()
        wait_for(lambda: broker.process.poll() is not None or "ready: " in broker.log(), "an end")
        if broker.process.poll() is None:
            with wire.as_user(CLIENT), wire.ask(broker.socket, ACQUIRE) as reply:
                assert reply.status == wire.OK
        else:
            assert broker.process.returncode == 1 and "<3>" in broker.log()


def test_fault_48_sigpipe(build):
    """Clients go before they are answered, and so does the log's reader: nobody dies of that."""
    with Broker(build) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        os.kill(broker.process.pid, signal.SIGSTOP)
        for _ in range(20):
            with wire.Connection(broker.socket) as client:
                client.send(ACQUIRE)
        os.kill(broker.process.pid, signal.SIGCONT)
        os.kill(broker.process.pid, signal.SIGPIPE)
        os.kill(broker.loader.pid, signal.SIGPIPE)
        with wire.ask(broker.socket, ACQUIRE) as reply:
            assert reply.status == wire.OK and steers(reply.fds[wire.PROG])
        wait_for(broker.is_at_rest, "a full pool")
