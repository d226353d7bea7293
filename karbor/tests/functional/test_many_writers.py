# SPDX-License-Identifier: Apache-2.0
"""Sixteen clients write at once to a service whose database is SQLite."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from karbor.tests.fakes import distribution, waiting_plugin
from karbor.tests.functional.standalone import PROVIDER, Standalone

WRITERS = 16
PLANS_EACH = 12
THING = {"id": "thing-1", "type": waiting_plugin.TYPE, "name": "one"}


@pytest.fixture
def service(tmp_path):
    plugins = distribution.install(tmp_path / "dist", waiting_plugin.ENTRY_POINTS)
    gate = tmp_path / "gate"
    gate.mkdir()
    (gate / "open").touch()
    standalone = Standalone(
        tmp_path / "karbor",
        plugins=("test-waiting-plugin",),
        environment={"PYTHONPATH": str(plugins), "KARBOR_TEST_GATE": str(gate)},
    )
    standalone.start()
    yield standalone
    standalone.kill()


def test_sixteen_clients_lose_nothing_and_see_no_server_error(service):
    def write(writer):
        session = requests.Session()
        made = []
        for number in range(PLANS_EACH):
            name = f"plan-{writer}-{number}"
            body = {
                "plan": {
                    "name": name,
                    "provider_id": PROVIDER,
                    "resources": [THING],
                    "parameters": {},
                }
            }
            answer = session.post(f"{service.url}/plans", json=body, timeout=60)
            assert answer.status_code == 200, answer.text
            plan_id = answer.json()["plan"]["id"]
            change = {"plan": {"description": f"of {writer}"}}
            answer = session.put(
                f"{service.url}/plans/{plan_id}", json=change, timeout=60
            )
            assert answer.status_code == 200, answer.text
            made.append((plan_id, name, f"of {writer}"))
        return made

    with ThreadPoolExecutor(WRITERS) as clients:
        made = [plan for plans in clients.map(write, range(WRITERS)) for plan in plans]
    listed = service.get("/plans?limit=1000", "plans")
    assert {(p["id"], p["name"], p["description"]) for p in listed} == set(made)
    assert len(made) == WRITERS * PLANS_EACH


def test_sixteen_protects_at_once_all_end_well(service):
    plan_id = service.create_plan([THING])
    with ThreadPoolExecutor(WRITERS) as clients:
        ids = list(clients.map(lambda _: service.protect(plan_id), range(WRITERS)))
    assert len(set(ids)) == WRITERS
    for checkpoint_id in ids:
        service.wait_for_status(checkpoint_id, "available")
    logs = service.get("/operation_logs", "operation_logs")
    assert {log["checkpoint_id"] for log in logs} >= set(ids)
