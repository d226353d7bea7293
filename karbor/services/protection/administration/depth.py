# SPDX-License-Identifier: Apache-2.0
"""How deep a check goes."""

import dataclasses
import enum
import random

from karbor import exception


class Level(enum.StrEnum):
    """What is read of the data."""

    OBJECTS = "objects"
    SAMPLE = "sample"
    FULL = "full"


@dataclasses.dataclass(frozen=True)
class Depth:
    """Which chunks and objects are read.

    :param percent: of the chunks and objects, for a sample
    :param chance: where a sample's luck comes from
    :raises InvalidInput: for a percentage that is none
    """

    level: Level = Level.OBJECTS
    percent: float = 10.0
    chance: random.Random = dataclasses.field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise exception.InvalidInput(
                reason=f"percent is {self.percent}; it is more than 0 and at most 100"
            )

    def takes(self) -> bool:
        """Whether to read the next chunk or object."""
        if self.level is Level.SAMPLE:
            return self.chance.random() * 100 < self.percent
        return self.level is Level.FULL

    @property
    def is_full(self) -> bool:
        """Whether everything is read."""
        return self.level is Level.FULL
