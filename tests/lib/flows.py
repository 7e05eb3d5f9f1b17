# SPDX-License-Identifier: MIT
"""Flows, their frames, and where they belong.

The Toeplitz hash here is written from its definition, bit by bit: it must never
share code with what it checks.
"""
import dataclasses
import ipaddress
import struct

TCP, UDP = 6, 17
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
PROTO_NAMES = {TCP: "tcp", UDP: "udp"}

MICROSOFT_KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)


def toeplitz(key, data):
    """XOR of the 32-bit windows of the key at the positions of the data's 1 bits."""
    bits = int.from_bytes(key, "big")
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (8 * len(key) - 32 - i) & 0xFFFFFFFF
    return result


@dataclasses.dataclass(frozen=True)
class Steering:
    """What is configured: key and table; every hash type of TCP and UDP is on."""

    key: bytes
    table: tuple

    @classmethod
    def random(cls, rng, queues, table_len=128):
        return cls(rng.randbytes(40), tuple(rng.randrange(queues) for _ in range(table_len)))

    def queue(self, flow):
        return self.table[toeplitz(self.key, flow.hash_input()) % len(self.table)]

    def words(self):
        """In the command line's words."""
        return f"table {','.join(map(str, self.table))} hkey {self.key.hex(':')}"


@dataclasses.dataclass(frozen=True)
class Flow:
    src: ipaddress._BaseAddress
    dst: ipaddress._BaseAddress
    proto: int
    sport: int
    dport: int

    @classmethod
    def random(cls, rng, version, proto):
        address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        src, dst = (address(rng.getrandbits(32 if version == 4 else 128)) for _ in range(2))
        return cls(src, dst, proto, rng.randrange(1, 65536), rng.randrange(1, 65536))

    def hash_input(self):
        return self.src.packed + self.dst.packed + struct.pack("!HH", self.sport, self.dport)

    def endpoints(self):
        """Source and destination in the command line's words."""
        form = "{}:{}" if self.src.version == 4 else "[{}]:{}"
        return form.format(self.src, self.sport), form.format(self.dst, self.dport)

    def frame(self, payload, dst_mac):
        """The flow's Ethernet frame, every length and checksum right."""
        segment = self._segment(payload)
        ethernet = dst_mac + bytes.fromhex("020000000001")
        if self.src.version == 6:
            head = struct.pack("!IHBB", 6 << 28, len(segment), self.proto, 64)
            head += self.src.packed + self.dst.packed
            return ethernet + struct.pack("!H", ETH_P_IPV6) + head + segment
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, self.proto, 0)
        head += self.src.packed + self.dst.packed
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return ethernet + struct.pack("!H", ETH_P_IP) + head + segment

    def _segment(self, payload):
        ports = self.sport, self.dport
        if self.proto == TCP:  # a SYN
            at = 16  # of the checksum
            segment = struct.pack("!HHIIBBHHH", *ports, 0, 0, 5 << 4, 2, 65535, 0, 0) + payload
        else:
            at = 6
            segment = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
        pseudo = self.src.packed + self.dst.packed + struct.pack("!II", len(segment), self.proto)
        total = struct.pack("!H", checksum(pseudo + segment) or 0xFFFF)
        return segment[:at] + total + segment[at + 2 :]


def checksum(data):
    """The Internet checksum."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def random_flows(rng, n):
    """n different flows, UDP and TCP over IPv4 and IPv6 in equal parts."""
    kinds = [(version, proto) for version in (4, 6) for proto in (TCP, UDP)]
    flows = dict.fromkeys(Flow.random(rng, *kinds[i % len(kinds)]) for i in range(n))
    assert len(flows) == n
    return list(flows)
