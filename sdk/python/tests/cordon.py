"""The program under test, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT = 120.0
"""Seconds; far more than anything here takes, on a loaded machine as well."""


class Program:
    """A cordon that runs until it is told to stop."""

    def __init__(self, command: list[str], home: Path, env: dict[str, str]) -> None:
        self._log: list[str] = []
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            env={"HOME": str(home), "PATH": os.environ["PATH"], **env},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        self._log.extend(self.process.stderr)

    @property
    def log(self) -> str:
        return "".join(list(self._log))

    def wait_log(self, text: str) -> None:
        end = time.monotonic() + LIMIT
        while text not in self.log:
            assert self.process.poll() is None and time.monotonic() < end, f"{text!r} is not in the log:\n{self.log}"
            time.sleep(0.05)

    def kill(self) -> None:
        """As if its host had no power any more."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() == -signal.SIGKILL:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not stop within 30 s of an interrupt\n{self.log}") from None
        assert code == 0, f"exit code {code}\n{self.log}"


class Cordon:
    """A Temporal server, a store, and whoever wants a worker for them."""

    def __init__(self, binary: str, home: Path) -> None:
        self.binary, self.home = binary, home
        self.metadata = home / "workflows"
        self.metadata.mkdir()
        dev = [binary, "dev", "--data", str(home / "data"), "--port", "0", "--ui-port", "0", "--json"]
        self._dev = Program(dev, home, {})
        assert self._dev.process.stdout
        text, decoder = "", json.JSONDecoder()
        for line in self._dev.process.stdout:
            text += line
            try:
                said, _ = decoder.raw_decode(text)
                break
            except ValueError:
                continue  # there is more to come
        else:
            raise AssertionError(f"cordon dev printed no addresses\n{self._dev.log}")
        self.address: str = said["temporal"]
        self.store: str = said["store"]

    def stop(self) -> None:
        self._dev.stop()
        # A worker leaves the views that it mounted, for the next one.
        with open("/proc/self/mountinfo") as mounts:
            points = [line.split()[4] for line in mounts]
        for point in reversed(points):
            if point.startswith(f"{self.home}/"):
                subprocess.run(["umount", "--lazy", point], check=True)

    def run(self, *args: str) -> str:
        done = subprocess.run(
            [self.binary, *args],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def put(self, name: str, files: dict[str, bytes]) -> str:
        """Store a folder and return the target's id."""
        folder = self.home / "projects" / name
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        return self.run("targets", "put", str(folder), "--store", self.store)

    @contextmanager
    def worker(
        self,
        vertical: str,
        *args: str,
        cache: Path,
        env: dict[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> Iterator[Program]:
        """A worker in a process of its own, started by the command ``within``, which polls when this is entered."""
        command = [self.binary, "worker", "--address", self.address, "--vertical", vertical, "--store", self.store]
        program = Program(
            [*within, *command, *args],
            self.home,
            {"CACHE_DIR": str(cache), "CORDON_WORKFLOWS": str(self.metadata), **(env or {})},
        )
        try:
            program.wait_log("worker polls")
            yield program
        finally:
            program.stop()
