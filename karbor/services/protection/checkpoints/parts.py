# SPDX-License-Identifier: Apache-2.0
"""Objects of a checkpoint that its index names: graph, statuses, inventory."""

from typing import Any

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import indices


class Parts:
    """The parts of one checkpoint. Each says whose it is, so that no other
    checkpoint's can take its place.

    :param section: of the checkpoint
    """

    def __init__(self, section: BankSection, checkpoint_id: str) -> None:
        self._section = section
        self._checkpoint_id = checkpoint_id

    def put(self, name: str, body: Any) -> None:
        """Keep a part.

        :param body: JSON
        """
        part = {"checkpoint_id": self._checkpoint_id, "object": name, "body": body}
        self._section.update_object(name, sealing.seal(part))

    def get(self, name: str, *, may_be_gone: bool = False) -> Any:
        """The body of a part.

        :param may_be_gone: give None when it is not there
        :raises CheckpointUnreadable: when it cannot be read
        """
        try:
            part = sealing.unseal(self._section.get_object(name))
            whose = (part.get("checkpoint_id"), part.get("object"))
            if whose != (self._checkpoint_id, name):
                raise sealing.SealBroken(f"it is {whose[1]} of checkpoint {whose[0]}")
            return part.get("body")
        except (exception.BankGetObjectFailed, sealing.SealBroken) as error:
            if may_be_gone and not indices.is_there(self._section, name):
                return None
            raise exception.CheckpointUnreadable(
                checkpoint_id=self._checkpoint_id,
                reason=f"its object {name}: {error}",
            ) from error
