# SPDX-License-Identifier: Apache-2.0
"""Images of a Glance as plain dicts, for the plugins that deal with them.

Fields are as the Image API v2 documents them. Speaks through a Glance client's
HTTP adapter: the client's own models copy and check each image against a schema
that it fetches first, and cannot hold a property called like one of their methods.
"""

import contextlib
import json
import time
import urllib.parse
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import glanceclient.exc
import requests
from keystoneauth1 import adapter
from oslo_log import log as logging

from karbor.context import RequestContext
from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.services.protection.clients.missing import (
    found_or_none,
    is_done_or_missing,
)
from karbor.services.protection.waiting.until import Thing, Things

LOG = logging.getLogger(__name__)

PAGE_SIZE = 200
#: Images named in one query: a URL of 50 ids stays under 2,500 characters.
IDS_PER_QUERY = 50
#: glanceclient sends what one read gives as one chunk of the upload, and asks for
#: 64 KiB at a time; larger pieces cost fewer system calls.
UPLOAD_PIECE = 256 * 1024

#: A download is read by pieces of so many bytes.
DOWNLOAD_PIECE = 256 * 1024
#: How often a download goes on at one place, and the seconds before it does so for the
#: first time; doubled for each further one.
RESUMPTIONS = 5
FIRST_PAUSE = 1.0

#: What a call to Glance raises besides what all do: glanceclient, when a proxy answers
#: an error in another form than Glance would.
_ODD_ERRORS = (AttributeError, KeyError)

SERVICE = "Glance"

#: The fields that Glance defines itself; every other field is a property.
FIELDS = frozenset(
    {
        "checksum",
        "container_format",
        "created_at",
        "direct_url",
        "disk_format",
        "file",
        "id",
        "locations",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    }
)


class ImageIdTaken(ServiceFailed):
    """An image with this id exists, or existed."""


