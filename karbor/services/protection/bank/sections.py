# SPDX-License-Identifier: Apache-2.0
"""A bank as its users see it: the whole of it, and sections that cannot be left."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.services.protection.bank import copying, keys
from karbor.services.protection.bank.chunks import space
from karbor.services.protection.bank.chunks.condemned import CondemnedNames
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.bank.streams import legacy, manifest, verification
from karbor.services.protection.bank.streams.legacy import LegacyStreamReader
from karbor.services.protection.bank.streams.manifest import StreamInfo
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.reader import StreamReader
from karbor.services.protection.bank.streams.writer import StreamWriter

if TYPE_CHECKING:
    from karbor.context import RequestContext
    from karbor.services.protection.bank.chunks.keyring import Keyring
    from karbor.services.protection.bank_plugin import BankPlugin
    from karbor.services.protection.progress import ResourceProgress

_PAGE = 1000
_SORT_DIRECTIONS = (None, "asc", "desc")


class Bank:
    """A bank plugin behind checked keys.

    Keys begin with ``/``; it is added when missing. Safe to use from many threads,
    as the plugin is.

    :param plugin: where the objects are
    :param stream_options: how data streams of its sections are cut and moved
    :param keyring: encrypts the streams of projects; None: they are not encrypted
    """

    def __init__(
        self,
        plugin: "BankPlugin",
        stream_options: StreamOptions | None = None,
        keyring: "Keyring | None" = None,
    ) -> None:
        self._plugin = plugin
        self._stream_options = stream_options or StreamOptions()
        self._keyring = keyring
        #: What collections want to delete; what was read of it is kept.
        self.condemned_names = CondemnedNames()

    @property
    def stream_options(self) -> StreamOptions:
        """How data streams of the bank's sections are cut and moved."""
        return self._stream_options

    @property
    def plugin(self) -> "BankPlugin":
        """The plugin below; for what concerns the plugin itself, such as its lease."""
        return self._plugin

    @property
    def uncached(self) -> "Bank":
        """The same bank past its caches, for who wants to know what is really there."""
        plugin = getattr(self._plugin, "uncached", self._plugin)
        return Bank(plugin, self._stream_options, self._keyring)

    @property
    def is_writeable(self) -> bool:
        """Whether sections of this bank may be written."""
        return True

    def get_owner_id(self) -> str:
        """The id under which this process owns what it writes."""
        return self._plugin.get_owner_id()

    def update_object(
        self, key: str, value: Any, context: "RequestContext | None" = None
    ) -> None:
        """Create or replace an object, as :meth:`BankPlugin.update_object`."""
        self._plugin.update_object(_absolute(key), value, context=context)

    def get_object(self, key: str, context: "RequestContext | None" = None) -> Any:
        """The value of an object, as :meth:`BankPlugin.get_object`."""
        return self._plugin.get_object(_absolute(key), context=context)

    def delete_object(self, key: str, context: "RequestContext | None" = None) -> None:
        """Delete an object, as :meth:`BankPlugin.delete_object`."""
        self._plugin.delete_object(_absolute(key), context=context)

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: "RequestContext | None" = None,
    ) -> list[str]:
        """Keys in order, as :meth:`BankPlugin.list_objects`.

        :raises InvalidParameterValue: for a prefix, marker, limit or direction that
            no listing can have
        """
        if sort_dir not in _SORT_DIRECTIONS:
            raise exception.InvalidParameterValue(
                err=f"A listing's sort_dir is 'asc' or 'desc', not {sort_dir!r}"
            )
        if limit is not None and limit < 0:
            raise exception.InvalidParameterValue(
                err=f"A listing's limit is 0 or more, not {limit!r}"
            )
        if limit == 0:
            return []
        return self._plugin.list_objects(
            prefix=_absolute_prefix(prefix or ""),
            limit=limit,
            marker=None if marker is None else _absolute_prefix(marker),
            sort_dir=sort_dir,
            context=context,
        )

    def get_sub_section(
        self, section: str, is_writable: bool = True, project_id: str | None = None
    ) -> "BankSection":
        """The part of the bank whose keys begin with the section's name.

        :param project_id: whose data its streams are: their chunks are shared with
            the project's other streams
        """
        return BankSection(self, section, is_writable, project_id)

    def chunk_space(self, project_id: str) -> ChunkSpace:
        """Where a project's chunks are.

        :raises InvalidParameterValue: when the id cannot be a part of a key
        """
        section = self.get_sub_section(f"{space.ROOT}/{keys.validate_part(project_id)}")
        return ChunkSpace(section, project_id, self._keyring)


