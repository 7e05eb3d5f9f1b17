# SPDX-License-Identifier: MIT
"""librssb-qemu.so, without a QEMU: what asks is libbpf itself, in a Python of its own.

tests/e2e/test_on_demand_qemu.py has the QEMUs.
"""
import contextlib
import json
import os
import platform
import re
import socket
import subprocess

import pytest

import fake_broker
from fake_broker import FakeBroker
from waiting import wait_for
from world import DAEMON, NOBODY

# argv: the object, then what to do with it.  Prints one line of JSON a word.
LOADER = """
import ctypes, json, os, re, sys, threading
bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
bpf.bpf_object__open_file.restype = ctypes.c_void_p

def kinds():
    count = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            continue
        if match := re.match("anon_inode:(bpf-prog|bpf-map)|(pipe):", link):
            if int(fd) > 2:
                count[match[1] or match[2]] = count.get(match[1] or match[2], 0) + 1
    return count

def load():
    loaded = ctypes.c_void_p(bpf.bpf_object__open_file(sys.argv[1].encode(), None))
    assert loaded.value
    return loaded, bpf.bpf_object__load(loaded)

def close(loaded):
    bpf.bpf_object__close(loaded)

def rounds(n, results):
    for _ in range(n):
        loaded, result = load()
        results.append(result)
        close(loaded)

def once():
    ctypes.set_errno(77)
    loaded, result = load()
    seen = [result, kinds()]
    close(loaded)
    return [*seen, kinds()]

def threads():
    results = []
    workers = [threading.Thread(target=rounds, args=(10, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [results, kinds()]

def fork():
    loaded, result = load()
    child = os.fork()
    if not child:
        mine, own = load()
        close(mine)
        os._exit(0 if own == 0 and kinds() == {"bpf-prog": 1, "bpf-map": 3, "pipe": 1} else 1)
    status = os.waitpid(child, 0)[1]
    seen = kinds()
    close(loaded)
    return [result, status, seen, kinds()]

for word in sys.argv[2:]:
    print(json.dumps(globals()[word]()), flush=True)
"""

LINKER = {"x86_64": "/lib64/ld-linux-x86-64.so.2",
          "aarch64": "/lib/ld-linux-aarch64.so.1"}[platform.machine()]  # fmt: skip
SET = {"bpf-prog": 1, "bpf-map": 3, "pipe": 1}


@pytest.fixture(scope="module")
def on_demand(world, build):
    """Runs a command by rssb run --on-demand, as nobody."""

    def run(socket, command, *options, unprivileged=True, **kwargs):
        rssb = [world.inside(build) / "rssb", "--socket", socket, "run", "--on-demand"]
        return world.run([*rssb, *options, "--", *command], unprivileged=unprivileged,
                         check=False, timeout=120, **kwargs)  # fmt: skip

    return run


@pytest.fixture(scope="module")
def load(world, build, broker, on_demand):
    """What the loader printed, and what came on its stderr of ours."""
    script = world.dir / "loader.py"
    script.write_text(LOADER)

    def run(*words, path=world.inside(build / "bpf/rss.bpf.o"), socket=broker.socket,
            options=("--wait", "60"), **kwargs):  # fmt: skip
        done = on_demand(socket, ["/usr/bin/python3", script, path, *words], *options, **kwargs)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if line.startswith("rssb: ")]
        return [json.loads(line) for line in done.stdout.splitlines()], said

    return run


NETNS = 'mount -t tmpfs tmpfs /run && ip netns add inner && exec ip netns exec inner "$@"'


