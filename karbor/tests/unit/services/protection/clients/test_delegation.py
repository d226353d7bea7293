# SPDX-License-Identifier: Apache-2.0
"""Trusts: operations act for their callers for longer than a token lives."""

import datetime
import logging
import time

import pytest
from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.delegation import Delegations
from karbor.services.protection.clients.renewal import renew, tokens_of
from karbor.tests.fakes.identity import (
    IdentityServer,
    Refused,
    User,
    catalog_entry,
)
from karbor.tests.fakes.web import Answer, WebServer

ALICE = User("alice", "secret", roles=("member", "reader"))
KARBOR = User("karbor", "service-secret", project_id="2" * 32, project_name="service")

CREDENTIALS = """
[service_auth]
auth_type = {auth_type}
auth_url = {url}
username = karbor
password = service-secret
user_domain_name = Default
project_name = service
project_domain_name = Default
"""


@pytest.fixture
def identity():
    with IdentityServer([ALICE, KARBOR], []).running() as server:
        yield server


@pytest.fixture
def glance(identity):
    def answer(request):
        token = request.headers.get("X-Auth-Token")
        status = 200 if identity.is_valid(token) else 401
        return Answer(status=status, body=b'{"images": []}')

    with WebServer(answer).running() as server:
        identity.catalog[:] = [catalog_entry("image", "glance", server.url)]
        yield server


def configuration(tmp_path, text=""):
    path = tmp_path / "karbor.conf"
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    return conf


@pytest.fixture
def conf(identity, tmp_path):
    text = CREDENTIALS.format(auth_type="password", url=identity.url)
    return configuration(tmp_path, text)


@pytest.fixture
def caller(identity):
    return RequestContext(
        user_id=ALICE.id,
        project_id=ALICE.project_id,
        auth_token=identity.issue(ALICE),
        roles=list(ALICE.roles),
        overwrite=False,
    )


@pytest.fixture
def make_delegations():
    made = []

    def make(conf):
        made.append(Delegations(conf))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def delegations(conf, make_delegations):
    return make_delegations(conf)


def images(context, conf):
    return list(ClientFactory.create_client("glance", context, conf).images.list())


def test_a_trust_has_the_callers_roles_and_project_and_an_end(
    delegations, identity, caller
):
    delegation = delegations.begin("protect", caller, lambda trust_id: None)
    delegation.context()

    (trust,) = identity.trusts.values()
    assert trust["trustor_user_id"] == ALICE.id
    assert trust["trustee_user_id"] == KARBOR.id
    assert trust["project_id"] == ALICE.project_id
    assert trust["impersonation"] is True
    assert trust["allow_redelegation"] is False
    assert {role["id"] for role in trust["roles"]} == set(ALICE.roles)
    ends = datetime.datetime.fromisoformat(trust["expires_at"])
    left = ends - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=6) < left <= datetime.timedelta(days=7)


def test_operations_that_begin_in_the_same_second_all_have_a_trust(
    delegations, identity, caller
):
    """Of two that end in the same second, Keystone refuses the second one."""
    begun = [
        delegations.begin(f"protect {number}", caller, lambda trust_id: None)
        for number in range(20)
    ]

    contexts = [one.context() for one in begun]

    assert all(context.auth_plugin for context in contexts)
    assert len(identity.trusts) == 20


def test_an_administrators_trust_is_for_the_project_of_the_token(
    delegations, identity, caller
):
    """The request may be for another project, in which he has no roles."""
    caller.project_id = "3" * 32
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    (trust,) = identity.trusts.values()
    assert trust["project_id"] == ALICE.project_id
    assert context.project_id == "3" * 32


def test_work_goes_on_after_the_callers_token_has_expired(
    delegations, identity, conf, glance
):
    identity.token_life = 1
    caller = RequestContext(
        user_id=ALICE.id,
        project_id=ALICE.project_id,
        auth_token=identity.issue(ALICE),
        service_catalog=identity.catalog,
        roles=["member"],
        overwrite=False,
    )
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    client = ClientFactory.create_client("glance", context, conf)
    assert list(client.images.list()) == []
    time.sleep(1.1)
    assert not identity.is_valid(caller.auth_token)
    assert list(client.images.list()) == []
    assert len({request.headers["X-Auth-Token"] for request in glance.requests}) == 2


