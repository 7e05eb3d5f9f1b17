# SPDX-License-Identifier: MIT
"""Fault 47: the n-th allocation fails, for every n: of start-up, in the front or in its children
(the objects' trials, then the loader); of a command.

Demanded of the broker: it serves, under the very filters that it always has, or it does not, and is
gone with all of its processes; a library may have crashed, but none may loop.  `make soak` tries
every n, `make check` some.  Of a command: one line that says so, and status 1.
"""
import contextlib
import errno
import struct
import subprocess

import pytest
from broker import Broker, running
from injected import FRONT, LOADER, Fault
from seccomp import Filter
from sweep import demand, samples, sweep
from waiting import wait_for

EVERY = 17
LD_SO = 127  # the status by which the dynamic linker ends a process

# Counts from the first isatty(3) on, by which the program begins; COUNT is a file of the counts of
# the front and of all its children.
NTH_MALLOC = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
static int *n, fail_in, fail_at, first;
int isatty(int fd)
{
	int file = open(getenv("COUNT"), O_RDWR);
	sscanf(getenv("FAIL"), "%d %d", &fail_in, &fail_at);
	first = getpid();
	n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return 0;
}
static int fails(void)
{
	int who = getpid() != first;
	return n && ++n[who] == fail_at && who == fail_in;
}
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return fails() ? NULL : __libc_realloc(p, size); }
"""


class Allocating(Broker):
    """One of whose allocations fails."""

    def __init__(self, build, environment, fault):
        super().__init__(build)
        self.counts = self.dir / "counts"
        self.counts.write_bytes(bytes(4096))
        fail = f"{fault.process} {fault.n}"
        self.popen = {"env": {**environment, "COUNT": str(self.counts), "FAIL": fail}}

    def n_allocations(self, process):
        return struct.unpack_from("2i", self.counts.read_bytes())[process]


@pytest.fixture
def environment(build, interposed):
    if "san" in build.parts:
        pytest.skip("the sanitizers have an allocator of their own; the plain build is tested")
    return interposed(NTH_MALLOC)


def filters(broker):
    return [Filter(process.pid).code for process in (broker.front, broker.loader)]


def start_under(build, environment, fault, usual):
    broker = Allocating(build, environment, fault)
    with contextlib.ExitStack() as stack:
        stack.callback(broker.clean)
        broker.start()
        wait_for(lambda: broker.process.poll() is not None or "ready: " in broker.log(), "an end")
        if broker.process.poll() is None:
            demand(filters(broker) == usual, "another filter than usual")
            return "serves"
        status = broker.process.returncode
        demand(status in (1, LD_SO) or status < 0, f"its status is {status}")
        wait_for(lambda: not running(broker.program), "the end of its children", 60)
        return "refuses" if status == 1 else "crashes"


@pytest.mark.parametrize("process", [FRONT, LOADER], ids=["front", "children"])
def test_fault_47_the_nth_malloc_fails(build, environment, process):
    with Allocating(build, environment, Fault(process, errno.ENOMEM, -1)) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        n, usual = broker.n_allocations(process), filters(broker)
    assert n > 50
    faults = [Fault(process, errno.ENOMEM, i) for i in samples(n, EVERY)]
    found = sweep(lambda fault: start_under(build, environment, fault, usual), faults)
    assert process == FRONT or found["refuses"] or found["crashes"]  # libbpf is the children's


# --- a command --------------------------------------------------------------------------------

NTH_OF_A_COMMAND = """
#include <stdlib.h>
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
static int left;
__attribute__((constructor)) static void begin(void) { left = atoi(getenv("FAIL_AT")); }
static int fails(void) { return left && --left == 0; }
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return fails() ? NULL : __libc_realloc(p, size); }
"""

COMMANDS = {
    "hash": ["hash", "--json", "1.2.3.4:5", "6.7.8.9:10", "equal 4"],
    "run": ["run", "--optional", "--", "true"],
    "status": ["status", "--json"],
}
NO_MEMORY = "rssb: out of memory\n"


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_fault_47_the_nth_malloc_of_a_command_fails(build, interposed, words):
    """It does without, or ends with one line; and not by asking for memory to say so."""
    if "san" in build.parts:
        pytest.skip("the sanitizers have an allocator of their own; the plain build is tested")
    environment = {**interposed(NTH_OF_A_COMMAND), "RSSB_SOCKET": "/nonexistent"}

    def outcome(n):
        done = subprocess.run([build / "rssb", *words], env={**environment, "FAIL_AT": str(n)},
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    n_failed = 0
    for n in samples(199, 1):
        status, _shown, said = outcome(n)  # json-c itself shows less, and says nothing
        n_failed += said == NO_MEMORY
        assert status in (0, 1) and (status == 0 or said.count("\n") == 1), (n, status, said)
    assert n_failed > 1
