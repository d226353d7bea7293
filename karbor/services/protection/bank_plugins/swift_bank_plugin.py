# SPDX-License-Identifier: Apache-2.0
"""A bank in a container of OpenStack's object store.

The key ``/a/b`` is the object ``a/b``. What an object holds is told in
:mod:`.object_store.values`; what Swift promises, and how this plugin lives with it, in
``doc/source/operator/banks.rst``.
"""

import threading
import uuid
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from swiftclient import client as swift

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.leases import LEASE_OPTS, LeaseWindows
from karbor.services.protection.bank_plugin import BankPlugin, LeasePlugin
from karbor.services.protection.bank_plugins.object_store import leases, values
from karbor.services.protection.bank_plugins.object_store.attempts import (
    CallFailed,
    TryAgain,
)
from karbor.services.protection.bank_plugins.object_store.names import (
    Names,
    is_written_once,
)
from karbor.services.protection.bank_plugins.swift import login
from karbor.services.protection.bank_plugins.swift.account import (
    Request,
    SwiftAccount,
)
from karbor.services.protection.clients import swift as swift_client

LOG = logging.getLogger(__name__)

GROUP = "swift_bank_plugin"
OPTS = [
    cfg.StrOpt(
        "bank_swift_object_container",
        default="karbor",
        help="Name of the container that holds the objects; made at first use. Give "
        "each bank a container of its own, or a prefix.",
    ),
    cfg.StrOpt(
        "bank_swift_object_prefix",
        default="",
        help="What the names of all objects begin with, such as 'lab/'. Change it to "
        "keep several banks in one container. '/' goes on with a container of "
        "Karbor 1.x, whose objects have such names. Never change it once there are "
        "checkpoints.",
    ),
    *LEASE_OPTS,
]
#: By group: what else the plugin reads.
OTHER_OPTS = {login.GROUP: [*swift_client.OPTIONS.options, *login.OPTS]}

#: Says what a body is; see :mod:`.object_store.values`.
_KIND = "X-Object-Meta-Karbor-Value"
# Karbor 1.x: whether the body is JSON.
_OLD_JSON = "x-object-meta-serialized"
_NEWEST = {"X-Newest": "true"}
# More answers 412 where the operator has not raised Swift's own limit.
_PAGE = 10_000
_NOT_FOUND = 404
_LATE = 202
# Of the time between two renewals: what one attempt to renew may take at most.
_LEASE_PART = 4
# Who renews a lease comes again by itself.
_LEASE_RETRIES = 3


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a provider's configuration know the groups of this plugin."""
    conf.register_opts(OPTS, group=GROUP)
    login.register_opts(conf)


