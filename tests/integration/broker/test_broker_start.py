# SPDX-License-Identifier: MIT
"""How the broker may be started, with what privileges, and what it says when it cannot be."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

import pytest
import vectors
import wire
from broker import UID, Broker
from waiting import wait_for

CAP_BPF, CAP_PERFMON = 1 << 39, 1 << 38
INFO = vectors.read("request-info")
AMBIENT = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]


def serves(broker):
    """Also grants: the loader works with what it has."""
    with wire.ask(broker.socket, vectors.read("request-acquire-handoff")) as reply:
        return reply.status == wire.OK


def capabilities(process, *names):
    return [int(process.status()[f"Cap{name}"], 16) for name in names]


def fails(build, *args, **keywords):
    """Exit status and log of a broker that must not start."""
    broker = Broker(build, *args, **keywords)
    try:
        return broker.fails()
    finally:
        broker.clean()


# --- missing privileges -------------------------------------------------------


@pytest.mark.parametrize("missing", ["bpf", "perfmon"])
def test_fault_40_missing_capability_is_named(build, missing):
    status, log = fails(build, prefix=["setpriv", f"--bounding-set=-{missing}"])
    assert status == 1
    assert log.startswith(f"<3>rss-broker: CAP_{missing.upper()} is missing: start rss-broker ")
    assert ("--no-perfmon" in log) == (missing == "perfmon") and log.count("\n") == 1


def test_without_any_privilege(build):
    status, log = fails(build, prefix=[*AMBIENT, "--bounding-set=-all"], user=None)
    assert (status, log.count("\n")) == (1, 1)
    assert log.startswith("<3>rss-broker: CAP_BPF is missing: start rss-broker as root, by its systemd unit")


def test_perfmon_is_not_needed_without_perfmon(build):
    with Broker(build, "--no-perfmon", prefix=["setpriv", "--bounding-set=-perfmon"]) as broker:
        assert serves(broker)
    status, log = fails(build, "--no-perfmon", prefix=["setpriv", "--bounding-set=-bpf"])
    assert (status, "CAP_BPF is missing" in log) == (1, True)


# --- users --------------------------------------------------------------------


def test_no_such_user(build):
    """The line that makes one is printed."""
    status, log = fails(build, user="no-such-user")
    assert status == 1
    assert "there is no user no-such-user; this makes one: useradd --system --user-group" in log
    assert log.endswith("--shell /usr/sbin/nologin no-such-user\n")


@pytest.mark.parametrize("user", ["root", "0", "nobody", "65534"])
def test_shared_user(build, user):
    status, log = fails(build, user=user)
    assert (status, f"--user {user} is uid " in log) == (1, True)
    assert "a uid shared with others can kill the broker" in log


def test_unprivileged_with_ambient_capabilities(build):
    """As a service manager with User= and AmbientCapabilities= starts it."""
    caps = "--inh-caps=-all,+bpf,+perfmon", "--ambient-caps=-all,+bpf,+perfmon"
    broker = Broker(build, prefix=[*AMBIENT, *caps], user=None)
    os.chown(broker.dir, UID, UID)
    with broker:
        for process in broker.front, broker.loader:
            assert process.status()["Uid"].split() == [str(UID)] * 4
            assert process.status()["NoNewPrivs"] == "1"
            # No change of uid has made it so.  The files of who is not dumpable are root's.
            assert os.stat(f"/proc/{process.pid}/fd").st_uid == 0
            assert capabilities(process, "Amb", "Inh") == [0, 0]
        assert capabilities(broker.front, "Prm", "Eff") == [0, 0]
        assert capabilities(broker.loader, "Prm", "Eff") == [CAP_BPF | CAP_PERFMON] * 2
        assert serves(broker)
        assert broker.stop() == 0


def test_container_with_two_capabilities(build):
    """uid 0, but no CAP_SETUID: it stays uid 0, says so, and gives up all else."""
    prefix = ["setpriv", "--bounding-set=-all,+bpf,+perfmon", "--inh-caps=-all"]
    with Broker(build, prefix=prefix) as broker:
        assert "no CAP_SETUID, so --user is not used: staying uid 0, without its capabilities" in broker.log()
        assert capabilities(broker.front, "Prm", "Eff", "Inh", "Amb") == [0, 0, 0, 0]
        assert capabilities(broker.loader, "Prm", "Eff") == [CAP_BPF | CAP_PERFMON] * 2
        assert broker.front.status()["Uid"].split() == ["0"] * 4
        assert serves(broker)


# --- surroundings -------------------------------------------------------------


def test_fault_44_hostile_environment(build):
    """What libbpf and libc would listen to is gone before they do."""
    env = {**os.environ, "LIBBPF_BPF_TOKEN_PATH": "/nowhere", "LIBBPF_STRICT_MODE": "junk",
           "TZ": "/dev/zero", "LISTEN_FDS": "1", "LISTEN_PID": "1"}  # fmt: skip
    with Broker(build, env=env) as broker:
        assert serves(broker)


# Says how many variables there are, long before anything could look for one of a user's.
COUNTS_VARIABLES = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
extern char **environ;
int epoll_create1(int flags)
{
	int n = 0;
	while (environ && environ[n])
		n++;
	dprintf(2, "%d variables\\n", n);
	return syscall(SYS_epoll_create1, flags);
}
"""


