# SPDX-License-Identifier: Apache-2.0
"""Every error that Karbor raises on purpose.

The class carries the message template, the HTTP code that the API answers, and
whether trying the same again may help. The names are part of the RPC and plugin
interfaces: oslo.messaging rebuilds an error on the caller's side by its name,
and plugins of Karbor 1.x raise and catch these classes.
"""

from http import HTTPStatus
from typing import Any

from karbor.i18n import _


class KarborException(Exception):
    """Base of all errors: fills ``message`` with the keyword arguments.

    A subclass sets ``message`` (a %-template), ``code`` (the HTTP status that
    the API answers) and ``retryable`` (trying again unchanged may succeed).
    A positional ``message`` replaces the template and is taken as it is: that is
    how oslo.messaging rebuilds an error that a remote service raised. A keyword
    ``retryable`` says it of this one error, where the class cannot: a bank plugin
    gives it to tell a store that is away from an object that is missing.

    :raises KeyError: when the template names an argument that was not given;
        that is a defect of the raiser, not of the input.
    """

    message = _("An unknown exception occurred.")
    code = int(HTTPStatus.INTERNAL_SERVER_ERROR)
    retryable = False

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = kwargs
        self.kwargs.setdefault("code", self.code)
        if "retryable" in kwargs:
            self.retryable = bool(kwargs["retryable"])
        if message is None:
            message = self.message % kwargs
        self.msg = str(message)
        super().__init__(self.msg)

    def __str__(self) -> str:
        return self.msg

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.msg, self.kwargs))


def _rebuild(
    cls: type[KarborException], message: str, kwargs: dict[str, Any]
) -> KarborException:
    return cls(message, **kwargs)


class NotAuthorized(KarborException):
    message = _("Not authorized.")
    code = int(HTTPStatus.FORBIDDEN)


class AdminRequired(NotAuthorized):
    message = _("User does not have admin privileges.")


class PolicyNotAuthorized(NotAuthorized):
    message = _("Policy does not allow %(action)s to be performed.")


class AuthorizationFailure(NotAuthorized):
    message = _("Authorization for %(obj)s failed.")


class AccessCheckpointNotAllowed(NotAuthorized):
    message = _(
        "Access to checkpoint %(checkpoint_id)s is not allowed: it belongs to "
        "another project."
    )


class DeleteCheckpointNotAllowed(NotAuthorized):
    message = _(
        "Deleting checkpoint %(checkpoint_id)s is not allowed: it belongs to "
        "another project."
    )


class Invalid(KarborException):
    message = _("Unacceptable parameters.")
    code = int(HTTPStatus.BAD_REQUEST)


class InvalidParameterValue(Invalid):
    message = _("%(err)s")


class InvalidInput(Invalid):
    message = _("Invalid input received: %(reason)s")


class ValidationError(Invalid):
    message = _("%(detail)s")


class MalformedRequestBody(Invalid):
    message = _("Malformed message body: %(reason)s")


class InvalidContentType(Invalid):
    message = _("Invalid content type %(content_type)s.")


class InvalidPlan(Invalid):
    message = _("Invalid plan: %(reason)s")


class InvalidProtectableInstance(Invalid):
    message = _("Invalid protectable instance.")


class InvalidOriginalId(Invalid):
    message = _("The original id %(original_id)s is invalid.")


class InvalidTaskFlowObject(Invalid):
    message = _("The task flow is invalid: %(reason)s")


class InvalidOperationObject(Invalid):
    message = _("The operation %(operation_id)s is invalid.")


class InvalidResourceGraph(Invalid):
    message = _("The resource graph is invalid: %(reason)s")


class NotFound(KarborException):
    message = _("Resource could not be found.")
    code = int(HTTPStatus.NOT_FOUND)


class ConfigNotFound(NotFound):
    message = _("Could not find config at %(path)s.")


class ServiceNotFound(NotFound):
    message = _("Service %(service_id)s could not be found.")


class PlanNotFound(NotFound):
    message = _("Plan %(plan_id)s could not be found.")


class RestoreNotFound(NotFound):
    message = _("Restore %(restore_id)s could not be found.")


class VerificationNotFound(NotFound):
    message = _("Verification %(verification_id)s could not be found.")


class OperationLogNotFound(NotFound):
    message = _("Operation log %(operation_log_id)s could not be found.")


class ProviderNotFound(NotFound):
    message = _("Provider %(provider_id)s could not be found.")


class CheckpointNotFound(NotFound):
    message = _("Checkpoint %(checkpoint_id)s could not be found.")


class ProtectableTypeNotFound(NotFound):
    message = _("Protectable type %(protectable_type)s could not be found.")


class ProtectableResourceNotFound(NotFound):
    message = _("The resource %(id)s of type %(type)s could not be found: %(reason)s")


