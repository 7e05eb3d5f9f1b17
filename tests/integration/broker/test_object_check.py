# SPDX-License-Identifier: MIT
"""Objects changed on purpose: each is refused, and told why.

They are compiled here from a few lines that have nothing of a steering program
but the ABI; threats.md's "Object" faults by number.
"""
import re
import subprocess

import pytest

INCLUDES = ["-I/usr/include/x86_64-linux-gnu"]

MAPS = {
    "tap_rss_map_configurations": (10, 1),
    "tap_rss_map_toeplitz_key": (40, 1),
    "tap_rss_map_indirection_table": (2, 128),
}

HEAD = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
"""

PROGRAM = """
SEC("socket")
int tun_rss_steering_prog(struct __sk_buff *skb)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&tap_rss_map_configurations, &zero) ? 1 : 0;
}
"""

LICENSE = 'char _license[] SEC("license") = "GPL";\n'


def a_map(name, value, entries, kind="BPF_MAP_TYPE_ARRAY", key=4, flags="BPF_F_MMAPABLE", more=""):
    return f"""
struct {{
    __uint(type, {kind}); __uint(key_size, {key}); __uint(value_size, {value});
    __uint(max_entries, {entries}); __uint(map_flags, {flags}); {more}
}} {name} SEC(".maps") = {{}};
"""


def source(maps=None, program=PROGRAM, tail=LICENSE):
    maps = maps or [a_map(name, *of) for name, of in MAPS.items()]
    return HEAD + "".join(maps) + program + tail


def maps_with(changed, **how):
    """The three maps, one of them changed."""
    made = []
    for name, (value, entries) in MAPS.items():
        of = {"name": name, "value": value, "entries": entries}
        made.append(a_map(**{**of, **(how if name == changed else {})}))
    return made


CONFIG, KEY, TABLE = MAPS
ALL = [a_map(name, *of) for name, of in MAPS.items()]
SECOND = PROGRAM.replace("tun_rss_steering_prog", "second")

GOOD = {
    "as it is": source(),
    "with types for sizes": source(
        [ALL[0], ALL[1], """
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u16);
         __uint(max_entries, 128); __uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_indirection_table SEC(".maps") = {};
"""]
    ),
    "with a function of its own": source(
        program="static __attribute__((noinline)) int one(int x) { return x + 1; }"
        + PROGRAM.replace("? 1 : 0", "? one(skb->len) : 0")
    ),
}  # fmt: skip

BAD = {
    "a map is missing": (source(ALL[:2]), f"there are 2 maps, not 3: {TABLE} is missing"),
    "a map is renamed": (
        source(maps_with(KEY, name="tap_rss_map_toeplitz_keys")),
        "map 2 is tap_rss_map_toeplitz_keys, not tap_rss_map_toeplitz_key",
    ),
    "maps are in another order": (
        source([ALL[0], ALL[2], ALL[1]]),
        "map 2 is tap_rss_map_indirection_table, not tap_rss_map_toeplitz_key",
    ),
    "a value is larger": (source(maps_with(KEY, value=44)), "its value size is 44, not 40"),
    "a value is smaller": (source(maps_with(CONFIG, value=8)), "its value size is 8, not 10"),
    "a key is larger": (source(maps_with(TABLE, key=8)), "its key size is 8, not 4"),
    "more entries": (
        source(maps_with(TABLE, entries=256)), "its number of entries is 256, not 128",
    ),
    "another map type": (
        source(maps_with(TABLE, kind="BPF_MAP_TYPE_HASH")), "its type is 1, not 2",
    ),
    "no mmap": (source(maps_with(KEY, flags="0")), "its flags is 0, not 1024"),
    "read-only for the program": (
        source(maps_with(KEY, flags="BPF_F_MMAPABLE | BPF_F_RDONLY_PROG")),
        "its flags is 1152, not 1024",
    ),
    "pinning by name": (
        source(maps_with(CONFIG, more="__uint(pinning, LIBBPF_PIN_BY_NAME);")),
        f"map {CONFIG}: it asks for pinning",
    ),
    "a NUMA node": (
        source(maps_with(CONFIG, more="__uint(numa_node, 1);")), "numa_node, map_extra and ifindex must be 0",
    ),
    "a fourth map": (source([*ALL, a_map("another", 4, 1)]), "there is a fourth map, another"),
    "a fifth map": (
        source([*ALL, a_map("another", 4, 1), a_map("more", 4, 1)]), "there are 5 maps, not 3",
    ),
    "counters of another size": (
        source([*ALL, a_map("rss_stats", 16, 1)]), "map rss_stats: its value size is 16",
    ),
    "XDP": (
        source(program="""
