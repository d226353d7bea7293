# SPDX-License-Identifier: Apache-2.0
"""Keep a bank as it is."""

import datetime
from typing import Any, ClassVar, NoReturn

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank_decorators.decorator import BankDecorator


class ReadOnlyBank(BankDecorator):
    """Refuses whatever would change the bank.

    It has no leases, whatever the wrapped bank has: taking one writes. So this service
    counts every owner in the bank as alive, and takes over nobody's checkpoints, which
    it could not end.
    """

    keeps_lease: ClassVar[bool] = False

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> NoReturn:
        self._refuse("written", key)

    def delete_object(
        self, key: str, context: RequestContext | None = None
    ) -> NoReturn:
        self._refuse("deleted", key)

    def lock_object(self, key: str, until: datetime.datetime) -> NoReturn:
        self._refuse("locked", key)

    def _refuse(self, what: str, key: str) -> NoReturn:
        raise exception.BankReadonlyViolation(
            f"Object {key} cannot be {what}: the provider's file makes the bank "
            "read-only. Take 'bank_decorator = read_only' out of it to write."
        )
