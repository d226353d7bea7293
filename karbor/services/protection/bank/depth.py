# SPDX-License-Identifier: Apache-2.0
"""How deep a check of what a bank keeps goes."""

import dataclasses
import enum
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from karbor import exception


class Level(enum.StrEnum):
    """What is read of the data."""

    OBJECTS = "objects"
    SAMPLE = "sample"
    FULL = "full"


_DEPTH = "depth"
_PERCENT = "sample_percent"
_DEFAULT_PERCENT = 10.0

#: For a plugin's schema of verifications; :meth:`Depth.from_parameters` reads them.
PROPERTIES: dict[str, Any] = {
    _DEPTH: {
        "type": "string",
        "enum": [level.value for level in Level],
        "default": Level.FULL.value,
        "title": "Depth",
        "description": "objects: every object is there, with its size. sample: also "
        "read, decrypt and check a part of the data. full: read, decrypt and check "
        "every byte.",
    },
    _PERCENT: {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 100,
        "default": _DEFAULT_PERCENT,
        "title": "Sample Percent",
        "description": "For depth sample: how much of the data is read, at least one "
        "chunk of each stream, chosen anew each time.",
    },
}


@dataclasses.dataclass(frozen=True)
class Depth:
    """Which chunks and objects are read.

    :param percent: of the chunks and objects, for a sample
    :param chance: where a sample's luck comes from
    :raises InvalidInput: for a percentage that is none
    """

    level: Level = Level.OBJECTS
    percent: float = _DEFAULT_PERCENT
    chance: random.Random = dataclasses.field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise exception.InvalidInput(
                reason=f"percent is {self.percent}; it is more than 0 and at most 100"
            )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "Depth":
        """What the parameters of a verification ask for; everything by default.

        :raises InvalidInput: for values that :data:`PROPERTIES` does not allow
        """
        level = parameters.get(_DEPTH, Level.FULL.value)
        try:
            return cls(Level(level), float(parameters.get(_PERCENT, _DEFAULT_PERCENT)))
        except (TypeError, ValueError) as error:
            raise exception.InvalidInput(
                reason=f"{_DEPTH} is one of {', '.join(Level)}, and {_PERCENT} a "
                f"number: {error}"
            ) from error

    def takes(self) -> bool:
        """Whether to read the next chunk or object."""
        if self.level is Level.SAMPLE:
            return self.chance.random() * 100 < self.percent
        return self.level is Level.FULL

    def choose(self, count: int) -> Iterator[bool]:
        """For each of so many whether to read it; of a sample always as many as the
        percentage makes, and one at least."""
        # Selection sampling (Knuth, TAOCP vol. 2, 3.4.2 S): each set of as many is
        # as likely as any other, and nothing has to be remembered.
        wanted = {
            Level.OBJECTS: 0,
            Level.SAMPLE: math.ceil(count * self.percent / 100),
            Level.FULL: count,
        }[self.level]
        for left in range(count, 0, -1):
            is_taken = self.chance.random() * left < wanted
            wanted -= is_taken
            yield is_taken

    @property
    def is_full(self) -> bool:
        """Whether everything is read."""
        return self.level is Level.FULL