def test_karbors_own_token_goes_beside_that_of_the_trust(
    delegations, identity, conf, glance, caller
):
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    images(context, conf)
    headers = glance.requests[0].headers
    assert identity.tokens[headers["X-Auth-Token"]] == ALICE
    assert identity.tokens[headers["X-Service-Token"]] == KARBOR


def test_the_catalogue_is_that_of_the_trust_where_the_request_brought_none(
    delegations, conf, glance, caller
):
    assert not caller.service_catalog
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    assert images(context, conf) == []


def test_a_token_is_renewed_only_when_it_is_due(delegations, identity, caller):
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    before = len(identity.logins)
    first = context.auth_token
    for _ in range(3):
        renew(context)
    assert context.auth_token == first
    assert len(identity.logins) == before


def test_plugins_that_read_the_token_get_one_that_is_valid(
    delegations, identity, caller
):
    identity.token_life = 1
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    first = context.auth_token
    time.sleep(1.1)
    renew(context)
    assert context.auth_token != first
    assert identity.is_valid(context.auth_token)
    assert {first, context.auth_token} <= set(tokens_of(context))


def test_a_keystone_that_is_away_leaves_the_old_token_and_is_told(
    delegations, identity, caller, caplog
):
    identity.token_life = 1
    context = delegations.begin("protect", caller, lambda trust_id: None).context()
    first = context.auth_token
    identity.fail_with = 503
    time.sleep(1.1)
    renew(context)
    assert context.auth_token == first
    assert "gives no new token" in caplog.text


def test_at_the_end_the_trust_is_gone(delegations, identity, caller):
    identity.token_life = 1
    delegation = delegations.begin("protect", caller, lambda trust_id: None)
    delegation.context()
    time.sleep(1.1)
    delegation.end()
    delegation.end()
    assert identity.trusts_given == 1
    assert identity.trusts == {}


def test_the_id_is_noted_before_the_trust_is_used(delegations, identity, caller):
    noted = []

    def note(trust_id):
        noted.append((trust_id, [login["auth"].get("scope") for login in logins]))

    logins = identity.logins
    delegations.begin("protect", caller, note).context()
    ((trust_id, scopes),) = noted
    assert list(identity.trusts) == [trust_id]
    assert all("OS-TRUST:trust" not in (scope or {}) for scope in scopes)


def test_a_trust_that_cannot_be_noted_is_not_used_and_not_left(
    delegations, identity, caller, caplog
):
    def note(trust_id):
        raise OSError("no database")

    context = delegations.begin("protect X", caller, note).context()
    assert context is caller
    assert identity.trusts_given == 1
    assert identity.trusts == {}
    assert "protect X goes on with its caller's token alone" in caplog.text


def test_a_dead_services_trust_is_taken_back_without_its_caller(
    delegations, identity, caller, conf, make_delegations
):
    noted = []
    delegations.begin("protect", caller, noted.append).context()
    make_delegations(conf).forget(noted[0])
    assert identity.trusts == {}


def test_a_trust_that_is_gone_does_not_stop_the_sweep(delegations, caplog):
    delegations.forget("0" * 32)
    assert "is gone, or left until it expires" in caplog.text


def test_without_credentials_of_its_own_the_token_is_all_there_is(
    tmp_path, make_delegations, caller, caplog
):
    delegations = make_delegations(configuration(tmp_path))
    for _ in range(2):
        delegation = delegations.begin("protect", caller, lambda trust_id: None)
        assert delegation.context() is caller
        delegation.end()
    (told,) = caplog.records
    assert told.levelno == logging.WARNING
    assert "[service_auth]" in told.getMessage()


