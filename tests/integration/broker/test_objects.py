# SPDX-License-Identifier: MIT
"""The administrator's objects: which files are taken, which are left out, and why.

What is inside a file is judged by test_object_check.py; here it is the file.
"""
import contextlib
import hashlib
import itertools
import os
import random
import re
import struct
import subprocess
import threading
from pathlib import Path

import bpf_fd
import pytest
import wire
from broker import CLIENT, Broker
from paths import ROOT
from waiting import wait_for

BUILTIN = ["rss", "rss-stats", "rss-tunnel", "rss-tunnel-stats"]


@pytest.fixture(scope="module")
def elf():
    """A right object that is not built in: QEMU's."""
    with open(os.environ["RSSB_QEMU_OBJECT"], "rb") as file:
        return file.read()


@pytest.fixture
def store(tmp_path):
    tmp_path.chmod(0o755)
    directory = tmp_path / "objects"
    directory.mkdir()
    directory.chmod(0o755)
    return directory


def put(store, name, data, mode=0o644):
    path = store / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def acquire(broker, object_id):
    return wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, object_id=object_id))


def test_a_file_is_one_more_object(build, store, elf):
    put(store, "qemu-10.0.bpf.o", elf)
    put(store, "notes.txt", b"not one of them")
    with Broker(build, "--objects", store) as broker:
        assert list(wire.objects(broker.socket)) == [*BUILTIN, "qemu-10.0"]
        assert f"object directory {store}: 1 files are not read: their names do not end in" in broker.log()
        object_id = wire.objects(broker.socket)["qemu-10.0"]
        assert object_id == hashlib.sha256(elf).digest()
        with acquire(broker, object_id) as reply:
            assert (reply.status, reply.object_id) == (wire.OK, object_id)
        with wire.ask(broker.socket, wire.export(object_id)) as reply:
            assert os.pread(reply.fds[wire.ELF], len(elf) + 1, 0) == elf
        with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG)) as reply:
            assert reply.object_id == wire.objects(broker.socket)["rss"]  # by ABI it stays the broker's own


def test_the_license_is_the_objects_own(build, store):
    """It is not loaded as what it is not."""
    elf = (build / "bpf" / "rss.bpf.o").read_bytes()
    closed = elf.replace(b"Dual MIT/GPL\0", b"Proprietary\0\0")
    assert closed != elf
    put(store, "closed.bpf.o", closed)
    with Broker(build, "--objects", store) as broker:
        licensed = {}
        for name, object_id in wire.objects(broker.socket).items():
            with acquire(broker, object_id) as reply:
                licensed[name] = bpf_fd.is_gpl(reply.fds[wire.PROG])
        assert licensed == {**dict.fromkeys(BUILTIN, True), "closed": False}


