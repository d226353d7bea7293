# SPDX-License-Identifier: Apache-2.0
"""Clients of the cloud's services, for plugins."""

import dataclasses
import importlib
from types import ModuleType
from typing import Any

import keystoneauth1.exceptions
from keystoneauth1 import plugin
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients import endpoints, sessions
from karbor.services.protection.clients.options import ServiceOptions

CONF = cfg.CONF

#: Each module has ``OPTIONS`` (a :class:`ServiceOptions`) and ``create(access)``.
CLIENT_MODULES = {
    name: f"karbor.services.protection.clients.{name}"
    for name in (
        "cinder",
        "freezer",
        "glance",
        "keystone",
        "manila",
        "neutron",
        "nova",
        "swift",
        "trove",
    )
}


@dataclasses.dataclass(frozen=True)
class ServiceAccess:
    """What a client module makes its client from.

    :param session: with the token, the timeouts and the trusted certificates
    :param endpoint: where the service listens
    :param options: the service's configuration group
    :param context: on whose behalf; None for Karbor itself
    """

    session: sessions.CloudSession
    endpoint: str
    options: cfg.ConfigOpts.GroupAttr
    context: RequestContext | None

    @property
    def request_id(self) -> str | None:
        """The id under which the service logs the calls made for this request."""
        return self.context.global_id if self.context else None


