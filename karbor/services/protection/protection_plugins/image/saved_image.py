# SPDX-License-Identifier: Apache-2.0
"""What a bank keeps of an image: the object ``metadata`` and the stream ``data``."""

import contextlib
import dataclasses
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.clients import glance_images

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

METADATA = "metadata"
DATA = "data"

#: Computed where Glance names no hash, or one that this Python lacks.
FALLBACK_HASH = "sha512"

#: The fields of an image that a restored one gets when it is created.
CREATION_FIELDS = (
    "name",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "tags",
)
#: Set when the data is in place: nobody else sees a half-made image, and it can
#: still be deleted.
FINAL_FIELDS = ("visibility", "os_hidden", "protected")
#: What tells one content of an image from another.
_CONTENT_FIELDS = ("checksum", "os_hash_algo", "os_hash_value", "size")
_KEPT_FIELDS = (
    *CREATION_FIELDS,
    *FINAL_FIELDS,
    *_CONTENT_FIELDS,
    "virtual_size",
    "owner",
    "created_at",
    "updated_at",
)


@dataclasses.dataclass(frozen=True)
class SavedImage:
    """An image as it was when it was protected.

    :param image_id: its id in Glance
    :param fields: what Glance said of it
    :param properties: what people and other services had added to it
    :param backup_name: what the plan calls the backup
    :param hash_algo: of the data, once it is in the bank
    :param hash_value: hex digest of the data; None before it is in the bank
    :param legacy_objects: of an image that Karbor 1.x protected, how many objects its
        data is; its only digest is Glance's MD5
    """

    image_id: str
    fields: dict[str, Any]
    properties: dict[str, Any]
    backup_name: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None
    legacy_objects: int | None = None

    @classmethod
    def of(
        cls, image: Mapping[str, Any], backup_name: str | None = None
    ) -> "SavedImage":
        """Take down what Glance says of an image."""
        return cls(
            image_id=image["id"],
            fields={name: image[name] for name in _KEPT_FIELDS if name in image},
            properties=glance_images.properties_of(image),
            backup_name=backup_name,
        )

    @classmethod
    def find(cls, section: "BankSection") -> "SavedImage | None":
        """What a resource's section keeps, or None when it keeps no image."""
        if METADATA not in section.list_objects(prefix=METADATA):
            return None
        saved = section.get_object(METADATA)
        fields = dict(saved["image_metadata"])
        if "chunks_num" in saved:
            return cls(
                image_id=saved["resource_id"],
                fields=fields,
                properties={},
                hash_algo="md5",
                hash_value=fields.get("checksum"),
                legacy_objects=int(saved["chunks_num"]),
            )
        # Karbor 1.x took down none; without chunks_num it did not come to the end.
        properties = fields.pop("properties", {})
        return cls(
            image_id=saved["resource_id"],
            fields=fields,
            properties=properties,
            backup_name=saved.get("backup_name"),
            hash_algo=(saved.get("data") or {}).get("hash_algo"),
            hash_value=(saved.get("data") or {}).get("hash_value"),
        )

    @classmethod
    def load(cls, section: "BankSection") -> "SavedImage":
        """What a resource's section keeps of a wholly protected image.

        :raises BankDataCorrupted: when there is none or its data is missing
        """
        saved = cls.find(section)
        if saved is None or not saved.is_complete:
            raise exception.BankDataCorrupted(
                reason=_(
                    "%(section)r holds no completely protected image. Use another "
                    "checkpoint."
                )
                % {"section": section}
            )
        return saved

    @property
    def image_metadata(self) -> dict[str, Any]:
        """The fields with the properties among them, as people see them."""
        return {**self.fields, "properties": self.properties}

    @property
    def is_complete(self) -> bool:
        """Whether all data is in the bank."""
        return self.hash_value is not None or self.legacy_objects is not None

    @property
    def size(self) -> int:
        """Bytes of the data; 0 where Karbor 1.x protected it, which did not tell."""
        return int(self.fields.get("size") or 0)

    def save(self, section: "BankSection") -> None:
        """Keep it in a resource's section."""
        section.update_object(
            METADATA,
            {
                "resource_id": self.image_id,
                "image_metadata": self.image_metadata,
                "backup_name": self.backup_name,
                "data": self.hash_value
                and {"hash_algo": self.hash_algo, "hash_value": self.hash_value},
            },
        )

    def has_content_of(self, image: Mapping[str, Any]) -> bool:
        """Whether an image's data is still what it was."""
        return all(self.fields.get(name) == image.get(name) for name in _CONTENT_FIELDS)

    def creation_fields(self, name: str, image_id: str) -> dict[str, Any]:
        """What to create the image anew with; private until it is complete."""
        fields = {
            field: self.fields[field]
            for field in CREATION_FIELDS
            if self.fields.get(field) is not None
        }
        return {
            **self.properties,
            **fields,
            "name": name,
            "id": image_id,
            "visibility": "private",
        }


