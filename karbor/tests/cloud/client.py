# SPDX-License-Identifier: Apache-2.0
"""The real ``karbor`` command in a cloud, with its operations waited for."""

import json
from collections.abc import Mapping
from typing import Any

from karbor.tests.functional.karbor_client import KarborClient
from karbor.tests.rabbit.daemon import wait_until

#: Seconds for one operation, the machine being busy with a cloud.
PATIENCE = 600


class CloudKarbor(KarborClient):
    """Begins an operation, and shows it until it has ended."""

    def plan(
        self, provider_id: str, *resources: Any, parameters: Mapping[str, Any] = {}
    ) -> str:
        """Make a plan; gives its id.

        :param resources: ``(type, thing)``, the thing with ``id`` and ``name``
        :param parameters: as REST takes them: by type, or by ``type#id``
        """
        named = [f"{one.id}={kind}={one.name}" for kind, one in resources]
        created = self.properties(
            *("plan-create", "plan", provider_id, ",".join(named)),
            *_parameters(parameters),
        )
        return created["id"]

    def protect(self, provider_id: str, plan_id: str, status: str = "available") -> str:
        """Make a checkpoint that ends in a status; gives its id."""
        created = self.properties("checkpoint-create", provider_id, plan_id)
        self.wait_for_checkpoint(provider_id, created["id"], status)
        return created["id"]

    def wait_for_checkpoint(
        self, provider_id: str, checkpoint_id: str, status: str = "available"
    ) -> dict[str, str]:
        """Show a checkpoint until its protect or delete has ended."""
        shown = self._wait(
            ("checkpoint-show", provider_id, checkpoint_id),
            ("protecting", "deleting"),
        )
        assert shown["status"] == status, shown
        return shown

    def restore(
        self,
        provider_id: str,
        checkpoint_id: str,
        *options: str,
        parameters: Mapping[str, Any] = {},
        status: str = "success",
    ) -> dict[str, str]:
        """Restore a checkpoint; gives the record as it is shown at the end.

        :param options: such as ``--restore_target``
        """
        created = self.properties(
            *("restore-create", provider_id, checkpoint_id, *options),
            *_parameters(parameters),
        )
        shown = self._wait(("restore-show", created["id"]), ("in_progress",))
        assert shown["status"] == status, shown
        return shown

    def verify(
        self, provider_id: str, checkpoint_id: str, status: str = "success"
    ) -> dict[str, str]:
        """Verify a checkpoint; gives the record as it is shown at the end."""
        created = self.properties("verification-create", provider_id, checkpoint_id)
        shown = self._wait(("verification-show", created["id"]), ("in_progress",))
        assert shown["status"] == status, shown
        return shown

    def delete(self, provider_id: str, checkpoint_id: str) -> None:
        """Delete a checkpoint, and wait until it is gone."""
        self.run("checkpoint-delete", provider_id, checkpoint_id)

        def is_gone() -> bool:
            done = self.try_to("checkpoint-show", provider_id, checkpoint_id)
            return bool(done.returncode) or "| deleted " in done.stdout

        wait_until(is_gone, f"checkpoint {checkpoint_id} deleted", PATIENCE)

    def _wait(self, command: tuple[str, ...], while_in: tuple[str, ...]) -> Any:
        def ended() -> dict[str, str] | None:
            shown = self.properties(*command)
            return None if shown["status"] in while_in else shown

        return wait_until(ended, f"the end of what {command} shows", PATIENCE)


def _parameters(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("--parameters-json", json.dumps(parameters)) if parameters else ()