class ClientFactory:
    """Makes a client of a service that acts for the caller.

    Keeps nothing: each client has a session of its own, so two providers with
    different endpoints or certificates never meet.
    """

    @classmethod
    def get_client_module(cls, service: str) -> ModuleType:
        """The module that knows one service's client.

        :raises KarborException: when there is none, or its library is missing
        """
        if service not in CLIENT_MODULES:
            raise exception.KarborException(
                _("Unknown service '%(service)s'; known are %(known)s.")
                % {"service": service, "known": ", ".join(sorted(CLIENT_MODULES))}
            )
        try:
            return importlib.import_module(CLIENT_MODULES[service])
        except ImportError as error:
            raise exception.KarborException(
                _(
                    "The client library of '%(service)s' cannot be imported "
                    "(%(reason)s): install it beside Karbor."
                )
                % {"service": service, "reason": error}
            ) from error

    @classmethod
    def is_offered(
        cls, service: str, context: RequestContext, conf: cfg.ConfigOpts = CONF
    ) -> bool:
        """Whether the caller's cloud has a service at all; asks nobody.

        It has not when its catalogue names the service in no region, or when there is
        neither a Keystone nor a configured endpoint. Where that cannot be told, the
        answer is yes: a client of the service then says what is missing.

        :param service: a key of :data:`CLIENT_MODULES`
        :raises KarborException: when the service is unknown
        """
        described: ServiceOptions = cls.get_client_module(service).OPTIONS
        options = described.register(conf)
        if not context.is_foreign and options[f"{service}_endpoint"]:
            return True
        catalog = endpoints.catalog_of(context)
        if catalog:
            service_type, _name, _interface = _catalog_info(described, options, context)
            return endpoints.names_service(catalog, service_type)
        has_keystone = context.auth_token or context.auth_plugin
        return bool(has_keystone) or sessions.service_auth(conf) is not None

    @classmethod
    def create_client(
        cls,
        service: str,
        context: RequestContext | None,
        conf: cfg.ConfigOpts = CONF,
        privileged_user: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A client of a service, such as ``glanceclient.v2.client.Client``.

        It sends the context's token, with Karbor's own token beside it where
        ``[service_auth]`` has credentials. A context without a token speaks to the
        configured endpoint as to a service that asks no Keystone.

        :param service: a key of :data:`CLIENT_MODULES`
        :param conf: where ``[<service>_client]`` is; a protection plugin passes its
            provider's
        :param privileged_user: act as Karbor itself, not as the caller
        :param kwargs: for the service's client
        :raises AuthorizationFailure: when there are no credentials to act with
        :raises KarborException: when the service is unknown or has no endpoint
        """
        module = cls.get_client_module(service)
        described: ServiceOptions = module.OPTIONS
        options = described.register(conf)
        own = None if _is_foreign(context) else sessions.service_auth(conf)
        endpoint = _find_endpoint(described, options, context, privileged_user, own)
        auth = _choose_auth(described, endpoint, context, privileged_user, own)
        session = _session(described, options, auth)
        if endpoint is None:
            endpoint = _ask_keystone(described, options, session, context)
        return module.create(
            ServiceAccess(
                session=session, endpoint=endpoint, options=options, context=context
            ),
            **kwargs,
        )


def _is_foreign(context: RequestContext | None) -> bool:
    """Whether the context belongs to another cloud than the configured one.

    That cloud's catalogue alone counts then, and it gets no token of Karbor's own.
    """
    return context is not None and context.is_foreign


def _find_endpoint(
    described: ServiceOptions,
    options: cfg.ConfigOpts.GroupAttr,
    context: RequestContext | None,
    privileged_user: bool,
    own: plugin.BaseAuthPlugin | None,
) -> str | None:
    """The endpoint by configuration or the caller's catalogue; None: ask Keystone."""
    if not _is_foreign(context):
        project_id = context.token_project_id if context else None
        url = endpoints.configured_endpoint(described, options, project_id)
        if url:
            return url
    if context is None or (privileged_user and own is not None):
        return None
    wanted = _catalog_info(described, options, context)
    return endpoints.catalog_endpoint(
        endpoints.catalog_of(context), *wanted, _region(options, context)
    )


def _catalog_info(
    described: ServiceOptions,
    options: cfg.ConfigOpts.GroupAttr,
    context: RequestContext,
) -> tuple[str, str, str]:
    """Type, name and interface of a service in a context's catalogue.

    What is configured is how this cloud's catalogue names it, and how it is reached
    from here. Of another one only the public endpoints can be.

    :raises KarborException: when the option is malformed
    """
    if _is_foreign(context):
        return described.service_type, described.service_name, "public"
    name = f"{described.service}_catalog_info"
    return endpoints.parse_catalog_info(f"[{described.group}] {name}", options[name])


def _region(
    options: cfg.ConfigOpts.GroupAttr, context: RequestContext | None
) -> str | None:
    """In which region a service is taken; None: the catalogue's first."""
    if context is not None and context.is_foreign:
        return context.region_name
    region: str | None = options.region_id
    return region


def _choose_auth(
    described: ServiceOptions,
    endpoint: str | None,
    context: RequestContext | None,
    privileged_user: bool,
    own: plugin.BaseAuthPlugin | None,
) -> plugin.BaseAuthPlugin:
    if privileged_user and own is not None:
        return sessions.with_service_token(own, own)
    if context is not None and (_is_foreign(context) or not privileged_user):
        if context.auth_plugin is not None:
            return sessions.with_service_token(context.auth_plugin, own)
        if context.auth_token:
            return sessions.with_service_token(sessions.ContextAuth(context), own)
    if endpoint is not None and own is None:
        return sessions.NoAuth(endpoint, context)
    if privileged_user or context is None:
        reason = _("Karbor's own credentials are missing: set [service_auth].")
    else:
        reason = _(
            "the request came without a token. Send one, or, for a service that "
            "asks no Keystone, set [%(group)s] %(service)s_endpoint and leave "
            "[service_auth] empty."
        ) % {"group": described.group, "service": described.service}
    raise exception.AuthorizationFailure(
        _("No access to %(service)s: %(reason)s")
        % {"service": described.service, "reason": reason}
    )


def _session(
    described: ServiceOptions,
    options: cfg.ConfigOpts.GroupAttr,
    auth: plugin.BaseAuthPlugin,
) -> sessions.CloudSession:
    verify: bool | str = options[f"{described.service}_ca_cert_file"] or True
    if options[f"{described.service}_auth_insecure"]:
        verify = False
    return sessions.CloudSession(
        auth,
        verify=verify,
        timeouts=(options.connect_timeout, options.read_timeout),
        retries=options.retries,
        retry_interval=options.retry_interval,
    )


def _ask_keystone(
    described: ServiceOptions,
    options: cfg.ConfigOpts.GroupAttr,
    session: sessions.CloudSession,
    context: RequestContext | None,
) -> str:
    """The endpoint in the catalogue of the credentials that the session has."""
    url = None
    is_foreign, region = _is_foreign(context), _region(options, context)
    service_type = described.service_type if is_foreign else options.service_type
    reason, cause = _("no catalogue names it"), None
    try:
        url = session.get_endpoint(
            service_type=service_type,
            service_name=None if is_foreign else options.service_name,
            interface="public" if is_foreign else options.interface,
            region_name=region,
        )
    except keystoneauth1.exceptions.ClientException as error:
        reason, cause = str(error), error
    if url:
        return url
    if is_foreign:
        raise exception.KarborException(
            _(
                "The endpoint of %(service)s in the other cloud was not found: "
                "%(reason)s. Its catalogue must have a public one of type '%(type)s'"
                "%(region)s; restore_auth may say another region_name."
            )
            % {
                "service": described.service,
                "type": service_type,
                "reason": reason,
                "region": f" in region {region}" if region else "",
            }
        ) from cause
    raise exception.KarborException(
        _(
            "The endpoint of %(service)s was not found: %(reason)s. Set "
            "[%(group)s] %(service)s_endpoint, or register a service of type "
            "'%(type)s' in Keystone."
        )
        % {
            "service": described.service,
            "group": described.group,
            "type": service_type,
            "reason": reason,
        }
    ) from cause