class CheckedData:
    """An image's data as it comes from Glance, hashed on its way.

    Iterating raises :class:`DataDiffers` at the end when the data is not what Glance
    said it is.

    :param saved: what Glance said
    """

    def __init__(self, saved: SavedImage, pieces: Iterable[bytes]) -> None:
        self._saved = saved
        self._pieces = pieces
        self._length = 0
        algorithm = saved.fields.get("os_hash_algo")
        if algorithm not in hashlib.algorithms_available:
            algorithm = FALLBACK_HASH
        self._hash = hashlib.new(str(algorithm))
        self.hash_algo = str(algorithm)

    @property
    def hash_value(self) -> str:
        """Hex digest of what has been read."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._hash.update(piece)
            self._length += len(piece)
            yield piece
        self._check()

    def _check(self) -> None:
        if self._length != self._saved.size:
            raise DataDiffers(
                image_id=self._saved.image_id,
                found=f"{self._length} bytes",
                expected=f"{self._saved.size}",
            )
        expected = self._saved.fields.get("os_hash_value")
        if not expected or self.hash_algo != self._saved.fields["os_hash_algo"]:
            return
        if expected != self.hash_value:
            raise DataDiffers(
                image_id=self._saved.image_id,
                found=f"{self.hash_algo} {self.hash_value}",
                expected=expected,
            )


class DataDiffers(exception.KarborException):
    """Glance gave other data than its record of the image says."""

    message = _(
        "Glance gave other data of image %(image_id)s than it has on record: "
        "%(found)s instead of %(expected)s. Check Glance's store."
    )
    retryable = True


@contextlib.contextmanager
def open_data(section: "BankSection", saved: SavedImage) -> Iterator[Any]:
    """The data in a bank, as a file to read from.

    :raises BankDataCorrupted: here or while reading, when something of it is lost or
        damaged
    """
    if saved.legacy_objects == 0:
        # Karbor 1.x under Python 2, and an image without a byte.
        yield io.BytesIO()
        return
    with section.open_stream(DATA) as stream:
        if saved.legacy_objects not in (None, stream.info.chunk_count):
            raise exception.BankDataCorrupted(
                reason=_(
                    "%(section)r has %(found)d objects of data instead of %(expected)d"
                )
                % {
                    "section": section,
                    "found": stream.info.chunk_count,
                    "expected": saved.legacy_objects,
                }
            )
        yield stream


def check_data(
    section: "BankSection", saved: SavedImage, depth: Depth, progress: Any = None
) -> None:
    """Check the data in a bank, as far as it can be and is asked for.

    :param progress: told the bytes
    :raises BankDataCorrupted: when something of it is lost or damaged
    """
    if saved.legacy_objects is not None:
        _check_legacy_data(section, saved, depth, progress)
        return
    info = section.verify_stream(DATA, depth=depth, progress=progress)
    if info.length != saved.size:
        raise exception.BankDataCorrupted(
            reason=_("the data has %(found)d bytes instead of %(expected)d")
            % {"found": info.length, "expected": saved.size}
        )


def _check_legacy_data(
    section: "BankSection", saved: SavedImage, depth: Depth, progress: Any
) -> None:
    """All there is to check it with is a digest of the whole, so a sample is all."""
    made = (
        None
        if saved.hash_value is None
        else hashlib.new(str(saved.hash_algo), usedforsecurity=False)
    )
    with open_data(section, saved) as stream:
        if depth.level is Level.OBJECTS:
            return
        for piece in stream:
            if made is not None:
                made.update(piece)
            if progress is not None:
                progress.advance(len(piece))
    if made is not None and made.hexdigest() != saved.hash_value:
        raise exception.BankDataCorrupted(
            reason=_(
                "the data of %(section)r has %(algorithm)s %(found)s, and %(expected)s "
                "was protected"
            )
            % {
                "section": section,
                "algorithm": saved.hash_algo,
                "found": made.hexdigest(),
                "expected": saved.hash_value,
            }
        )


def hash_of_data(section: "BankSection", saved: SavedImage, algorithm: str) -> str:
    """Hex digest over the data in a bank, by another hash than it was saved with."""
    made = hashlib.new(algorithm, usedforsecurity=False)
    with open_data(section, saved) as stream:
        for piece in stream:
            made.update(piece)
    return made.hexdigest()
