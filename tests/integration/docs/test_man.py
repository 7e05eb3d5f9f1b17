# SPDX-License-Identifier: MIT
"""The man pages say what --help says, what the header declares, and what the protocol has."""
import re
import subprocess

import help_text
from paths import ROOT
import pytest

MAN = ROOT / "docs" / "man"
HEADER = (ROOT / "client" / "include" / "rssb.h").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
PAGES = sorted(path.name.removesuffix(".scd") for path in MAN.glob("*.scd"))

# "*-o*, *--output* _F_"
PAGE_OPTION = re.compile(r"^\*-.*$", re.MULTILINE)


def plain(markup):
    """Text without scdoc's marks."""
    marks = r"(?<!\\)\*|(?<![\\\w])_|(?<!\\)_(?!\w)|\\(?=.)|\+\+$"
    return re.sub(marks, "", markup, flags=re.MULTILINE)


def section(text, title, mark="#"):
    """What stands below a heading, with its subsections if it has some; "" if it is not there."""
    end = rf"(?=^#{{1,{len(mark)}}} |\Z)"
    found = re.search(rf"^{mark} {re.escape(title)}\n(.*?){end}", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def names(page):
    """What a page is about: the names before the dash."""
    text = (MAN / f"{page}.scd").read_text()
    before, _ = section(text, "NAME").strip().split(" - ")
    return before.split(", ")


def page_of(command):
    """The text of the page about an rssb command, and what else that page is about."""
    found = [page for page in PAGES if f"rssb-{command}" in names(page)]
    assert len(found) == 1, f"rssb {command} has {len(found)} man pages"
    return (MAN / f"{found[0]}.scd").read_text(), names(found[0])


def page_options(text, command, shared):
    """The entries of OPTIONS: below a subheading of the command if several share the page."""
    options = section(text, "OPTIONS")
    if shared:
        options = section(options, command, "##")
    return {plain(line) for line in PAGE_OPTION.findall(options)}


def synopsis(text, command):
    lines = plain(section(text, "SYNOPSIS")).strip().splitlines()
    return [" ".join(line.split()) for line in lines if re.match(rf"{command}\b(?!-)", line)]


@pytest.fixture(scope="module")
def build_commands(build):
    return help_text.commands(build)


def test_every_command_has_a_page_and_no_other(build_commands):
    about = {name for page in PAGES for name in names(page)}
    others = {"rssb", "rss-broker", "librssb", "rss-broker-protocol"}
    assert about == {f"rssb-{command}" for command in build_commands} | others


def test_options_of_commands(build, build_commands):
    for command in build_commands:
        text, about = page_of(command)
        helped = help_text.options(help_text.read(build, "rssb", command))
        assert page_options(text, command, len(about) > 1) == helped, command


def test_synopses_of_commands(build, build_commands):
    for command in build_commands:
        text, _ = page_of(command)
        usages = help_text.usages(help_text.read(build, "rssb", command))
        assert synopsis(text, f"rssb {command}") == usages


def test_rssb(build, build_commands):
    """The global options, and each command with the page where it is."""
    text = (MAN / "rssb.1.scd").read_text()
    helped = help_text.read(build, "rssb")
    assert synopsis(text, "rssb") == help_text.usages(helped)
    both = {"--version", "-h, --help"}  # which are in the line of the usage
    assert page_options(text, "", False) == help_text.options(helped) | both
    listed = re.findall(r"^\*(\w+)\*\n\t.*\*(rssb-\w+)\*\((\d)\)$", section(text, "COMMANDS"), re.M)
    assert [command for command, _, _ in listed] == sorted(build_commands)
    for command, page, number in listed:
        assert f"rssb-{command}" in names(f"{page}.{number}")


def test_steering_words(build):
    """The page explains each word that the help lists."""
    _, helped = help_text.read(build, "rssb", "attach").split("\nSTEERING is ")
    words = set(re.findall(r"(?:^  |\| )([a-z][a-z-]+) ", helped, re.MULTILINE))
    explained = section((MAN / "rssb.1.scd").read_text(), "STEERING")
    assert words == set(re.findall(r"^\*([\w-]+)\*", explained, re.MULTILINE))
    assert len(words) == 7
    (types,) = re.findall(r"of (ipv4 .*)\n", helped)
    assert types.rstrip(",") in plain(explained)


# --- the broker -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker_page():
    return (MAN / "rss-broker.8.scd").read_text()


def test_options_of_the_broker(build, broker_page):
    helped = help_text.read(build, "rss-broker")
    assert page_options(broker_page, "", False) == help_text.options(helped)
    assert synopsis(broker_page, "rss-broker") == help_text.usages(helped)


def test_defaults_of_the_broker(build, broker_page):
    """"(512)" at the end of an option's help is its default."""
    helped = re.findall(
        r"^  --([\w-]+)(?: \S+)?  +.*\(([^()]*)\)$", help_text.read(build, "rss-broker"), re.MULTILINE
    )
    on_page = re.findall(r"^\*--([\w-]+)\*[^\n]*\n((?:\t.*\n)+)", broker_page, re.MULTILINE)
    defaults = {}
    for option, text in on_page:
        if default := re.search(r"Default: (\S+)$", text):
            defaults[option] = default[1]
    assert defaults == dict(helped)
    assert len(defaults) > 12


def test_exit_status_of_the_broker(build):
    wrong = subprocess.run([build / "rss-broker", "--pool", "0"], capture_output=True, check=False)
    assert wrong.returncode == 2


# --- library and protocol ---------------------------------------------------------------


def squeeze(text):
    return " ".join(text.split())


def test_prototypes():
    """Each as the header has it."""
    without_comments = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
    declared = re.findall(r"^[a-z][^{}=#;]*\brssb_\w+\([^;{]*\);", without_comments, re.MULTILINE)
    assert len(declared) > 10
    text = section((MAN / "librssb.3.scd").read_text(), "SYNOPSIS")
    on_page = re.findall(r"^[a-z][^;]*\brssb_\w+\([^;]*\);", text, re.MULTILINE)
    assert sorted(map(squeeze, on_page)) == sorted(map(squeeze, declared))


def test_the_library_is_explained():
    """Every function and constant, and every error of the header, beyond the synopsis."""
    text = (MAN / "librssb.3.scd").read_text()
    said = text.replace(section(text, "SYNOPSIS"), "")
    for name in re.findall(r"\b(rssb_\w+)\(", section(text, "SYNOPSIS")):
        assert name in said, name
    for name in re.findall(r"^\t(RSSB_(?:HANDOFF|PROGRAM_ONLY|MANAGED|GRANT_\w+)) =", HEADER, re.M):
        assert name in said, name
    errors = set(re.findall(r"-E[A-Z]{3,}", HEADER))
    assert errors == set(re.findall(r"\*(-E[A-Z]+)\*", section(text, "ERRORS")))


def protocol_table(heading):
    found = section(PROTOCOL, heading, "###") or section(PROTOCOL, heading, "##")
    return {f"{value} {name}" for value, name in re.findall(r"^\| (\d+) \| (\w+) \|", found, re.M)}


def test_protocol():
    text = (MAN / "rss-broker-protocol.7.scd").read_text()
    said = set(re.findall(r"\*(\d+)\s+(\w+)\*", text))
    tables = ["Operations", "Statuses", "Roles", "Kinds", "Flags"]
    expected = set().union(*map(protocol_table, tables))
    assert {f"{value} {name}" for value, name in said} == expected


# --- as a whole -------------------------------------------------------------------------


def test_references_between_pages():
    """Each of ours that is named is there, with the right section."""
    for path in MAN.glob("*.scd"):
        for name, number in re.findall(r"\*((?:rss|lib)[\w-]+)\*\((\d)\)", path.read_text()):
            assert any(name in names(p) and p.endswith(f".{number}") for p in PAGES), (path, name)


@pytest.mark.parametrize("page", PAGES)
def test_built_page(build, page):
    """It is there, has no date, and tells the version; its headings are in the usual order."""
    roff = (build / "man" / page).read_text()
    title, number = page.rsplit(".", 1)
    (head,) = re.findall(r"^\.TH (.*)$", roff, re.MULTILINE)
    assert re.fullmatch(rf'"{title}" "{number}" "" "rss-broker [\d.]+" ".+"', head)
    usual = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    headings = [h for h in re.findall(r"^\.SH (.*)$", roff, re.MULTILINE) if h in usual]
    assert headings == sorted(headings, key=usual.index) and headings[-1] == "SEE ALSO"


def test_every_man_page_of_a_unit_exists():
    for unit in ROOT.glob("*/systemd/*"):
        for name, number in re.findall(r"man:([\w-]+)\((\d)\)", unit.read_text()):
            assert f"{name}.{number}" in PAGES, unit.name
