# SPDX-License-Identifier: Apache-2.0
"""The project that a network is restored into."""

import dataclasses
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from karbor.services.protection.clients.neutron_networks import (
    EXTERNAL,
    OWNER,
    Kind,
    Neutron,
)
from karbor.services.protection.protection_plugins import wishes
from karbor.services.protection.protection_plugins.network.marks import Marks
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    title,
)
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.wishes import (
    Wish,
)


@dataclasses.dataclass(frozen=True)
class Target:
    """Finds what is there, makes what is not.

    :param neutron: what the user of the restore sees
    :param project_id: the user's
    :param marks: of the restore
    :param new_ids: by original id; shared with all hooks of the restore
    :param remarks: what a person should know about the network's restore
    """

    neutron: Neutron
    project_id: str
    marks: Marks
    new_ids: MutableMapping[str, str]
    remarks: Remarks

    def find(self, kind: Kind, originals: Iterable[Thing]) -> dict[str, Thing]:
        """What stands for things: themselves, or what this restore has made.

        :returns: by the original id
        :raises ServiceFailed: when Neutron refuses or cannot be asked
        """
        wanted = list(originals)
        if not wanted:
            return {}
        found = self.neutron.by_ids(kind, (one["id"] for one in wanted))
        there = {name: one for name, one in found.items() if self.is_usable(one)}
        missing = [one for one in wanted if one["id"] not in there]
        made = self._made(kind, missing)
        return self.match(kind, wanted, [*there.values(), *made])

    def find_made(self, kind: Kind, originals: Iterable[Thing]) -> dict[str, Thing]:
        """Those of :meth:`find` that this restore has made."""
        wanted = list(originals)
        return self.match(kind, wanted, self._made(kind, wanted), is_reusing=False)

    def match(
        self,
        kind: Kind,
        originals: Iterable[Thing],
        things: Sequence[Thing],
        *,
        is_reusing: bool = True,
    ) -> dict[str, Thing]:
        """As :meth:`find`, among things that were listed.

        :param is_reusing: whether a thing stands for itself
        """
        by_id = {one["id"]: one for one in things} if is_reusing else {}
        by_tag = {self.marks.original_of(one): one for one in things}
        by_token = {one.get("description"): one for one in things}
        found = {}
        for original in originals:
            name = original["id"]
            half_made = by_token.get(self.marks.token(name))
            if name in by_id:
                found[name] = by_id[name]
            elif half_made is not None:
                found[name] = self.mark(kind, original, half_made["id"])
            elif name in by_tag:
                found[name] = by_tag[name]
        return found

    def make(
        self,
        kind: Kind,
        original: Thing,
        fields: Mapping[str, Any],
        wanted: Sequence[Wish] = (),
    ) -> Thing:
        """Make anew what a thing was, and remark what it could not be.

        :param fields: without which it makes no sense
        :param wanted: further ones that may be refused
        :raises ServiceFailed: when Neutron refuses it
        """
        token = {"description": self.marks.token(original["id"])}
        made, refused = wishes.create(self.neutron, kind, {**fields, **token}, wanted)
        for text in refused:
            self.remarks.add(f"The {kind.label} {title(original)} was made {text}")
        return self.mark(kind, original, made["id"])

    def mark(self, kind: Kind, original: Thing, thing_id: str, **fields: Any) -> Thing:
        """Mark what was made, and describe it as the original was.

        :param fields: further ones to set
        """
        self.neutron.set_tags(kind, thing_id, self.marks.tags(original))
        surplus = self.marks.surplus_tags(original)
        if surplus:
            self.remarks.add(
                f"The {kind.label} {title(original)} was made without its tags "
                f"{', '.join(surplus)}: Neutron takes no more"
            )
        description = original.get("description") or ""
        fields = {**fields, "description": description}
        return self.neutron.update(kind, thing_id, fields)

    def is_usable(self, thing: Thing) -> bool:
        """Whether the project may use something that its user sees."""
        return bool(
            thing.get(OWNER) == self.project_id
            or thing.get("shared")
            or thing.get(EXTERNAL)
        )

    def owns(self, thing: Thing) -> bool:
        """Whether something is the project's own."""
        return bool(thing.get(OWNER) == self.project_id)

    def is_made(self, thing: Thing) -> bool:
        """Whether this restore has made something."""
        return self.marks.original_of(thing) is not None

    def _made(self, kind: Kind, originals: Sequence[Thing]) -> list[Thing]:
        """What this restore has made of things, wholly or not."""
        if not originals:
            return []
        mine = {OWNER: self.project_id}
        tagged = self.neutron.list(kind, tags=self.marks.restore_tag, **mine)
        done = {self.marks.original_of(one) for one in tagged}
        tokens = [
            self.marks.token(one["id"]) for one in originals if one["id"] not in done
        ]
        half_made = self.neutron.by_ids(kind, tokens, field="description")
        return [*tagged, *half_made.values()]
