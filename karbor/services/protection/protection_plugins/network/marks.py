# SPDX-License-Identifier: Apache-2.0
"""How a restore finds again what it has made in Neutron.

Neutron takes tags only for what is there already. So a thing is made with a token as
its description, then tagged, and then it gets the description that it had. The tags
stay: they tell what restored it, and from what.
"""

import dataclasses
import functools
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

#: Neutron takes 50 tags for a thing, of at most 60 characters each; two are ours.
_MOST_OWN = 48
_LONGEST_DESCRIPTION = 255

RESTORE = "karbor-restore="
ORIGINAL = "karbor-original="

_IN_DESCRIPTION = re.compile(rf" ?{RESTORE}[0-9a-f-]{{36}}")

_NAMESPACE = uuid.UUID("5e9a7b52-63b5-4a6f-8f1e-6c1c6f2f0f57")


@dataclasses.dataclass(frozen=True)
class Marks:
    """What the things of one restore are marked with.

    :param operation_id: tells the restore from others
    """

    operation_id: str

    @functools.cached_property
    def restore_tag(self) -> str:
        """The tag that all of them have."""
        return RESTORE + self.operation_id

    def tags(self, original: Mapping[str, Any]) -> list[str]:
        """The tags for what replaces a thing: the thing's own, and two more."""
        own = without_marks(original.get("tags") or ())
        return [*own[:_MOST_OWN], self.restore_tag, ORIGINAL + original["id"]]

    def surplus_tags(self, original: Mapping[str, Any]) -> list[str]:
        """Those of the thing's own for which there is no room."""
        return without_marks(original.get("tags") or ())[_MOST_OWN:]

    def mark_description(self, description: str) -> str:
        """A description that says what restored this, for things without tags."""
        mark = f" {self.restore_tag}"
        own = without_mark(description)[: _LONGEST_DESCRIPTION - len(mark)]
        return (own + mark).strip()

    def token(self, original_id: str) -> str:
        """The description, until it is tagged, of what replaces a thing."""
        made = uuid.uuid5(_NAMESPACE, f"{self.operation_id} {original_id}")
        return f"karbor-{made}"

    def original_of(self, thing: Mapping[str, Any]) -> str | None:
        """What a thing of this restore replaces; None for any other thing."""
        tags = thing.get("tags") or ()
        if self.restore_tag not in tags:
            return None
        originals = (tag for tag in tags if tag.startswith(ORIGINAL))
        return next((tag.removeprefix(ORIGINAL) for tag in originals), None)


def without_marks(tags: Iterable[str]) -> list[str]:
    """Tags without those that some restore has added."""
    return [tag for tag in tags if not tag.startswith((RESTORE, ORIGINAL))]


def without_mark(description: str) -> str:
    """A description without what some restore has added to it."""
    return _IN_DESCRIPTION.sub("", description)
