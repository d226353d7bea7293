# SPDX-License-Identifier: Apache-2.0
"""The mark of a checkpoint that was given up while it was made.

``/checkpoints/<id>/abandoned`` is written before the checkpoint's state is ended by
somebody other than its owner, and stays for as long as the checkpoint does. The owner
may only be asleep, and may wake up between its last look at the checkpoint and its
commit; what it relied on may be gone by then. So a checkpoint with this mark is never
``available``, whatever its index says.
"""

import datetime

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import indices

#: In a checkpoint's section.
ABANDONED = "abandoned"

#: What is told of an available checkpoint with the mark.
REASON = (
    "It was given up while it was made, because the service that made it had died or "
    "lost its lease; that service came back and completed it too late. Its data may be "
    "gone: delete it, and run the operation again."
)


def write(
    section: BankSection,
    checkpoint_id: str,
    owner_id: str,
    reason: str,
    at: datetime.datetime,
) -> None:
    """Mark a checkpoint, for good; may be repeated.

    :param section: the checkpoint's
    :param owner_id: who was making it
    :raises BankUpdateObjectFailed: when it may not be marked
    """
    value = {
        "checkpoint_id": checkpoint_id,
        "owner_id": owner_id,
        "reason": reason,
        "at": at.isoformat(timespec="seconds"),
    }
    section.update_object(ABANDONED, sealing.seal(value))


def is_there(section: BankSection, key: str) -> bool:
    """Whether an object is there, of a bank that may list late.

    :raises BankException: when the bank cannot say
    """
    if not section.bank.plugin.capabilities.strong_read:
        try:
            section.get_object(key)
        except exception.BankGetObjectFailed:
            # It may be there and not be readable.
            pass
        else:
            return True
    return indices.is_there(section, key)
