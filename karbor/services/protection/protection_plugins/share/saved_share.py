# SPDX-License-Identifier: Apache-2.0
"""What the bank keeps of a share: what it was, and which snapshot has its data."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: As Karbor 1.x called it, so that its checkpoints can be restored.
_KEY = "metadata"

_SHARE_FIELDS = (
    "name",
    "description",
    "size",
    "share_proto",
    "share_type",
    "share_network_id",
    "is_public",
)
_RULE_FIELDS = ("access_type", "access_to", "access_level")
#: Rules that were refused, or are going, are not what the share's owner wanted.
_LOST_RULES = frozenset({"error", "queued_to_deny", "denying"})


@dataclasses.dataclass(frozen=True)
class SavedShare:
    """A share as it was when its snapshot was taken.

    :param snapshot_id: of the snapshot in Manila
    :param snapshot_name: as the plan gave it
    :param fields: of the share: ``name``, ``description``, ``size`` in GiB,
        ``share_proto``, ``share_type``, ``share_network_id``, ``is_public``
    :param metadata: of the share
    :param access_rules: each with ``access_type``, ``access_to``, ``access_level``
    """

    share_id: str
    snapshot_id: str
    snapshot_name: str | None
    fields: dict[str, Any]
    metadata: dict[str, str]
    access_rules: list[dict[str, str]]

    @classmethod
    def of(
        cls,
        share: Mapping[str, Any],
        rules: Sequence[Mapping[str, Any]],
        snapshot: Mapping[str, Any],
    ) -> "SavedShare":
        """From what Manila shows."""
        fields = {name: share.get(name) for name in _SHARE_FIELDS}
        # A share that is extended meanwhile is as large as its snapshot when restored.
        fields["size"] = snapshot.get("size") or share["size"]
        return cls(
            share_id=share["id"],
            snapshot_id=snapshot["id"],
            snapshot_name=snapshot.get("name"),
            fields=fields,
            metadata=dict(share.get("metadata") or {}),
            access_rules=[
                {name: rule[name] for name in _RULE_FIELDS}
                for rule in rules
                if rule.get("state") not in _LOST_RULES
            ],
        )

    def save(self, section: "BankSection") -> None:
        """Write it into the share's section."""
        section.update_object(
            _KEY,
            {
                **self.fields,
                "share_id": self.share_id,
                "snapshot_id": self.snapshot_id,
                "snapshot_name": self.snapshot_name,
                "metadata": self.metadata,
                "access_rules": self.access_rules,
            },
        )

    @classmethod
    def find(cls, section: "BankSection") -> "SavedShare | None":
        """What a section has; None when the share was not protected."""
        if _KEY not in section.list_objects(prefix=_KEY):
            return None
        saved = section.get_object(_KEY)
        return cls(
            share_id=saved["share_id"],
            snapshot_id=saved["snapshot_id"],
            snapshot_name=saved.get("snapshot_name"),
            fields={name: saved.get(name) for name in _SHARE_FIELDS},
            metadata=saved.get("metadata", {}),
            access_rules=saved.get("access_rules", []),
        )

    @classmethod
    def load(cls, section: "BankSection") -> "SavedShare":
        """What a section has.

        :raises BankGetObjectFailed: when the share was not protected
        """
        saved = cls.find(section)
        if saved is None:
            raise exception.BankGetObjectFailed(
                key=_KEY, reason=_("the checkpoint has no snapshot of this share")
            )
        return saved

    @property
    def share_metadata(self) -> dict[str, Any]:
        """What a person may see of it."""
        return {
            **self.fields,
            "metadata": self.metadata,
            "access_rules": self.access_rules,
        }
