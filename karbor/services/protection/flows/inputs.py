# SPDX-License-Identifier: Apache-2.0
"""What an operation is made from: its plain inputs, and its secrets apart."""

import dataclasses
import traceback
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

from karbor import exception
from karbor.common import constants
from karbor.context import SECRET_KEYS, RequestContext
from karbor.services.protection.clients.renewal import tokens_of

#: Keys of ``restore_auth`` whose values are no secret.
_PUBLIC_AUTH_KEYS = frozenset(
    {
        "type",
        "username",
        "user_id",
        "user_domain_id",
        "user_domain_name",
        "project_id",
        "project_name",
        "project_domain_id",
        "project_domain_name",
        "region_name",
        "application_credential_id",
        "application_credential_name",
    }
)

#: A reason that a person reads is cut after so many characters; the search for
#: passwords looks at so many.
_LONGEST_REASON = 4_000
_LONGEST_SEARCHED = 100_000

_MASK = "***"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperationInputs:
    """Plain data from which the operation's flow is built, here or elsewhere.

    It holds nothing secret and may be persisted and logged.

    :param operation: one of :data:`karbor.common.constants.OPERATION_TYPES`
    :param provider_id: whose plugins and bank
    :param checkpoint_id: which checkpoint; of a copy, its source
    :param context: :meth:`karbor.context.RequestContext.to_plain` of who asked
    :param parameters: by ``type`` and by ``type#id``
    :param plan: the plan to protect; its ``resources`` are the graph's roots. None
        for the one that the checkpoint keeps
    :param record_id: of the restore or verification
    :param operation_log_id: None for an operation that nobody records
    :param copy_checkpoint_id: of the checkpoint that a copy fills
    :param target_provider_id: whose bank has that one; None for the same provider
    :param restore_target: the Keystone endpoint of another cloud, or None
    :raises InvalidInput: for an unknown operation or a secret in the context
    """

    operation: str
    provider_id: str
    checkpoint_id: str
    context: dict[str, Any]
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    plan: dict[str, Any] | None = None
    record_id: str | None = None
    operation_log_id: str | None = None
    copy_checkpoint_id: str | None = None
    target_provider_id: str | None = None
    restore_target: str | None = None

    def __post_init__(self) -> None:
        if self.operation not in constants.OPERATION_TYPES:
            raise exception.InvalidInput(
                reason=f"operation '{self.operation}' is none of "
                f"{', '.join(constants.OPERATION_TYPES)}"
            )
        if any(self.context.get(key) for key in SECRET_KEYS):
            raise exception.InvalidInput(
                reason="an operation's inputs take the context without its secrets: "
                "RequestContext.to_plain()"
            )

    def to_dict(self) -> dict[str, Any]:
        """Only what JSON can say; :meth:`from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "OperationInputs":
        """The inputs of a :meth:`to_dict`; keys of a later release are passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: values[key] for key in known & values.keys()})

    @property
    def target_checkpoint_id(self) -> str:
        """The checkpoint whose state the operation changes."""
        return self.copy_checkpoint_id or self.checkpoint_id

    @property
    def ends(self) -> tuple[str | None, ...]:
        """The ids of what says how the operation went, once it has ended.

        The checkpoint that a restore or a verification reads is not among them.
        """
        changes = self.record_id is None
        return (
            self.target_checkpoint_id if changes else None,
            self.record_id,
            self.operation_log_id,
        )

    def __str__(self) -> str:
        return f"{self.operation} of checkpoint {self.target_checkpoint_id}"


@dataclasses.dataclass(frozen=True, repr=False)
class OperationSecrets:
    """What only the living process has: never persisted, never shown.

    :param context: who asked, with the token
    :param restore_auth: how to enter ``restore_target``
    :param target: who that is over there, once it was entered
    """

    context: RequestContext
    restore_auth: dict[str, Any] | None = None
    target: RequestContext | None = None

    def __repr__(self) -> str:
        return f"<OperationSecrets of request {self.context.request_id}>"

    def __reduce__(self) -> Any:
        raise TypeError("Secrets of an operation are not to be copied or stored")

    def scrub(self, text: str) -> str:
        """The beginning of a text, without what must not be read."""
        text = strutils.mask_password(self._cover(text)[:_LONGEST_SEARCHED])
        return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " …"

    def scrub_traceback(self, error: BaseException) -> str:
        """The traceback of an error, without what must not be read."""
        text = "".join(traceback.format_exception(error))
        return strutils.mask_password(self._cover(text)[-_LONGEST_SEARCHED:])

    def _cover(self, text: str) -> str:
        for secret in self._values():
            text = text.replace(secret, _MASK)
        return text

    def _values(self) -> list[str]:
        values: list[Any] = tokens_of(self.context)
        if self.target is not None:
            values.extend(tokens_of(self.target))
        values.extend(
            value
            for key, value in (self.restore_auth or {}).items()
            if key not in _PUBLIC_AUTH_KEYS
        )
        return [value for value in values if isinstance(value, str) and value]
