# SPDX-License-Identifier: Apache-2.0
"""HTTP sessions to the cloud's services: whose token, what is repeated, how long."""

import functools
import threading
import weakref
from typing import Any

import keystoneauth1.exceptions
import requests
from keystoneauth1 import identity, loading, plugin, service_token, session
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients import endpoints
from karbor.services.protection.clients.repetition import Repetition

#: Karbor's own credentials: keystoneauth1's options, ``auth_type`` and so on.
GROUP = "service_auth"

OPTS: list[cfg.Opt] = [
    *loading.get_auth_common_conf_options(),
    *loading.get_session_conf_options(),
]

#: Seconds before its end from which on a token is not used any more, as in
#: keystoneauth1; a quarter of its life when that is less.
_RENEW_BEFORE = 120

#: Seconds to wait for Keystone where ``[service_auth] timeout`` does not say.
_KEYSTONE_TIMEOUT = 60
_CONNECT_TIMEOUT = 10.0
#: Further tries of what Keystone is asked.
KEYSTONE_RETRIES = 3


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group of Karbor's own credentials known to a configuration."""
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)


class CloudSession(session.Session):
    """A session that repeats only what is safe to repeat.

    keystoneauth1 repeats any method when told to retry, and any after a 401, also
    an upload whose source is half read.

    :param timeouts: seconds to wait for a connection, and for the next bytes
    :param retries: further tries; see :class:`Repetition`
    :param retry_interval: seconds before the first of them, at most
    :param more: for keystoneauth1's session
    """

    def __init__(
        self,
        auth: plugin.BaseAuthPlugin,
        *,
        verify: bool | str = True,
        timeouts: tuple[float, float] = (_CONNECT_TIMEOUT, 600.0),
        retries: int = 0,
        retry_interval: float = 1.0,
        **more: Any,
    ) -> None:
        super().__init__(auth=auth, verify=verify, app_name="karbor", **more)
        self._timeouts = timeouts
        self._repetition = Repetition(retries, retry_interval)

    def request(self, url: str, method: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """As keystoneauth1's, with this session's timeouts and rule of repetition."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeouts
        kwargs["connect_retries"] = kwargs["status_code_retries"] = 0
        once = functools.partial(super().request, url, method, **kwargs)
        if not isinstance(kwargs.get("data"), str | bytes | None):
            return once(allow_reauth=False)
        return self._repetition.send(method, url, once)


class ContextAuth(plugin.BaseAuthPlugin):
    """Sends the token that came with a request, and reads its catalogue."""

    def __init__(self, context: RequestContext) -> None:
        super().__init__()
        self._context = context

    def get_token(self, session: session.Session) -> str | None:
        return self._context.auth_token

    def get_endpoint(self, session: session.Session, **kwargs: Any) -> str | None:
        return kwargs.get("endpoint_override") or endpoints.catalog_endpoint(
            endpoints.catalog_of(self._context),
            kwargs.get("service_type") or "",
            kwargs.get("service_name") or "",
            _first(kwargs.get("interface")) or "public",
            kwargs.get("region_name"),
        )

    def get_project_id(self, session: session.Session) -> str | None:
        return self._context.token_project_id

    def get_user_id(self, session: session.Session) -> str | None:
        return self._context.user_id


class NoAuth(plugin.FixedEndpointPlugin):
    """For a service that asks no Keystone.

    Its token is ``user:project``, which services in their own noauth mode read as
    the identity and others pass over.
    """

    def __init__(self, endpoint: str, context: RequestContext | None) -> None:
        super().__init__(endpoint)
        self._user = (context.user_id if context else None) or "karbor"
        self._project = (context.token_project_id if context else None) or ""

    def get_token(self, session: session.Session) -> str | None:
        return f"{self._user}:{self._project}" if self._project else None

    def get_project_id(self, session: session.Session) -> str | None:
        return self._project or None


class OwnSession(plugin.BaseAuthPlugin):
    """Credentials that ask Keystone through a session of their own.

    The session of a service's client trusts that service's certificates, which
    need not be Keystone's.
    """

    def __init__(self, inner: plugin.BaseAuthPlugin, own: session.Session) -> None:
        super().__init__()
        self._inner = inner
        self._own = own

    @property
    def auth_url(self) -> str | None:
        """The Keystone that they log in to; None when they log in to none."""
        return getattr(self._inner, "auth_url", None)

    def get_token(self, session: session.Session) -> str | None:
        token = self._inner.get_token(self._own)
        if isinstance(self._inner, identity.BaseIdentityPlugin):
            self._keep_for_most_of_its_life(self._inner)
        return token

    @staticmethod
    def _keep_for_most_of_its_life(inner: identity.BaseIdentityPlugin) -> None:
        """Else a token that lives for less than two minutes is renewed at each call."""
        found = inner.auth_ref
        if found is not None and found.expires and found.issued:
            life = (found.expires - found.issued).total_seconds()
            inner.MIN_TOKEN_LIFE_SECONDS = int(min(_RENEW_BEFORE, life / 4))

    def get_endpoint(self, session: session.Session, **kwargs: Any) -> str | None:
        return self._inner.get_endpoint(self._own, **kwargs)

    def get_project_id(self, session: session.Session) -> str | None:
        return self._inner.get_project_id(self._own)

    def get_user_id(self, session: session.Session | None = None) -> str | None:
        return self._inner.get_user_id(self._own)

    def invalidate(self) -> bool:
        return self._inner.invalidate()


class _ServiceCredentials:
    """Karbor's own token per configuration, so that it is not asked for each client.

    Keyed by the configuration object and by what its group says: two providers never
    share an entry, and a reloaded file makes a new one. Used from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, tuple[Any, Any, OwnSession]] = {}

    def get(self, conf: cfg.ConfigOpts) -> OwnSession | None:
        with self._lock:
            register_opts(conf)
            if not conf[_section(conf)].auth_type:
                return None
            said = self._fingerprint(conf)
            kept = self._entries.get(id(conf))
            if kept and kept[0]() is conf and kept[1] == said:
                return kept[2]
            auth = OwnSession(*load_own(conf))
            # Once more: what the plugin reads is known to the configuration now.
            said = self._fingerprint(conf)
            reference = weakref.ref(conf, self._forgetter(id(conf)))
            self._entries[id(conf)] = (reference, said, auth)
            return auth

    @staticmethod
    def _fingerprint(conf: cfg.ConfigOpts) -> tuple[tuple[str, Any], ...]:
        said = conf[_section(conf)].items()
        return tuple(sorted((name, str(value)) for name, value in said))

    def _forgetter(self, key: int) -> Any:
        entries = self._entries

        def forget(reference: Any) -> None:
            if key in entries and entries[key][0] is reference:
                del entries[key]

        return forget


