# SPDX-License-Identifier: MIT
"""What fuzzing starts with besides the corpora: golden messages, and inputs as people write them.

Nothing of it is committed: it is made anew for each run, from tests/vectors and from the lists
here.  An input must be one that its harness reads as it was meant.
"""
import struct

import vectors


def golden(*prefixes):
    return [vectors.read(name) for name in vectors.names() if name.startswith(prefixes)]


# --- conversation.c: its steps, by name ------------------------------------------------

STEPS = (
    "connect request packet fds read read_all half_close close end_lease wait loader "
    "loader_fails memory closer"
).split()
INFO, OBJECT, ACQUIRE, RELEASE, EXPORT, UPDATE, STATS, STATUS, GRANT, MOVE = range(10)
HANDOFF, PROGRAM_ONLY, MANAGED = range(3)
NO_CONFIG, COUNTING, KEEP = 4, 8, 16
LABEL_A = 32


def step(name, *numbers, turn=True):
    return bytes([STEPS.index(name) | (0 if turn else 0x80), *numbers])


def packet(client, message):
    return step("packet", client) + struct.pack("<H", len(message)) + message


def ask(client, op, how=0, turn=True):
    return step("request", client, op, how, turn=turn)


def wait(ms):
    return step("wait") + struct.pack("<H", ms)


def talk(*requests, who=0):
    """One client that reads each answer."""
    script = step("connect", 0, who)
    return script + b"".join(request + step("read", 0) for request in requests)


def conversations():
    kinds = (HANDOFF, HANDOFF | NO_CONFIG, PROGRAM_ONLY, MANAGED, MANAGED | COUNTING | KEEP,
             PROGRAM_ONLY | KEEP | LABEL_A)  # fmt: skip
    scripts = [talk(packet(0, message)) for message in golden("request", "bad")]
    scripts += [talk(*[ask(0, op, how) for op in range(9) for how in (0, 1, 3)], who=who)
                for who in range(9)]  # fmt: skip
    for kind in kinds:
        used = [ask(0, op, how) for op in (UPDATE, MOVE, STATS, GRANT, RELEASE) for how in (0, 0x80)]
        scripts.append(talk(ask(0, ACQUIRE, kind), *used))
        scripts.append(talk(ask(0, ACQUIRE, kind), step("end_lease", 0), ask(0, GRANT)))
    many = b"".join(step("connect", client, client % 3) for client in range(8))
    asking = b"".join(ask(client, ACQUIRE, turn=False) for client in range(8))
    scripts += [
        many + asking + step("read_all") + step("loader") * 9 + step("read_all"),
        many + asking + step("loader_fails") * 3 + wait(1100) + step("read_all"),
        many + asking + wait(1100) + step("read_all") + asking,
        step("connect", 0, 0) + wait(1100) + step("read", 0),
        talk(ask(0, INFO), ask(0, INFO)) + ask(0, INFO) + wait(6000),
        step("connect", 0, 0) + step("fds", 3) + ask(0, INFO) + step("read", 0),
        step("connect", 0, 0) + step("fds", 9) + packet(0, b"") + step("read", 0),
        step("connect", 0, 3) + packet(0, b"") + step("read", 0),
        step("connect", 0, 0) + ask(0, INFO, turn=False) + step("half_close", 0, 0),
        step("connect", 0, 0) + step("half_close", 0, 1) + ask(0, ACQUIRE),
        step("closer") + b"".join(step("connect", n % 8, 1) + step("fds", 3) + ask(n % 8, INFO)
                                  for n in range(24)) + wait(1000) + step("closer"),
        step("connect", 0, 0) + step("packet", 0) + struct.pack("<H", 513),
        step("connect", 0, 3) + step("packet", 0) + struct.pack("<H", 8500),
        step("memory") + talk(ask(0, ACQUIRE), ask(0, EXPORT)),
    ]
    return [bytes([how]) + script for script in scripts for how in (0, 1, 2)]


# --- texts -------------------------------------------------------------------------------

