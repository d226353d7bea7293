# SPDX-License-Identifier: Apache-2.0
"""Protects a file: its bytes into the bank, and back into a new file."""

import os

from karbor import exception
from karbor.services.protection.bank import depth
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor_example_files.folder import Folder
from karbor_example_files.protectable import FILE_RESOURCE_TYPE

DATA = "data"


class FileOperation(Operation):
    """What the five operations share."""

    def __init__(self, conf):
        self._conf = conf

    def folder(self, context):
        """The caller's files."""
        return Folder(self._conf, context.project_id)


# [protect]
class ProtectFile(FileOperation):
    """Streams the file into the resource's section of the bank."""

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = checkpoint.get_resource_bank_section(resource.id)
        progress = kwargs["progress"]
        path = self.folder(context).path / resource.id
        try:
            with path.open("rb") as file:
                progress.expect(os.fstat(file.fileno()).st_size)
                section.write_stream(DATA, file, progress=progress)
        except OSError as error:
            raise exception.CreateResourceFailed(
                name="File Backup",
                reason=error,
                resource_id=resource.id,
                resource_type=resource.type,
            ) from error


# [restore]
class RestoreFile(FileOperation):
    """Writes a new file, so that a run after a crash finds what the first one made.

    The bank notes a token before anything is written, and the half-made file has the
    token for its name until it is complete.
    """

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = checkpoint.get_resource_bank_section(resource.id)
        note = Notes(section, kwargs["restore"].id).take("file")
        folder = self.folder(context).path
        half_made = folder / f".{note.token}"
        name = parameters.get("restore_name", f"{resource.id}.{note.token}")
        try:
            with section.open_stream(DATA) as source, half_made.open("wb") as file:
                for piece in source:
                    file.write(piece)
                    kwargs["progress"].advance(len(piece))
            self.publish(half_made, folder / name)
        except OSError as error:
            raise exception.RestoreResourceFailed(
                name="File Backup",
                reason=error,
                resource_id=resource.id,
                resource_type=resource.type,
            ) from error
        kwargs["new_resources"][resource.id] = name
        report(kwargs["restore"], resource, "available")

    @staticmethod
    def publish(half_made, path):
        """Give the file its name, unless another file has it."""
        try:
            os.link(half_made, path)
        except FileExistsError:
            if not path.samefile(half_made):
                raise

    def on_complete(self, checkpoint, resource, context, parameters, **kwargs):
        self.forget_half_made(checkpoint, resource, context, kwargs["restore"])

    def on_revert(self, checkpoint, resource, context, parameters, **kwargs):
        self.forget_half_made(checkpoint, resource, context, kwargs["restore"])

    def forget_half_made(self, checkpoint, resource, context, restore):
        """A complete file stays: it has a name of its own."""
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = Notes(section, restore.id)
        note = notes.find("file")
        if note is not None:
            half_made = self.folder(context).path / f".{note.token}"
            half_made.unlink(missing_ok=True)
            notes.forget("file")


# [keep]
class VerifyFile(FileOperation):
    """Reads back as much as is asked for; what is damaged raises, and the record
    tells."""

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        section.verify_stream(
            DATA,
            depth=depth.Depth.from_parameters(parameters),
            progress=kwargs["progress"],
        )
        report(kwargs["verify"], resource, "available")


class CopyFile(FileOperation):
    """Copies the section to that of the new checkpoint."""

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        source = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        target = kwargs["checkpoint_copy"].get_resource_bank_section(resource.id)
        source.copy_to(target)


class DeleteFile(FileOperation):
    """Deletes what the bank keeps; the file itself stays."""

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        checkpoint.get_resource_bank_section(resource.id).delete_all()


# [plugin]
class FileProtectionPlugin(ProtectionPlugin):
    """Made once for a provider, with the configuration of the provider's file."""

    def get_protect_operation(self, resource):
        return ProtectFile(self._config)

    def get_restore_operation(self, resource):
        return RestoreFile(self._config)

    def get_verify_operation(self, resource):
        return VerifyFile(self._config)

    def get_copy_operation(self, resource):
        return CopyFile(self._config)

    def get_delete_operation(self, resource):
        return DeleteFile(self._config)

    @classmethod
    def get_supported_resources_types(cls):
        return [FILE_RESOURCE_TYPE]

    @classmethod
    def get_options_schema(cls, resource_type):
        return {}

    @classmethod
    def get_restore_schema(cls, resource_type):
        return {
            "title": "File Restore",
            "type": "object",
            "properties": {
                "restore_name": {
                    "type": "string",
                    "pattern": "^[^/.][^/]*$",
                    "description": "The name of the new file.",
                }
            },
        }

    @classmethod
    def get_verify_schema(cls, resource_type):
        return {"type": "object", "properties": depth.PROPERTIES}

    @classmethod
    def get_saved_info_schema(cls, resource_type):
        return {"type": "object", "properties": {"bytes": {"type": "integer"}}}

    @classmethod
    def get_saved_info(cls, metadata_store, resource):
        with metadata_store.open_stream(DATA) as stream:
            return {"bytes": stream.info.length}