@contextlib.contextmanager
def swapping(path, contents):
    """One after the other takes the file's place, as fast as it goes."""
    stop = threading.Event()

    def swap():
        for data in itertools.cycle(contents):
            if stop.is_set():
                return
            put(path.parent, "next", data).rename(path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_fault_33_swapped_while_it_is_read(build, store, elf):
    """Whichever is read: its id, what is loaded and what is exported are the same bytes."""
    path = put(store, "one.bpf.o", elf)
    contents = {hashlib.sha256(data).digest(): data for data in (elf, elf + b"\0")}
    for _ in range(5):
        with swapping(path, contents.values()), Broker(build, "--objects", store) as broker:
            object_id = wire.objects(broker.socket)["one"]
            with acquire(broker, object_id) as reply:
                assert (reply.status, reply.object_id) == (wire.OK, object_id)
            with wire.ask(broker.socket, wire.export(object_id)) as reply:
                assert os.pread(reply.fds[wire.ELF], 1 << 20, 0) == contents[object_id]


def special(kind, *numbers):
    return lambda store, elf: os.mknod(store / "bad.bpf.o", kind | 0o644, os.makedev(*numbers))


def owned(store, elf):
    os.chown(put(store, "bad.bpf.o", elf), 1000, 0)


def link(store, elf):
    (store / "bad.bpf.o").symlink_to(put(store, "target", elf))


def sparse(store, elf):
    os.truncate(put(store, "bad.bpf.o", elf), 64 << 30)


LEFT_OUT = {
    "empty": (lambda store, elf: put(store, "bad.bpf.o", b""), "is empty"),
    "64 GiB": (sparse, "is larger than 1 MiB"),
    "a directory": (lambda store, elf: (store / "bad.bpf.o").mkdir(), "is not a regular file"),
    "a FIFO": (lambda store, elf: os.mkfifo(store / "bad.bpf.o"), "is not a regular file"),
    "a device": (special(0o020000, 1, 5), "is not a regular file"),
    "a symlink": (link, "is a symlink"),
    "another's": (owned, "is not root's"),
    "of a group": (lambda store, elf: put(store, "bad.bpf.o", elf, 0o664), "is writable by others"),
    "of all": (lambda store, elf: put(store, "bad.bpf.o", elf, 0o646), "is writable by others"),
    "text": (lambda store, elf: put(store, "bad.bpf.o", b"x" * 100), r"libbpf: .*"),
    "twice": (lambda store, elf: put(store, "bad.bpf.o", elf) and put(store, "a.bpf.o", elf),
              "another object has the same bytes"),
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT_OUT)
def test_fault_31_and_34_left_out(build, store, what):
    """Faults 31, 32, 34: one log line names file and rule; the others serve."""
    make, why = LEFT_OUT[what]
    elf = (build / "bpf" / "rss.bpf.o").read_bytes() + b"\0"  # loads sooner than QEMU's
    make(store, elf)
    put(store, "good.bpf.o", elf + b"\0")  # of other bytes, and as good
    with Broker(build, "--objects", store) as broker:
        lines = [line for line in broker.log().splitlines() if "bad.bpf.o is left out" in line]
        assert len(lines) == 1 and re.search(f"bad.bpf.o is left out: {why}$", lines[0])
        assert "bad" not in wire.objects(broker.socket)
        assert "good" in wire.objects(broker.socket), broker.log()
        with acquire(broker, wire.objects(broker.socket)["good"]) as reply:
            assert reply.status == wire.OK


def test_fault_31_truncated_everywhere(build, store, elf):
    """Fault 31: cut short at every 64th byte, none is taken and none does harm."""
    for batch in range(0, len(elf), 64 * 100):
        for length in range(batch, min(batch + 64 * 100, len(elf)), 64):
            put(store, f"cut-{length}.bpf.o", elf[:length])
        with Broker(build, "--objects", store) as broker:
            assert list(wire.objects(broker.socket)) == BUILTIN
            assert broker.log().count("is left out: ") == len(list(store.iterdir()))
        for path in store.iterdir():
            path.unlink()


def test_more_than_there_is_room_for(build, store):
    elf = (build / "bpf" / "rss.bpf.o").read_bytes()  # loads sooner than QEMU's
    for i in range(20):
        put(store, f"o{i:02}.bpf.o", elf + bytes(i + 1))
    with Broker(build, "--objects", store) as broker:
        assert len(wire.objects(broker.socket)) == 16
        assert broker.log().count("there are 16 objects already") == 8


def test_a_name_with_odd_bytes(build, store, elf):
    put(store, "a b\n\x1b[31m.bpf.o", elf)
    with Broker(build, "--objects", store) as broker:
        assert list(wire.objects(broker.socket))[len(BUILTIN):] == ["a_b___31m"]
        assert "\x1b" not in broker.log()


REFUSED = {
    "missing": "{path} does not exist: mkdir -m 755 {path}",
    "symlink": "{path} (owner uid 0, mode 0777) is a symlink to {store}, and none is followed: ",
    "writable": "{path} (owner uid 0, mode 1777) can be written by everybody: chmod go-w {path}\n",
    "its group's": "{path} (owner uid 0, mode 1775) can be written by its group: chmod go-w {path}\n",
    "not root's": "{path} (owner uid 1000, mode 0755) does not belong to root: chown root {path}\n",
    "named from where it starts": "{store} (owner uid 1000, mode 0755) does not belong to root: ",
    "below such": "{above} (owner uid 1000, mode {mode:04o}) does not belong to root: chown root {above}\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_fault_34_directories_that_are_refused(build, store, elf, what, monkeypatch):
    """Fault 34: whoever can replace the directory can replace what is loaded."""
    path = store
    put(store, "good.bpf.o", elf)
    if what == "missing":
        path = store / "no"
    elif what == "symlink":
        path = store.parent / "link"
        path.symlink_to(store)
    elif what == "writable":
        store.chmod(0o1777)  # not even with the sticky bit
    elif what == "its group's":
        store.chmod(0o1775)
    elif what == "not root's":
        os.chown(store, 1000, 0)
    elif what == "named from where it starts":
        os.chown(store, 1000, 0)
        monkeypatch.chdir(store.parent)
        path = Path(store.name)
    else:
        os.chown(store.parent, 1000, 0)
    broker = Broker(build, "--objects", path)
    try:
        status, log = broker.fails()
    finally:
        broker.clean()
        os.chown(store.parent, 0, 0)
    why = REFUSED[what].format(
        path=path, store=store, above=store.parent, mode=store.parent.stat().st_mode & 0o7777)  # fmt: skip
    assert status == 1 and f"object directory {path}: {why}" in log


def compile_bad(store, tmp_path, text):
    source = tmp_path / "bad.bpf.c"
    source.write_text(text)
    include = subprocess.check_output(["cc", "-print-multiarch"], text=True).strip()
    subprocess.run(
        ["clang", "-target", "bpf", "-O2", "-g", "-I.", f"-I/usr/include/{include}", "-c", source,
         "-o", store / "bad.bpf.o"], check=True,
    )  # fmt: skip
    (store / "bad.bpf.o").chmod(0o644)


def test_maps_have_the_types_of_their_object(build, store, tmp_path):
    """bpftool can show what is in them."""
    text = (ROOT / "bpf/rss.bpf.c").read_text()
    typed, n = re.subn(r"__uint\((key|value)_size, sizeof\((.*?)\)\)", r"__type(\1, \2)", text)
    assert n >= 6
    compile_bad(store, tmp_path, typed)
    with Broker(build, "--objects", store) as broker:
        with acquire(broker, wire.objects(broker.socket)["bad"]) as reply:
            for role in (wire.CONFIG, wire.KEY, wire.TABLE):
                assert all(bpf_fd.map_types(reply.fds[role])), role


@pytest.mark.parametrize("n_words", [0, 2000], ids=["at once", "after long talk"])
def test_fault_39_an_object_that_the_kernel_refuses(build, store, tmp_path, n_words):
    """Of the right shape, but the verifier says no, and why: left out, the others serve."""
    compile_bad(store, tmp_path, REFUSED_BY_VERIFIER.replace("N_WORDS", str(n_words)))
    with Broker(build, "--objects", store) as broker:
        said = broker.log()
        why = "the verifier refuses it \\(Permission denied\\): R[0-9] invalid mem access 'scalar'\n"
        assert re.search(f"<4>rss-broker: object bad.bpf.o is left out: {why}", said)
        assert list(wire.objects(broker.socket)) == BUILTIN


REFUSED_BY_VERIFIER = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define MAP(name, size, n) struct { \\
	__uint(type, BPF_MAP_TYPE_ARRAY); \\
	__uint(key_size, 4); \\
	__uint(value_size, size); \\
	__uint(max_entries, n); \\
	__uint(map_flags, BPF_F_MMAPABLE); \\
} name SEC(".maps") = {};
MAP(tap_rss_map_configurations, 10, 1)
MAP(tap_rss_map_toeplitz_key, 40, 1)
MAP(tap_rss_map_indirection_table, 2, 128)
char _license[] SEC("license") = "Dual MIT/GPL";
SEC("socket")
int tun_rss_steering_prog(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u16 *queue = bpf_map_lookup_elem(&tap_rss_map_indirection_table, &zero);

	bpf_map_lookup_elem(&tap_rss_map_configurations, &zero);
	bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, &zero);
#pragma unroll
	for (int i = 0; i < N_WORDS; i++)
		((volatile struct __sk_buff *)skb)->mark;
	return (queue ? *queue : 0) + *(volatile int *)(long)skb->len; /* no pointer */
}
"""


def test_fault_36_an_object_that_needs_the_kernels_types(build, store, tmp_path):
    """Its trial may open no file, so there are none."""
    by_name = "struct sk_buff { unsigned len; } __attribute__((preserve_access_index));\n"
    text = REFUSED_BY_VERIFIER.replace("#define MAP", by_name + "#define MAP").replace(
        "*(volatile int *)(long)skb->len", "((struct sk_buff *)skb)->len")  # fmt: skip
    compile_bad(store, tmp_path, text.replace("N_WORDS", "0"))
    with Broker(build, "--objects", store) as broker:
        assert "object bad.bpf.o is left out: it cannot be loaded" in broker.log()
        assert list(wire.objects(broker.socket)) == BUILTIN


def test_an_object_of_which_no_set_could_be_made(build, store, tmp_path):
    """The kernel drops a function that is never called, and tells where the others are no more.

    A static one: until Linux 6.7 it kept the others.
    """
    never = "static __attribute__((noinline)) int never(int n) { return n * n; }\nSEC(\"socket\")"
    text = REFUSED_BY_VERIFIER.replace("N_WORDS", "0").replace('SEC("socket")', never)
    text = text.replace(
        "*(volatile int *)(long)skb->len; /* no pointer */",
        '({ int none = 0; asm volatile("" : "+r"(none)); none ? never(skb->len) : 0; });')
    assert text.count("never") == 2
    compile_bad(store, tmp_path, text)
    with Broker(build, "--objects", store) as broker:
        why = "no sets can be made of it: it has functions that are never called\n"
        assert f"<4>rss-broker: object bad.bpf.o is left out: {why}" in broker.log()
        assert list(wire.objects(broker.socket)) == BUILTIN


DAMAGED_EACH = 10  # all are tried: there is room for eleven more that load


@pytest.mark.parametrize("seed", range(300 if os.environ.get("RSSB_SOAK") else 2))
def test_fault_32_a_directory_of_damaged_objects(build, store, seed):
    """Whatever libbpf makes of each, the broker starts, with a line about each left out."""
    dice = random.Random(seed)
    elf = (build / "bpf" / "rss.bpf.o").read_bytes() + b"\0"  # loads sooner than QEMU's
    sections = elf[struct.unpack_from("<Q", elf, 40)[0] :]
    for i in range(DAMAGED_EACH):
        data = bytearray(elf)
        for _ in range(dice.randint(1, 4)):
            at = dice.choice([dice.randrange(64), dice.randrange(len(elf)),
                              len(elf) - dice.randint(1, len(sections))])  # fmt: skip
            data[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << dice.randrange(8)])
        put(store, f"damaged-{i}.bpf.o", bytes(data))
    put(store, "a-good-one.bpf.o", elf)
    broker = Broker(build, "--objects", store)
    with contextlib.ExitStack() as stack:
        stack.callback(broker.clean)
        broker.start()
        wait_for(lambda: "ready: " in broker.log(), "READY", 600)
        found = wire.objects(broker.socket)
        assert list(found)[: len(BUILTIN) + 1] == [*BUILTIN, "a-good-one"]
        assert "objects already" not in broker.log()
        left_out = re.findall(r"object (\S+).bpf.o is left out: ", broker.log())
        assert len(left_out) == len(set(left_out)) == DAMAGED_EACH + 1 + len(BUILTIN) - len(found)
        with acquire(broker, found["a-good-one"]) as reply:
            assert reply.status == wire.OK


def test_a_restart_takes_new_objects_and_costs_no_client_anything(build, store, elf):
    """What was handed over works on, through the restart and after it."""
    put(store, "one.bpf.o", elf)
    with Broker(build, "--objects", store) as broker:
        held = acquire(broker, hashlib.sha256(elf).digest())
        program = held.fds[wire.PROG]
        assert bpf_fd.test_run(program, bytes(64)) == 0
        put(store, "two.bpf.o", elf + b"\0")
        assert "two" not in wire.objects(broker.socket)
        broker.stop()
        broker.start()
        wait_for(lambda: broker.log().count("ready: ") == 2, "READY again")
        assert list(wire.objects(broker.socket))[len(BUILTIN):] == ["one", "two"]
        assert bpf_fd.test_run(program, bytes(64)) == 0
        with wire.as_user(CLIENT):
            again = acquire(broker, hashlib.sha256(elf).digest())
        assert again.status == wire.OK
        again.close()
        held.close()