LONG = "\udcfex" * 3  # qmp.c makes thousands of it
QMP = [
    '{"execute":"qmp_capabilities"}',
    '{"execute":"request-ebpf","arguments":{"id":"rss"}}',
    '{"execute":"query-qmp-schema","id":[1,null,{"a":-0.5e3}]}',
    '{"execute":"query-commands"}{"execute":"query-version"}',
    "{'execute':'quit','id':'\\u00e9\\ud83d\\ude00\\/'}",
    '{"execute":"nope"}nope[1]{"arguments":[]}\x01{"execute":1}',
    '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}',
    '[[[[["deep"]]]]] {"execute":"request-ebpf","arguments":{"id":"foo","x":1}}',
    *['{"execute":"%s","arguments":%s}' % (name, arguments) for name in ("request-ebpf",
      "qmp_capabilities") for arguments in ('{"id":1}', '{"x":1}', "{}", "[]", '{"id":"foo"}',
      '{"enable":1}', '{"enable":[1]}', '{"enable":["x","oob"]}')],
    '{"execute":"request-ebpf","arguments":{"id":"a","id":"rss"}} "\udcff" "é\\u0000"',
    "{" * 30, '"' + LONG + "x" + LONG + 'x"', "[" + "1," * 99 + "1]", LONG + " 1e999",
]  # fmt: skip


def qmp():
    texts = [text.encode(errors="surrogateescape") for text in QMP]
    ready = texts[0] + b"\n"
    return [bytes([cut]) + text for text in texts + [ready + t for t in texts] for cut in (0, 1)]


STEERINGS = [
    "equal 4", "equal 256 start 0", "weight 3 1 0 2", "table 0,1,2,3 default-queue 3",
    "start 2 equal 4 hash-types tcp4,udp6,tcp_ex", "hash-types none table 0", "hash-types all",
    "equal 4 hkey 6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:"
    "77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa", "weight " + "1 " * 128, "equal 0",
    "weight 129", "equal 4 equal 4", "hkey 00", "table 0,1,2", "hash-types tcp4,tcp4,",
    "table " + ",".join("255" for _ in range(128)), "default-queue 65536", "\tequal\n4 ", "",
    "equal 4 hash-types gre,ipip", "hash-types tcp4,udp4,nvgre,gre-udp equal 8 hkey symmetric",
    "hash-types none,vxlan,vxlan-gpe,geneve", "hash-types gre-", "hkey " + ":".join(52 * ["6d"]),
]  # fmt: skip

ENDS = [
    ("66.9.149.187:2794", "161.142.100.80:1766"), ("192.0.2.1", "192.0.2.2"),
    ("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766"),
    ("3ffe:501:8::260:97ff:fe40:efab", "ff02::1"), ("[::1]", "::ffff:1.2.3.4"),
    ("1.2.3.4:65536", "1.2.3.4:"), ("[::1", "::1]:80"), ("[1.2.3.4]:80", "01.2.3.4"), ("", ""),
]  # fmt: skip


def flows():
    texts = [(src, dst, proto, steering) for src, dst in ENDS for proto in ("", "tcp", "udp", "none")
             for steering in ("", "equal 4 hash-types udp4,ipv6,tcp6",
                              "equal 8 hkey symmetric hash-types tcp4,gre,vxlan",
                              "equal 4 hkey " + ":".join(26 * ["6d:5a"]))]  # fmt: skip
    return ["\n".join(text).encode() for text in texts]


NET = "virtio-net-pci,netdev=n0,mq=on,vectors=10,rss=on"
TAP = "tap,id=n0,ifname=tap0,queues=4,script=no,downscript=no,vhost=off"
COMMANDS = [
    ["-netdev", TAP, "-device", NET],
    ["--device", '{"driver":"virtio-net-pci","netdev":"n0","rss":true}', "-netdev",
     '{"type":"tap","id":"n0","fds":"20:21:22","vhost":true}'],
    ["-device", NET + ",id=a", "-device", "edu,id=b,dma_mask=0xff", "-set", "device.b.addr=7"],
    ["-device", "virtio-net-pci,id=x", "-set", "device.x.rss=on", "-set", "device.x.mq=on"],
    ["-global", "virtio-net-pci.rss=on", "-device", "virtio-net-pci,x=1M,speed=-1"],
    ["-global", "driver=virtio-net-device,property=rss,value=on", "-device", "virtio-net"],
    ["-drive", "if=virtio,file=a,,b.img,id=d,index=2,bootindex=1", "-device", NET, "disk.img"],
    ["-virtfs", "local,path=/srv,mount_tag=t,security_model=none,id=f", "-device", NET],
    ["-device", NET + ',ebpf-rss-fds="3"', "-device", '{"driver":"virtio-net-pci","rss":true,'
     '"ebpf-rss-fds":["3","4","5","6"]}'],
    ["-device", "virtio-net-pci,rss,mq,norss", "-device", "help", "-nodefaults", "-append",
     "-device x"], ["-readconfig", "f", "-hda", "x", "-netdev", "tap,id=n1,fd=7,vhost=on"],
    ["-device", "{'driver':'virtio-net-pci','rss':true} ", "-device", "{", "-S", "-name", "}"],
    ["-device", NET + ",addr=1f.7,multifunction=yes,id=é,,=,x=,=y,rx=1e3,speed=99999999999"],
    ["-device", NET + ",gain=1.5e3", "-device", NET + ",gain=inf,x=1.5K", "-device", NET + ",x=9E"],
]  # fmt: skip