SEC("xdp") int tun_rss_steering_prog(struct xdp_md *x) { return XDP_PASS; }
"""), "program section xdp: no socket filter",
    ),
    "tracing": (
        source(program="""
SEC("kprobe/do_exit") int tun_rss_steering_prog(void *c) { return 0; }
"""), "program section kprobe/do_exit",
    ),
    "two programs": (
        source(program=PROGRAM + SECOND), "there are 2 programs, not 1",
    ),
    "a second program elsewhere": (
        source(program=PROGRAM + 'SEC("xdp") int second(struct xdp_md *x) { return XDP_PASS; }'),
        "there are 2 programs, not 1",
    ),
    "another program name": (
        source(program=SECOND), "the program is second, not tun_rss_steering_prog",
    ),
    "no program": (source(program=""), "there are 0 programs, not 1"),
    ".data": (
        source(program="int counter = 1;" + PROGRAM.replace("? 1", "? counter++")),
        "there is a fourth map, object.data",
    ),
    ".bss": (
        source(program="int counter;" + PROGRAM.replace("? 1", "? counter++")),
        "there is a fourth map, object.bss",
    ),
    ".rodata": (
        source(program="const volatile int one = 1;" + PROGRAM.replace("? 1", "? one")),
        "there is a fourth map, object.rodata",
    ),
    "kconfig": (
        source(program="extern int CONFIG_HZ __kconfig;" + PROGRAM.replace("? 1", "? CONFIG_HZ")),
        "there is a fourth map, object.kconfig",
    ),
    "a kernel function": (
        source(program="extern void bpf_rcu_read_lock(void) __ksym;"
               + PROGRAM.replace("return", "bpf_rcu_read_lock(); return")),
        "it has variables, which must not be: section .ksyms",
    ),
    "no license": (source(tail=""), "it has no license"),
    "an empty license": (
        source(tail='char _license[] SEC("license") = "";'), "its license is not a text",
    ),
    "a license of two lines": (
        source(tail='char _license[] SEC("license") = "GPL\\n<3>no";'),
        "its license is not printable",
    ),
    "old map definitions": (
        HEAD + 'struct bpf_map_def { int a[5]; }; struct bpf_map_def m SEC("maps") = {};' + LICENSE
        + 'SEC("socket") int tun_rss_steering_prog(void *c) { return 0; }',
        "legacy map definitions",
    ),
}  # fmt: skip


@pytest.fixture
def verdict(build):
    """What the check says of a file: None if it is of the ABI."""

    def judge(path):
        tool = build / "tests" / "tools" / "object_check"
        done = subprocess.run([tool, path], capture_output=True, text=True, check=False)
        said = done.stdout.strip().removeprefix(f"{path}: ")
        assert done.returncode in (0, 1) and done.stderr == ""
        assert (done.returncode == 0) == said.startswith("ok ")
        return None if done.returncode == 0 else said

    return judge


@pytest.fixture
def compiled(tmp_path):
    def compile_it(text, *options):
        (tmp_path / "x.c").write_text(text)
        command = ["clang", "-target", "bpf", "-O2", "-g", *INCLUDES, *options, "-c", "x.c"]
        subprocess.run(command, cwd=tmp_path, check=True)
        return tmp_path / "x.o"

    return compile_it


@pytest.mark.parametrize("what", GOOD)
def test_objects_of_the_abi_pass(what, compiled, verdict):
    """With debug information and stripped of it."""
    path = compiled(GOOD[what])
    assert verdict(path) is None
    subprocess.run(["llvm-strip", "-g", path], check=True)
    assert verdict(path) is None


@pytest.mark.parametrize("what", BAD)
def test_fault_37_changed_objects_fail(what, compiled, verdict):
    text, why = BAD[what]
    assert why in (verdict(compiled(text)) or "it passed")


def test_what_an_object_says_of_itself_is_printable(compiled, verdict, tmp_path):
    """Its names are in the reason, which is a line of a log."""
    good = compiled(source()).read_bytes()
    path = tmp_path / "odd.o"
    path.write_bytes(good.replace(b"tun_rss_steering_prog", b"tun_rss\x1b[2J\nsteering_"))
    assert verdict(path) == "the program is tun_rss?[2J?steering_, not tun_rss_steering_prog"


def test_fault_36_without_btf(compiled, verdict):
    assert "BTF is required" in verdict(compiled(source(), "-g0"))


def test_fault_35_other_elf_files(compiled, verdict, build, tmp_path):
    assert verdict(build / "rssb").startswith("libbpf: ")
    good = compiled(source()).read_bytes()

    def changed(at, value):
        path = tmp_path / "changed.o"
        path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
        return path

    for at, value in (
        (0, 0),  # the magic number
        (4, 1),  # 32 bits
        (5, 2),  # the other byte order
        (16, 2),  # an executable
        (18, 62),  # another machine
    ):
        assert verdict(changed(at, value)).startswith("libbpf"), at


def test_fault_36_damaged_btf(compiled, verdict, tmp_path):
    good = compiled(source()).read_bytes()
    start = good.index(b"\x9f\xeb\x01")
    refused = 0
    path = tmp_path / "changed.o"
    for at, value in ((0, 0), (2, 9), (3, 1), (4, 200), (12, 255), (20, 255)):
        path.write_bytes(good[: start + at] + bytes([value]) + good[start + at + 1 :])
        said = verdict(path)
        assert said is None or said.startswith("libbpf"), at  # of some of it libbpf makes no use
        refused += said is not None
    assert refused >= 4


def test_maps_of_btf_and_of_elf_disagree(compiled, verdict, tmp_path):
    """One bit of one name, in one of the two: libbpf would find no such map."""
    subprocess.run(["llvm-strip", "-g", compiled(source())], check=True)
    good = (tmp_path / "x.o").read_bytes()
    places = [m.start() for m in re.finditer(b"tap_rss_map_toeplitz_key\0", good)]
    assert len(places) >= 2
    path = tmp_path / "changed.o"
    for at in places:
        path.write_bytes(good[:at] + b"T" + good[at + 1 :])
        assert verdict(path)


# --- who reads it --------------------------------------------------------------------

TAKEN_OVER = """
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>
void *bpf_object__open_mem(const void *bytes, size_t size, const void *opts)
{
	if (chdir(getenv("PLACE")) == 0)
		fprintf(stdout, "hostile: chdir\\n");
	if (open("made", O_CREAT | O_WRONLY, 0600) >= 0)
		fprintf(stdout, "hostile: open\\n");
	for (int fd = 0; fd < 1000; fd++)
		if (fd != 3)
			(void)!write(fd, "hostile: write\\n", 15);
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		fprintf(stdout, "hostile: socket\\n");
	if (ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0)
		fprintf(stdout, "hostile: ptrace\\n");
	fflush(stdout);
	kill(getppid(), SIGKILL);
	execl("/bin/touch", "touch", "made", NULL);
	errno = ENOEXEC;
	return NULL;
}
"""


def test_libbpf_reaches_nothing(build, interposed, tmp_path):
    """Code in the child that reads an object, be it root's: its answer is all that comes out of it."""
    (tmp_path / "object").write_bytes(b"any")
    environment = {**interposed(TAKEN_OVER), "PLACE": str(tmp_path)}
    done = subprocess.run([build / "tests/tools/object_check", tmp_path / "object"], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"{tmp_path}/object: libbpf cannot open it: Exec format error\n"
    assert not (tmp_path / "made").exists()
