# SPDX-License-Identifier: MIT
"""Many requests, many restarts: afterwards there is as much of everything as before.

`make soak`: 1,000,000 requests, 1,000 restarts; `make check`: some of them, an emulated host fewer.
The figures are printed, and stand in docs/security.md.
"""
import concurrent.futures
import json
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import bpf_objects
import pytest
from broker import CLIENT, Broker
from supervisor import SIGNALS, Supervisor
from sweep import SPARSER, WHOLE
from waiting import wait_for

UID = 61236  # of the broker: in no other test
CLIENTS = [61001, 61001, 61002, 61003]
REQUESTS, WARM_UP = (1_000_000, 20_000) if WHOLE else (10_000 // SPARSER,) * 2
RESTARTS = 1000 if WHOLE else 20
MEMORY_KIB = 64

# Nobody has to wait for what he did before.
LIMITS = ["--tokens=1000000000", "--token-rate=1000000", "--ended-forgotten=1000000",
          "--memory=1000000", "--share=1"]  # fmt: skip
USERS = [f"--allow-user={uid}" for uid in sorted(set(CLIENTS))]


def load(build, path, requests):
    """What tests/tools/soak_load.c did; it fails if a request waited for ever or was half done."""
    done = subprocess.run(
        [build / "tests" / "tools" / "soak_load", path, str(requests), *map(str, CLIENTS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def private_kib(pid):
    """Resident memory that is no file's."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Anonymous:")))


def state(broker):
    """What must be as it was, and how much memory there is of each process."""
    processes = broker.front, broker.loader
    counts = [p.kinds() for p in processes], bpf_objects.count(UID)
    return counts, [private_kib(p.pid) for p in processes]


def test_fault_22_many_requests(build):
    """Of several users, right and wrong ones, and clients that are killed: nothing stays."""
    with Broker(build, *LIMITS, *USERS, user=UID) as broker:
        load(build, broker.socket, WARM_UP)
        wait_for(broker.is_at_rest, "a full pool")
        counts, memory = state(broker)
        found = load(build, broker.socket, REQUESTS)
        assert found["requests"] >= REQUESTS
        for status in ("ok", "malformed", "version", "unknown-op", "invalid", "no-grant"):
            assert found["replies"][status] > 0
        wait_for(broker.is_at_rest, "a full pool")
        wait_for(lambda: state(broker)[0] == counts, "fds and BPF objects as before")
        more = [after - before for before, after in zip(memory, state(broker)[1])]
        print(f"{found}; {bpf_objects.count(UID)} BPF programs and maps before and after; "
              f"private memory {memory} KiB, {more} more")  # fmt: skip
        if "san" not in build.parts:  # sanitizers keep what was freed
            assert max(more) <= MEMORY_KIB
    wait_for(lambda: bpf_objects.count(UID) == (0, 0), "the end of the BPF objects")


# --- restarts -------------------------------------------------------------------------------------


@pytest.fixture
def rssb(build, tmp_path_factory):
    """Where everybody may run it."""
    directory = tmp_path_factory.mktemp("rssb")
    for parent in (directory, *directory.parents):
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o055)
    return Path(shutil.copy(build / "rssb", directory))


class Meanwhile:
    """Does something again and again, in a thread of its own, until it is told to stop."""

    def __init__(self, what):
        self.what, self.stopping, self.results = what, threading.Event(), []
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.future = self.pool.submit(self._loop)

    def _loop(self):
        while not self.stopping.is_set():
            self.results.append(self.what())

    def stop(self):
        """What it did each time; an exception of it is raised here."""
        self.stopping.set()
        self.future.result(300)
        self.pool.shutdown()
        return self.results


def run_one(rssb, path):
    """rssb run, as nobody, of a program that wants its set."""
    command = ["setpriv", f"--reuid={CLIENT}", f"--regid={CLIENT}", "--clear-groups", rssb,
               "--socket", path, "run", "--steering", "equal 4", "--", "sh", "-c",
               'case $RSSB_FDS in program=*,lease=*) ;; *) exit 9 ;; esac']  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"rssb run: {done.returncode}: {done.stderr}"
    return time.monotonic() - start


def test_fault_54_restarts_under_load(build, rssb, rng):
    """Clients wait in the socket: none is refused, none gets half of a reply, rssb run succeeds."""
    with Supervisor(build, *LIMITS, *USERS, f"--allow-user={CLIENT}", user=UID) as supervisor:
        runs = Meanwhile(lambda: run_one(rssb, supervisor.socket))
        loads = Meanwhile(lambda: load(build, supervisor.socket, 2000))
        ended = []
        for n in range(RESTARTS):
            if n % 4:  # the others are ended before they serve
                wait_for(supervisor.is_ready, "the next broker")
            time.sleep(rng.uniform(0, 0.1))
            ended.append(supervisor.restart(rng.choice(SIGNALS)))
        took, found = runs.stop(), loads.stop()
        log = supervisor.broker.log()
    assert set(ended) <= {0, -signal.SIGKILL, -signal.SIGTERM}, ended
    assert [line for line in log.splitlines() if line.startswith("<3>")] == []
    assert log.count("ready: ") >= RESTARTS * 3 / 4 and len(took) > RESTARTS / 20
    answered = sum(sum(one["replies"].values()) for one in found)
    assert answered > RESTARTS
    print(f"{RESTARTS} restarts, {log.count('ready: ')} of them served; {len(took)} rssb run, the "
          f"slowest {max(took):.2f} s; {sum(one['requests'] for one in found)} other requests, "
          f"{answered} answered")  # fmt: skip