def qemu_args():
    texts = ["\n".join(words).encode() for words in COMMANDS]
    return [bytes([how]) + text for text in texts for how in (0, 1, 2)]


# --- client.c: what it calls, and the replies that lie ready ----------------------------------

ALL_MENDED = 1 | 2 | 4 | 8
FDS = {ACQUIRE: (5, 2, 1), EXPORT: (1,)}


def client():
    """Golden replies, then right ones with any body."""
    scripts = [bytes([1 << 4 | op, how, 1, 8 | fds]) + struct.pack("<H", len(reply)) + reply
               for reply in golden("reply", "refusal")[:40] for op, how, fds in
               [(reply[6] - 1 & 15, 0, reply[18])] if op < 9]  # fmt: skip
    for op in range(9):
        for how in (0, 1, 6):
            for fds in FDS.get(op, (0, 1)):
                scripts.append(bytes([1 << 4 | op, how, ALL_MENDED, 16 | fds]) + bytes(range(64)))
    scripts.append(b"".join(scripts[-8:]))
    scripts.append(bytes([0, 0, 1 << 4, 0, 16, 0, 3 << 4, 0]) + bytes(9) * 3)
    return scripts


# --- object.c: changes of the broker's own objects, by name --------------------------------------

KINDS = "bytes header section symbol inside copy cut grow".split()


def changed(kind, *numbers):
    return bytes([KINDS.index(kind), *numbers])


def objects():
    """Each field of each section header and symbol, words of every section, every cut."""
    more_by_one, seven, huge = (1, 1), (7 * 4,), (3, *b"\xff" * 8)
    changes = [b"", changed("cut", 1, 0, 0, 0), changed("cut", 0, 128, 0, 0), changed("grow", 9, 0, 1)]
    changes += [changed("header", at, *more_by_one) for at in range(0, 64, 4)]
    for value in (more_by_one, seven, huge):
        changes += [changed("section", n, field, *value) for n in range(0, 16, 3) for field in range(10)]
        changes += [changed("symbol", n, field, *value) for n in (1, 9) for field in range(6)]
        changes += [changed("inside", n, 0, at, 0, *value) for n in range(16) for at in (0, 9, 77)]
    changes.append(changed("copy", 3, 64, 0, 1, 0, 2))
    raw = [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(57), b"\x7fELF" + b"\xff" * 200]
    return [bytes([0]) + data for data in raw] + [
        bytes([base]) + change for change in changes for base in (1, 2)
    ]


def replies():
    """Golden ones, and those whose names are no names."""
    spoilt = [reply[:192] + char * n + reply[192 + n:] for reply in golden("reply-info")
              for char in (b"\x1f", b"\x7f", b'"', b"\\", b"~") for n in (1, 31, 32)]  # fmt: skip
    return golden("reply", "refusal") + spoilt


MAKERS = {
    "request": lambda: golden("request", "bad"),
    "reply": replies,
    "conversation": conversations,
    "qmp": qmp,
    "steering": lambda: [text.encode() for text in STEERINGS],
    "flow": flows,
    "qemu_args": qemu_args,
    "client": client,
    "object": objects,
}


def write(directory, harness):
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(MAKERS[harness]()):
        (directory / f"seed-{number:03}").write_bytes(seed)
