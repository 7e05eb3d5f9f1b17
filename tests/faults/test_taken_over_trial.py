# SPDX-License-Identifier: MIT
"""A file of the objects' directory that takes over the process in which libbpf reads it.

A library that stands in for bpf_object__open_mem(3) does what such a file would have it do. What
that costs must be the file and one line.
"""
import subprocess

import pytest

from broker import Broker
from paths import ROOT

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "broker/loader/trial.h"
static typeof(bpf_object__open_mem) *real;
static struct trial *trial;
__attribute__((constructor)) static void begin(void)
{
	real = (typeof(real))dlsym(RTLD_NEXT, "bpf_object__open_mem");
}
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	void *map = (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
	if (flags == (MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE))
		trial = map;
	return map;
}
void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	return mmap(at, n, prot, flags, fd, offset);
}
static char byte[512];
static struct iovec vector = { byte, 1 };
static struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
struct bpf_object *bpf_object__open_mem(const void *elf, size_t n, const struct bpf_object_open_opts *o)
{
	if (strcmp(o->object_name, "evil"))
		return real(elf, n, o);
	%s
	return NULL;
}
"""

# What it does instead: then it would say that the object is none.
RECEIVE = "recvmsg(3, &message, 0);"
POLL = "poll(NULL, 0, -1);"
ANSWER = "sendmsg(3, &message, MSG_NOSIGNAL);"
SEND_WITHOUT_END = f"trial->err = -EINVAL; while ({ANSWER.rstrip(';')} >= 0) vector.iov_len = sizeof(byte);"
SAY = 'trial->err = -EINVAL; strcpy(trial->why, "a\\n<3>rss-broker: \\033[2J\\377."); ' + ANSWER + " _exit(0);"
NO_ERROR = "trial->err = INT_MIN; " + ANSWER + " _exit(0);"


@pytest.fixture
def started(build, tmp_path):
    """The log of a broker that such a file did not keep from serving."""

    def start(what):
        source, library, store = (tmp_path / name for name in ("evil.c", "evil.so", "objects"))
        source.write_text(SOURCE % what)
        subprocess.run(["cc", "-shared", "-fPIC", "-I", ROOT, "-o", library, source], check=True)
        store.mkdir(mode=0o755)
        (store / "evil.bpf.o").write_bytes(b"evil")
        tmp_path.chmod(0o755)
        environment = {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0"}
        with Broker(build, "--objects", store, env=environment) as broker:
            assert broker.n_objects() == 4
            return broker.log()

    return start


@pytest.mark.parametrize("wait", [RECEIVE, POLL, SEND_WITHOUT_END])
def test_it_waits_for_nothing(started, wait):
    """Its CPU time has an end, but it took none: the start had no end."""
    assert "object evil.bpf.o is left out: " in started(wait)


def test_what_it_says_stays_in_a_line(started):
    log = started(SAY)
    assert "object evil.bpf.o is left out: a?<3>rss-broker: ?[2J?." in log
    assert not any(line.startswith("<3>") for line in log.splitlines())


def test_an_error_that_is_none(started):
    assert "object evil.bpf.o is left out: the process that tried it left a damaged result" in started(NO_ERROR)