class Images:
    """The images that a Glance client's user sees.

    :param client: as ``ClientFactory.create_client('glance', …)`` gives
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._http = client.http_client

    @property
    def endpoint(self) -> str:
        """Where this Glance listens."""
        return str(self._http.endpoint_override)

    def get(self, image_id: str) -> dict[str, Any] | None:
        """One image; None when it does not exist or is another's.

        :raises ServiceFailed: when Glance cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show image {image_id}",
            lambda: dict(self._http.get(_path(image_id))[1]),
            also=_ODD_ERRORS,
        )

    def owned_by(self, project_id: str) -> Iterator[dict[str, Any]]:
        """The images of a project, hidden ones too, page by page.

        :raises ServiceFailed: when Glance cannot be asked
        """
        for hidden in ("false", "true"):
            query = {"owner": project_id, "visibility": "all", "os_hidden": hidden}
            for image in self._list(query):
                if image.get("owner") == project_id:
                    yield image

    def by_ids(self, image_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Those of the named images that exist, by their ids.

        :raises ServiceFailed: when Glance cannot be asked
        """
        wanted = sorted(set(image_ids))
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(wanted), IDS_PER_QUERY):
            ids = ",".join(wanted[start : start + IDS_PER_QUERY])
            for hidden in ("false", "true"):
                query = {"id": f"in:{ids}", "visibility": "all", "os_hidden": hidden}
                found.update((image["id"], image) for image in self._list(query))
        return found

    def named(self, name: str) -> dict[str, Any] | None:
        """One that has a name which nothing else has; None when there is none.

        :raises ServiceFailed: when Glance cannot be asked
        """
        for image in self._list({"name": name}):
            if image.get("name") == name:
                return image
        return None

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new image, without data.

        :param fields: its fields and properties; with ``id`` it gets that id
        :raises ImageIdTaken: when that id is or was in use
        :raises ServiceFailed: when Glance refuses it
        """
        action = f"create image '{fields.get('name')}'"
        try:
            with _calling(action):
                _response, image = self._http.post("/v2/images", data=dict(fields))
        except ServiceFailed as error:
            if error.is_conflict:
                raise ImageIdTaken(**error.kwargs) from error
            raise
        return dict(image)

    def replace(self, image_id: str, fields: Mapping[str, Any]) -> None:
        """Set fields of an image.

        :raises ServiceFailed: when Glance refuses it
        """
        patch = [
            {"op": "replace", "path": "/" + _pointer(name), "value": value}
            for name, value in fields.items()
        ]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        with _calling(f"change image {image_id}"):
            self._http.patch(_path(image_id), headers=headers, data=json.dumps(patch))

    def upload(self, image_id: str, source: Any) -> None:
        """Give an image its data.

        :param source: an object with ``read(size)``
        :raises ServiceFailed: when Glance refuses or the connection breaks
        """
        with _calling(f"store the data of image {image_id}"):
            self._client.images.upload(image_id, _LargePieces(source))

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image in pieces; unchecked.

        After a broken connection it goes on from where that was.

        :raises ServiceFailed: when Glance refuses, or the connection breaks several
            times at one place
        """
        action = f"give the data of image {image_id}"
        offset = breaks = 0
        while True:
            try:
                with _calling(action):
                    for piece in self._data(image_id, offset):
                        offset, breaks = offset + len(piece), 0
                        yield piece
                return
            except ServiceFailed as error:
                # The session repeats what is not answered, and no answer that breaks.
                is_answered = isinstance(
                    error.__cause__, requests.exceptions.RequestException
                )
                if (
                    not (offset or breaks or is_answered)
                    or not error.retryable
                    or breaks == RESUMPTIONS
                ):
                    raise
                LOG.info("%s; going on from byte %d.", error, offset)
            time.sleep(FIRST_PAUSE * 2**breaks)
            breaks += 1

    def delete(self, image_id: str) -> bool:
        """Delete an image, a protected one too.

        :returns: False when it did not exist
        :raises ServiceFailed: when Glance refuses it
        """

        def delete() -> None:
            try:
                self._http.delete(_path(image_id))
            except glanceclient.exc.HTTPForbidden:
                self.replace(image_id, {"protected": False})
                self._http.delete(_path(image_id))

        return is_done_or_missing(
            SERVICE, f"delete image {image_id}", delete, also=_ODD_ERRORS
        )

    def _data(self, image_id: str, offset: int) -> Iterator[bytes]:
        """The data from a byte on.

        :raises Exception: what glanceclient raises, and what is below it
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        # Below the Glance client, which would quote the range.
        response = adapter.Adapter.request(
            self._http,
            _path(image_id) + "/file",
            "GET",
            headers=headers,
            stream=True,
            raise_exc=False,
            log=False,
        )
        with contextlib.closing(response):
            status = response.status_code
            if offset and status == requests.codes.requested_range:
                # The connection broke behind the last byte.
                return
            if not response.ok:
                raise glanceclient.exc.from_response(response, response.content)
            unwanted = 0 if status == requests.codes.partial_content else offset
            for piece in response.iter_content(DOWNLOAD_PIECE):
                wanted = piece[unwanted:]
                unwanted = max(unwanted - len(piece), 0)
                if wanted:
                    yield wanted

    def _list(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        encoded = urllib.parse.urlencode({**query, "limit": PAGE_SIZE})
        path: str | None = f"/v2/images?{encoded}"
        while path:
            with _calling("list images"):
                _response, page = self._http.get(path)
            yield from page["images"]
            path = page.get("next")


class ImageThings(Things):
    """Images as something to wait for.

    :param context: whose images these are
    """

    kind: ClassVar[str] = "image"

    def __init__(self, images: Images, context: RequestContext) -> None:
        self._images = images
        self._caller = (context.token_project_id, context.user_id)

    @property
    def key(self) -> Hashable:
        return (self.kind, self._images.endpoint, *self._caller)

    @property
    def service(self) -> Hashable:
        return (self.kind, self._images.endpoint)

    def find(self, ids: Sequence[str]) -> Mapping[str, Thing]:
        if len(ids) > 1:
            return self._images.by_ids(ids)
        found = {image_id: self._images.get(image_id) for image_id in ids}
        return {image_id: image for image_id, image in found.items() if image}


def properties_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """What people and other services have added to an image.

    Without those that only Glance itself may set (``os_glance_*``).
    """
    return {
        name: value
        for name, value in image.items()
        if name not in FIELDS and not name.startswith("os_glance_")
    }


def names_snapshots(image: Mapping[str, Any]) -> bool:
    """Whether it has no data, and names the snapshots of volumes that have it.

    Nova makes such an image of a server that was booted from a volume.
    """
    return not image.get("size") and bool(image.get("block_device_mapping"))


class _LargePieces:
    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._source.read(max(size, UPLOAD_PIECE))
        return piece


def _path(image_id: str) -> str:
    return "/v2/images/" + urllib.parse.quote(image_id, safe="")


def _pointer(name: str) -> str:
    """A name as one part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _calling(action: str) -> contextlib.AbstractContextManager[None]:
    return calling(SERVICE, action, also=_ODD_ERRORS)