class SwiftBankPlugin(BankPlugin, LeasePlugin):
    """Keeps each object in an object of Swift. Nothing is asked before first use.

    :param config: the provider's configuration
    :raises InvalidInput: when an option is missing or out of order; the error's
        ``kwargs["option"]`` names it as ``[group]/option``
    """

    def __init__(self, config: cfg.ConfigOpts) -> None:
        super().__init__(config)
        register_opts(config)
        options = config[GROUP]
        windows = LeaseWindows.from_options(options, GROUP)
        self.lease_expire_window = windows.expire
        self.lease_renew_window = windows.renew
        self.lease_validity_window = windows.validity
        self._owner_id = str(uuid.uuid4())
        self._own_lease = leases.OwnLease(windows)
        self._container = _checked_container(options.bank_swift_object_container)
        self._names = Names(options.bank_swift_object_prefix)
        client = config[login.GROUP]
        retries = client.swift_retry_attempts
        self._account = _account(config, client.read_timeout, retries)
        # A renewal that hangs must leave time for the next one.
        self._lease_account = _account(
            config,
            min(client.read_timeout, windows.renew / _LEASE_PART),
            min(retries, _LEASE_RETRIES),
        )
        self._container_lock = threading.Lock()
        self._container_is_there = False

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        try:
            body = values.encode(value)
        except (TypeError, ValueError) as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=f"its value cannot be kept: {error}"
            ) from error
        try:
            self._put(self._account, self._names.name(key), body)
        except CallFailed as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=self._reason(error, "container")
            ) from error

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        name = self._names.name(key)
        headers = {} if is_written_once(key) else _NEWEST

        def get(request: Request) -> tuple[dict[str, str], bytes]:
            found, content = request(
                swift.get_object, self._container, name, headers=headers
            )
            _check(found, content)
            return found, content

        try:
            self._ensure_container()
            found, content = self._account.call(get)
            old_json = found.get(_OLD_JSON, "").lower() == "true" or found.get(
                "content-type", ""
            ).startswith("application/json")
            return values.decode(
                found.get(_KIND.lower()), content, is_old_json=old_json
            )
        except CallFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error
        except values.ValueDamaged as error:
            raise exception.BankGetObjectFailed(key=key, reason=str(error)) from error

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        descending = sort_dir == "desc"
        page = self._names.page(prefix, marker, descending)
        if page is None:
            return []
        found: list[str] = []
        after = page.marker
        try:
            self._ensure_container()
            while limit is None or len(found) < limit:
                wanted = _PAGE if limit is None else min(limit - len(found), _PAGE)
                names = self._list(page.prefix, after, wanted, descending)
                if not names:
                    break
                after = names[-1]
                found += filter(None, map(self._names.key, names))
        except CallFailed as error:
            raise exception.BankListObjectsFailed(
                reason=self._reason(error, "container")
            ) from error
        return found

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        try:
            self._delete(self._account, self._names.name(key))
        except CallFailed as error:
            raise exception.BankDeleteObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error

    def stored_size(self, key: str) -> int | None:
        name = self._names.name(key)
        headers = {} if is_written_once(key) else _NEWEST
        try:
            self._ensure_container()
            found = self._account.call(
                lambda request: request(
                    swift.head_object, self._container, name, headers=headers
                )
            )
        except CallFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error
        if found.get(_KIND.lower()) != values.BYTES:
            return None
        return int(found["content-length"])

    def get_owner_id(self, context: RequestContext | None = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        self._write_lease()

    def renew_lease(self) -> None:
        self._write_lease()

    def check_lease_validity(self) -> bool:
        return self._own_lease.is_valid()

    def check_lease_existence(self, owner_id: str) -> bool:
        name = self._names.name(leases.LEASES + keys.validate_part(owner_id))
        try:
            self._ensure_container()
            self._lease_account.call(
                lambda request: request(
                    swift.head_object, self._container, name, headers=_NEWEST
                )
            )
        except CallFailed as error:
            if error.http_status == _NOT_FOUND:
                return False
            raise exception.BankGetObjectFailed(
                key=leases.LEASES + owner_id, reason=str(error)
            ) from error
        return True

    def release_lease(self) -> None:
        """Give the lease up, so that others know at once that the owner is gone.

        :raises BankDeleteObjectFailed: when the lease cannot be deleted; it expires
        """
        self._own_lease.forget()
        key = leases.LEASES + self._owner_id
        try:
            self._delete(self._lease_account, self._names.name(key))
        except CallFailed as error:
            if error.http_status != _NOT_FOUND:
                raise exception.BankDeleteObjectFailed(
                    key=key, reason=str(error)
                ) from error
            LOG.debug("The lease of owner %s was already gone.", self._owner_id)

    def _write_lease(self) -> None:
        began = leases.now()
        body = values.encode({"owner_id": self._owner_id})
        try:
            self._put(
                self._lease_account,
                self._names.name(leases.LEASES + self._owner_id),
                body,
                {"X-Delete-After": str(self.lease_expire_window)},
            )
        except CallFailed as error:
            raise exception.AcquireLeaseFailed(
                reason=self._reason(error, "container")
            ) from error
        self._own_lease.written(began)

    def _reason(self, error: CallFailed, missing: str) -> str:
        """What to tell.

        :param missing: what a 404 says is not there
        """
        if error.http_status != _NOT_FOUND:
            return str(error)
        if missing == "object":
            return f"there is no such object in the container '{self._container}'"
        return f"the container '{self._container}' is gone: {error}"

    def _put(
        self,
        account: SwiftAccount,
        name: str,
        body: values.Body,
        headers: dict[str, str] | None = None,
    ) -> None:
        etag = body.md5

        def put(request: Request) -> None:
            answer: dict[str, Any] = {}
            request(
                swift.put_object,
                self._container,
                name,
                contents=body.content,
                etag=etag,
                content_type=body.content_type,
                headers={_KIND: body.kind, **(headers or {})},
                response_dict=answer,
            )
            if answer["status"] == _LATE:
                raise TryAgain(
                    "Swift has a newer version of it (202): someone else writes it, or "
                    "the clocks of Swift's proxies differ"
                )

        self._ensure_container()
        account.call(put)

    def _delete(self, account: SwiftAccount, name: str) -> None:
        self._ensure_container()
        try:
            account.call(
                lambda request: request(swift.delete_object, self._container, name)
            )
        except CallFailed as error:
            # An attempt before has deleted it, and its answer was lost.
            if not (error.http_status == _NOT_FOUND and error.maybe_done):
                raise

    def _list(
        self, prefix: str, marker: str | None, limit: int, descending: bool
    ) -> list[str]:
        def get(request: Request) -> list[str]:
            try:
                _headers, found = request(
                    swift.get_container,
                    self._container,
                    marker=marker,
                    limit=limit,
                    prefix=prefix,
                    query_string="reverse=on" if descending else None,
                )
            except ValueError as error:
                raise TryAgain(f"what came is no listing: {error}") from error
            return [entry["name"] for entry in found if "name" in entry]

        return self._account.call(get)

    def _ensure_container(self) -> None:
        """Make the container when this is the first use, and it is not there."""
        if self._container_is_there:
            return
        with self._container_lock:
            if self._container_is_there:
                return
            try:
                self._account.call(
                    lambda request: request(swift.head_container, self._container)
                )
            except CallFailed as error:
                if error.http_status != _NOT_FOUND:
                    raise
                self._account.call(
                    lambda request: request(swift.put_container, self._container)
                )
                LOG.info("Made the container '%s'.", self._container)
            self._container_is_there = True


def _check(found: dict[str, str], content: bytes) -> None:
    """Compare an object with what Swift says of it.

    :raises TryAgain: when they differ
    """
    length = found.get("content-length")
    if length is not None and int(length) != len(content):
        raise TryAgain(f"only {len(content)} of its {length} bytes came")
    if "x-static-large-object" in found or "x-object-manifest" in found:
        # Its ETag is not that of its bytes. Not ours, but of someone's tool.
        return
    etag = found.get("etag", "").strip('"')
    if etag != values.md5(content):
        raise TryAgain(f"its bytes do not have its ETag {etag}: it was damaged")


def _account(config: cfg.ConfigOpts, read_timeout: float, retries: int) -> SwiftAccount:
    options = config[login.GROUP]
    timeouts = (min(options.connect_timeout, read_timeout), read_timeout)
    return SwiftAccount(
        login.make_login(config, timeouts),
        timeouts=timeouts,
        retries=retries,
        backoff=options.swift_retry_backoff,
        cacert=options.swift_ca_cert_file,
        insecure=options.swift_auth_insecure,
    )


def _checked_container(name: str) -> str:
    option = f"[{GROUP}]/bank_swift_object_container"
    if not name or "/" in name or len(name.encode()) > 256:
        raise exception.InvalidInput(
            reason=f"option {option}: {name!r} is no name of a container: it has 1 to "
            "256 bytes and no '/'",
            option=option,
        )
    return name
