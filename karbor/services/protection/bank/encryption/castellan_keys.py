# SPDX-License-Identifier: Apache-2.0
"""Master keys in a key manager that OpenStack's castellan library talks to."""

import http
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import keystoneauth1.exceptions
import requests
from castellan import key_manager
from castellan.common import exception as castellan_exception
from castellan.common import utils
from castellan.common.objects import symmetric_key
from keystoneauth1 import plugin, session
from oslo_config import cfg
from oslo_context import context as oslo_context

from karbor import exception
from karbor.services.protection.bank.encryption.master_keys import (
    MASTER_KEY_SIZE,
    MasterKeys,
    is_key_id,
)
from karbor.services.protection.bank.encryption.options import GROUP
from karbor.services.protection.clients import sessions
from karbor.services.protection.plugin_loading import describe

#: The group of castellan's own options.
CASTELLAN_GROUP = "key_manager"

_SECONDS = 60.0
_PASSING_STATUSES = frozenset({408, 412, 429, 500, 502, 503, 504})
# All that the Vault driver tells of such an answer is its reason phrase.
_PASSING_PHRASES = frozenset(
    http.HTTPStatus(status).phrase for status in _PASSING_STATUSES
)


class CastellanMasterKeys(MasterKeys):
    """The keys of one key manager; what was fetched once stays in memory.

    The manager is logged into with what ``[key_manager] auth_type`` says, as
    castellan reads it, or with Karbor's own ``[service_auth]``. Vault's credentials
    are in ``[vault]``.

    :param conf: the provider's configuration
    :param active_id: what the key manager calls the active key
    :raises MasterKeyUnavailable: when the options make no key manager
    """

    def __init__(self, conf: cfg.ConfigOpts, active_id: str) -> None:
        self._active_id = active_id
        self._lock = threading.Lock()
        self._fetched: dict[str, bytes] = {}
        try:
            self._manager = key_manager.API(conf)
            self._context = _context(conf)
        except Exception as error:
            raise exception.MasterKeyUnavailable(
                key_id=active_id,
                reason=f"castellan cannot be set up: {describe(error)}",
                option=f"[{CASTELLAN_GROUP}]",
            ) from error

    def active_id(self) -> str:
        return self._active_id

    def get(self, key_id: str) -> bytes:
        with self._lock:
            found = self._fetched.get(key_id)
        if found is None:
            found = self._fetch(key_id)
            with self._lock:
                self._fetched[key_id] = found
        return found

    def make(self, name: str) -> str:
        """Store a new key; it becomes active when the provider's file names its id."""
        if not is_key_id(name):
            raise exception.MasterKeyUnavailable(
                key_id=name,
                reason="that is no name for a key: use up to 128 letters, digits and "
                "any of . _ -",
            )
        made = secrets.token_bytes(MASTER_KEY_SIZE)
        key = symmetric_key.SymmetricKey("AES", MASTER_KEY_SIZE * 8, made, name)
        try:
            key_id: str = self._manager.store(self._context, key)
        except Exception as error:
            raise _failed(name, error) from error
        # Vault's driver does not look at every answer to a store.
        if self._fetch(key_id) != made:
            raise exception.MasterKeyUnavailable(
                key_id=key_id, reason="the key manager gives back another key"
            )
        return key_id

    def _fetch(self, key_id: str) -> bytes:
        try:
            kept = self._manager.get(self._context, key_id)
            encoded = kept.get_encoded()
        except Exception as error:
            raise _failed(key_id, error) from error
        if not isinstance(encoded, bytes) or len(encoded) != MASTER_KEY_SIZE:
            size = len(encoded) if isinstance(encoded, bytes) else "no"
            raise exception.MasterKeyUnavailable(
                key_id=key_id,
                reason=f"what the key manager has under that id has {size} bytes "
                f"instead of {MASTER_KEY_SIZE}; make one with 'karbor-manage bank "
                "make-key'",
            )
        return encoded


class RequestContext(oslo_context.RequestContext):
    """Who asks the key manager: this service, never a user.

    castellan 5.0 to 5.5 takes a context by the name of its class.
    """

    def __init__(self, auth: plugin.BaseAuthPlugin | None) -> None:
        super().__init__(overwrite=False)
        self._auth = auth

    def get_auth_plugin(self) -> plugin.BaseAuthPlugin:
        """What castellan's Barbican driver logs in with."""
        if self._auth is None:
            raise exception.AuthorizationFailure(
                f"This key manager wants to know who asks: give credentials in "
                f"[{sessions.GROUP}], or in [{CASTELLAN_GROUP}] with auth_type."
            )
        return _TimedAuth(self._auth)


class _TimedAuth(plugin.BaseAuthPlugin):
    """Gives a time limit to the session that asks it; castellan sets none, and a key
    manager that hangs would hang who waits for a key."""

    def __init__(self, inner: plugin.BaseAuthPlugin) -> None:
        super().__init__()
        self._inner = inner

    def get_token(self, session: session.Session) -> str | None:
        session.timeout = _SECONDS
        return self._inner.get_token(session)

    def get_endpoint(self, session: session.Session, **kwargs: Any) -> str | None:
        return self._inner.get_endpoint(session, **kwargs)

    def get_project_id(self, session: session.Session) -> str | None:
        return self._inner.get_project_id(session)

    def get_user_id(self, session: session.Session) -> str | None:
        return self._inner.get_user_id(session)

    def invalidate(self) -> bool:
        return self._inner.invalidate()


def _context(conf: cfg.ConfigOpts) -> Any:
    conf.register_opts(utils.credential_opts, group=CASTELLAN_GROUP)
    if conf[CASTELLAN_GROUP].auth_type:
        return utils.credential_factory(conf)
    return RequestContext(sessions.service_auth(conf))


def _failed(key_id: str, error: Exception) -> exception.MasterKeyUnavailable:
    if isinstance(error, castellan_exception.ManagedObjectNotFoundError):
        reason = (
            "the key manager has no such key, or shows it to others only; bring it "
            f"back, or name another in [{GROUP}] master_key_id"
        )
    elif isinstance(error, ValueError):
        reason = (
            f"the key manager takes it for no id: {describe(error)}. Barbican wants "
            "the UUID alone, as 'karbor-manage bank make-key' prints it"
        )
    else:
        reason = f"the key manager does not give it: {describe(error)}"
    return exception.MasterKeyUnavailable(
        key_id=key_id, reason=reason, retryable=_may_pass(error)
    )


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later.

    castellan tells most causes with one class, and has the cause behind it.
    """
    for cause in _causes(error):
        if isinstance(
            cause,
            requests.ConnectionError
            | requests.Timeout
            | keystoneauth1.exceptions.ConnectFailure
            | keystoneauth1.exceptions.HttpServerError
            | keystoneauth1.exceptions.RetriableConnectionFailure,
        ):
            return True
        if getattr(cause, "status_code", None) in _PASSING_STATUSES:
            return True
        if (
            isinstance(cause, castellan_exception.KeyManagerError)
            and str(cause) in _PASSING_PHRASES
        ):
            return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
