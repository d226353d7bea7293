# SPDX-License-Identifier: Apache-2.0
"""Logging in to Swift: by Keystone, by Swift's own auth, or as Karbor itself."""

import abc

import keystoneauth1.exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3
from oslo_config import cfg
from swiftclient import client as swift

from karbor import exception
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import endpoints, sessions
from karbor.services.protection.clients import swift as swift_options

GROUP = swift_options.OPTIONS.group

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "swift_auth_url",
        help="Where the bank logs in: Keystone (http://host:5000/v3), or Swift's own "
        "auth (http://host:8080/auth/v1.0) with swift_auth_version 1. Unset, the bank "
        "uses the credentials of [service_auth] and the endpoint of their catalogue.",
    ),
    cfg.StrOpt(
        "swift_auth_version",
        default="3",
        choices=["1", "3"],
        help="What listens at swift_auth_url: 3 is Keystone, 1 is Swift's own auth "
        "(tempauth, or what storage products offer in its place).",
    ),
    cfg.StrOpt(
        "swift_user",
        help="Who logs in. For Swift's own auth with its account: account:user.",
    ),
    cfg.StrOpt("swift_key", secret=True, help="The password or key of swift_user."),
    cfg.StrOpt(
        "swift_tenant_name",
        help="The project whose account holds the container. For Keystone only.",
    ),
    cfg.StrOpt(
        "swift_project_domain_name",
        default="default",
        help="The domain of that project. For Keystone only.",
    ),
    cfg.StrOpt(
        "swift_user_domain_name",
        default="default",
        help="The domain of swift_user. For Keystone only.",
    ),
]


class Login(abc.ABC):
    """Gives where the account is, and a token for it. Called by one thread at once."""

    @abc.abstractmethod
    def log_in(self) -> tuple[str, str]:
        """The URL of the account, and a token that is not known to be refused.

        :raises ClientException: as python-swiftclient does
        :raises keystoneauth1.exceptions.ClientException: as keystoneauth1 does
        :raises OSError: when nothing answers
        """

    @abc.abstractmethod
    def forget(self) -> None:
        """The last token was refused."""


class OwnAuth(Login):
    """Swift's own auth, version 1.0."""

    def __init__(
        self, options: cfg.ConfigOpts.GroupAttr, timeouts: tuple[float, float]
    ) -> None:
        self._options = options
        self._timeouts = timeouts

    def log_in(self) -> tuple[str, str]:
        options = self._options
        url, token = swift.get_auth(
            options.swift_auth_url,
            options.swift_user,
            options.swift_key,
            auth_version="1",
            insecure=options.swift_auth_insecure,
            cacert=options.swift_ca_cert_file,
            timeout=self._timeouts,
        )
        return url, token

    def forget(self) -> None:
        """Each login gives a token anew."""


class KeystoneAuth(Login):
    """A session's token, and the endpoint of its catalogue or a given one."""

    def __init__(
        self,
        own: session.Session,
        options: cfg.ConfigOpts.GroupAttr,
        endpoint: str | None = None,
    ) -> None:
        self._session = own
        self._options = options
        self._endpoint = endpoint

    def log_in(self) -> tuple[str, str]:
        # Some endpoints ask for no token.
        token = self._session.get_token() or ""
        if self._endpoint:
            return self._endpoint, token
        kind, _name, interface = endpoints.parse_catalog_info(
            f"[{GROUP}] swift_catalog_info", self._options.swift_catalog_info
        )
        found = self._session.get_endpoint(
            service_type=kind,
            interface=interface.removesuffix("URL"),
            region_name=self._options.region_id,
        )
        if not found:
            raise keystoneauth1.exceptions.EndpointNotFound(
                f"Keystone's catalogue has no {interface} of type '{kind}'; see "
                f"swift_catalog_info and region_id in [{GROUP}]"
            )
        return found, token

    def forget(self) -> None:
        self._session.invalidate()


class OwnCredentials(Login):
    """Those of ``[service_auth]``, and the endpoint that their client has.

    Nothing is asked before the first login: a bank is loaded also while Keystone is
    away.

    :raises InvalidInput: when there are none
    """

    def __init__(self, conf: cfg.ConfigOpts, options: cfg.ConfigOpts.GroupAttr) -> None:
        self._conf = conf
        self._options = options
        self._made: KeystoneAuth | None = None
        try:
            is_configured = sessions.service_auth(conf) or options.swift_endpoint
        except exception.AuthorizationFailure as error:
            raise _missing(
                "swift_auth_url", f"it is not set, and without it: {error}"
            ) from error
        if not is_configured:
            raise _missing(
                "swift_auth_url",
                "it is not set, and neither are credentials in [service_auth]",
            )

    def log_in(self) -> tuple[str, str]:
        if self._made is None:
            self._made = self._make()
        return self._made.log_in()

    def forget(self) -> None:
        if self._made is not None:
            self._made.forget()

    def _make(self) -> KeystoneAuth:
        try:
            connection = ClientFactory.create_client(
                "swift", None, self._conf, privileged_user=True
            )
        except exception.KarborException as error:
            cause = error.__cause__
            if isinstance(cause, keystoneauth1.exceptions.CatalogException | None):
                raise keystoneauth1.exceptions.EndpointNotFound(str(error)) from error
            # It says whether another try may help.
            raise cause from None
        return KeystoneAuth(connection.session, self._options, connection.url)


def register_opts(conf: cfg.ConfigOpts) -> cfg.ConfigOpts.GroupAttr:
    """Make a configuration know all options of the group, and return the group."""
    options = swift_options.OPTIONS.register(conf)
    conf.register_opts(OPTS, group=GROUP)
    return options


def make_login(conf: cfg.ConfigOpts, timeouts: tuple[float, float]) -> Login:
    """The way to log in that a provider's configuration describes.

    :param timeouts: seconds to wait for a connection, and for the next bytes
    :raises InvalidInput: naming what is missing; the error's ``kwargs["option"]``
        names it as ``[group]/option``
    """
    options = register_opts(conf)
    if not options.swift_auth_url:
        return OwnCredentials(conf, options)
    needed = ["swift_user", "swift_key"]
    if options.swift_auth_version != "1":
        needed.append("swift_tenant_name")
    for name in needed:
        if not options[name]:
            raise _missing(name, "it is not set, and swift_auth_url is")
    if options.swift_auth_version == "1":
        return OwnAuth(options, timeouts)
    auth = v3.Password(
        options.swift_auth_url,
        username=options.swift_user,
        password=options.swift_key,
        project_name=options.swift_tenant_name,
        project_domain_name=options.swift_project_domain_name,
        user_domain_name=options.swift_user_domain_name,
    )
    verify = not options.swift_auth_insecure and (options.swift_ca_cert_file or True)
    own = session.Session(auth, verify=verify, timeout=timeouts[1], app_name="karbor")
    return KeystoneAuth(own, options)


def _missing(name: str, problem: str) -> exception.InvalidInput:
    option = f"[{GROUP}]/{name}"
    return exception.InvalidInput(reason=f"option {option}: {problem}", option=option)
