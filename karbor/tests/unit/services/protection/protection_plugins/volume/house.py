# SPDX-License-Identifier: Apache-2.0
"""A small cloud with one volume, and the operations of a plugin on it."""

import functools
import os
import uuid
from typing import Any

from oslo_config import cfg

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS, ProtectionPlugin
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.services.protection.waiting.course import complete
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.block_storage import BlockStorageServer
from karbor.tests.fakes.cutting import cut
from karbor.tests.fakes.image_store import ImageServer

UNTIL_MAIN = HOOKS[: HOOKS.index("on_main") + 1]


class House:
    """Everything a test touches.

    :ivar cinder: has one volume
    :ivar data: of that volume
    :ivar resource: that volume
    :ivar checkpoint: a new one
    :ivar record: of a restore
    :ivar progress: of the operations
    """

    def __init__(
        self,
        plugin_class: type[ProtectionPlugin],
        cinder: BlockStorageServer,
        images: ImageServer,
        watcher: Watcher,
    ) -> None:
        self.conf: cfg.ConfigOpts = empty_configuration()
        cinder.configure(self.conf)
        images.configure(self.conf)
        self.plugin_class = plugin_class
        self.cinder, self.images, self._watcher = cinder, images, watcher
        self.context = RequestContext(
            user_id="alice", project_id=uuid.uuid4().hex, overwrite=False
        )
        self.data = os.urandom(100_000)
        self.volume_id = cinder.add_volume(self.data, name="data")
        self.resource = Resource(constants.VOLUME_RESOURCE_TYPE, self.volume_id, "data")
        self.bank = Bank(MemoryBankPlugin())
        self.checkpoint = self.new_checkpoint()
        self.record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        self.new_resources: dict[str, str] = {}
        self.progress = OperationProgress()

    def new_checkpoint(self) -> Any:
        """Another checkpoint."""
        return CheckpointCollection(self.bank).create(
            {"id": str(uuid.uuid4()), "name": "plan", "resources": []},
            provider_id=str(uuid.uuid4()),
            project_id=self.context.project_id,
        )

    @property
    def plugin(self) -> ProtectionPlugin:
        """Made anew, as another process would."""
        return self.plugin_class(self.conf)

    @property
    def volume(self) -> dict[str, Any]:
        """As Cinder has it."""
        return self.cinder.things["volumes"][self.volume_id]

    @property
    def section(self) -> BankSection:
        """What the bank keeps of it."""
        section: BankSection = self.checkpoint.get_resource_bank_section(self.volume_id)
        return section

    def option(self, name: str, value: Any) -> None:
        """Set an option of the plugin."""
        made = self.plugin
        self.conf.set_override(name, value, made.settings.group)

    def protect(self, *hooks: str, **parameters: Any) -> None:
        """Call hooks of a protect operation; all of them by default."""
        self.call("protect", hooks or HOOKS, parameters, operation_log=None)

    def restore(self, *hooks: str, **parameters: Any) -> dict[str, Any]:
        """Call hooks of a restore, and give what replaced the volume, if anything."""
        self.call(
            "restore",
            hooks or HOOKS,
            parameters,
            restore=self.record,
            new_resources=self.new_resources,
        )
        new_id = self.new_resources.get(self.volume_id, "")
        return self.cinder.things["volumes"].get(new_id, {})

    def verify(self) -> str | None:
        """Verify, and give the status that the record is told."""
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        self.call("verify", HOOKS, {}, verify=record, new_resources={})
        status: str | None = record.resource_status(
            self.resource.type, self.resource.id
        )
        return status

    def delete(self) -> None:
        """Delete what is kept."""
        self.call("delete", HOOKS, {}, operation_log=None)

    def remark(self) -> str:
        """What the restore's record says about the volume."""
        key = f"{self.resource.type}#{self.resource.id}"
        text: str = self.record.resources_reason[key]
        return text

    def call(
        self, operation: str, hooks: Any, parameters: dict[str, Any], **kwargs: Any
    ) -> None:
        """Call hooks to their ends."""
        made = getattr(self.plugin, f"get_{operation}_operation")(self.resource)
        for hook in hooks:
            complete(self._hook(made, hook, parameters, kwargs), self._watcher)

    def cut(self, operation: str, hook: str, waits: int, **kwargs: Any) -> bool:
        """Call a hook and stop it at one of its waits, as the end of its process does.

        :returns: False when it ended before
        """
        made = getattr(self.plugin, f"get_{operation}_operation")(self.resource)
        parameters = kwargs.pop("parameters", {})
        kwargs.setdefault("restore", self.record)
        kwargs.setdefault("new_resources", self.new_resources)
        return cut(self._hook(made, hook, parameters, kwargs), self._watcher, waits)

    def _hook(
        self, made: Any, hook: str, parameters: dict[str, Any], kwargs: dict[str, Any]
    ) -> Any:
        return functools.partial(
            getattr(made, hook),
            self.checkpoint,
            self.resource,
            self.context,
            dict(parameters),
            progress=ResourceProgress(self.progress),
            **kwargs,
        )
