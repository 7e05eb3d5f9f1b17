# SPDX-License-Identifier: MIT
"""What README and docs show works: command lines, options, links, paths.

shown_commands.txt has every command line that is shown, and what runs it, or why nothing does.
"""
import os
import re
import shlex
import signal
from pathlib import Path

from copied_tree import output_of
import documents
import help_text
from paths import ROOT
import proc
import pytest
from tap_reader import TapReader
from waiting import wait_for
from world import stop

TABLE = Path(__file__).with_name("shown_commands.txt")
PAGES = [*documents.PAGES, *documents.MAN]
REPOSITORY = re.compile(r"(?:bpf|proto|broker|client|tests|docs)/[\w./*-]+")


def table():
    """{command line: what the heading above it says}."""
    how, lines = "", {}
    for line in TABLE.read_text().splitlines():
        if heading := re.fullmatch(r"\[(run|by .+|not run: .+)\]", line):
            how = heading[1]
        elif line and not line.startswith("#"):
            assert line not in lines, f"twice: {line}"
            lines[line] = how
    return lines


def shown():
    """(page, commands of one of its blocks) for each block that has some."""
    for page in PAGES:
        for commands in map(documents.commands, documents.blocks(page)):
            if commands:
                yield page, commands


def runs():
    """The blocks with what of each is to be run here, once each."""
    how = table()
    scripts = {}
    for page, commands in shown():
        mine = tuple(command for command in commands if how.get(command) == "run")
        if mine:
            scripts.setdefault(mine, page.name)
    return list(scripts.items())


def test_every_command_is_accounted_for():
    """A new one is to be added to shown_commands.txt: where, says its head."""
    there = {command for _, commands in shown() for command in commands}
    assert sorted(there - set(table())) == [], "shown, but not in shown_commands.txt"
    assert sorted(set(table()) - there) == [], "in shown_commands.txt, but shown nowhere"
    assert len(there) > 50


def test_what_runs_them_is_there():
    for how in set(table().values()):
        if how.startswith("by "):
            assert (ROOT / how.removeprefix("by ")).is_file(), how


# --- those that run -------------------------------------------------------------------


@pytest.fixture(scope="module")
def workplace(world, build):
    """A directory of nobody's in which build/ is what is tested."""
    directory = world.directory("docs")
    (directory / "build").symlink_to(world.inside(build))
    return directory


@pytest.fixture
def shell(world, broker, build, workplace):
    """Runs a script as a reader would."""

    def run(script, **kwargs):
        path = f"{world.inside(build)}:{os.environ['PATH']}"
        env = {**os.environ, "RSSB_SOCKET": str(broker.socket), "PATH": path}
        enter = f"cd {workplace} && {script}"
        return world.run(["sh", "-ec", enter], check=False, env=env, **kwargs)

    return run


@pytest.mark.parametrize("commands, page", runs(), ids=[f"{page}:{c[0]}" for c, page in runs()])
def test_it_runs(world, shell, commands, page):
    """One block after the other, each with a tap0 of its own; web is a managed grant on it."""
    script = "\n".join(commands)
    if "web" in script and "--label web" not in script:
        script = 'rssb attach tap0 "equal 4" --managed --stats --label web\n' + script
    world.tap("tap0")
    try:
        with TapReader(world, "tap0", 4):
            done = shell(script, unprivileged=True)
    finally:
        shell("rssb release web || true", unprivileged=True)
        world.run(["ip", "link", "del", "tap0"])
    assert done.returncode == 0, f"{page}: {script}\n{done.stdout}{done.stderr}"
    assert done.stderr == ""


def hashes():
    """(page, a rssb hash, what it is shown to print)"""
    shown = re.compile(r"^(rssb hash .*)\n\n?((?:(?:key|hash|entry|queue|\{) .*\n)+)", re.MULTILINE)
    for page in PAGES:
        text = "\n".join(documents.blocks(page))
        yield from ((page, *match.groups()) for match in shown.finditer(text))


def test_hashes_are_as_shown(shell):
    found = list(hashes())
    assert len(found) >= 5
    for page, command, output in found:
        assert shell(command).stdout == output, (page.name, command)


