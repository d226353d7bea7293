# SPDX-License-Identifier: Apache-2.0
"""Karbor protects, verifies, loses and restores a real image on a real Glance."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("KARBOR_CACHE", TOP / ".karbor")).resolve()
PROJECT = "0123456789abcdef0123456789abcdef"
PROVIDER = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
IMAGE_TYPE = "OS::Glance::Image"
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
MIB = 1024 * 1024
WAIT_SECONDS = 600

CONFIGURATION = """\
[DEFAULT]
log_file = {base}/karbor.log
osapi_karbor_listen_port = {port}

[glance_client]
glance_endpoint = {glance}
"""


class StepFailed(Exception):
    """Which step, why, and which log to read."""


class Quickstart:
    """The steps, and what they have started so far.

    :param base: the folder for everything that this run makes
    :param size: of the image, in MiB
    """

    def __init__(self, base: pathlib.Path, size: int) -> None:
        self.base = base
        self.size = size
        self.log = base / "quickstart.log"
        self.times: list[tuple[str, float]] = []
        self.environment = dict(os.environ)
        self.port = free_port()
        self.image = base / "image.raw"
        self.restored = base / "restored.raw"
        self._karbor: subprocess.Popen[bytes] | None = None
        self._glance_runs = False
        self._step_log = self.log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/{PROJECT}"

    @contextlib.contextmanager
    def step(self, title: str, log: pathlib.Path | None = None) -> Iterator[None]:
        """One step: announced, timed, and named when it fails."""
        self._step_log = log or self.log
        print(f"\n== {title}", flush=True)
        begun = time.monotonic()
        try:
            yield
        except (OSError, subprocess.SubprocessError, StepFailed) as error:
            raise StepFailed(
                f"The step '{title}' failed: {error}\nIts log: {self._step_log}"
            ) from error
        self.times.append((title, time.monotonic() - begun))

    def run(self) -> None:
        """All steps in turn."""
        with self.step("Set up Karbor, its client and a real Glance"):
            self._set_up()
        with self.step("Start Glance", self.base / "glance" / "glance.log"):
            self._start_glance()
        with self.step("Start Karbor", self.base / "karbor.log"):
            self._start_karbor()
        with self.step(f"Upload an image of {self.size} MiB of random data"):
            image_id = self._upload()
        with self.step("Plan what to protect"):
            self.show("karbor", "provider-list")
            self.show("karbor", "protectable-list-instances", IMAGE_TYPE)
            plan_id = self._id_of(
                self.show(
                    "karbor",
                    "plan-create",
                    "my plan",
                    PROVIDER,
                    f"{image_id}={IMAGE_TYPE}=quickstart",
                )
            )
        with self.step("Protect it", self.base / "karbor.log"):
            checkpoint_id = self._id_of(
                self.show("karbor", "checkpoint-create", PROVIDER, plan_id)
            )
            self._watch("protect", checkpoint_id)
            self._expect(
                f"/providers/{PROVIDER}/checkpoints/{checkpoint_id}",
                "checkpoint",
                "available",
            )
        with self.step("Look at the checkpoint and its resource graph"):
            self.show("karbor", "checkpoint-show", PROVIDER, checkpoint_id)
        with self.step("Verify it", self.base / "karbor.log"):
            verification_id = self._id_of(
                self.show("karbor", "verification-create", PROVIDER, checkpoint_id)
            )
            self._watch("verify", checkpoint_id)
            self._expect(f"/verifications/{verification_id}", "verification", "success")
            self.show("karbor", "verification-show", verification_id)
        with self.step("Lose the image"):
            self.show("glance", "image-delete", image_id)
            self.show("glance", "image-list")
        with self.step("Restore it", self.base / "karbor.log"):
            restore_id = self._id_of(
                self.show(
                    "karbor",
                    "restore-create",
                    PROVIDER,
                    checkpoint_id,
                    "--parameters",
                    f"resource_type={IMAGE_TYPE},restore_name=restored",
                )
            )
            self._watch("restore", checkpoint_id)
            self._expect(f"/restores/{restore_id}", "restore", "success")
            self.show("karbor", "restore-show", restore_id)
        with self.step("Compare the checksums"):
            listing = self.show("glance", "image-list")
            self.show(
                "glance",
                "image-download",
                "--file",
                str(self.restored),
                self._id_of(listing),
            )
            self._compare()

    def _set_up(self) -> None:
        self._install_karbor()
        self.call([str(TOP / "tools" / "client_venv.sh")])
        self.call([sys.executable, str(TOP / "tools" / "glance_lab.py"), "install"])
        for venv in ("client", "karbor"):
            self.environment["PATH"] = (
                f"{CACHE / venv / 'bin'}{os.pathsep}{self.environment['PATH']}"
            )

    def _install_karbor(self) -> None:
        venv = CACHE / "karbor"
        stamp = venv / ".installed"
        digest = hashlib.sha256()
        for name in ("requirements.txt", "constraints.txt", "setup.cfg"):
            digest.update((TOP / name).read_bytes())
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        shutil.rmtree(venv, ignore_errors=True)
        self.call([sys.executable, "-m", "venv", str(venv)])
        pip = [str(venv / "bin" / "pip"), "install", "--quiet"]
        self.call([*pip, "-c", str(TOP / "constraints.txt"), "-e", str(TOP)])
        stamp.write_text(digest.hexdigest())

    def _start_glance(self) -> None:
        lab = [sys.executable, str(TOP / "tools" / "glance_lab.py")]
        lab += ["--base", str(self.base / "glance")]
        self._glance_runs = True
        endpoint = self.call([*lab, "start"]).strip().splitlines()[-1]
        self.environment["OS_IMAGE_URL"] = endpoint
        self.environment["OS_AUTH_TOKEN"] = f"admin:{PROJECT}"
        print(f"Glance answers at {endpoint}")

    def _start_karbor(self) -> None:
        configuration = self.base / "karbor.conf"
        configuration.write_text(
            CONFIGURATION.format(
                base=self.base,
                port=self.port,
                glance=self.environment["OS_IMAGE_URL"],
            )
        )
        command = ["karbor-standalone", "--config-file", str(configuration)]
        command += ["--base-dir", str(self.base)]
        echo(command)
        with self.log.open("ab") as log:
            self._karbor = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.environment["KARBOR_URL"] = self.url
        self.environment["OS_NO_CLIENT_AUTH"] = "1"
        wait_until(self._answers, "Karbor does not answer")
        print(f"Karbor answers at {self.url}")

    def _answers(self) -> bool:
        assert self._karbor is not None
        if self._karbor.poll() is not None:
            raise StepFailed(f"karbor-standalone ended with {self._karbor.returncode}")
        try:
            return bool(self._get("/providers")["providers"])
        except (urllib.error.URLError, ConnectionError):
            return False

    def _upload(self) -> str:
        with self.image.open("wb") as file:
            for _ in range(self.size):
                file.write(os.urandom(MIB))
        return self._id_of(
            self.show(
                "glance",
                "image-create",
                "--name",
                "quickstart",
                "--disk-format",
                "raw",
                "--container-format",
                "bare",
                "--file",
                str(self.image),
            )
        )

    def _watch(self, operation: str, checkpoint_id: str) -> None:
        """Show how far an operation is until it has ended."""
        begun = time.monotonic()
        shown = ""

        def ended() -> bool:
            nonlocal shown
            logs = self._get("/operation_logs")["operation_logs"]
            log = next(
                log
                for log in logs
                if log["operation_type"] == operation
                and log["checkpoint_id"] == checkpoint_id
            )
            text = progress(log, time.monotonic() - begun)
            if text != shown:
                end = "" if sys.stdout.isatty() else "\n"
                print(("\r\033[K" if not end else "") + text, end=end, flush=True)
                shown = text
            return log["status"] != "in_progress"

        wait_until(ended, f"{operation} does not end", every=0.2)
        if sys.stdout.isatty():
            print()

    def _expect(self, path: str, key: str, status: str) -> None:
        found = self._get(path)[key]
        if found["status"] != status:
            reason = found.get("status_reason") or found.get("resources_reason") or ""
            raise StepFailed(f"the {key} is '{found['status']}': {reason}")
        print(f"The {key} is {status}.")

    def _compare(self) -> None:
        sums = {}
        for path in (self.image, self.restored):
            with path.open("rb") as file:
                sums[path] = hashlib.file_digest(file, "sha256").hexdigest()
            print(f"{sums[path]}  {path.name}")
        if len(set(sums.values())) != 1:
            raise StepFailed("the restored image is not the one that was lost")
        print("Every byte came back.")

    def show(self, *command: str) -> str:
        """Run a command as a person would, with its output; returns the output."""
        echo(command)
        output = self.call(list(command))
        print(output.rstrip(), flush=True)
        return output

    def call(self, command: list[str]) -> str:
        """Run a command; its output goes to the log, too.

        :raises StepFailed: when it fails, with the end of what it said
        """
        result = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n{result.stdout}{result.stderr}\n")
        if result.returncode:
            said = (result.stderr or result.stdout).strip()[-2000:]
            raise StepFailed(f"{shlex.join(command)}: {said}")
        return result.stdout

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    @staticmethod
    def _id_of(output: str) -> str:
        """The id in a table of the karbor or glance command."""
        for line in output.splitlines():
            cells = [cell.strip() for cell in line.strip("| ").split("|")]
            if cells[0] == "id" and len(cells) > 1 and UUID.fullmatch(cells[1]):
                return cells[1]
        found = UUID.search(output)
        if found is None:
            raise StepFailed("the command printed no id")
        return found.group()

    def summary(self) -> None:
        """What was where, and how long each step took."""
        print("\n== What was where")
        print(f"Glance's images    {self.base / 'glance' / 'images'}")
        print(f"Karbor's bank      {self.base / 'bank'}")
        print(f"Karbor's database  {self.base / 'karbor.sqlite'}")
        print(f"Karbor's log       {self.base / 'karbor.log'}")
        print("\n== How long it took")
        for title, seconds in self.times:
            print(f"{seconds:7.1f} s  {title}")

    def how_to_go_on(self) -> None:
        """The commands for a run that was kept."""
        assert self._karbor is not None
        lab = shlex.join([sys.executable, str(TOP / "tools" / "glance_lab.py")])
        print("\n== Everything is left running. To go on:")
        print(
            f"export PATH={CACHE / 'client' / 'bin'}:{CACHE / 'karbor' / 'bin'}:$PATH"
        )
        for name in (
            "KARBOR_URL",
            "OS_NO_CLIENT_AUTH",
            "OS_IMAGE_URL",
            "OS_AUTH_TOKEN",
        ):
            print(f"export {name}={self.environment[name]}")
        print(f"karbor checkpoint-list {PROVIDER}")
        print("glance image-list")
        print("\nTo end it:")
        print(f"kill {self._karbor.pid}")
        print(f"{lab} --base {self.base / 'glance'} stop")
        print(f"rm -r {self.base}")

    def stop(self) -> None:
        """End what was started."""
        if self._karbor is not None and self._karbor.poll() is None:
            self._karbor.terminate()
            try:
                self._karbor.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._karbor.pid, signal.SIGKILL)
                self._karbor.wait()
        if self._glance_runs:
            lab = [sys.executable, str(TOP / "tools" / "glance_lab.py")]
            self.call([*lab, "--base", str(self.base / "glance"), "stop"])


def progress(log: dict[str, Any], seconds: float) -> str:
    """One line: percent, MiB and MiB/s of an operation log."""
    extra = log.get("extra_info") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    done = extra.get("progress", {}).get("bytes_done", 0)
    total = extra.get("progress", {}).get("bytes_total", 0)
    percent = 100 * done / total if total else 0
    speed = done / MIB / seconds if seconds else 0
    return (
        f"{log['operation_type']} {log['status']}: {percent:3.0f} %  "
        f"{done / MIB:.0f} of {total / MIB:.0f} MiB  {speed:.0f} MiB/s"
    )


def echo(command: Any) -> None:
    """Show a command as a person would type it."""
    print(f"$ {shlex.join(command)}", flush=True)


def wait_until(
    condition: Callable[[], bool], otherwise: str, every: float = 0.2
) -> None:
    """Wait until a condition holds.

    :raises StepFailed: with the words given, after ten minutes
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} within {WAIT_SECONDS} seconds")
        time.sleep(every)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/quickstart.sh", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running at the end"
    )
    parser.add_argument(
        "--size", type=int, default=256, metavar="MIB", help="of the image (256)"
    )
    parser.add_argument(
        "--base", type=pathlib.Path, help="folder to work in (a new temporary one)"
    )
    arguments = parser.parse_args()
    base = arguments.base or pathlib.Path(tempfile.mkdtemp(prefix="karbor-quickstart-"))
    base.mkdir(parents=True, exist_ok=True)
    if any(base.iterdir()):
        parser.error(f"--base {base} is not empty; it would be removed at the end")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    quickstart = Quickstart(base.resolve(), arguments.size)
    kept = failed = False
    try:
        quickstart.run()
        quickstart.summary()
        kept = arguments.keep
        if kept:
            quickstart.how_to_go_on()
        return 0
    except StepFailed as error:
        failed = True
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; cleaning up.", file=sys.stderr)
        return 130
    finally:
        if not kept:
            # A second Ctrl-C must not leave servers behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            quickstart.stop()
            if failed:
                print(f"The logs are left in {base}.", file=sys.stderr)
            else:
                shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
