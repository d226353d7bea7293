# SPDX-License-Identifier: Apache-2.0
"""Tokens that are renewed are all kept out of what people read."""

import copy

from keystoneauth1 import plugin

from karbor.context import RequestContext
from karbor.services.protection.clients.renewal import RenewedAuth, renew, tokens_of


class Counting(plugin.BaseAuthPlugin):
    """Gives a new token each time."""

    count = 0

    def get_token(self, session):
        self.count += 1
        return f"token-{self.count}"


def renewed(context):
    context.auth_plugin = RenewedAuth(Counting(), None, context)
    return context


def test_every_token_that_a_context_has_had_is_known():
    context = renewed(
        RequestContext("user", "project", auth_token="first", overwrite=False)
    )
    assert tokens_of(context) == ["first", "first"]
    renew(context)
    renew(context)
    assert set(tokens_of(context)) == {"first", "token-1", "token-2"}


def test_the_callers_own_token_is_known_to_the_copy_that_acts_instead():
    caller = RequestContext("user", "project", auth_token="callers", overwrite=False)
    acting = renewed(copy.copy(caller))
    renew(acting)
    assert acting.auth_token == "token-1"
    assert "callers" in tokens_of(acting)


def test_a_context_without_a_token_has_none_before_it_is_asked_for():
    context = renewed(RequestContext("user", "project", overwrite=False))
    assert tokens_of(context) == []