def test_debugging(world, shell, workplace):
    """The commands of hacking.md, as root: a broker, a client, strace, bpftool."""
    for kind, where in (("tmpfs", "/run"), ("bpf", "/sys/fs/bpf")):
        world.run(["mount", "-t", kind, kind, where])
    page = ROOT / "docs" / "hacking.md"
    commands = [c for block in documents.blocks(page) for c in documents.commands(block)]

    def one(pattern):
        """The command of the page, by root; and none else looks like it."""
        (command,) = [c for c in commands if re.match(pattern, c)]
        return command.replace("sudo ", "").replace("/tmp/rssb.trace", "rssb.trace")

    def talks(broker):
        process = world.start(["sh", "-c", f"cd {workplace} && exec {broker}"])
        try:
            wait_for(lambda: shell(one("RSSB_SOCKET=")).returncode == 0, f"{broker} to answer")
            listed = shell(one("sudo bpftool prog list"))
            assert "tun_rss_steering_prog" in listed.stdout, listed.stderr
        finally:
            for child in proc.children(process.pid):  # strace leaves its own running
                os.kill(child, signal.SIGTERM)
            stop(process)

    assert shell(one("sudo mkdir")).returncode == 0
    talks(one("sudo build/rss-broker"))
    talks(one("sudo strace"))
    trace = (workplace / "rssb.trace").read_text()
    assert "bpf(BPF_PROG_LOAD" in trace and "sendmsg(" in trace
    verified = shell(one("sudo bpftool -d prog load"))
    assert verified.returncode == 0 and "processed" in verified.stdout + verified.stderr


def test_debugging_maps(world, shell, workplace):
    """The maps that bpftool lists are those of the tap's program."""
    hold = 'rssb run --steering "equal 4" -- '
    listed = shell(hold + "bpftool map list name tap_rss_map_ind")
    assert "max_entries 128" in listed.stdout, listed.stderr
    dumped = shell(hold + "bpftool map dump name tap_rss_map_con")
    assert dumped.returncode == 0 and "key" in dumped.stdout, dumped.stderr


# --- what is written ------------------------------------------------------------------


def written():
    """(page, code) of every command that is shown or mentioned."""
    for page, commands in shown():
        yield from ((page, command) for command in commands)
    for page in documents.PAGES:
        yield from ((page, code) for code in documents.inline(page))


def words_of(program, code):
    """The words after a program's name, up to -- or what the shell does next."""
    found = re.search(rf"(?:^|[ /]){program} (.*)", code)
    if not found:
        return []
    words = re.sub(r'"[^"]*"', "x", found[1])
    return re.split(r" -- | [|&;]", words + " ")[0].split()


def test_options_exist(build):
    """Of every rssb and rss-broker that is written anywhere."""
    known = {"rssb": {"--socket", "--version", "--help"}}
    for command in help_text.commands(build):
        known[command] = help_text.long_options(help_text.read(build, "rssb", command)) | {"--help"}
    known["rss-broker"] = help_text.long_options(help_text.read(build, "rss-broker"))
    for page, code in written():
        for program in ("rssb", "rss-broker"):
            words = words_of(program, code)
            command = next((word for word in words if word in known), program)
            options = {word.split("=")[0].strip("[]|") for word in words if word.startswith("--")}
            assert options <= known[command] | known[program], (page.name, code)


def phony():
    """Every target that is no file."""
    makefiles = [(ROOT / name).read_text() for name in ("Makefile", "tests/tests.mk")]
    lists = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", "\n".join(makefiles), re.MULTILINE)
    return set(" ".join(lists).replace("\\\n", " ").split())


def test_make_help_has_every_target():
    """But those of which others are made."""
    shown = set(re.findall(r"^make ([\w-]+)", output_of("make", "-s", "help", cwd=ROOT), re.MULTILINE))
    assert phony() - shown == {"all", "FORCE", "fuzz-programs", "coverage-programs"}
    assert shown <= phony()


def test_targets_exist():
    """Of every make that is written anywhere."""
    targets = phony()
    for page, code in written():
        if code.startswith("make -f "):
            continue  # another's makefile
        match = re.match(r"(?:sudo )?make ([^&|;]*)", code)
        for word in shlex.split(match[1]) if match else []:
            assert word.startswith("-") or "=" in word or word in targets, (page.name, code)


def test_paths_exist():
    """Of every file of this tree that is written, wildcards included."""
    for page in documents.PAGES:
        for code in documents.inline(page):
            path = code.rstrip("/")
            if REPOSITORY.fullmatch(path) and not re.search(r"[A-Z]{2}", Path(path).stem):
                assert list(ROOT.glob(path)), (page.name, code)


@pytest.mark.parametrize("name", ["architecture.md", "hacking.md"])
def test_functions_exist(name):
    """Of every function that the pages for maintainers name, in the file that they name with it."""
    folders = ("proto", "broker", "client", "bpf")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.[ch]")]
    named = 0
    for code in documents.inline(ROOT / "docs" / name):
        match = re.fullmatch(r"(?:([\w.]+\.c): |)([a-z_]+[a-z])\(\)", code)
        if match:
            file, function = match.groups()
            texts = [path.read_text() for path in sources if file in (None, path.name)]
            assert any(re.search(rf"\b{function}\(", text) for text in texts), code
            named += 1
    assert named


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for link in documents.links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in documents.anchors(target), f"{page.name}: {link}"
