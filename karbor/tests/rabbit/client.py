# SPDX-License-Identifier: Apache-2.0
"""Calls as the Karbor API service makes them, down to the bytes of the message."""

import copy
import json
import uuid
from pathlib import Path
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg

from karbor import exception
from karbor.tests.rabbit.daemon import PATIENCE, PROVIDER, wait_until

SAMPLES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "rpc-samples.json").read_text()
)

#: The captured context, an admin's.
CONTEXT: dict[str, Any] = SAMPLES.pop("context")

#: An id that nothing has.
NOWHERE = str(uuid.uuid4())

WORKING = ("protecting", "wait_copying", "copying", "deleting")


def user(project_id: str, **more: Any) -> dict[str, Any]:
    """The context of someone who is no admin."""
    return CONTEXT | {
        "user": "someone",
        "user_id": "someone",
        "project": project_id,
        "project_id": project_id,
        "tenant": project_id,
        "is_admin": False,
        "roles": ["member"],
        "request_id": f"req-{uuid.uuid4()}",
        **more,
    }


class Caller:
    """Sends messages to the protection services that listen on a topic.

    :param timeout: seconds to wait for an answer
    """

    def __init__(self, transport_url: str, topic: str, timeout: float = 30) -> None:
        # oslo.messaging registers some of its options with the global CONF only.
        conf = cfg.CONF
        conf([], project="karbor", default_config_files=[], default_config_dirs=[])
        self._transport = messaging.get_rpc_transport(
            conf, transport_url, allowed_remote_exmods=[exception.__name__]
        )
        # Contexts and arguments go out as they are given: no serializer.
        self._client = messaging.get_rpc_client(
            self._transport,
            messaging.Target(topic=topic, version="1.0"),
            timeout=timeout,
        )

    def status_or_none(self, checkpoint_id: str) -> str | None:
        """A checkpoint's status; None when nobody answers in time."""
        try:
            return str(self.show(checkpoint_id)["status"])
        except messaging.MessagingTimeout:
            return None

    def with_timeout(self, seconds: float) -> "Caller":
        """The same, less or more patient."""
        other = copy.copy(self)
        other._client = self._client.prepare(timeout=seconds)
        return other

    def close(self) -> None:
        self._transport.cleanup()

    def call(
        self, method: str, context: dict[str, Any] | None = None, **arguments: Any
    ) -> Any:
        """The answer; raises what the service raised."""
        return self._client.call(context or CONTEXT, method, **arguments)

    def protect(
        self,
        *resources: dict[str, Any],
        context: dict[str, Any] | None = None,
        plan_id: str | None = None,
    ) -> str:
        """Protect a plan of these resources; gives the checkpoint's id."""
        plan = {
            "id": plan_id or str(uuid.uuid4()),
            "name": "p",
            "provider_id": PROVIDER,
            "project_id": (context or CONTEXT)["project_id"],
            "resources": list(resources),
            "parameters": {},
        }
        return self.call("protect", context, plan=plan)

    def show(self, checkpoint_id: str, **arguments: Any) -> dict[str, Any]:
        """The checkpoint as ``show_checkpoint`` gives it."""
        return self.call(
            "show_checkpoint",
            provider_id=PROVIDER,
            checkpoint_id=checkpoint_id,
            **arguments,
        )

    def delete(self, checkpoint_id: str) -> None:
        """Delete a checkpoint and wait until it is gone."""
        self.call("delete", provider_id=PROVIDER, checkpoint_id=checkpoint_id)
        wait_until(lambda: self.is_gone(checkpoint_id), f"the end of {checkpoint_id}")

    def is_gone(self, checkpoint_id: str) -> bool:
        try:
            found = self.show(checkpoint_id)
        except exception.CheckpointNotFound:
            return True
        assert found["status"] == "deleting"
        return False

    def wait_for_end(
        self, checkpoint_id: str, seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """The checkpoint when nothing works on it any more."""

        def ended() -> dict[str, Any] | None:
            found = self.show(checkpoint_id)
            return found if found["status"] not in WORKING else None

        what = f"the end of the work on {checkpoint_id}"
        return wait_until(ended, what, seconds)