def test_in_another_network(world, build, load, broker, on_demand):
    """Behind ip netns exec, setpriv and the dynamic linker by its own name."""
    load("once")  # which writes the loader
    setpriv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    done = on_demand(broker.socket, [
        "unshare", "--mount", "sh", "-c", NETNS, "sh", *setpriv, LINKER, "/usr/bin/python3",
        world.dir / "loader.py", world.inside(build / "bpf/rss.bpf.o"), "once",
    ], "--wait", "60", unprivileged=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [0, SET, {}]
    nothing_left(broker)


def nothing_left(broker):
    wait_for(lambda: broker.grants() == 0, "every grant to end")


# --- a load ---------------------------------------------------------------------------


def test_a_load(load, broker):
    """Program, maps and lease are there until libbpf closes the object, and then none of them."""
    ((first, second), said) = load("once", "once")
    assert first == second == [0, SET, {}]
    assert said == []
    nothing_left(broker)


def test_two_threads(load, broker):
    (((results, left),), said) = load("threads", options=["--wait", "60"])
    assert results == [0] * 20 and left == {}
    assert said == []
    nothing_left(broker)


def test_fork(load, broker):
    """The child has a set of its own, and ends that alone."""
    (((result, status, seen, left),), _) = load("fork")
    assert (result, status, seen, left) == (0, 0, SET, {})
    nothing_left(broker)


def test_verbose_and_stats(load, build, world, broker):
    """Either names the grant; with --stats it counts."""
    for option in ("--verbose", "--stats"):
        _, said = load("once", options=[option, "--wait", "60"])
        (line,) = said
        assert re.fullmatch(r"rssb: on-demand: grant \d+", line)


def test_root_is_answered_too(load, broker):
    """It could load the program by itself, but was started by rssb run --on-demand."""
    ((seen,), said) = load("once", unprivileged=False)
    assert seen == [0, SET, {}] and said == []
    nothing_left(broker)


# --- another object -------------------------------------------------------------------

OBJECT = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#ifndef CONFIG
#define CONFIG tap_rss_map_configurations
#endif
#ifndef PROGRAM
#define PROGRAM tun_rss_steering_prog
#endif
#ifndef TYPE
#define TYPE BPF_MAP_TYPE_ARRAY
#endif
#ifndef FLAGS
#define FLAGS BPF_F_MMAPABLE
#endif
#ifndef KEY
#define KEY 4
#endif
#ifndef VALUE
#define VALUE 40
#endif
#ifndef ENTRIES
#define ENTRIES 128
#endif
#define MAP(name, type_, key, value, entries, flags) \\
	struct { \\
		__uint(type, type_); __uint(key_size, key); __uint(value_size, value); \\
		__uint(max_entries, entries); __uint(map_flags, flags); \\
	} name SEC(".maps")
MAP(CONFIG, TYPE, 4, 10, 1, FLAGS);
MAP(tap_rss_map_toeplitz_key, BPF_MAP_TYPE_ARRAY, KEY, VALUE, 1, BPF_F_MMAPABLE);
MAP(tap_rss_map_indirection_table, BPF_MAP_TYPE_ARRAY, 4, 2, ENTRIES, BPF_F_MMAPABLE);
#ifdef EXTRA
MAP(one_more, BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0);
#endif
SEC(SECTION)
int PROGRAM(void *ctx)
{
	__u32 zero = 0;
	return !bpf_map_lookup_elem(&CONFIG, &zero) +
	       !bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, &zero) +
	       !bpf_map_lookup_elem(&tap_rss_map_indirection_table, &zero)
#ifdef EXTRA
	       + !bpf_map_lookup_elem(&one_more, &zero)
#endif
		;
}
char _license[] SEC("license") = "GPL";
"""
OTHER = "rssb: on-demand: QEMU's object is of another ABI: "
INSTEAD = "; the kernel is asked instead"
KINDS = {
    "map type": ("-DTYPE=BPF_MAP_TYPE_HASH -DFLAGS=0",
                 "map tap_rss_map_con has type 1, not 2"),
    "map flags": ("-DFLAGS=0", "map tap_rss_map_con has flags 0, not 1024"),
    "key size": ("-DKEY=8 -DTYPE=BPF_MAP_TYPE_ARRAY", "map tap_rss_map_toe has key size 8, not 4"),
    "value size": ("-DVALUE=52", "map tap_rss_map_toe has value size 52, not 40"),
    "entries": ("-DENTRIES=256", "map tap_rss_map_ind has entries 256, not 128"),
    "a map's name": ("-DCONFIG=tap_rss_config", "it has a map tap_rss_config"),
    "one map more": ("-DEXTRA", "it has a map one_more"),
    "program type": ('-DSECTION="xdp"', "program tun_rss_steerin, type 6"),
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(world):
    def run(name, *options):
        path = world.dir / f"{name.replace(' ', '-')}.o"
        if not any(option.startswith("-DSECTION") for option in options):
            options += ('-DSECTION="socket"',)
        triplet = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True,
                                 check=True).stdout.strip()  # fmt: skip
        subprocess.run(["clang", "-target", "bpf", "-O2", "-g", f"-I/usr/include/{triplet}",
                        *options, "-x", "c", "-c", "-", "-o", path], input=OBJECT, text=True,
                       check=True)  # fmt: skip
        return path

    return run


def test_the_same_maps_are_enough(load, compiled, broker):
    (seen,), said = load("once", path=compiled("same"))
    assert seen == [0, SET, {}] and said == []
    nothing_left(broker)


@pytest.mark.parametrize("what", KINDS)
def test_an_object_that_differs(load, compiled, broker, what):
    """The load fails as it would without us, one line says why, and nothing is kept."""
    options, why = KINDS[what]
    (seen, again), said = load("once", "once", path=compiled(what, *options.split()))
    for result, during, after in (seen, again):
        assert result < 0 and "bpf-prog" not in during and after == {}
    assert said == [OTHER + why + INSTEAD] * 2
    nothing_left(broker)


def test_another_program_is_the_kernels(load, compiled, broker):
    """The same maps under a program of another name: no RSS, and not a word."""
    (seen,), said = load("once", path=compiled("other", "-DPROGRAM=something_else"))
    assert seen[0] < 0 and said == []
    nothing_left(broker)


# --- a broker that does not help ----------------------------------------------------------


def test_no_broker(load, world):
    path = world.dir / "nobody-listens"
    ((seen,), (line,)) = load("once", socket=path, options=["--wait", "0.1"])
    assert seen[0] < 0 and seen[1:] == [{}, {}]
    assert line == (f"rssb: on-demand: no broker: {path} does not exist; start one (systemctl "
                    "start rss-broker.socket), or say by --socket where it is; QEMU goes on "
                    "without a steering set")  # fmt: skip


def test_the_working_directory_stays(world, build, load, on_demand):
    """All threads of a QEMU share it.  Only in a chroot, where it is "/", is it changed for a connect."""
    load("once")  # which writes the loader
    trace = world.dir / "trace"
    path = world.directory("empty", owner=0) / "nobody-listens"
    done = on_demand(path, ["strace", "-f", "-qq", "-e", "trace=fchdir", "-o", trace, "/usr/bin/python3",
                            world.dir / "loader.py", world.inside(build / "bpf/rss.bpf.o"), "once"],
                     "--wait", "0.1", unprivileged=False)  # fmt: skip
    assert "no broker" in done.stderr
    assert "fchdir" not in trace.read_text()


def test_it_waits_for_a_busy_broker(load, world):
    path = world.dir / "busy"
    script = [fake_broker.BUSY, fake_broker.HANG_UP, fake_broker.LIMIT]
    with FakeBroker(path, script, retry_ms=10) as broker:
        ((seen,), said) = load("once", socket=path, options=["--wait", "60"])
        assert broker.requests == 4
    assert seen[0] == 0 and seen[1]["pipe"] == 1 and seen[2] == {} and said == []


def test_fds_that_are_no_set(load, world):
    """A front that somebody has taken over can make files and shorten them: QEMU, which maps
    what it gets, would then end at a command of its guest."""
    path = world.dir / "files"
    with FakeBroker(path, make_fd=os.memfd_create):
        (seen, again), said = load("once", "once", socket=path, options=["--wait", "60"])
    assert seen[0] < 0 and again[0] < 0 and seen[1:] == again[1:] == [{}, {}]
    assert said == ["rssb: on-demand: the broker sent fds that are not a program and its maps; "
                    "QEMU goes on without a steering set"] * 2  # fmt: skip


def test_it_gives_up_on_a_busy_broker(load, world):
    """Each load has its line; a busy machine may leave the last question without an answer."""
    path = world.dir / "always-busy"
    with FakeBroker(path, [fake_broker.BUSY] * 10000, retry_ms=20) as broker:
        (seen, again), said = load("once", "once", socket=path, options=["--wait", "2"])
        assert broker.requests > 1
    assert seen[0] < 0 and again[0] < 0
    assert len(said) == 2
    for line in said:
        assert re.fullmatch(r"rssb: on-demand: .*; QEMU goes on without a steering set", line)


@pytest.mark.parametrize("full", [False, True], ids=["silent", "queue full"])
def test_a_broker_that_does_nothing(load, world, full):
    """It neither answers nor takes connections; QEMU's main loop goes on all the same."""
    path = world.dir / f"hangs{full:d}"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(0)
        for _ in range(2 if full else 0):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            client.setblocking(False)
            client.connect_ex(str(path))
        (seen, again), said = load("once", "once", socket=path, options=["--wait", "0.5"])
    assert seen[0] < 0 and again[0] < 0 and seen[1:] == again[1:] == [{}, {}]
    assert len(said) == 2 and all("; QEMU goes on without" in line for line in said)


