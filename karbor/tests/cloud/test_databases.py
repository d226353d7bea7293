# SPDX-License-Identifier: Apache-2.0
"""Databases of a real Trove with a fake guest, which moves no data: its API is real.

Instances are real servers with real volumes on real networks of the cloud.
"""

import hashlib

import pytest
import sqlalchemy

DATABASE = "OS::Trove::Instance"
CONTAINER = "database_backups"

NOTE = sqlalchemy.text(
    "UPDATE backups SET location = :location, checksum = :checksum WHERE id = :id"
)


def trove(project, method, path, **kwargs):
    """Of Trove's REST, what openstacksdk does not know."""
    return project.connection.session.request(
        path, method, endpoint_filter={"service_type": "database"}, **kwargs
    ).json()


@pytest.fixture
def database(project):
    """An active instance on a network of the project."""
    network = project.network()
    project.router(network.id)
    [datastore] = [
        one
        for one in trove(project, "GET", "/datastores")["datastores"]
        if one["name"] == "mysql"
    ]
    assert datastore["versions"], "the cloud has a version of mysql"
    asked = {
        "name": "orders",
        "flavorRef": project.connection.compute.find_flavor("m1.tiny").id,
        "volume": {"size": 1},
        "datastore": {"type": "mysql", "version": datastore["versions"][0]["name"]},
        "nics": [{"network_id": network.id}],
    }
    made = trove(project, "POST", "/instances", json={"instance": asked})["instance"]
    get = project.connection.database.get_instance
    return project.wait_for(lambda: get(made["id"]), "ACTIVE")


@pytest.fixture
def store_as_a_guest(project, cloud):
    """Gives each backup an object in Swift, and Trove's note of it.

    The fake guest tells of a file that nobody has. Trove looks for it before it
    restores, and compares its checksum.
    """
    swift = project.connection.object_store
    engine = sqlalchemy.create_engine(cloud.database_url + "trove")

    def store():
        swift.create_container(CONTAINER)
        for backup in trove(project, "GET", "/backups")["backups"]:
            data = backup["id"].encode()
            swift.upload_object(CONTAINER, backup["id"], data=data)
            noted = {
                "location": f"{swift.get_endpoint()}/{CONTAINER}/{backup['id']}",
                "checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "id": backup["id"],
            }
            with engine.begin() as connection:
                connection.execute(NOTE, noted)

    yield store
    engine.dispose()


def test_a_database_comes_back_where_it_was(
    project, karbor, provider, database, store_as_a_guest
):
    chosen = provider()
    plan_id = karbor.plan(chosen, (DATABASE, database))
    full = karbor.protect(chosen, plan_id)
    plan_id = karbor.plan(
        chosen, (DATABASE, database), parameters={DATABASE: {"incremental": True}}
    )
    incremental = karbor.protect(chosen, plan_id)
    store_as_a_guest()

    karbor.verify(chosen, incremental)
    karbor.restore(
        chosen, incremental, parameters={DATABASE: {"restore_name": "again"}}
    )

    listed = trove(project, "GET", "/instances")["instances"]
    [restored] = [one for one in listed if one["id"] != database.id]
    assert (restored["name"], restored["status"]) == ("again", "ACTIVE")
    original, again = (
        trove(project, "GET", f"/instances/{name}")["instance"]
        for name in (database.id, restored["id"])
    )
    for same in ("flavor", "datastore", "access"):
        assert again[same] == original[same]
    assert again["volume"]["size"] == 1
    assert networks_of(again) == networks_of(original)
    # The first checkpoint's backup has what the second one's is based on.
    karbor.run("checkpoint-delete", chosen, full)
    karbor.wait_for_checkpoint(chosen, full, "error-deleting")
    karbor.delete(chosen, incremental)
    karbor.delete(chosen, full)
    gone = {"database backups", "objects"}
    assert not gone & project.settled(lambda found: not gone & found.keys()).keys()


def networks_of(instance):
    return [address.get("network") for address in instance["addresses"]]