class ProtectionPluginNotFound(NotFound):
    message = _("Protection plugin for %(type)s could not be found.")


class ClassNotFound(NotFound):
    message = _("Class %(class_name)s could not be found: %(exception)s")


class ListProtectableResourceFailed(KarborException):
    message = _("Listing protectable resources of type %(type)s failed: %(reason)s")


class ProtectableResourceInvalidStatus(KarborException):
    message = _(
        "The resource %(id)s of type %(type)s has an invalid status: %(status)s"
    )


class CreateResourceFailed(KarborException):
    message = _(
        "Create %(name)s failed: %(reason)s, id=%(resource_id)s, type=%(resource_type)s"
    )


class DeleteResourceFailed(KarborException):
    message = _(
        "Delete %(name)s failed: %(reason)s, id=%(resource_id)s, type=%(resource_type)s"
    )


class RestoreResourceFailed(KarborException):
    message = _(
        "Restore %(name)s failed: %(reason)s, id=%(resource_id)s, "
        "type=%(resource_type)s"
    )


class VerifyResourceFailed(KarborException):
    message = _(
        "Verify %(name)s failed: %(reason)s, id=%(resource_id)s, type=%(resource_type)s"
    )


class FlowError(KarborException):
    message = _("Flow: %(flow)s, Error: %(error)s")


class CheckpointNotAvailable(KarborException):
    message = _("The checkpoint %(checkpoint_id)s is not available.")
    code = int(HTTPStatus.CONFLICT)


class CheckpointNotBeDeleted(KarborException):
    message = _("The checkpoint %(checkpoint_id)s can not be deleted.")
    code = int(HTTPStatus.BAD_REQUEST)


class CheckpointLocked(CheckpointNotBeDeleted):
    message = _(
        "The checkpoint %(checkpoint_id)s is locked until %(until)s: until then it can "
        "neither be deleted nor changed, and a lock can only be extended."
    )
    code = int(HTTPStatus.CONFLICT)


class CheckpointNotBeReset(KarborException):
    message = _("The checkpoint %(checkpoint_id)s can not be reset.")
    code = int(HTTPStatus.BAD_REQUEST)


class CheckpointTransitionRefused(KarborException):
    message = _(
        "The checkpoint %(checkpoint_id)s is '%(status)s' and cannot become "
        "'%(target)s'."
    )
    code = int(HTTPStatus.CONFLICT)


class CheckpointUnreadable(KarborException):
    message = _(
        "The index of checkpoint %(checkpoint_id)s cannot be read: %(reason)s. An "
        "administrator finds out more with 'karbor-manage bank check', and takes the "
        "checkpoint away with 'karbor-manage bank remove-checkpoint'."
    )


class ProviderLoadFailed(KarborException):
    message = _("Provider file %(path)s: option %(option)s: %(reason)s")


class BankException(KarborException):
    message = _("Bank operation failed: %(reason)s")


class BankCreateObjectFailed(BankException):
    message = _("Create object in bank failed: %(reason)s")


class BankUpdateObjectFailed(BankException):
    message = _("Update object %(key)s in bank failed: %(reason)s")


class BankDeleteObjectFailed(BankException):
    message = _("Delete object %(key)s in bank failed: %(reason)s")


class BankGetObjectFailed(BankException):
    message = _("Get object %(key)s in bank failed: %(reason)s")


class BankObjectLocked(BankException):
    message = _(
        "Object %(key)s in bank is locked until %(until)s: it can neither be deleted "
        "nor replaced before. Do it again after that date."
    )
    code = int(HTTPStatus.CONFLICT)


class BankLockObjectFailed(BankException):
    message = _("Lock object %(key)s in bank failed: %(reason)s")


class BankLockNotSupported(BankException):
    message = _(
        "Object %(key)s is not locked: %(reason)s. Name a bank that can lock objects "
        "(see 'Immutability' in the operator's pages)"
    )


class BankListObjectsFailed(BankException):
    message = _("List objects in bank failed: %(reason)s")


class BankReadonlyViolation(BankException):
    message = _("Bank read-only violation.")


class BankDataCorrupted(BankException):
    message = _("Data in the bank is damaged: %(reason)s")


class DataKeyUnavailable(BankException):
    message = _(
        "The data key %(key_id)s of project %(project_id)s is not available: %(reason)s"
    )


class MasterKeyUnavailable(BankException):
    message = _("The master key %(key_id)s is not available: %(reason)s")


class AcquireLeaseFailed(BankException):
    message = _("Acquiring the lease failed: %(reason)s")


class LeaseLost(BankException):
    message = _(
        "The lease of owner %(owner_id)s is no longer valid: %(reason)s. The "
        "operation stops, because another service may take it over."
    )


class CreateContainerFailed(BankException):
    message = _("Create container in bank failed: %(reason)s")
