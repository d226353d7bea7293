# SPDX-License-Identifier: Apache-2.0
"""The contract of a protection plugin: protect and restore one resource."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.waiting.until import Waits

if TYPE_CHECKING:
    from oslo_config import cfg

    from karbor.services.protection.bank_plugin import BankSection


class Operation:
    """What is done to one resource in one operation; every hook is optional.

    For a parent P and each resource C that it depends on, the hooks run so:

    1. ``C.on_prepare_begin`` after ``P.on_prepare_begin``
    2. ``on_prepare_finish`` of each resource after its ``on_prepare_begin``
    3. ``P.on_prepare_finish`` after ``C.on_prepare_finish``
    4. ``on_main`` of each resource after its ``on_prepare_finish``
    5. ``on_complete`` of each resource after its ``on_main``
    6. ``P.on_complete`` after ``C.on_complete``

    What these do not order runs in parallel, each hook in a thread of the
    service's pool, so one Operation's hooks never overlap but those of two
    resources do. A hook fails the operation by raising.

    **A hook may run twice.** After a crash the operation goes on in another
    process, from the hooks that had not finished, with a new Operation object. A
    hook that makes something in the cloud first writes down in its bank section
    what it is about to make, under a token that the made thing carries as its name
    or metadata, and looks that up before it makes it again.

    **A hook that waits is a generator.** It yields what it waits for, an
    :class:`~karbor.services.protection.waiting.until.Until`, and gets the thing when
    it is ready. Meanwhile it holds no thread, and whatever hooks wait for things of
    one kind is looked at by one listing. When the operation stops, the hook ends
    where it waits::

        volume = yield until_status(volumes, volume_id, "available", timeout=600)

    Only hooks that a class overrides cost anything.

    Every hook is called with these and takes ``**kwargs`` for what is added later:

    :param checkpoint: ``id``, ``project_id``, ``provider_id``, ``status``,
        ``resource_graph`` and ``get_resource_bank_section(resource_id)``
    :param resource: the :class:`~karbor.resource.Resource`
    :param context: the caller's context; make clients from it with
        :class:`~karbor.services.protection.client_factory.ClientFactory`
    :param parameters: the options for this resource, as the schema allows: those
        of its type overlaid by those of ``type#id``
    :param kwargs: protect and delete: ``operation_log``; restore: ``restore`` and
        ``new_resources``; verify: ``verify`` and ``new_resources``; copy:
        ``checkpoint_copy`` and ``operation_log``. All: ``progress`` (a
        :class:`~karbor.services.protection.progress.ResourceProgress`).
    """

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits | None:
        """Runs before this hook of any resource that this one depends on."""

    def on_prepare_finish(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits | None:
        """Runs when all that this resource depends on has finished preparing."""

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits | None:
        """Moves the data, in parallel with other resources' main hooks."""

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits | None:
        """Puts together, when all that this resource depends on is complete."""

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits | None:
        """Takes back what the hooks left temporary; may itself run twice.

        Called once per resource any of whose hooks had begun, in the reverse of
        the hooks' order, when the operation fails or is cancelled. What it raises
        is recorded with the resource and stops no other's revert.
        """


HOOKS = ("on_prepare_begin", "on_prepare_finish", "on_main", "on_complete")


class ProtectionPlugin:
    """Makes the operations for resources of the types that it supports.

    Registered under the ``karbor.protections`` entry point namespace and named by
    a provider file's ``plugin`` option. One instance per provider; its methods are
    called from any thread.

    :param config: the provider's configuration: the service's, overlaid by the
        provider's file. The plugin registers and reads its own group there.
    """

    def __init__(self, config: "cfg.ConfigOpts | None" = None) -> None:
        super().__init__()
        self._config = config

    def get_protect_operation(self, resource: Resource) -> Operation:
        """The operation that protects this resource."""
        raise NotImplementedError

    def get_restore_operation(self, resource: Resource) -> Operation:
        """The operation that restores this resource."""
        raise NotImplementedError

    def get_verify_operation(self, resource: Resource) -> Operation:
        """The operation that verifies what the bank keeps of this resource."""
        raise NotImplementedError

    def get_copy_operation(self, resource: Resource) -> Operation:
        """The operation that copies what the bank keeps of this resource."""
        raise NotImplementedError

    def get_delete_operation(self, resource: Resource) -> Operation:
        """The operation that deletes what was kept outside the bank's section."""
        raise NotImplementedError

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        """The resource types that this plugin protects."""
        raise NotImplementedError

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        """The JSON schema of a plan's parameters for this type."""
        raise NotImplementedError

    @classmethod
    def get_restore_schema(cls, resource_type: str) -> dict[str, Any]:
        """The JSON schema of a restore's parameters for this type."""
        raise NotImplementedError

    @classmethod
    def get_verify_schema(cls, resource_type: str) -> dict[str, Any]:
        """The JSON schema of a verification's parameters for this type."""
        raise NotImplementedError

    @classmethod
    def get_saved_info_schema(cls, resource_type: str) -> dict[str, Any]:
        """The JSON schema of what :meth:`get_saved_info` returns."""
        raise NotImplementedError

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        """What a person may see of what the bank keeps of this resource.

        :param metadata_store: the resource's section of the checkpoint, read-only
        """
        raise NotImplementedError
