# SPDX-License-Identifier: Apache-2.0
"""Cutting what is iterated into pieces."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Pieces of so many items, the last one smaller; none when there are none."""
    iterator = iter(items)
    while piece := tuple(itertools.islice(iterator, size)):
        yield piece
