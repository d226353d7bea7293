# SPDX-License-Identifier: Apache-2.0
"""Making an image in Glance from the data that a bank keeps."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.clients.glance_images import ImageIdTaken, Images
from karbor.services.protection.protection_plugins.image.saved_image import (
    SavedImage,
    check_data,
    hash_of_data,
    open_data,
)
from karbor.services.protection.protection_plugins.resumable import Note, Notes
from karbor.services.protection.waiting.until import Until

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class ImageMaking:
    """Makes one image, under an id that the bank notes first.

    A second run finds what the first one made, and goes on with it.

    :param images: where it is made
    :param until_active: the wait for an image's data to be all there
    :param section: where the data is
    :param notes: of the operation
    :param note_name: of the image's note
    :param progress: told the bytes as Glance gets them, or None
    """

    def __init__(
        self,
        *,
        images: Images,
        until_active: Callable[[str], Until],
        section: "BankSection",
        notes: Notes,
        note_name: str,
        progress: Any,
    ) -> None:
        self._images = images
        self._until_active = until_active
        self._section = section
        self._notes = notes
        self._note_name = note_name
        self._progress = progress

    def run(
        self, saved: SavedImage, name: str
    ) -> Generator[Until, Any, tuple[Note, dict[str, Any]]]:
        """Make it, or finish what an earlier run began.

        :returns: the note, whose token is the image's id, and the private, active
            image
        :raises ServiceFailed: when Glance refuses it
        :raises BankDataCorrupted: when Glance has other data than was protected
        """
        note, image = self._find_or_create(saved, name)
        if image["status"] == "queued":
            with open_data(self._section, saved) as stream:
                self._images.upload(note.token, _Counted(stream, self._progress))
        elif self._progress is not None:
            self._progress.advance(saved.size)
        image = yield self._until_active(note.token)
        self._check_content(saved, image)
        return note, image

    def _find_or_create(
        self, saved: SavedImage, name: str
    ) -> tuple[Note, dict[str, Any]]:
        note = self._notes.take(self._note_name)
        image = self._images.get(note.token)
        if image is not None and image["status"] in ("queued", "active"):
            return note, image
        if image is not None:
            # An earlier run's upload broke off and never came back to 'queued'.
            self._images.delete(note.token)
            note = self._notes.renew(self._note_name)
        try:
            image = self._images.create(saved.creation_fields(name, note.token))
        except ImageIdTaken:
            # Glance never gives out the id of a deleted image again.
            note = self._notes.renew(self._note_name)
            image = self._images.create(saved.creation_fields(name, note.token))
        return note, image

    def _check_content(self, saved: SavedImage, image: dict[str, Any]) -> None:
        """Compare what Glance computed over its data with what was protected."""
        algorithm = image.get("os_hash_algo")
        found = image.get("os_hash_value")
        is_old = saved.legacy_objects is not None
        if not algorithm or not found or (is_old and image.get("checksum")):
            algorithm, found = "md5", image.get("checksum")
        if algorithm == saved.hash_algo and saved.hash_value is not None:
            expected = saved.hash_value
        else:
            if is_old:
                # The stream itself carries nothing to check it with.
                check_data(self._section, saved, Depth(Level.FULL))
            expected = hash_of_data(self._section, saved, str(algorithm))
        if found != expected:
            raise exception.BankDataCorrupted(
                reason=_(
                    "Glance computed %(algorithm)s %(found)s over the restored data, "
                    "and %(expected)s was protected. Check the network and Glance's "
                    "store, and restore again."
                )
                % {"algorithm": algorithm, "found": found, "expected": expected}
            )


class _Counted:
    """A stream that tells the progress what was read of it."""

    def __init__(self, stream: Any, progress: Any) -> None:
        self._stream = stream
        self._progress = progress

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        if self._progress is not None:
            self._progress.advance(len(piece))
        return piece
