# SPDX-License-Identifier: Apache-2.0
"""Contexts whose token is renewed for as long as the work goes on."""

import collections
from typing import Any

import keystoneauth1.exceptions
from keystoneauth1 import identity, plugin, session
from oslo_log import log as logging

from karbor.context import RequestContext
from karbor.services.protection.clients.sessions import OwnSession

LOG = logging.getLogger(__name__)

#: So many of the tokens that a context has had are remembered, to be kept out of logs:
#: more than can be valid at a time.
_REMEMBERED = 100


class RenewedAuth(OwnSession):
    """Credentials that give a new token when the last one is about to expire.

    Used from any thread. The context that it serves always has the last token, for
    plugins that read it.

    :param inner: how to log in
    :param own: the session that reaches the Keystone to log in to
    :param context: whom it serves
    """

    def __init__(
        self,
        inner: plugin.BaseAuthPlugin,
        own: session.Session,
        context: RequestContext,
    ) -> None:
        super().__init__(inner, own)
        self._context = context
        first = [context.auth_token] if context.auth_token else []
        self._given = collections.deque(first, maxlen=_REMEMBERED)

    def get_token(self, session: session.Session | None = None) -> str | None:
        """A token that is valid for some time yet.

        :raises ClientException: keystoneauth1's, when Keystone gives none
        """
        token = super().get_token(session or self._own)
        if token and token != self._context.auth_token:
            self._given.append(token)
            self._context.auth_token = token
        return token

    def get_catalog(self) -> list[Any]:
        """The catalogue that came with the token; empty where none does.

        :raises ClientException: keystoneauth1's, when Keystone gives no token
        """
        if not isinstance(self._inner, identity.BaseIdentityPlugin):
            return []
        found = self._inner.get_access(self._own)
        return (
            list(found.service_catalog.catalog) if found.has_service_catalog() else []
        )

    @property
    def given(self) -> list[str]:
        """The tokens that the context has had, without asking for another."""
        return list(self._given)


def renew(context: RequestContext) -> None:
    """Let ``auth_token`` be a token that is valid for some time yet.

    When Keystone gives none, the log says so and the old one stays: the work may not
    need it. From any thread.
    """
    if not isinstance(context.auth_plugin, RenewedAuth):
        return
    try:
        context.auth_plugin.get_token()
    except keystoneauth1.exceptions.ClientException as error:
        LOG.warning(
            "Keystone gives no new token for project %s: %s", context.project_id, error
        )


def tokens_of(context: RequestContext) -> list[str]:
    """Every token that acts for a context: what nobody may read."""
    tokens = [context.auth_token, getattr(context, "service_token", None)]
    if isinstance(context.auth_plugin, RenewedAuth):
        tokens.extend(context.auth_plugin.given)
    return [token for token in tokens if token]
