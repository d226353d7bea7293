# SPDX-License-Identifier: Apache-2.0
"""The image plugin of a real provider, its hooks called as an operation calls them."""

import functools
import pathlib
import uuid
from typing import Any

from oslo_config import cfg

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.checkpoint import Checkpoint
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS
from karbor.services.protection.provider import Provider
from karbor.services.protection.provider_file import ProviderFile
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.services.protection.waiting.course import complete
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.fakes.fault_proxy import FaultProxy
from karbor.tests.functional.glance import GlanceLab

PROVIDER = """\
[provider]
name = images
id = {id}
plugin = karbor-image-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True
[file_system_bank_plugin]
file_system_bank_path = {bank}
[bank_streams]
chunk_size = 1048576
max_bytes_in_flight = 4194304
[image_backup_plugin]
poll_interval = 0.1
status_timeout = 5
cleanup_timeout = {cleanup_timeout}
[glance_client]
glance_endpoint = {glance}
retries = 1
retry_interval = 0.1
"""


class ImageBench:
    """A provider, and a checkpoint in its bank for each image.

    :param base: of the bank and the provider's file
    :param lab: the Glance, or a proxy before it
    """

    def __init__(
        self,
        base: pathlib.Path,
        lab: GlanceLab | FaultProxy,
        cleanup_timeout: float = 30,
    ) -> None:
        service = cfg.ConfigOpts()
        service([], default_config_files=[])
        path = base / "images.conf"
        path.write_text(
            PROVIDER.format(
                id=uuid.uuid4(),
                bank=base / "bank",
                glance=lab.url,
                cleanup_timeout=cleanup_timeout,
            )
        )
        self.bank_path = base / "bank"
        self.provider = Provider(ProviderFile.read(str(path), service))
        self.plugin = self.provider.plugin_for(constants.IMAGE_RESOURCE_TYPE)
        self.progress = OperationProgress()
        self.watcher = Watcher(first_interval=0.02)
        self.provider.lease.start()

    def close(self) -> None:
        """Give the bank's lease back."""
        self.provider.lease.stop()

    def checkpoint(self, context: RequestContext) -> Checkpoint:
        """A new checkpoint of the context's project."""
        assert context.project_id
        return self.provider.checkpoints.create(
            {"id": str(uuid.uuid4()), "name": "plan", "resources": []},
            provider_id=self.provider.id,
            project_id=context.project_id,
        )

    def protect(
        self, context: RequestContext, image_id: str, **parameters: Any
    ) -> Checkpoint:
        """Protect an image into a checkpoint of its own."""
        checkpoint = self.checkpoint(context)
        self.run("protect", checkpoint, context, image_id, parameters)
        return checkpoint

    def restore(
        self,
        checkpoint: Checkpoint,
        context: RequestContext,
        image_id: str,
        record: RestoreRecord | None = None,
        **parameters: Any,
    ) -> tuple[str, RestoreRecord]:
        """Restore an image: the new one's id, and the restore's record."""
        record = record or self.record()
        new_resources: dict[str, str] = {}
        self.run(
            "restore",
            checkpoint,
            context,
            image_id,
            parameters,
            restore=record,
            new_resources=new_resources,
        )
        return new_resources[image_id], record

    def record(self) -> RestoreRecord:
        """A restore's record that no database keeps."""
        return RestoreRecord(None, {"id": str(uuid.uuid4())})

    def verification(self) -> VerificationRecord:
        """A verification's record that no database keeps."""
        return VerificationRecord(None, {"id": str(uuid.uuid4())})

    def run(
        self,
        operation: str,
        checkpoint: Checkpoint,
        context: RequestContext,
        image_id: str,
        parameters: dict[str, Any] | None = None,
        hooks: tuple[str, ...] = HOOKS,
        **kwargs: Any,
    ) -> None:
        """All hooks in their order; when one fails, the revert and then its error."""
        resource = Resource(constants.IMAGE_RESOURCE_TYPE, image_id, None)
        made = getattr(self.plugin, f"get_{operation}_operation")(resource)
        arguments = (checkpoint, resource, context, parameters or {})
        kwargs.setdefault("progress", ResourceProgress(self.progress))
        try:
            for hook in hooks:
                method = getattr(made, hook)
                complete(functools.partial(method, *arguments, **kwargs), self.watcher)
        except Exception:
            revert = functools.partial(made.on_revert, *arguments, **kwargs)
            complete(revert, self.watcher)
            raise

    def chunk_files(self, checkpoint: Checkpoint) -> list[pathlib.Path]:
        """The files with pieces of the images of a checkpoint's project, largest
        first."""
        folder = self.bank_path / "karbor" / "chunks" / checkpoint.project_id / "data"
        files = [path for path in folder.rglob("*") if path.is_file()]
        return sorted(files, key=lambda path: path.stat().st_size, reverse=True)
