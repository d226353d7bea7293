# SPDX-License-Identifier: Apache-2.0
"""Restoring into another cloud: its token, its catalogue, its project."""

from collections.abc import Mapping
from typing import Any

import keystoneauth1.exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients.renewal import RenewedAuth
from karbor.services.protection.clients.sessions import CloudSession

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

#: What a restore_auth may say beside its type, as keystoneauth1 names it.
_PASSWORD_FIELDS = (
    "username",
    "user_id",
    "password",
    "user_domain_id",
    "user_domain_name",
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
)


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
        not given is 'Default'. Without a project it is the user's default project.
    :param context: who asked; the request id goes on with the work
    :raises AuthorizationFailure: naming the target and the reason
    """
    register_opts(conf)
    options = conf[GROUP]
    auth = _password_auth(restore_target, dict(restore_auth or {}))
    own = CloudSession(
        auth,
        verify=False if options.insecure else (options.cafile or True),
        timeouts=(options.timeout, options.timeout),
    )
    access = _log_in(restore_target, auth, own)
    if not access.project_id:
        raise _failure(
            restore_target,
            _("the user has no default project: give project_name or project_id"),
        )
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
    made.is_foreign = True
    made.auth_plugin = RenewedAuth(auth, own, made)
    return made


def _password_auth(target: str, said: dict[str, Any]) -> v3.Password:
    kind = said.get("type", "password")
    if kind != "password":
        raise _failure(
            target, _("restore_auth has type '%s'; only 'password' is known") % kind
        )
    if not said.get("password") or not (said.get("username") or said.get("user_id")):
        raise _failure(target, _("restore_auth lacks username or password"))
    fields = {name: said[name] for name in _PASSWORD_FIELDS if said.get(name)}
    if "username" in fields and not fields.keys() & {
        "user_domain_id",
        "user_domain_name",
    }:
        fields["user_domain_name"] = "Default"
    if "project_name" in fields and not fields.keys() & {
        "project_domain_id",
        "project_domain_name",
    }:
        fields["project_domain_name"] = "Default"
    url = target.rstrip("/")
    return v3.Password(url if url.endswith("/v3") else f"{url}/v3", **fields)


def _log_in(target: str, auth: v3.Password, own: session.Session) -> Any:
    try:
        return auth.get_access(own)
    except keystoneauth1.exceptions.Unauthorized as error:
        raise _failure(
            target, _("its Keystone refused the user name or password")
        ) from error
    except keystoneauth1.exceptions.ClientException as error:
        raise _failure(target, str(error)) from error


def _failure(target: str, reason: str) -> exception.AuthorizationFailure:
    return exception.AuthorizationFailure(
        _("Authorization for restore target %(target)s failed: %(reason)s")
        % {"target": target, "reason": reason}
    )
