# SPDX-License-Identifier: Apache-2.0
"""``karbor-protection`` as an operator runs it: processes, files, signals."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from oslo_config import cfg

from karbor.db.database import Database
from karbor.services.protection import service
from karbor.tests.rabbit import gate

#: The ids of rpc-samples.json.
PROVIDER = "11111111-d011-4026-8228-28730d734a3f"
OTHER_PROVIDER = "b766f37c-d011-4026-8228-28730d734a3f"

#: Seconds; what the tests wait for a dead owner's checkpoint is their sum and slack.
LEASE_EXPIRY = 8
SWEEP_INTERVAL = 1

PATIENCE = 120


def wait_until(
    condition: Callable[[], Any], what: str, seconds: float = PATIENCE
) -> Any:
    """The first true value of ``condition()``.

    :raises AssertionError: naming what was waited for
    """
    give_up = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < give_up, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The files of a folder that is worked in, with what they have in them.

    Files and folders that go while this looks are left out.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            yield path, content


class Site:
    """What the daemons of one installation share: files, database, bank, gates.

    :param folder: empty; everything is below it
    :param transport_url: of the broker; the site has a topic of its own on it
    :param glance_endpoint: what the image plugins talk to
    """

    def __init__(self, folder: Path, transport_url: str, glance_endpoint: str) -> None:
        self.folder = folder
        self.topic = f"karbor-protection-{uuid.uuid4().hex[:8]}"
        self._transport_url = transport_url
        self._glance_endpoint = glance_endpoint
        self._daemons: list[Daemon] = []
        self.gates = folder / "gates"
        self.gates.mkdir()
        (folder / "providers.d").mkdir()
        gate.install(folder / "plugins")
        self.add_provider(
            PROVIDER, "FS NoopAll Provider", plugins=("gate-protection-plugin",)
        )
        self.add_provider(OTHER_PROVIDER, "FS Noop Provider")
        self.manage("manage", "db", "sync")

    def add_provider(
        self, provider_id: str, name: str, plugins: tuple[str, ...] = ()
    ) -> Path:
        """Write a provider's file: the noop plugin and more, in a bank of its own."""
        path = self.folder / "providers.d" / f"{provider_id}.conf"
        more = "".join(f"plugin = {plugin}\n" for plugin in plugins)
        path.write_text(
            f"""\
[provider]
name = {name}
description = noop protection plugin on a file-system bank
id = {provider_id}
plugin = karbor-noop-protection-plugin
{more}bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {self.folder}/bank-{provider_id}
lease_expire_window = {LEASE_EXPIRY}
lease_renew_window = 1
lease_validity_window = 1
"""
        )
        return path

    def manage(self, host: str, *command: str) -> str:
        """What ``karbor-manage`` prints."""
        return subprocess.run(
            [_program("karbor-manage"), *self.config(host), *command],
            env=self.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def config(self, host: str, **more: Any) -> list[str]:
        """The arguments that name the configuration of a service of this site."""
        path = self.folder / f"{host}.conf"
        options = {
            "host": host,
            "debug": True,
            "transport_url": self._transport_url,
            "protection_topic": self.topic,
            "state_path": self.folder,
            "report_interval": 1,
            "zombie_sweep_interval": SWEEP_INTERVAL,
            "drain_timeout": 60,
            **more,
        }
        lines = [f"{name} = {value}" for name, value in options.items()]
        path.write_text(
            "\n".join(
                [
                    "[DEFAULT]",
                    *lines,
                    "[database]",
                    f"connection = sqlite:///{self.folder}/karbor.sqlite",
                    "[glance_client]",
                    f"glance_endpoint = {self._glance_endpoint}",
                    "[restore_target]",
                    "timeout = 5",
                    "[oslo_messaging_rabbit]",
                    "kombu_reconnect_delay = 0.2",
                    "rabbit_retry_interval = 1",
                    "rabbit_interval_max = 1",
                    "",
                ]
            )
        )
        return ["--config-file", str(path)]

    def environment(self) -> dict[str, str]:
        """With the test's plugins among the installed ones."""
        path = [str(self.folder / "plugins"), os.environ.get("PYTHONPATH", "")]
        return os.environ | {
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
            gate.FOLDER_VARIABLE: str(self.gates),
        }

    def shut_gate(self, name: str) -> None:
        """Let the work that comes to a gate stand there."""
        (self.gates / f"{name}.shut").touch()

    def open_gate(self, name: str) -> None:
        """Let the work that stands at a gate go on."""
        (self.gates / f"{name}.shut").unlink()

    def wait_at_gate(self, name: str) -> None:
        """Wait until work has come to a gate."""
        wait_until((self.gates / f"{name}.reached").exists, f"work at the gate {name}")

    def database(self) -> Database:
        """What the site's services write their records to."""
        conf = cfg.ConfigOpts()
        service.register_opts(conf)
        conf(self.config("reader"), default_config_files=[], default_config_dirs=[])
        return Database(conf)

    def daemon(self, **options: Any) -> "Daemon":
        """A daemon of this site, not yet started."""
        host = f"host-{len(self._daemons) + 1}"
        daemon = Daemon(self, host, self.config(host, **options))
        self._daemons.append(daemon)
        return daemon

    def close(self) -> None:
        """Kill what is left of the site's daemons."""
        for daemon in self._daemons:
            daemon.kill()


class Daemon:
    """A process manager and its worker; a context manager that kills what is left.

    Entering starts it unless it was started. Its standard error is its ``log``.
    """

    def __init__(self, site: Site, host: str, config: list[str]) -> None:
        self._site = site
        self._config = config
        self.host = host
        self._log_path = site.folder / f"{host}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._family: list[psutil.Process] = []

    def __enter__(self) -> "Daemon":
        return self if self.process is not None else self.start()

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        return self._log_path.read_text() if self._log_path.exists() else ""

    def wait_for_log(self, text: str) -> None:
        """Wait until it has logged something.

        :raises AssertionError: with its log's end, when it does not
        """
        give_up = time.monotonic() + PATIENCE
        while text not in self.log:
            assert time.monotonic() < give_up, f"no '{text}' in:\n{self.log[-4000:]}"
            time.sleep(0.05)

    def start(self) -> "Daemon":
        """Start and wait until it serves."""
        ready = self.log.count("serves")
        self.launch()
        wait_until(lambda: self._is_beyond(ready), "a daemon that serves")
        self._family = self.family()
        return self

    def launch(self) -> None:
        """Start, and wait for nothing."""
        with open(self._log_path, "ab") as log:
            self.process = subprocess.Popen(
                [_program("karbor-protection"), *self._config],
                env=self._site.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_beyond(self, ready: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended:\n{self.log}"
        return self.log.count("serves") > ready

    def family(self) -> list[psutil.Process]:
        """The manager, then its workers."""
        assert self.process is not None
        manager = psutil.Process(self.process.pid)
        return [manager, *manager.children(recursive=True)]

    @property
    def worker(self) -> psutil.Process:
        """The process that does the work."""
        [worker] = self.family()[1:]
        return worker

    def send(self, number: signal.Signals) -> None:
        """Send the manager a signal, as an init system does."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the manager has ended; gives its exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        psutil.wait_procs(self._family, timeout=PATIENCE)
        return code

    def kill(self) -> None:
        """``kill -9`` of all its processes at once."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self._family = self.family()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        for member in self._family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(self._family, timeout=PATIENCE)
        self.process = None


def _program(name: str) -> str:
    """An executable of the environment that runs the tests."""
    path = Path(sys.executable).parent / name
    assert path.exists(), f"{path} is missing: install karbor into this environment"
    return str(path)
