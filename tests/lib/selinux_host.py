# SPDX-License-Identifier: MIT
"""An emulated host with SELinux enforced: Debian's policy, with rss-broker's module in it.

rss-broker and a QEMU are installed where their packages put them, systemd is the first process, and
the broker is its service.  What runs there that has a domain of its own has its files labelled; the
rest of the machine's files have no label, so nobody confined may use them.  It changes the files of
the host that it is in: that must be an emulated one (tests/lib/emulated_host.py).
"""
import os
import re
import subprocess
from pathlib import Path

from paths import ROOT
from waiting import wait_for

ENFORCE = Path("/sys/fs/selinux/enforce")
CONFIG = Path("/etc/selinux/config")
# As Debian's packages make it.
VM_UID = 64055
EMULATOR = "/usr/libexec/rss-broker/qemu-system-x86_64"
PROGRAMS = ["/lib/systemd/systemd", "/lib/systemd/systemd-journald", "/usr/sbin/rss-broker",
            "/usr/bin/rssb", "/usr/bin/qemu-system-x86_64", "/bin/sh", "/usr/bin/env"]  # fmt: skip
FILES = ["/", "/bin", "/sbin", "/lib", "/lib64", "/tmp", "/etc/passwd", "/etc/group",
         "/etc/nsswitch.conf", "/etc/ld.so.cache"]  # fmt: skip
TREES = ["/etc/rss-broker", "/etc/selinux", "/etc/systemd", "/run", "/dev", "/usr/lib/systemd/system",
         "/usr/lib/rss-broker", "/usr/libexec/rss-broker", "/usr/share/qemu",
         "/usr/share/seabios"]  # fmt: skip
INSTALL = """
set -eu
cp -a {build}/selinux/host/. /
cp -a {build}/hosts/installed/etc/rss-broker /etc
cp -a {build}/hosts/installed/usr/bin {build}/hosts/installed/usr/sbin {build}/hosts/installed/usr/lib \
    {build}/hosts/installed/usr/libexec /usr
libraries=/usr/lib/x86_64-linux-gnu
cp {qemu}/usr/bin/qemu-system-x86_64 /usr/bin
LD_LIBRARY_PATH={qemu}$libraries:{qemu}/lib/x86_64-linux-gnu ldd /usr/bin/qemu-system-x86_64 |
    grep -o '{qemu}/[^ ]*' | xargs cp -Lt $libraries
mkdir -p /usr/share/qemu /usr/share/seabios
cp -L {qemu}/usr/share/qemu/kvmvapic.bin /usr/share/qemu
cp -L {qemu}/usr/share/seabios/bios-256k.bin /usr/share/seabios
ldconfig
systemd-sysusers rss-broker.conf
# Nothing of this machine's but what a service needs.
rm -rf /usr/lib/systemd/system/*.wants /etc/systemd/system/*.wants
# With one of these systemd takes the host for a container, and labels nothing.
rm -f /.dockerenv /run/.containerenv
load_policy -i
"""
LIBRARY = re.compile(r"(/\S+) \(0x")


def run(words, check=True, **kwargs):
    """In the test's own domain, that of the kernel's processes."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=600, **kwargs)  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(f"{words}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def command(domain, *words):
    """The words for a process of libvirt's user, with the broker's group, in this domain."""
    return ["setpriv", f"--reuid={VM_UID}", f"--regid={VM_UID}", "--groups=rss-broker", "--", "runcon",
            f"system_u:system_r:{domain}:s0:c1,c2", *map(str, words)]  # fmt: skip


def run_as(domain, *words):
    return run(command(domain, *words), check=False)


def label(path):
    return os.getxattr(path, "security.selinux").decode().rstrip("\0")


def label_of_process(pid):
    return Path(f"/proc/{pid}/attr/current").read_text().rstrip("\0\n")


def denied():
    """[(domain, type of the object, class, permissions)] of all that was denied until now."""
    found = re.finditer(r"avc: +denied +\{ (.*?) \}.* scontext=\S+?:\S+?:(\w+)\S* "
                        r"tcontext=\S+?:\S+?:(\w+)\S* tclass=(\w+)", run(["dmesg"]).stdout)  # fmt: skip
    return [(one[2], one[3], one[4], one[1]) for one in found]


def _files():
    """What the confined programs use, by every name that leads there."""
    libraries = {library for program in PROGRAMS
                 for library in LIBRARY.findall(run(["ldd", program]).stdout)}  # fmt: skip
    names = {*FILES, *PROGRAMS, *libraries, *map(str, Path("/usr/lib/x86_64-linux-gnu").glob("libnss_*"))}
    names |= {str(path.parent) for path in map(Path, [*names, *TREES])}
    # Private ones of a service lie there.
    names |= {str(path) for top in ("/usr", "/var", "/etc") for path in (Path(top), *Path(top).iterdir())
              if path.is_dir() or path.is_symlink()}  # fmt: skip
    return sorted(names | {os.path.realpath(name) for name in names})


def set_up():
    """Installs, labels, and starts systemd; then the policy is enforced."""
    assert "RSSB_HOST" in os.environ, "this changes the host: run it by make check-hosts"
    build = ROOT / "build"
    # What is denied comes to the kernel's log, by which it is counted here.
    Path("/proc/sys/kernel/printk_ratelimit").write_text("0")
    run(["sh", "-c", INSTALL.format(build=build, qemu=build / "qemu/10.0")])
    run(["restorecon", "-i", "-F", *_files()])
    run(["restorecon", "-R", "-F", *TREES])
    # systemd reads it, too, and loads the policy again.
    CONFIG.write_text(CONFIG.read_text().replace("permissive", "enforcing"))
    run(["restorecon", "-F", CONFIG])
    ENFORCE.write_text("1")
    os.kill(1, 10)  # SIGUSR1: see tests/hosts/init
    wait_for(Path("/run/systemd/private").is_socket, "systemd")
