# SPDX-License-Identifier: Apache-2.0
"""What the bank keeps of a Freezer backup: where its data is, and what it was of."""

import dataclasses
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: As Karbor 1.x called it, so that its checkpoints can be restored.
_KEY = "metadata"

#: What Freezer puts before the backup's name in its storage. Karbor's own word there
#: lets any scheduler find what another one made.
HOSTNAME = "karbor"


@dataclasses.dataclass(frozen=True)
class Target:
    """A volume or server that a backup has.

    :param kind: ``cinder`` or ``nova``, Freezer's modes
    :param details: what Freezer does not bring back by itself
    """

    kind: str
    id: str
    name: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class SavedBackup:
    """A backup in Freezer's storage.

    :param backup_name: as Freezer takes it
    :param hostname: that Freezer puts before the name; None for the scheduler's own
    :param client_id: of the scheduler that made it
    :param size: bytes, where Karbor can see them
    """

    backup_name: str
    storage: str
    container: str
    client_id: str
    targets: tuple[Target, ...]
    hostname: str | None = HOSTNAME
    size: int | None = None

    def save(self, section: "BankSection") -> None:
        """Write it into the resource's section."""
        section.update_object(_KEY, dataclasses.asdict(self))

    @classmethod
    def find(cls, section: "BankSection") -> "SavedBackup | None":
        """What a section has; None when the resource was not protected."""
        if _KEY not in section.list_objects(prefix=_KEY):
            return None
        saved = dict(section.get_object(_KEY))
        if "job_info" in saved:
            return _from_karbor_1(saved["job_info"])
        saved["targets"] = tuple(Target(**target) for target in saved["targets"])
        return cls(**saved)

    @classmethod
    def load(cls, section: "BankSection") -> "SavedBackup":
        """What a section has.

        :raises BankGetObjectFailed: when the resource was not protected
        """
        saved = cls.find(section)
        if saved is None:
            raise exception.BankGetObjectFailed(
                key=_KEY, reason=_("the checkpoint has no Freezer backup of this")
            )
        return saved


def _from_karbor_1(job: dict[str, Any]) -> SavedBackup:
    """Karbor 1.x kept the whole job, with one action for one volume."""
    action = job["job_actions"][0]["freezer_action"]
    volume_id = action["cinder_vol_id"]
    return SavedBackup(
        backup_name=action["backup_name"],
        storage=action["storage"],
        container=action["container"],
        client_id=job["client_id"],
        targets=(Target("cinder", volume_id, volume_id),),
        hostname=None,
    )
