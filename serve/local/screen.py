"""Shows the progress of a development start: a spinner on a terminal, plain lines elsewhere."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from rich.console import Console
from rich.status import Status

from serve.local.plan import Plan
from serve.local.processes import HOST, descendants, memory_bytes

SAMPLE = "docs/samples/grace_hopper.jpg"


class Screen:
    """Shows steps with their durations, then the addresses. Lines are never wrapped, so that they can be copied."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._spinner: Status | None = None
        self._step: str | None = None
        self._began_s = self._step_began_s = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._spinner = self._console.status("Starting")
            self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spinner:
            self._spinner.stop()

    def step(self, name: str) -> None:
        """Begins a step, which ends the previous one."""
        self._finish_step()
        self._step = name
        self.detail("")

    def detail(self, text: str) -> None:
        """Shows what the step waits for."""
        line = f"{self._step}: {text}" if text else f"{self._step} …"
        if self._spinner:
            self._spinner.update(line)
        else:
            self.line(f"{time.monotonic() - self._began_s:6.1f} s  {line}")

    def ready(self, plan: Plan) -> None:
        """Shows the addresses, the key, and a command to paste."""
        self._finish_step()
        self.__exit__(None, None, None)
        took_s = time.monotonic() - self._began_s
        processes = [psutil.Process(), *descendants()]
        ray_file = _near(plan.ray_environment_file)
        curl = f'curl -sS -H "X-API-Key: {plan.api_key}" -F image=@{SAMPLE} {plan.url}/v1/advice'
        for line in (
            "",
            f"StyleSync ColorMatch is ready after {took_s:.1f} s: {plan.url}",
            # The page takes the key out of the address and keeps it in its tab.
            f"  Page  {plan.url}/#key={plan.api_key}",
            f"  Docs  {plan.url}/docs",
            f"  Key   {plan.api_key}  (also in {_near(plan.dev_folder)}/api_key)",
            f"  Ray   http://{HOST}:{plan.dashboard_port}  (before `serve` or `ray job`: . {ray_file})",
            f"  Logs  {plan.run_folder}",
            f"  Uses  {memory_bytes(processes) / 2**30:.1f} GiB of memory in {len(processes)} processes",
            "Try:",
            curl,
            "",
            "Ctrl-C stops everything.",
        ):
            self.line(line)

    def line(self, text: str) -> None:
        """Prints one line unchanged."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _finish_step(self) -> None:
        now_s = time.monotonic()
        if self._spinner and self._step:
            self.line(f"{now_s - self._step_began_s:6.1f} s  {self._step}")
        self._step_began_s = now_s


def _near(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