def test_fault_44_the_environment_is_cleared(build, interposed):
    with Broker(build, env=interposed(COUNTS_VARIABLES)) as broker:
        assert "\n0 variables\n" in "\n" + broker.log()


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_stdio(build, closed):
    """Whatever takes the places of stdin, stdout and stderr, no log line goes into it."""
    broker = Broker(build, prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    broker.start()
    try:
        wait_for(broker.is_up, "its socket")
        assert wire.ask(broker.socket, vectors.read("bad-magic")).status == wire.MALFORMED
        assert serves(broker)
        for process in broker.front, broker.loader:
            for fd in range(3):
                assert process.fds()[fd] in ("/dev/null", str(broker.log_path)), process.fds()
    finally:
        broker.clean()


def test_stray_fds_are_closed(build):
    """An inherited fd would live as long as the broker."""
    read, write = os.pipe()
    with Broker(build, pass_fds=[write]) as broker:
        os.close(write)
        assert os.read(read, 1) == b""  # the broker has no copy, or this would wait
        assert serves(broker)
    os.close(read)


def test_fault_46_too_few_fds(build):
    """Not enough even for the pool: it says so and ends."""
    status, log = fails(build, prefix=["prlimit", "--nofile=16"])
    assert status == 1
    assert "<3>" in log and "ready" not in log


STOPS = 60  # below a hundred, which a trial withstands


def test_fault_61_stops_of_a_trial_end_no_start(build):
    """The verifier gives up where the process is stopped meanwhile, and is asked again."""
    broker, n = Broker(build), 0
    with contextlib.ExitStack() as stack:
        stack.callback(broker.clean)
        broker.start()
        while n < STOPS and broker.process.poll() is None and "ready: " not in broker.log():
            for child in broker.front.children():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                    if child.status()["Name"] == "rss-trial":
                        os.kill(child.pid, signal.SIGSTOP)
                        wait_for(lambda c=child: c.status()["State"][0] in "TZ", "its stop")
                        os.kill(child.pid, signal.SIGCONT)
                        n += 1
            time.sleep(0.001)
        broker.wait_ready()
        assert "left out" not in broker.log() and broker.n_objects() == 4


# No program can be loaded, as if the trial were stopped all the time; each takes 6 s of CPU time.
ALWAYS_EAGAIN = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
static long (*next)(long, long, long, long, long, long, long);
static pid_t (*next_fork)(void);
static int seconds;
__attribute__((constructor)) static void begin(void)
{
	*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	*(void **)&next_fork = dlsym(RTLD_NEXT, "fork");
}
long syscall(long n, long a, long b, long c, long d, long e, long f)
{
	if (n != SYS_bpf || a != BPF_PROG_LOAD)
		return next(n, a, b, c, d, e, f);
	errno = EAGAIN;
	return -1;
}
pid_t fork(void)
{
	dprintf(2, "a trial\\n");
	seconds += 6;
	return next_fork();
}
int getrusage(int who, struct rusage *used)
{
	*used = (struct rusage){ .ru_utime.tv_sec = seconds };
	return 0;
}
"""


def test_all_attempts_of_a_trial_have_one_limit(build, interposed):
    """A bpf(2) that never does anything but EAGAIN ends the start after 10 s of CPU time, not 100."""
    status, log = fails(build, env=interposed(ALWAYS_EAGAIN))
    assert (status, log.count("a trial")) == (1, 2), log
    assert "object rss: " in log and "Resource temporarily unavailable" in log


def test_pool_size(build):
    for pool in (1, 3):
        with Broker(build, "--pool", str(pool)) as broker:
            wait_for(lambda b=broker, n=pool: b.is_at_rest(n), f"a pool of {pool}")


# --- words --------------------------------------------------------------------


def run(build, *words):
    done = subprocess.run(
        [build / "rss-broker", *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_version_and_help(build):
    status, out, err = run(build, "--version")
    assert (status, out, err) == (0, "rss-broker 0.1.0\n", "")
    status, out, err = run(build, "--help")
    assert (status, out.startswith("Usage: rss-broker [OPTION]...\n"), err) == (0, True, "")
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("words", [["--nope"], ["--pool", "0"], ["now"], ["--socket"]])
def test_usage_errors(build, words):
    status, out, err = run(build, *words)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1


def test_fault_44_no_program_name(build):
    """argc is 0: nothing to go by."""
    libc = ctypes.CDLL(None, use_errno=True)  # Python 3.13 refuses to do this itself
    child = os.fork()
    if child == 0:
        libc.execve(bytes(build / "rss-broker"), (ctypes.c_char_p * 1)(), (ctypes.c_char_p * 1)())
        os._exit(0)
    assert os.waitpid(child, 0)[1] != 0


def test_log_levels(build):
    with Broker(build, "--log-level", "debug") as broker:
        wire.ask(broker.socket, INFO)
        line = f"<7>rss-broker: INFO uid=0 label=- pid={os.getpid()} result=ok\n"
        wait_for(lambda: line in broker.log(), line)
    broker = Broker(build, "--log-level", "err")
    try:
        broker.start()
        wait_for(broker.is_up, "its socket")
        assert serves(broker)
        assert broker.log() == ""
    finally:
        broker.clean()


def test_the_log_tells_who_got_what(build):
    """Who, what, which grant, with which result; never the key."""
    with Broker(build) as broker:
        with wire.ask(broker.socket, vectors.read("request-acquire-handoff")) as reply:
            line = (
                f"<6>rss-broker: ACQUIRE uid=0 label=- pid={os.getpid()} grant={reply.grant_id} "
                f"name=web-1 object={reply.object_id.hex()[:12]} result=ok\n"
            )
            wait_for(lambda: line in broker.log(), line)
        wire.ask(broker.socket, vectors.read("bad-queue"))
        line = (
            f"<6>rss-broker: ACQUIRE uid=0 label=- pid={os.getpid()} result=invalid "
            'reason="table[2] is 4, allowed is 0 to 3 (queues is 4)" repeated=0\n'
        )
        wait_for(lambda: line in broker.log(), line)
        assert "6d5a56" not in broker.log()
