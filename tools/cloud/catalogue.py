# SPDX-License-Identifier: Apache-2.0
"""Users, roles, services and endpoints in Keystone; run by the cloud's own Python."""

import os
from pathlib import Path

import openstack
from openstack.connection import Connection

from cloud.settings import REGION, Settings

_USERS = (
    *("glance", "cinder", "nova", "placement", "neutron", "swift"),
    *("manila", "trove", "freezer"),
)

#: Name, type, listener and path of each service.
_SERVICES = (
    ("glance", "image", "glance", ""),
    ("placement", "placement", "placement", ""),
    ("cinder", "block-storage", "cinder", "/v3"),
    ("cinderv3", "volumev3", "cinder", "/v3/%(project_id)s"),
    ("nova", "compute", "nova", "/v2.1"),
    ("neutron", "network", "neutron", ""),
    ("swift", "object-store", "swift", "/v1/AUTH_%(project_id)s"),
    ("manilav2", "sharev2", "manila", "/v2"),
    ("trove", "database", "trove", "/v1.0/%(project_id)s"),
    ("freezer", "backup", "freezer", ""),
)


def connect(settings: Settings) -> Connection:
    """As the administrator, who waits for no answer longer than a minute."""
    return openstack.connect(
        auth_url=settings.auth_url,
        username="admin",
        password=settings.password,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
        api_timeout=60,
        load_yaml_config=False,
        load_envvars=False,
    )


def main() -> None:
    """Make what is missing."""
    settings = Settings.load(Path(os.environ["KARBOR_CLOUD"]))
    connection = connect(settings)
    _make_users(connection, settings)
    _make_endpoints(connection, settings)


def _make_users(connection: Connection, settings: Settings) -> None:
    identity = connection.identity
    roles = {role.name: role for role in identity.roles()}
    for name in ("service", "member", "reader", "reseller_admin"):
        if name not in roles:
            roles[name] = identity.create_role(name=name)
    projects = {project.name: project for project in identity.projects()}
    for name in ("service", "demo"):
        if name not in projects:
            projects[name] = identity.create_project(name=name, domain_id="default")
    users = {user.name: user for user in identity.users()}
    for name in (*_USERS, "demo"):
        if name not in users:
            users[name] = identity.create_user(
                name=name, password=settings.password, domain_id="default"
            )

    def assign(user: str, project: str, *names: str) -> None:
        for name in names:
            identity.assign_project_role_to_user(
                projects[project], users[user], roles[name]
            )

    for name in _USERS:
        assign(name, "service", "admin", "service")
    assign("demo", "demo", "member", "reader")
    assign("admin", "admin", "reseller_admin")


def _make_endpoints(connection: Connection, settings: Settings) -> None:
    identity = connection.identity
    services = {(one.name, one.type): one for one in identity.services()}
    have = {(one.service_id, one.interface) for one in identity.endpoints()}
    for name, kind, listener, path in _SERVICES:
        service = services.get((name, kind)) or identity.create_service(
            name=name, type=kind
        )
        for interface in ("public", "internal", "admin"):
            if (service.id, interface) not in have:
                identity.create_endpoint(
                    service_id=service.id,
                    interface=interface,
                    region_id=REGION,
                    url=f"http://{settings.address(listener)}{path}",
                )


if __name__ == "__main__":
    main()
