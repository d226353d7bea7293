# SPDX-License-Identifier: Apache-2.0
"""A real karbor-standalone process, and what tests ask of it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import requests

PROJECT = "0123456789abcdef0123456789abcdef"
PROVIDER = "11111111-d011-4026-8228-28730d734a3f"

CONFIG = """\
[DEFAULT]
host = standalone-test
debug = True
log_file = {base}/karbor.log
osapi_karbor_listen_port = {port}
zombie_sweep_interval = 1
report_interval = 1
drain_timeout = 20
provider_config_dir = {base}/providers.d
{extra}
"""

PROVIDER_FILE = """\
[provider]
name = Test provider
description = for tests
id = {id}
{plugins}
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {base}/bank
lease_expire_window = 4
lease_renew_window = 1
lease_validity_window = 1
"""


class Standalone:
    """Starts, kills and asks one standalone Karbor below a folder.

    :param base: where it keeps everything
    :param plugins: the entry points of its provider
    :param environment: added to the process's environment
    :param extra: added to its configuration file
    """

    def __init__(
        self,
        base: pathlib.Path,
        plugins: tuple[str, ...] = ("karbor-noop-protection-plugin",),
        environment: Mapping[str, str] | None = None,
        extra: str = "",
    ) -> None:
        self.base = base
        self.port = _free_port()
        self.bank = base / "bank" / "karbor"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        (base / "providers.d").mkdir(parents=True)
        (base / "providers.d" / "test.conf").write_text(
            PROVIDER_FILE.format(
                id=PROVIDER,
                base=base,
                plugins="\n".join(f"plugin = {name}" for name in plugins),
            ),
            encoding="utf-8",
        )
        self.config = base / "karbor.conf"
        self.config.write_text(
            CONFIG.format(base=base, port=self.port, extra=extra), encoding="utf-8"
        )

    @property
    def url(self) -> str:
        """What the karbor client takes as ``--karbor-url``."""
        return f"http://127.0.0.1:{self.port}/v1/{PROJECT}"

    @property
    def log(self) -> str:
        """All that the service has logged."""
        path = self.base / "karbor.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = os.path.join(os.path.dirname(sys.executable), "karbor-standalone")
        with open(self.base / "output.log", "ab") as output:
            self._process = subprocess.Popen(
                [
                    command,
                    "--config-file",
                    str(self.config),
                    "--base-dir",
                    str(self.base),
                ],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.wait_for(self._answers, "karbor-standalone does not answer", 60)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(
                f"karbor-standalone has ended with {self._process.returncode}:\n"
                + (self.base / "output.log").read_text(encoding="utf-8")[-4000:]
            )
        try:
            answer = requests.get(f"{self.url}/providers", timeout=5)
        except requests.ConnectionError:
            return False
        return answer.status_code == 200

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """End it as an operator does; returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout=60)
        self._process = None
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the main process."""
        assert self._process is not None
        self._process.send_signal(number)

    def get(self, path: str, key: str) -> Any:
        """What REST shows at a path."""
        answer = requests.get(self.url + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()[key]

    def post(self, path: str, body: Mapping[str, Any], key: str) -> Any:
        """Create something by REST."""
        answer = requests.post(self.url + path, json=body, timeout=30)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()[key]

    def create_plan(self, resources: list[dict[str, Any]], **fields: Any) -> str:
        """A plan of the test provider; returns its id."""
        plan = {
            "name": "plan",
            "provider_id": PROVIDER,
            "resources": resources,
            "parameters": {},
            **fields,
        }
        return self.post("/plans", {"plan": plan}, "plan")["id"]

    def protect(self, plan_id: str) -> str:
        """Begin a checkpoint; returns its id."""
        body = {"checkpoint": {"plan_id": plan_id}}
        path = f"/providers/{PROVIDER}/checkpoints"
        return self.post(path, body, "checkpoint")["id"]

    def checkpoint(self, checkpoint_id: str) -> dict[str, Any] | None:
        """A checkpoint as REST shows it, None when there is none."""
        path = f"/providers/{PROVIDER}/checkpoints/{checkpoint_id}"
        answer = requests.get(self.url + path, timeout=30)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()["checkpoint"]

    def delete(self, checkpoint_id: str) -> requests.Response:
        """Ask to delete a checkpoint."""
        path = f"/providers/{PROVIDER}/checkpoints/{checkpoint_id}"
        return requests.delete(self.url + path, timeout=30)

    def wait_for_status(
        self, checkpoint_id: str, status: str, seconds: float = 60
    ) -> dict[str, Any]:
        """Wait until a checkpoint has a status, and return it."""
        seen: list[Any] = []

        def reached() -> bool:
            seen[:] = [self.checkpoint(checkpoint_id)]
            return bool(seen[0]) and seen[0]["status"] == status

        try:
            self.wait_for(reached, f"checkpoint is not '{status}'", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {seen}") from error
        return seen[0]

    @staticmethod
    def wait_for(condition: Any, otherwise: str, seconds: float = 60) -> None:
        """Wait until a condition holds, else fail with the words given."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