def test_a_refusal_is_not_asked_again(load, world):
    path = world.dir / "denied"
    with FakeBroker(path, [fake_broker.DENIED]) as broker:
        (seen,), (line,) = load("once", socket=path)
        assert broker.requests == 1
    assert seen[0] < 0 and line == "rssb: on-demand: as the script says; QEMU goes on without a steering set"


# --- a process that must not notice -------------------------------------------------------

# Prints (result, errno) of calls; argv 1: what else to leave out.
CALLS = """
import ctypes, json, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
BPF = 321
MAP_CREATE, PROG_LOAD, BTF_LOAD = 0, 5, 18
page = mmap.mmap(-1, 4096)
attr = (ctypes.c_char * 4096).from_buffer(page)
seen = []

def call(*args):
    ctypes.set_errno(77)
    result = libc.syscall(*map(ctypes.c_long, args))
    seen.append([args[0], min(result, 0), ctypes.get_errno()])
    if result > 2 and args[0] == BPF:
        os.close(result)

def fill(**fields):
    ctypes.memset(attr, 0, 4096)
    for offset, value in fields.values():
        ctypes.memmove(ctypes.addressof(attr) + offset, value.to_bytes(8, "little"), 8)

here = ctypes.addressof(attr)
for command in range(-1, 45):
    for size in (0, 1, 48, 128, 4096):
        call(BPF, command, here, size)
    for bad in (0, 1, 8, -4096, here + 4090):
        call(BPF, command, bad, 128)
fill(types=(0, 1), size=(16, 1 << 30))                 # BTF of a GiB, and at no address
call(BPF, BTF_LOAD, here, 40)
fill(types=(0, 1), size=(16, 4096))
call(BPF, BTF_LOAD, here, 40)
fill(type_key=(0, 2 | 4 << 32), value=(8, 10 | 1 << 32), flags=(16, 0x400))
ctypes.memmove(here + 28, b"tap_rss_map_con", 15)      # a map of the ABI, but of no load
call(BPF, MAP_CREATE, here, 80)
fill(type_count=(0, 1 | 611 << 32), insns=(8, 1), license=(16, here))
ctypes.memmove(here + 48, b"tun_rss_steerin", 15)      # and such a program
call(BPF, PROG_LOAD, here, 128)
call(39)                                               # getpid
call(9999)
call(1, 999, here, 1)                                  # write
call(9, 0, 4096, 1, 0x22, -1, 4096)                    # mmap: six arguments
call(16, 0, 0x5401, here)                              # ioctl, and by its own name:
ctypes.set_errno(77)
seen.append([libc.ioctl(999, ctypes.c_ulong(0x5401), attr), ctypes.get_errno()])
print(json.dumps(seen))
"""


