# SPDX-License-Identifier: Apache-2.0
"""Arithmetic with addresses."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence


def pools_without(
    pools: Sequence[Mapping[str, str]], taken: Iterable[str]
) -> list[dict[str, str]]:
    """Allocation pools that give out none of some addresses.

    :param pools: ranges with ``start`` and ``end``, both included
    :param taken: of the same IP version
    """
    addresses = sorted(int(ipaddress.ip_address(one)) for one in set(taken))
    left = []
    for pool in pools:
        first = ipaddress.ip_address(pool["start"])
        start, end = int(first), int(ipaddress.ip_address(pool["end"]))
        # Each address that is taken ends a range, and so does the pool.
        for stop in [*(one for one in addresses if start <= one <= end), end + 1]:
            if start < stop:
                family = type(first)
                ends = {"start": str(family(start)), "end": str(family(stop - 1))}
                left.append(ends)
            start = stop + 1
    return left


def is_within(address: str, cidr: str | None) -> bool:
    """Whether an address is in a network; in none when there is no network."""
    if not cidr:
        return False
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)