class BankSection:
    """A part of a bank that its holder cannot leave.

    Keys, prefixes and markers are relative to the section. A key that would name
    something outside is refused. A read-only section, and every section taken from
    it, cannot be written.

    :param bank: the bank that holds the section
    :param prefix: the section's name, such as ``/checkpoints/<id>``; a leading and
        a trailing ``/`` may be there or not
    :param is_writable: whether objects may be written and deleted
    :param project_id: whose data its streams are; None when they are nobody's
    :raises InvalidParameterValue: when the prefix is no valid key
    """

    def __init__(
        self,
        bank: Bank,
        prefix: str,
        is_writable: bool = True,
        project_id: str | None = None,
    ) -> None:
        self._bank = bank
        self._prefix = "/" + keys.normalize_section(prefix)
        self._is_writable = is_writable
        self._project_id = project_id

    def __repr__(self) -> str:
        return f"<BankSection {self._prefix}>"

    @property
    def bank(self) -> Bank:
        """The bank that holds the section."""
        return self._bank

    @property
    def prefix(self) -> str:
        """What every key of the section begins with; begins and ends with ``/``."""
        return self._prefix

    @property
    def project_id(self) -> str | None:
        """Whose data its streams are; None when they are nobody's."""
        return self._project_id

    @property
    def is_writable(self) -> bool:
        """Whether objects may be written and deleted through this section."""
        return self._is_writable

    @property
    def uncached(self) -> "BankSection":
        """The same section past the bank's caches."""
        return BankSection(
            self._bank.uncached, self._prefix, self._is_writable, self._project_id
        )

    def get_owner_id(self) -> str:
        """The id under which this process owns what it writes."""
        return self._bank.get_owner_id()

    def get_sub_section(self, prefix: str, is_writable: bool = True) -> "BankSection":
        """A section inside this one.

        :raises BankReadonlyViolation: when this section is read-only and a writable
            one is asked for
        :raises InvalidParameterValue: when the name would leave this section
        """
        if is_writable:
            self._check_writable()
        return BankSection(
            self._bank,
            self._prefix + keys.normalize_section(prefix),
            is_writable,
            self._project_id,
        )

    def chunk_space(
        self, stream: str, attempt: str, project_id: str | None = None
    ) -> ChunkSpace:
        """Where the chunks of a stream of this section are.

        :param attempt: to write it
        :param project_id: as the stream's manifest says; None: as the section's
        """
        project_id = project_id or self._project_id
        if project_id is not None:
            return self._bank.chunk_space(project_id)
        folder = f"{self._prefix}{manifest.DATA}{stream}/{attempt}"
        return ChunkSpace(BankSection(self._bank, folder, self._is_writable))

    def update_object(
        self, key: str, value: Any, context: "RequestContext | None" = None
    ) -> None:
        """Create or replace an object, as :meth:`BankPlugin.update_object`.

        :raises BankReadonlyViolation: when the section is read-only
        :raises InvalidParameterValue: when the key would leave the section
        """
        self._check_writable()
        self._bank.update_object(self._key(key), value, context=context)

    def get_object(self, key: str, context: "RequestContext | None" = None) -> Any:
        """The value of an object, as :meth:`BankPlugin.get_object`.

        :raises InvalidParameterValue: when the key would leave the section
        """
        return self._bank.get_object(self._key(key), context=context)

    def delete_object(self, key: str, context: "RequestContext | None" = None) -> None:
        """Delete an object, as :meth:`BankPlugin.delete_object`.

        :raises BankReadonlyViolation: when the section is read-only
        :raises InvalidParameterValue: when the key would leave the section
        """
        self._check_writable()
        self._bank.delete_object(self._key(key), context=context)

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: "RequestContext | None" = None,
    ) -> list[str]:
        """Keys of the section in order, as :meth:`BankPlugin.list_objects`.

        ``prefix``, ``marker`` and the keys returned are relative to the section.

        :raises InvalidParameterValue: when prefix or marker would leave the section
        """
        found = self._bank.list_objects(
            prefix=self._prefix + keys.validate_relative_prefix(prefix or ""),
            limit=limit,
            marker=None
            if marker is None
            else self._prefix + keys.validate_relative_prefix(marker),
            sort_dir=sort_dir,
            context=context,
        )
        return [key[len(self._prefix) :] for key in found]

    def iterate_objects(self, prefix: str | None = None) -> Iterator[str]:
        """All keys of the section in ascending order, read page by page.

        Objects that come or go while it runs may or may not be seen.
        """
        marker = None
        while True:
            page = self.list_objects(prefix=prefix, limit=_PAGE, marker=marker)
            yield from page
            if len(page) < _PAGE:
                return
            marker = page[-1]

    def write_stream(
        self, name: str, source: Any, *, progress: "ResourceProgress | None" = None
    ) -> StreamInfo:
        """Write a stream of bytes, or replace one; durable when it returns.

        Until then readers see the stream that was there before, or none. May be
        called again after a failure or a crash; the calling thread reads the source.

        :param name: one part of a key
        :param source: an object with ``readinto(buffer)`` or ``read(size)``, or an
            iterable of bytes; pieces may be of any size
        :param progress: told the bytes of the source as they have reached the bank
        :raises BankReadonlyViolation: when the section is read-only
        :raises BankUpdateObjectFailed: naming the stream, when the source or the
            bank failed; a KarborException of the source comes through as it is.
            What was written is deleted
        """
        self._check_writable()
        return StreamWriter(self, name, self._bank.stream_options, progress).write(
            source
        )

    def open_stream(self, name: str) -> StreamReader | LegacyStreamReader:
        """A stream's bytes, each checked before it is given out; to be closed.

        Where there is none, one that Karbor 1.x wrote as ``<name>_1`` to ``<name>_N``;
        that one carries nothing to check it with.

        :raises BankGetObjectFailed: when there is no such stream
        :raises BankDataCorrupted: here or from a read, naming section, stream and
            chunk, when something of it was changed, cut or lost
        """
        try:
            return StreamReader(self, name, self._bank.stream_options)
        except exception.BankGetObjectFailed:
            if not legacy.is_alone(self, name):
                raise
            return LegacyStreamReader(self, name)

    def verify_stream(
        self,
        name: str,
        *,
        depth: Depth | None = None,
        progress: "ResourceProgress | None" = None,
    ) -> StreamInfo:
        """Check a stream as it is in the bank, past all caches.

        Of one that Karbor 1.x wrote, a sample is all of it: its objects carry nothing
        to check one of them with.

        :param depth: None: every byte is read, decrypted and checked
        :param progress: told the bytes of the stream as they are checked
        :raises BankGetObjectFailed: when there is no such stream
        :raises BankDataCorrupted: naming section, stream and chunk
        :raises DataKeyUnavailable: when it is encrypted and the key is not there
        """
        depth = depth or Depth(Level.FULL)
        return verification.verify_stream(self.uncached, name, depth, progress)

    def delete_stream(self, name: str) -> None:
        """Delete a stream, and what failed attempts to write it left behind.

        Does nothing when there is none. No one may be writing the stream.

        :raises BankReadonlyViolation: when the section is read-only
        :raises BankDeleteObjectFailed: when an object is still there and cannot be
            deleted; call again, it goes on where it stopped
        """
        self._check_writable()
        keys.validate_part(name)
        manifest_key = manifest.MANIFESTS + name
        if manifest_key in self.list_objects(prefix=manifest_key, limit=1):
            self.delete_object(manifest_key)
        for key in self.iterate_objects(prefix=f"{manifest.DATA}{name}/"):
            self.delete_object(key)

    def list_streams(self) -> list[str]:
        """The names of the section's streams, in order."""
        return [
            key.removeprefix(manifest.MANIFESTS)
            for key in self.iterate_objects(prefix=manifest.MANIFESTS)
        ]

    def copy_to(
        self,
        other_section: "BankSection",
        *,
        progress: "ResourceProgress | None" = None,
    ) -> None:
        """Copy all objects and streams to a section of this or another bank.

        Of a stream, only the chunks that the other bank's project lacks are read,
        checked, and put there, compressed and encrypted as that bank's options say;
        where both sections share chunks, all are read and none is put. What the other
        section has under the same names is replaced; what else it has stays. A copy
        that was cut off can be made again, and finds what the first one has put.

        :param progress: told the bytes of streams as they have reached the other bank
        :raises BankReadonlyViolation: when the other section is read-only
        :raises InvalidParameterValue: when the other section is in this one
        :raises BankDataCorrupted: when a stream of this section is damaged
        :raises BankException: when either bank fails
        """
        other_section._check_writable()
        copying.copy_section(self, other_section, progress)

    def delete_all(self) -> None:
        """Delete every object and stream of the section, and of sections in it.

        :raises BankReadonlyViolation: when the section is read-only
        :raises BankDeleteObjectFailed: when an object is still there and cannot be
            deleted; call again, it goes on where it stopped
        """
        self._check_writable()
        for key in self.iterate_objects():
            self.delete_object(key)

    def _check_writable(self) -> None:
        if not self._is_writable:
            raise exception.BankReadonlyViolation(
                f"The bank section {self._prefix} is read-only."
            )

    def _key(self, key: str) -> str:
        return keys.validate(self._prefix + keys.validate_relative(key))


def _absolute(key: str) -> str:
    if isinstance(key, str) and not key.startswith("/"):
        keys.validate_relative(key)
        key = "/" + key
    return keys.validate(key)


def _absolute_prefix(prefix: str) -> str:
    if isinstance(prefix, str):
        prefix = prefix.removeprefix("/")
    return "/" + keys.validate_relative_prefix(prefix)