def test_other_calls_are_the_kernels(world, broker, on_demand):
    """What is asked by nobody, with and without the library, is answered alike, errno included."""
    script = ["/usr/bin/python3", "-c", CALLS]
    plain = world.run(script, unprivileged=True)
    with_it = on_demand(broker.socket, script)
    assert with_it.stderr == plain.stderr == ""
    calls = json.loads(plain.stdout)
    assert json.loads(with_it.stdout) == calls
    assert len(calls) > 400 and [321, -1, 1] in calls  # EPERM


EARLY = """
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
static long pid, seen;
static int failed, error;
static void early(void)
{
	char attr[128] = { 0 };

	pid = syscall(SYS_getpid);
	seen = syscall(SYS_bpf, 5, attr, sizeof(attr));
	failed = ioctl(-1, 0x5401, attr);
	error = errno;
}
__attribute__((section(".preinit_array"), used)) static void (*const at)(void) = early;
int main(void)
{
	printf("%d %ld %d %d\\n", pid == getpid(), seen, failed, error == EBADF);
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(world):
    """Compiles a program; returns where it is."""

    def run(name, source, *options):
        path = world.dir / name
        subprocess.run(["cc", "-o", path, "-x", "c", "-", *options], input=source, text=True,
                       check=True)  # fmt: skip
        return path

    return run


def test_called_before_any_constructor(program, broker, on_demand):
    done = on_demand(broker.socket, [program("early", EARLY)])
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 -1 -1 1\n", "")


MAPS = """
#include <stdio.h>
int main(void)
{
	char line[4096];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), maps))
		fputs(line, stdout);
	return 0;
}
"""
LIBRARY = "librssb-qemu.so"


def test_a_static_program_is_not_touched(program, broker, on_demand):
    done = on_demand(broker.socket, [program("static", MAPS, "-static")])
    assert (done.returncode, done.stderr) == (0, "") and LIBRARY not in done.stdout


def test_a_set_user_id_program_is_not_touched(world, program, broker, on_demand):
    """As another user, who may still become root by it."""
    path = program("suid", MAPS)
    other = ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups", "--"]
    assert LIBRARY in on_demand(broker.socket, [*other, path], unprivileged=False).stdout
    path.chmod(0o4755)
    done = on_demand(broker.socket, [*other, path], unprivileged=False)
    assert done.returncode == 0 and "[stack]" in done.stdout and LIBRARY not in done.stdout


COUNTING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <unistd.h>
long syscall(long number, ...)
{
	long (*next)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (write(2, "user's own\\n", 11) < 0)
		return -1;
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
"""


