#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the tests in emulated hosts, each with one of Debian's own kernels: make check-hosts.

usage: tests/run/check_hosts.py [--part PART]... [--build DIR] HOST...

A host runs in parts; each part is a boot of its own, so one that hangs costs no other.  The last line
of each host is "HOST: N passed, N failed".  What is left out, and why: tests/hosts/left_out.txt.
"""
import argparse
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import emulated_host  # noqa: E402

TIME_FACTOR = 20
PART_LIMIT_S = 3600
# -v: of a part that hangs one sees where.  -rs: what is skipped, and why.  --durations: what is slow.
PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-v", "-rs", "--durations=12", "-p",
          "no:cacheprovider", "-p", "left_out"]  # fmt: skip
# Until Linux 5.11 maps counted as locked memory.
MEMLOCK = ["prlimit", "--memlock=unlimited"]
# Test programs that need no root; each ends with status 0, or says "not ok".
NOBODY = """
for test in "$RSSB_BUILD"/tests/unit/test_*; do
    case $test in *.d | *.o | */test_policy | */test_verify | */test_object_check) continue ;; esac
    CMOCKA_MESSAGE_OUTPUT=TAP setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
        --bounding-set=-all --no-new-privs "$test" </dev/null
done >/tmp/said 2>&1 || true
grep -B 5 -A 5 '^not ok' /tmp/said || true
echo "$(grep -c '^ok' /tmp/said) passed, $(grep -c '^not ok' /tmp/said) failed"
"""
SELINUX = "security=selinux systemd.unit=basic.target systemd.show_status=no systemd.log_target=kmsg"
# Hundreds of brokers, each of which takes seconds to start there.
SWEEPS = [f"tests/faults/test_{name}.py" for name in ("sweeps", "malloc", "closing")]
# What runs in which host: the words for pytest, and how the host is booted.
PARTS = {
    "nobody": (None, {}),
    "unit": (["tests/unit"], {}),
    "bpf": (["tests/bpf"], {}),
    "promises": (["tests/hosts/short_run.py"], {}),
    "guests": (["tests/hosts/guests.py"], {}),
    "libvirt": (["tests/hosts/system_libvirt_run.py"], {"memory_mb": 6144}),
    "selinux": (["tests/hosts/selinux_run.py"], {"append": SELINUX}),
    "cpus": (["tests/integration/broker/test_cpus.py", "tests/integration/cli/test_top.py",
              "tests/integration/cli/test_managed.py"], {"cpus": "2,maxcpus=255"}),
    "cpus-512": (["tests/integration/broker/test_accounts.py", "tests/integration/cli/test_top.py",
                  "tests/integration/cli/test_managed.py", "-rsP"], {"append": "possible_cpus=512"}),
    "broker": (["tests/integration/broker"], {}),
    "protocol": (["tests/integration/protocol"], {}),
    "cli": (["tests/integration/cli"], {}),
    "faults": (["tests/faults", *(f"--ignore={path}" for path in SWEEPS)], {}),
    "sweeps": (SWEEPS, {}),
}  # fmt: skip
# With this machine's own policy, and so with the kernel that it was made for; by a word that later
# kernels take for an upper bound alone.
BOOKWORM_ALONE = {"selinux", "cpus-512"}
# On another processor, whose tree has been built elsewhere (tests/setup/arm64_root.sh).
FOREIGN_PARTS = {
    "promises": (["tests/hosts/short_run.py", "-k", "not guest"], {}),
    "bpf": (["tests/bpf/test_differential.c", "tests/bpf/test_tap.c", "tests/bpf/test_vectors.c"], {}),
    "instructions": (["tests/hosts/instructions_run.py"], {"count": True}),
}
# Where our own program does not load (tests/setup/bullseye_build.sh).
OLD_PARTS = {"promises": (["tests/hosts/old_kernel_run.py"], {})}
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed(, \d+ skipped)?")


def script(host, words, build):
    environment = {"RSSB_TIME_FACTOR": TIME_FACTOR, "RSSB_GUEST_ACCEL": "kvm", "RSSB_HOST": host,
                   "RSSB_BUILD": build, "PYTHONPATH": "tests/lib"}  # fmt: skip
    commands = [[*PYTEST, *words]] if words else [["sh", "-c", NOBODY]]
    if host == "bullseye":
        commands = [[*MEMLOCK, *command] for command in commands]
    tree = "/tree" if host == "arm64" else emulated_host.ROOT
    return emulated_host.script_of(*commands, directory=tree, **environment)


def parts_of(host):
    if host in ("arm64", "bullseye"):
        return FOREIGN_PARTS if host == "arm64" else OLD_PARTS
    return {part: PARTS[part] for part in PARTS if host == "bookworm" or part not in BOOKWORM_ALONE}


def run_part(host, part, build):
    """How many tests passed and how many failed; what has no result is one that failed."""
    words, options = parts_of(host)[part]
    started = time.monotonic()
    lines = []
    try:
        _, lines = emulated_host.run(host, script(host, words, build), PART_LIMIT_S,
                                     lambda line: print(f"{host} {part}: {line}", flush=True),
                                     **options)  # fmt: skip
    except emulated_host.HostFailure as failure:
        print(f"{host} {part}: {failure}", flush=True)
    found = [summary for line in lines if (summary := SUMMARY.fullmatch(line))]
    passed, failed = map(int, found[-1].groups()[:2]) if found else (0, 1)
    seconds = time.monotonic() - started
    print(f"{host} {part}: {passed} passed, {failed} failed, {seconds:.0f} s", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description="Runs the tests in emulated hosts.")
    parser.add_argument("--part", action="append", choices={**PARTS, **FOREIGN_PARTS}, help="only this one")
    parser.add_argument("--build", default="build", help="where the programs under test are")
    parser.add_argument("hosts", nargs="+", metavar="HOST")
    args = parser.parse_args()
    os.chdir(emulated_host.ROOT)
    wrong = 0
    totals = []
    for host in args.hosts:
        results = [run_part(host, part, args.build) for part in parts_of(host)
                   if part in (args.part or parts_of(host))]
        passed, failed = map(sum, zip(*results)) if results else (0, 0)
        totals.append(f"{host}: {passed} passed, {failed} failed")
        print(totals[-1], flush=True)
        wrong += failed or not passed
    print("\n".join(totals))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