def test_a_request_without_a_token_needs_no_trust(
    tmp_path, make_delegations, identity, caplog
):
    caller = RequestContext("alice", "demo", overwrite=False)
    delegations = make_delegations(configuration(tmp_path))
    delegation = delegations.begin("protect", caller, lambda trust_id: None)
    assert delegation.context() is caller
    assert caplog.records == []


def test_trusts_can_be_switched_off(identity, tmp_path, make_delegations, caller):
    text = CREDENTIALS.format(auth_type="password", url=identity.url)
    conf = configuration(tmp_path, f"{text}\n[delegation]\nenabled = False\n")
    delegation = make_delegations(conf).begin("protect", caller, lambda i: None)
    assert delegation.context() is caller
    assert identity.trusts_given == 0


def test_a_token_that_keystone_does_not_take_is_told(
    delegations, identity, caller, caplog
):
    caller.auth_token = "expired"
    delegation = delegations.begin("protect X", caller, lambda trust_id: None)
    assert delegation.context() is caller
    assert "protect X goes on with its caller's token alone" in caplog.text
    assert "401" in caplog.text
    assert identity.trusts_given == 0


def test_a_trust_that_keystone_refuses_is_told(
    delegations, identity, caller, caplog, monkeypatch
):
    """As for a token of an application credential, which may give none."""

    def refuse(token, asked):
        raise Refused(403)

    monkeypatch.setattr(identity, "give_trust", refuse)
    delegation = delegations.begin("protect X", caller, lambda trust_id: None)
    assert delegation.context() is caller
    assert "protect X goes on with its caller's token alone" in caplog.text
    assert "giving a trust failed" in caplog.text
    assert "403" in caplog.text


def test_a_token_for_no_project_is_told(delegations, identity, caller, caplog):
    del identity._issued[caller.auth_token]["token"]["project"]
    delegation = delegations.begin("protect X", caller, lambda trust_id: None)
    assert delegation.context() is caller
    assert "the caller's token is for no project" in caplog.text


def test_credentials_that_cannot_act_under_a_trust_leave_none(
    identity, tmp_path, make_delegations, caller, caplog
):
    """Keystone lets those of an application act in their own project only."""
    identity.application_credentials["app", "app-secret"] = KARBOR
    refuse, log_in = {"OS-TRUST:trust"}, identity.log_in

    def strict(asked):
        if refuse & set(asked["auth"].get("scope", {})):
            return 401, {"error": {"code": 401, "message": "no other scope"}}, {}
        return log_in(asked)

    identity.log_in = strict
    conf = configuration(
        tmp_path,
        f"[service_auth]\nauth_type = v3applicationcredential\n"
        f"auth_url = {identity.url}\napplication_credential_id = app\n"
        "application_credential_secret = app-secret\n",
    )
    delegation = make_delegations(conf).begin("protect X", caller, lambda i: None)
    assert delegation.context() is caller
    assert identity.trusts_given == 1
    assert identity.trusts == {}
    assert "acting under trust" in caplog.text


def test_no_token_reaches_the_log(delegations, identity, conf, glance, caller, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    delegation = delegations.begin("protect", caller, lambda trust_id: None)
    images(delegation.context(), conf)
    delegation.end()
    assert identity.url in caplog.text
    for secret in ("service-secret", *identity.tokens):
        assert secret not in caplog.text


def test_credentials_that_log_in_nowhere_serve_but_give_no_trust(
    tmp_path, make_delegations, caller, glance, identity, caplog
):
    """As those for a lab's Barbican without Keystone."""
    conf = configuration(
        tmp_path,
        "[service_auth]\nauth_type = admin_token\nendpoint = http://192.0.2.1\n"
        "token = user:project\n",
    )
    caller.service_catalog = identity.catalog
    context = make_delegations(conf).begin("protect", caller, print).context()
    assert context is caller
    assert images(context, conf) == []
    assert glance.requests[0].headers["X-Service-Token"] == "user:project"
    assert "trusts need the credentials of a user" in caplog.text