def test_beside_the_users_own(world, program, broker, load):
    """Both are called, the user's first."""
    own = program("own.so", COUNTING, "-shared", "-fPIC")
    done = world.run(["true"], env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(own)})
    assert done.returncode == 0
    environment = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(own)}
    (seen,), said = load("once", env=environment)
    assert seen == [0, SET, {}] and said == []
    nothing_left(broker)


# --- the command --------------------------------------------------------------------------


def test_words_that_lead_to_it(world, broker, on_demand):
    """Its arguments are passed on as they are, whatever they are."""
    words = ["env", "A=b", "sh", "-c", 'exec "$@"', "sh", "printf", "%s|", "-nic", "", "a b", "--"]
    done = on_demand(broker.socket, words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-nic||a b|--|", "")


def test_the_environment(world, broker, on_demand):
    done = on_demand("relative/sock", ["env"], "--stats", "--wait", "1.5", "--verbose")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert found["RSSB_ON_DEMAND"] == "wait=1500,stats,verbose"
    assert found["RSSB_SOCKET"].startswith("/") and found["RSSB_SOCKET"].endswith("/relative/sock")
    assert found["LD_PRELOAD"].endswith(f"/{LIBRARY}") and ":" not in found["LD_PRELOAD"]


@pytest.mark.parametrize("optional", [False, True])
def test_without_the_library(world, build, broker, optional):
    """rssb alone, somewhere else."""
    alone = world.dir / "alone"
    alone.mkdir(exist_ok=True)
    (alone / "rssb").write_bytes((build / "rssb").read_bytes())
    (alone / "rssb").chmod(0o755)
    options = ["--optional"] if optional else []
    done = world.run([alone / "rssb", "run", "--on-demand", *options, "--", "echo", "done"],
                     unprivileged=True, check=False)  # fmt: skip
    why = (f"{LIBRARY} is not where rssb is installed (bin/rssb and lib/rss-broker/{LIBRARY})")
    if optional:
        assert (done.returncode, done.stdout) == (0, "done\n")
        assert done.stderr == f"rssb: run: warning: {why}; going on without a steering set\n"
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"rssb: run: {why}\n"


def test_a_broken_library(world, build, broker):
    """The loader says so, and the program runs."""
    broken = world.dir / "broken"
    broken.mkdir()
    (broken / "rssb").write_bytes((build / "rssb").read_bytes())
    (broken / "rssb").chmod(0o755)
    (broken / LIBRARY).write_text("no ELF")
    done = world.run([broken / "rssb", "run", "--on-demand", "--", "echo", "done"],
                     unprivileged=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert f"{broken / LIBRARY}' from LD_PRELOAD cannot be preloaded" in done.stderr


@pytest.mark.parametrize("other", [
    ["--rss"], ["--if-needed"], ["--no-probe"], ["--exact"], ["--qemu"],
    ["--host-steering", "equal 4"], ["--steering", "equal 4"],
    ["--wait", "0"], ["--wait", "61"],
], ids=" ".join)  # fmt: skip
def test_options_that_do_not_go_with_it(broker, on_demand, other):
    done = on_demand(broker.socket, ["true"], *other)
    assert done.returncode == 2 and done.stderr.startswith("rssb: run: --")
    assert "--on-demand" in done.stderr
