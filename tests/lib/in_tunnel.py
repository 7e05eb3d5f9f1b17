# SPDX-License-Identifier: MIT
"""A flow's packets in a tunnel: all that is outside of it is of one flow."""
import dataclasses
import struct

import flows


@dataclasses.dataclass
class InTunnel:
    """A flow's packets inside a tunnel of one outer flow."""

    flow: flows.Flow
    protocol: int
    header: bytes  # GRE's, or that of UDP and what is over it

    def frame(self, payload, mac):
        inside = self.header + self.flow.frame(payload, mac)[14:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(inside), 0, 0, 64, self.protocol, 0,
                         bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))  # fmt: skip
        ethernet = mac + bytes.fromhex("020000000001") + struct.pack("!H", flows.ETH_P_IP)
        return ethernet + ip[:10] + struct.pack("!H", flows.checksum(ip)) + ip[12:] + inside


def gre(flow):
    proto = flows.ETH_P_IP if flow.src.version == 4 else flows.ETH_P_IPV6
    return InTunnel(flow, 47, struct.pack("!HH", 0, proto))


def ipip(flow):
    return InTunnel(flow, 4 if flow.src.version == 4 else 41, b"")


def vxlan_gpe(flow):
    udp = struct.pack("!HHHH", 49152, 4790, 1000, 0)
    return InTunnel(flow, 17, udp + bytes([12, 0, 0, 1 if flow.src.version == 4 else 2]) + bytes(4))
