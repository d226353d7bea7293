# SPDX-License-Identifier: Apache-2.0
"""Restoring into another cloud or project: its token, its catalogue, its project."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keystoneauth1.exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients.endpoints import catalog_of
from karbor.services.protection.clients.renewal import RenewedAuth
from karbor.services.protection.clients.sessions import (
    KEYSTONE_RETRIES,
    CloudSession,
    service_auth,
)

GROUP = "restore_target"

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "timeout",
        default=30.0,
        min=0.1,
        help="Seconds to wait for the Keystone of the cloud that a restore names.",
    ),
    cfg.StrOpt(
        "cafile",
        help="File with the certificates of the authorities that sign that "
        "Keystone's certificate. Default: those that the system trusts.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Do not check that Keystone's certificate. For tests only.",
    ),
]

_SCOPE = (
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
)
_USER = ("username", "user_id", "user_domain_id", "user_domain_name")


@dataclasses.dataclass(frozen=True)
class _Kind:
    """One way to log in.

    :param make: a plugin of keystoneauth1, from the URL and the fields
    :param fields: what a restore_auth of this kind may say beside its type, as
        keystoneauth1 names it
    :param needed: of each of these groups it must say one
    """

    make: type[v3.Auth]
    fields: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...]


_PASSWORD = _Kind(
    v3.Password,
    (*_USER, "password", *_SCOPE),
    (("username", "user_id"), ("password",)),
)
_APPLICATION_CREDENTIAL = _Kind(
    v3.ApplicationCredential,
    (
        *_USER,
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
    ),
    (
        ("application_credential_id", "application_credential_name"),
        ("application_credential_secret",),
    ),
)
_TOKEN = _Kind(v3.Token, ("token", *_SCOPE), (("token",),))

#: By the names that keystoneauth1 has for them, and Karbor 1.x had.
_KINDS = {
    "password": _PASSWORD,
    "v3password": _PASSWORD,
    "v3applicationcredential": _APPLICATION_CREDENTIAL,
    "token": _TOKEN,
    "v3token": _TOKEN,
}


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[restore_target]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


def target_context(
    restore_target: str,
    restore_auth: Mapping[str, Any] | None,
    context: RequestContext,
    conf: cfg.ConfigOpts,
) -> RequestContext:
    """Log in to the cloud that a restore names.

    :param restore_target: the URL of its Keystone, ``http://host/identity/v3``
    :param restore_auth: ``{"type": "password", "username": …, "password": …}``,
        optionally ``project_name`` or ``project_id``, and domains; a domain that is
        not given is 'Default'. Without a project it is the user's default project, or
        the only one that the user has. Or an application credential or a token; the
        last is not renewed. With ``region_name``, that region is taken from the
        catalogue, also of this cloud.
    :param context: who asked; the request id goes on with the work
    :raises AuthorizationFailure: naming the target and the reason
    """
    register_opts(conf)
    options = conf[GROUP]
    said = dict(restore_auth or {})
    auth = _auth(restore_target, said)
    own = CloudSession(
        auth,
        verify=False if options.insecure else (options.cafile or True),
        timeouts=(options.timeout, options.timeout),
        retries=KEYSTONE_RETRIES,
    )
    access = _log_in(restore_target, auth, own)
    if not access.project_id:
        said["project_id"] = _only_project(restore_target, own)
        auth = _auth(restore_target, said)
        access = _log_in(restore_target, auth, own)
    made = RequestContext(
        user_id=access.user_id,
        project_id=access.project_id,
        auth_token=access.auth_token,
        user_name=access.username,
        project_name=access.project_name,
        user_domain_id=access.user_domain_id,
        project_domain_id=access.project_domain_id,
        roles=list(access.role_names),
        service_catalog=list(access.service_catalog.catalog),
        request_id=context.request_id,
        global_request_id=context.global_request_id,
        overwrite=False,
    )
    made.region_name = said.get("region_name") or None
    # What is configured here is for one region of this cloud.
    made.is_foreign = made.region_name is not None or not _is_home(
        restore_target, context, conf
    )
    made.auth_plugin = RenewedAuth(auth, own, made)
    return made


def _auth(target: str, said: Mapping[str, Any]) -> v3.Auth:
    name = said.get("type", "password")
    if name not in _KINDS:
        raise _failure(
            target,
            _("restore_auth has type '%(type)s'; known are %(known)s")
            % {"type": name, "known": ", ".join(_KINDS)},
        )
    kind = _KINDS[name]
    fields = {field: said[field] for field in kind.fields if said.get(field)}
    for group in kind.needed:
        if not fields.keys() & set(group):
            raise _failure(target, _("restore_auth lacks %s") % " or ".join(group))
    for thing, what in (("user", "username"), ("project", "project_name")):
        domains = {f"{thing}_domain_id", f"{thing}_domain_name"}
        if what in fields and not fields.keys() & domains:
            fields[f"{thing}_domain_name"] = "Default"
    return kind.make(f"{_without_version(target)}/v3", **fields)


def _only_project(target: str, own: session.Session) -> str:
    """The project of a user who has no default project.

    :raises AuthorizationFailure: when there is not just one
    """
    try:
        answer = own.get(f"{_without_version(target)}/v3/auth/projects")
    except keystoneauth1.exceptions.ClientException as error:
        raise _failure(target, str(error)) from error
    projects = answer.json()["projects"]
    if len(projects) == 1:
        return str(projects[0]["id"])
    names = ", ".join(sorted(project["name"] for project in projects)) or _("none")
    raise _failure(
        target,
        _(
            "the user has no default project: give project_name or project_id in "
            "restore_auth. The user's projects: %s"
        )
        % names,
    )


def _is_home(target: str, context: RequestContext, conf: cfg.ConfigOpts) -> bool:
    """Whether the target is the Keystone of this cloud, and so its services ours.

    Then what is configured for these services holds: endpoints, regions, and Karbor's
    own token beside the user's.
    """
    own = service_auth(conf)
    endpoints = [
        endpoint
        for entry in catalog_of(context)
        if entry.get("type") == "identity"
        for endpoint in entry.get("endpoints") or ()
    ]
    known = [url for one in endpoints for url in one.values() if isinstance(url, str)]
    if own is not None and own.auth_url:
        known.append(own.auth_url)
    return _without_version(target) in map(_without_version, known)


def _without_version(url: str) -> str:
    return url.rstrip("/").removesuffix("/v3").rstrip("/")


def _log_in(target: str, auth: v3.Auth, own: session.Session) -> Any:
    try:
        return auth.get_access(own)
    except keystoneauth1.exceptions.Unauthorized as error:
        raise _failure(
            target, _("its Keystone refused the user name or password, or the secret")
        ) from error
    except keystoneauth1.exceptions.ClientException as error:
        raise _failure(target, str(error)) from error


def _failure(target: str, reason: str) -> exception.AuthorizationFailure:
    return exception.AuthorizationFailure(
        _("Authorization for restore target %(target)s failed: %(reason)s")
        % {"target": target, "reason": reason}
    )
