# SPDX-License-Identifier: Apache-2.0
"""Trusts in Keystone: a user lets Karbor act for him, in one project, until a time.

https://docs.openstack.org/api-ref/identity/v3-ext/#os-trust-api
"""

import copy
import datetime
import random
from typing import Any

import keystoneauth1.exceptions
from keystoneauth1 import plugin
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients import sessions
from karbor.services.protection.clients.renewal import RenewedAuth

_TRUSTS = "OS-TRUST/trusts"

#: How often a trust is asked for whose second of ending is taken, and up to how many
#: seconds later it then ends.
_TRIES = 10
_SPREAD = 60

#: Whatever else the scope of Karbor's own credentials may be.
_NO_OTHER_SCOPE: dict[str, Any] = dict.fromkeys(
    (
        "project_id",
        "project_name",
        "project_domain_id",
        "project_domain_name",
        "domain_id",
        "domain_name",
        "system_scope",
    )
)


class TrustFailed(exception.KarborException):
    """Keystone did not do what was asked of it with a trust."""

    message = _("Keystone: %(what)s failed: %(reason)s")


class Trusts:
    """The trusts that users give to Karbor's own user; from any thread.

    They are made, used and deleted at the Keystone of ``[service_auth]``. Every method
    makes one or two calls and raises :class:`TrustFailed` with Keystone's words.

    :param conf: where ``[service_auth]`` is
    :raises AuthorizationFailure: when that has credentials that cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    @property
    def can_be_given(self) -> bool:
        """Whether Karbor is a user of Keystone's, to whom a trust can be given.

        :raises AuthorizationFailure: when ``[service_auth]`` cannot be used
        """
        own = sessions.service_auth(self._conf)
        return own is not None and own.auth_url is not None

    def give(self, context: RequestContext, expires_at: datetime.datetime) -> str:
        """Give a trust: what the caller's token may do, where it may do it.

        That need not be in the project of the context: an administrator works in
        others' projects with a token for his own.

        :param context: with the caller's token
        :param expires_at: when the trust ends by itself, or minutes later; UTC
        :returns: the trust's id, which is no secret
        """
        auth = sessions.ContextAuth(context)
        token = self._call(
            "looking at the caller's token",
            "GET",
            "auth/tokens?nocatalog",
            auth,
            headers={"X-Subject-Token": context.auth_token or ""},
        ).json()["token"]
        if "project" not in token:
            raise TrustFailed(
                what="giving a trust", reason="the caller's token is for no project"
            )
        asked = {
            "trustor_user_id": token["user"]["id"],
            "trustee_user_id": self._own_id(),
            "project_id": token["project"]["id"],
            "impersonation": True,
            "allow_redelegation": False,
            "roles": [{"id": role["id"]} for role in token.get("roles") or ()],
        }
        return self._post(asked, expires_at, auth)

    def context_under(self, trust_id: str, context: RequestContext) -> RequestContext:
        """The caller's context, acting under the trust: it is shown to work.

        :returns: a copy, whose token is renewed when it is about to expire
        """
        copied = copy.copy(context)
        auth = self._auth(trust_id, copied)
        try:
            auth.get_token()
            catalog = auth.get_catalog()
        except keystoneauth1.exceptions.ClientException as error:
            raise TrustFailed(
                what=f"acting under trust {trust_id}", reason=error
            ) from error
        copied.auth_plugin = auth
        copied.service_catalog = copied.service_catalog or catalog
        return copied

    def take_back(self, trust_id: str, context: RequestContext | None = None) -> None:
        """Delete a trust; one that is gone already is fine.

        :param context: as whom; None: under the trust itself, which needs no token of
            the user who gave it
        """
        what = f"deleting trust {trust_id}"
        if context is None:
            context = RequestContext(overwrite=False)
            auth: plugin.BaseAuthPlugin = self._auth(trust_id, context)
        else:
            auth = context.auth_plugin or sessions.ContextAuth(context)
        try:
            self._call(what, "DELETE", f"{_TRUSTS}/{trust_id}", auth)
        except TrustFailed as error:
            if not isinstance(error.__cause__, keystoneauth1.exceptions.NotFound):
                raise

    def _post(
        self,
        asked: dict[str, Any],
        expires_at: datetime.datetime,
        auth: plugin.BaseAuthPlugin,
    ) -> str:
        """Give a trust that ends at a time or a little later; returns its id.

        Keystone takes one trust of the same users and project for each second at which
        it ends, deleted ones included.
        """
        tries_left = _TRIES
        while True:
            trust = {**asked, "expires_at": f"{expires_at:%Y-%m-%dT%H:%M:%S.%fZ}"}
            try:
                answer = self._call(
                    "giving a trust", "POST", _TRUSTS, auth, json={"trust": trust}
                )
                return str(answer.json()["trust"]["id"])
            except TrustFailed as error:
                tries_left -= 1
                cause = error.__cause__
                if not tries_left or not isinstance(
                    cause, keystoneauth1.exceptions.Conflict
                ):
                    raise
            expires_at += datetime.timedelta(seconds=random.randint(1, _SPREAD))

    def _own_id(self) -> str:
        own = sessions.service_auth(self._conf)
        try:
            found = own.get_user_id() if own else None
        except keystoneauth1.exceptions.ClientException as error:
            raise TrustFailed(
                what="logging in with [service_auth]", reason=error
            ) from error
        if found is None:
            raise TrustFailed(
                what="giving a trust", reason="[service_auth] names no user"
            )
        return found

    def _auth(self, trust_id: str, context: RequestContext) -> RenewedAuth:
        scope = {**_NO_OTHER_SCOPE, "trust_id": trust_id}
        return RenewedAuth(*sessions.load_own(self._conf, **scope), context)

    def _call(
        self,
        what: str,
        method: str,
        path: str,
        auth: plugin.BaseAuthPlugin,
        **kwargs: Any,
    ) -> Any:
        own, keystone = sessions.load_own(self._conf)
        url = str(getattr(own, "auth_url", "")).rstrip("/").removesuffix("/v3")
        try:
            return keystone.request(f"{url}/v3/{path}", method, auth=auth, **kwargs)
        except keystoneauth1.exceptions.ClientException as error:
            raise TrustFailed(what=what, reason=error) from error
