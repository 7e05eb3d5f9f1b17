# SPDX-License-Identifier: MIT
"""A guest that runs the host's systemd with our units, and answers tests/guest/systemd/check.

Its root holds nothing but what is copied here; it must never write to the host's.
"""
import re
import shutil
import subprocess
from pathlib import Path

from paths import ROOT

SOURCES = ROOT / "tests" / "guest" / "systemd"
GUEST = ROOT / "build" / "guest"
SYSTEMD = Path("/usr/lib/systemd")
PROGRAMS = ["/usr/sbin/ip", "/usr/bin/systemctl", "/usr/bin/journalctl", "/usr/bin/setpriv",
            "/usr/sbin/apparmor_parser"]  # fmt: skip
# The manager, and what it starts itself where there is one of that name.
MANAGER = "systemd systemd-executor systemd-shutdown systemd-journald".split()
UNITS = """basic.target sysinit.target sockets.target multi-user.target shutdown.target
local-fs.target systemd-journald.service systemd-journald.socket
systemd-journald-dev-log.socket slices.target paths.target timers.target""".split()
PASSWD = """root:x:0:0::/:/bin/sh
alice:x:1000:1000::/:/bin/sh
bob:x:1001:1001::/:/bin/sh
"""
GROUP = "root:x:0:\nalice:x:1000:\nbob:x:1001:\ntty:x:5:\n"
CMDLINE = "console=ttyS0 panic=-1 apparmor=1 security=apparmor systemd.unit=check.service " \
    "systemd.show_status=no systemd.log_target=kmsg printk.devkmsg=on log_buf_len=1M"  # fmt: skip
BOOT_TIMEOUT_S = 500


def libraries(program):
    """What the dynamic linker loads for it."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listing)


def add(root, path):
    """A file of the host, at the same place."""
    to = root / Path(path).relative_to("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, to)


def add_program(root, path):
    add(root, path)
    for library in libraries(path):
        add(root, library)


def add_systemd(root):
    for name in MANAGER:
        if (SYSTEMD / name).exists():
            add_program(root, SYSTEMD / name)
    for name in UNITS:
        add(root, SYSTEMD / "system" / name)
    shutil.copy(SOURCES / "check.service", root / "usr/lib/systemd/system")
    subprocess.run(["systemd-sysusers", f"--root={root}", "rss-broker.conf"], check=True)
    with open(root / "etc/group", "a+") as group:
        group.seek(0)
        text = re.sub(r"^(rss-broker:x:\d+:).*", r"\1alice", group.read(), flags=re.MULTILINE)
    (root / "etc/group").write_text(text)


def add_apparmor(root):
    for part in ("abi", "abstractions", "tunables"):
        shutil.copytree(Path("/etc/apparmor.d", part), root / "etc/apparmor.d" / part,
                        dirs_exist_ok=True)  # fmt: skip
    shutil.copy(SOURCES / "clients", root / "etc/apparmor.d")
    shutil.copy(root / "usr/bin/rssb", root / "usr/bin/rssb-confined")


def make_root(root, destdir):
    """The files of the guest."""
    # As on every merged system; first, so that what is copied to /lib goes to /usr/lib.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    shutil.copytree(destdir, root, symlinks=True, dirs_exist_ok=True)
    for name in ("root", "proc", "sys", "dev", "run", "tmp", "var", "etc/systemd/system"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/run").symlink_to("../run")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    shutil.copy(GUEST / "root/bin/busybox", root / "usr/bin")
    shutil.copy(SOURCES / "init", root / "init")
    shutil.copy(SOURCES / "check", root / "check")
    (tun,) = (GUEST / "debian/lib/modules").rglob("tun.ko")
    shutil.copy(tun, root)
    for program in (*PROGRAMS, destdir / "usr/sbin/rss-broker", destdir / "usr/bin/rssb"):
        if str(program).startswith(str(destdir)):
            for library in libraries(program):
                add(root, library)
        else:
            add_program(root, program)
    subprocess.run(["cc", "-static", "-o", root / "usr/bin/unix_cat", SOURCES / "unix_cat.c"],
                   check=True)  # fmt: skip
    add_systemd(root)
    add_apparmor(root)


def boot(qemu, directory, destdir):
    """Returns {question: lines} of the check, and the console's text."""
    root, initrd = directory / "root", directory / "initrd"
    make_root(root, destdir)
    with open(initrd, "wb") as out:
        subprocess.run("find . | cpio -o -H newc --quiet -R 0:0", shell=True, cwd=root, stdout=out,
                       check=True)  # fmt: skip
    return answers_of(qemu, directory, initrd, CMDLINE)


def answers_of(qemu, directory, initrd, cmdline, memory_mb=768, timeout_s=BOOT_TIMEOUT_S):
    """What the check of this initramfs answers, see boot()."""
    answers, console = directory / "answers", directory / "console"
    subprocess.run(
        [qemu, "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", str(memory_mb), "-nodefaults",
         "-display", "none", "-no-reboot", "-kernel", GUEST / "vmlinuz", "-initrd", initrd,
         "-append", cmdline, "-serial", f"file:{console}", "-serial", f"file:{answers}"],
        stdin=subprocess.DEVNULL, check=True, timeout=timeout_s,
    )  # fmt: skip
    sections = re.split(r"(?m)^== (.*)\n", answers.read_text(errors="replace").replace("\r", ""))
    found = dict(zip(sections[1::2], (text.splitlines() for text in sections[2::2])))
    return found, console.read_text(errors="replace")
