# SPDX-License-Identifier: Apache-2.0
"""Puts REST v1 together: routes, and the WSGI middleware in front of them."""

from collections.abc import Iterable
from typing import Any

import falcon
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import (
    cors,
    healthcheck,
    http_proxy_to_wsgi,
    request_id,
    sizelimit,
)

from karbor.api import faults, options
from karbor.api.identity import Identity
from karbor.api.json_faults import JsonFaults, WSGIApp
from karbor.api.policy import Authority
from karbor.api.v1 import (
    checkpoints,
    operation_logs,
    plans,
    protectables,
    providers,
    restores,
    services,
)
from karbor.api.v1.controller import Backend, Controller
from karbor.api.versions import Version1, Versions
from karbor.db import options as db_options
from karbor.db.database import Database
from karbor.services.protection.rpcapi import ProtectionAPI

#: Below ``/v1/{project_id}``.
ROUTES: dict[str, type[Controller]] = {
    "/plans": plans.Plans,
    "/plans/detail": plans.PlansDetail,
    "/plans/{plan_id}": plans.Plan,
    "/providers": providers.Providers,
    "/providers/{provider_id}": providers.Provider,
    "/providers/{provider_id}/checkpoints": checkpoints.Checkpoints,
    "/providers/{provider_id}/checkpoints/action": checkpoints.CheckpointsAction,
    "/providers/{provider_id}/checkpoints/{checkpoint_id}": checkpoints.Checkpoint,
    "/protectables": protectables.ProtectableTypes,
    "/protectables/{protectable_type}": protectables.ProtectableType,
    "/protectables/{protectable_type}/instances": protectables.Instances,
    "/protectables/{protectable_type}/instances/{protectable_id}": (
        protectables.Instance
    ),
    "/restores": restores.Restores,
    "/restores/{restore_id}": restores.Restore,
    "/verifications": restores.Verifications,
    "/verifications/{verification_id}": restores.Verification,
    "/operation_logs": operation_logs.OperationLogs,
    "/operation_logs/{operation_log_id}": operation_logs.OperationLog,
    "/os-services": services.Services,
    "/os-services/{service_id}": services.Service,
}

#: Of Karbor 1.x, and not offered.
_MISSING = ("quotas", "quota_classes", "scheduled_operations", "triggers")

_PUBLIC_PATHS = frozenset({"", "/", "/v1", "/v1/"})


def create_app(
    conf: cfg.ConfigOpts, protection: ProtectionAPI, database: Database
) -> WSGIApp:
    """The REST API as a WSGI application, for any number of threads.

    :param conf: initialised; ``auth_strategy`` keystone needs
        ``[keystone_authtoken]``
    :param protection: how to reach the protection service
    :param database: with the tables of this version
    """
    options.register_opts(conf)
    db_options.register_opts(conf)
    authority = Authority(conf)
    backend = Backend(conf, protection, database, authority)
    app: WSGIApp = _router(conf, backend, authority)
    if conf.auth_strategy == "keystone":
        app = _behind_keystone(conf, app)
    app = sizelimit.RequestBodySizeLimiter(app, conf)
    app = _at_path("/healthcheck", healthcheck.Healthcheck(None, conf), app)
    app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    app = cors.CORS(app, conf)
    app = request_id.RequestId(app)
    return JsonFaults(app)


def _router(
    conf: cfg.ConfigOpts, backend: Backend, authority: Authority
) -> falcon.App[Any, Any]:
    app = falcon.App(middleware=[Identity(conf, authority)])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    faults.install(app)
    app.add_route("/", Versions(conf))
    app.add_route("/v1", Version1(conf))
    for path, controller in ROUTES.items():
        app.add_route("/v1/{project_id}" + path, controller(backend))
    app.add_sink(_not_offered, rf"/v1/[^/]+/(?P<kind>{'|'.join(_MISSING)})(/|$)")
    return app


def _not_offered(
    req: falcon.Request, resp: falcon.Response, **kwargs: str | None
) -> None:
    raise falcon.HTTPNotFound(
        description=f"This version of Karbor has no {kwargs['kind']}."
    )


def _behind_keystone(conf: cfg.ConfigOpts, app: WSGIApp) -> WSGIApp:
    """Check the token of every request but those for the version documents."""
    checked = auth_token.AuthProtocol(app, {"oslo_config_config": conf})

    def dispatch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_public = environ.get("PATH_INFO", "") in _PUBLIC_PATHS
        return (app if is_public else checked)(environ, start_response)

    return dispatch


def _at_path(path: str, special: WSGIApp, app: WSGIApp) -> WSGIApp:
    def dispatch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_special = environ.get("PATH_INFO", "") == path
        return (special if is_special else app)(environ, start_response)

    return dispatch