def _section(conf: cfg.ConfigOpts) -> str:
    """The group that has the credentials: keystoneauth1 lets one refer to another."""
    return conf[GROUP].auth_section or GROUP


_service_credentials = _ServiceCredentials()


def load_own(
    conf: cfg.ConfigOpts, **changed: Any
) -> tuple[plugin.BaseAuthPlugin, session.Session]:
    """Karbor's own credentials, and the session that reaches their Keystone.

    :param changed: values that replace those of the configuration, such as the scope
    :raises AuthorizationFailure: when they cannot be used
    """
    register_opts(conf)
    try:
        made = loading.load_auth_from_conf_options(conf, GROUP, **changed)
        if made is None:
            raise ValueError("it has no auth_type")
    except (
        keystoneauth1.exceptions.AuthPluginException,
        TypeError,
        ValueError,
        cfg.Error,
    ) as error:
        raise exception.AuthorizationFailure(
            _("The credentials in [%(group)s] cannot be used: %(reason)s")
            % {"group": GROUP, "reason": error}
        ) from error
    options = conf[GROUP]
    timeout = options.timeout or _KEYSTONE_TIMEOUT
    own = CloudSession(
        made,
        verify=False if options.insecure else (options.cafile or True),
        cert=(options.certfile, options.keyfile)
        if options.certfile and options.keyfile
        else options.certfile,
        timeouts=(min(timeout, _CONNECT_TIMEOUT), timeout),
        retries=KEYSTONE_RETRIES,
        collect_timing=options.collect_timing,
        split_loggers=options.split_loggers,
    )
    return made, own


def service_auth(conf: cfg.ConfigOpts) -> OwnSession | None:
    """Karbor's own credentials, or None when the configuration has none.

    :raises AuthorizationFailure: when it has some that cannot be used
    """
    return _service_credentials.get(conf)


def with_service_token(
    user: plugin.BaseAuthPlugin, service: plugin.BaseAuthPlugin | None
) -> plugin.BaseAuthPlugin:
    """The user's token, with Karbor's beside it where there is one.

    A service that gets both may let the user's token expire while the work runs.
    """
    if service is None:
        return user
    return service_token.ServiceTokenAuthWrapper(user_auth=user, service_auth=service)


def _first(interface: Any) -> str | None:
    if isinstance(interface, list | tuple):
        return interface[0] if interface else None
    return interface
