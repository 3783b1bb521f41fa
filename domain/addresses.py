"""Addresses: which are public, how they are plainly written, and which may be asked although private."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOST = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
"""A last label like this makes resolvers read the whole name as an address, in one of many spellings."""
_UNUSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
"""What no public server has. Source: IANA's IPv4 special-purpose registry, and multicast."""
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_UNUSED_V6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""Of the public range: Teredo and its like, documentation, 6to4. Source: IANA's IPv6 registry."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How networks without IPv4 reach it: the last 32 bits are the address that counts."""


def is_public(address: Address) -> bool:
    """Whether an address is a server's on the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _UNUSED_V4)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    # IPv4 in IPv6 clothes, loopback, link-local and private addresses all lie outside of 2000::/3.
    return address in _PUBLIC_V6 and not any(address in network for network in _UNUSED_V6)


def literal(text: str) -> Address | None:
    """An address as it is plainly written; `0x7f.1`, `127.1` and `fe80::1%eth0` are none."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_number(host: str) -> bool:
    """Whether resolvers would read a name as an address."""
    return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


class Allowed:
    """Who may be asked although private, and over plain http: names, addresses and networks.

    Args:
        text: separated by commas: `idp.internal, 10.1.0.0/16`. A name holds for itself only, not for
            names below it.

    Raises:
        ValueError: an entry is neither.
    """

    def __init__(self, text: str = "") -> None:
        hosts: set[str] = set()
        networks: list[Network] = []
        for entry in (part.strip().lower() for part in text.split(",")):
            if not entry:
                continue
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                is_name = HOST.fullmatch(entry) and not is_number(entry)
                if not is_name:
                    raise ValueError(
                        f"{entry!r} is neither a host such as idp.internal nor a network such as "
                        "10.1.0.0/16"
                    ) from None
                hosts.add(entry.rstrip("."))
        self._hosts, self._networks = frozenset(hosts), tuple(networks)

    def host(self, name: str) -> bool:
        """Whether a name is allowed by itself, whatever addresses it has."""
        return name.rstrip(".") in self._hosts

    def address(self, address: Address) -> bool:
        return any(address in network for network in self._networks)
