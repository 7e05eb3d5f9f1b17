# SPDX-License-Identifier: MIT
"""A broker whose front an attacker has taken over: it makes whatever system call a test orders.

A library that stands in for epoll_wait(2) makes them, from the front's own loop and under its own
filter; orders and results are in a file that the library and the test map.  It must never make a
call that was not ordered.
"""
import ctypes
import mmap
import os
import struct

from broker import Broker
from seccomp import number_of
from waiting import wait_for

CALLS_MAX, ARGS = 512, 6
SIZE = 1 << 20
DATA = SIZE // 2  # from here on the test puts what its pointers point to

SOURCE = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
struct call { int64_t nr, args[6], result; };
static struct orders {
	volatile uint32_t ordered, done, n, at;
	uint64_t address;
	struct call calls[512];
} *orders;
__attribute__((constructor)) static void begin(void)
{
	int file = open(getenv("ORDERS"), O_RDWR | O_CLOEXEC);
	orders = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	orders->address = (uintptr_t)orders;
}
static void obey(void)
{
	for (orders->at = 0; orders->at < orders->n; orders->at++) {
		struct call *c = &orders->calls[orders->at];
		c->result = syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4],
				    c->args[5]);
		if (c->result == -1)
			c->result = -errno;
	}
	orders->done = orders->ordered;
}
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	for (;;) {
		int step = timeout < 0 || timeout > 2 ? 2 : timeout;
		int n = syscall(SYS_epoll_pwait, fd, events, max, step, NULL, 8);
		if (orders->done != orders->ordered)
			obey();
		if (n || step == timeout)
			return n;
		timeout -= timeout < 0 ? 0 : step;
	}
}
"""


class Call(ctypes.Structure):
    _fields_ = [("nr", ctypes.c_int64), ("args", ctypes.c_int64 * ARGS), ("result", ctypes.c_int64)]


class Orders(ctypes.Structure):
    """struct orders"""

    _fields_ = [(name, ctypes.c_uint32) for name in ("ordered", "done", "n", "at")] + [
        ("address", ctypes.c_uint64), ("calls", Call * CALLS_MAX)]  # fmt: skip


class Ended(Exception):
    """The front ended in the midst of a call: its exit status, and which call it was."""

    def __init__(self, status, call):
        super().__init__(f"{call}: {status}")
        self.status, self.call = status, call


class TakenOver(Broker):
    """environment: of the fixture interposed, built from SOURCE."""

    def __init__(self, build, environment, *args, **keywords):
        super().__init__(build, *args, **keywords)
        with open(self.dir / "orders", "w+b") as file:
            file.truncate(SIZE)
            self.page = mmap.mmap(file.fileno(), SIZE)
        os.chmod(self.dir / "orders", 0o666)
        self.orders = Orders.from_buffer(self.page)
        self.popen = {**self.popen, "env": {**environment, "ORDERS": str(self.dir / "orders"),
                                            **self.popen.get("env", {})}}  # fmt: skip
        self.used = DATA

    def at(self, data):
        """The address in the front of these bytes."""
        self.used = (self.used + 15) & ~15
        place, self.used = self.used, self.used + len(data)
        self.page[place : self.used] = data
        return self.orders.address + place

    def bytes_at(self, address, size):
        place = address - self.orders.address
        return self.page[place : place + size]

    def message(self, data=b"hostile", name=b"", control=b""):
        """The address of a struct msghdr."""
        vector = self.at(struct.pack("<QQ", self.at(data), len(data)))
        return self.at(struct.pack("<QI4xQQQQi4x", self.at(name) if name else 0, len(name), vector, 1,
                                   self.at(control) if control else 0, len(control), 0))  # fmt: skip

    def order(self, calls):
        """Calls (name, argument...) that the front makes one after the other."""
        self.names = calls
        for call, (name, *args) in zip(self.orders.calls, calls):
            call.nr = number_of(name)
            signed = [ctypes.c_int64(arg).value for arg in args]
            call.args[:] = signed + [0] * (ARGS - len(signed))
        self.orders.n, self.orders.at = len(calls), 0
        self.orders.ordered += 1

    def results(self):
        """What they returned, -errno where one failed; Ended if one was the last."""
        wait_for(lambda: self.orders.done == self.orders.ordered or self.process.poll() is not None,
                 "the front's calls")  # fmt: skip
        if self.orders.done != self.orders.ordered:
            raise Ended(self.process.returncode, self.names[self.orders.at])
        return [call.result for call in self.orders.calls[: len(self.names)]]

    def make(self, calls):
        self.order(calls)
        return self.results()

    def call(self, name, *args):
        return self.make([(name, *args)])[0]
