"""A replica's device: what is refused, with the reason, and what the start-up line tells."""

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serve.local.plan import REPOSITORY
from serve.replica import device
from serve.replica.device import GIB, Gpu, first_gpu, require_device, start_line
from serve.settings import SegmentationSettings

L4 = Gpu("NVIDIA L4", 22 * GIB, "580.82.07", "13.0")
VERSION = "lite2-parse-384:0123456789ab:bf16:cuda"


def _driver(*, devices: int = 1, broken: str = "") -> SimpleNamespace:
    """NVIDIA's driver with that many GPUs. broken: the call that fails."""

    def put(value: int) -> Callable[..., int]:
        def call(place: Any, *_: Any) -> int:
            place._obj.value = value
            return 0

        return call

    def name(buffer: Any, *_: Any) -> int:
        buffer.value = b"NVIDIA L4"
        return 0

    calls: dict[str, Callable[..., int]] = {
        "cuInit": lambda _: 0,
        "cuDeviceGetCount": put(devices),
        "cuDeviceGet": put(0),
        "cuDeviceGetName": name,
        "cuDeviceTotalMem_v2": put(22 * GIB),
        "cuDriverGetVersion": put(13000),
    }
    return SimpleNamespace(**calls | ({broken: lambda *_: 100} if broken else {}))


def _drives(monkeypatch: pytest.MonkeyPatch, driver: SimpleNamespace) -> None:
    monkeypatch.setattr(device, "ctypes", SimpleNamespace(**{**vars(ctypes), "CDLL": lambda _: driver}))


# --- the GPU ------------------------------------------------------------------------------------------------------
def test_the_driver_describes_the_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Name, memory, driver and CUDA version come from the driver, without torch."""
    _drives(monkeypatch, _driver())
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.82.07  Wed Aug 27\nGCC\n")
    monkeypatch.setattr(device, "DRIVER_VERSION", tmp_path / "version")
    assert first_gpu() == L4
    assert require_device(SegmentationSettings(device="cuda")) == L4


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (_driver(devices=0), "shows no device"),
        (_driver(broken="cuInit"), "refuses to start with error 100"),
        (_driver(broken="cuDeviceGetName"), "does not describe its first device"),
    ],
    ids=["no device", "no start", "no description"],
)
def test_a_replica_without_its_gpu_says_why(
    monkeypatch: pytest.MonkeyPatch, driver: SimpleNamespace, reason: str
) -> None:
    """The message has the reason, the variables that hide GPUs, and the ways out."""
    _drives(monkeypatch, driver)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("NVIDIA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ValueError, match=reason) as refused:
        require_device(SegmentationSettings(device="cuda"))
    for part in ("CUDA_VISIBLE_DEVICES=''", "NVIDIA_VISIBLE_DEVICES=None", "--gpus all", "nvidia.com/gpu", "'cpu'"):
        assert part in str(refused.value)


def test_a_missing_driver_is_named() -> None:
    """A container without NVIDIA's runtime has no library of the driver."""
    assert first_gpu("libno-such-driver.so.1") == "libno-such-driver.so.1, the library of NVIDIA's driver, is not here"


def test_a_replica_on_a_cpu_looks_for_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was promised none."""
    monkeypatch.setattr(device, "first_gpu", lambda: pytest.fail("looked for a GPU"))
    assert require_device(SegmentationSettings(device="cpu")) is None


# --- priority ------------------------------------------------------------------------------------------------------
def test_a_replica_gives_way_with_every_thread() -> None:
    """Threads that ran before, and those that start later, have the lower priority."""
    script = (
        "import os, threading; from pathlib import Path; from serve.replica.device import give_way;"
        "stop = threading.Event(); threading.Thread(target=stop.wait).start(); give_way(7);"
        "threading.Thread(target=stop.wait).start();"
        "print([os.getpriority(os.PRIO_PROCESS, int(t.name)) for t in Path('/proc/self/task').iterdir()]); stop.set()"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    priorities = json.loads(found.stdout)
    assert len(priorities) >= 3
    assert set(priorities) == {7}


# --- torch.compile ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "program"), [("cuda", "gcc"), ("cpu", "g++")])
def test_compilation_is_refused_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any, program: str
) -> None:
    """The image has no compiler. A compiler on the path, or in CC and CXX, lets torch.compile work."""
    _drives(monkeypatch, _driver())
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    settings = SegmentationSettings(device=kind, compile_mode="default")
    with pytest.raises(ValueError, match=r"SEGMENTATION_COMPILE_MODE is 'default'.* set it to 'off'") as refused:
        require_device(settings)
    assert f"add {program} to the image" in str(refused.value)
    require_device(SegmentationSettings(device=kind, compile_mode="off"))
    (tmp_path / program).write_text("#!/bin/sh\n")
    (tmp_path / program).chmod(0o755)
    require_device(settings)
    monkeypatch.setenv("CC" if kind == "cuda" else "CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="no C"):
        require_device(settings)


# --- the start-up line --------------------------------------------------------------------------------------------
def test_the_line_tells_the_gpu() -> None:
    """Version (with dtype), device, memory, driver, CUDA, and whether the network is compiled."""
    plain = start_line(VERSION, SegmentationSettings(device="cuda"), L4, 1)
    assert plain == f"Segmentation runs {VERSION} on NVIDIA L4, 22.0 GiB, driver 580.82.07, CUDA 13.0"
    compiled = start_line(VERSION, SegmentationSettings(device="cuda", compile_mode="max-autotune"), L4, 1)
    assert compiled == f"{plain}, compiled (max-autotune)"


def test_the_line_tells_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Version (with engine and dtype), processor and threads; a machine that names no processor has a CPU."""
    version = "lite2-parse-384:0123456789ab:bf16:cpu-openvino"
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: AMD EPYC 9R14\nmodel name\t: another\n")
    monkeypatch.setattr(device, "PROCESSORS", tmp_path / "cpuinfo")
    line = start_line(version, SegmentationSettings(), None, 2)
    assert line == f"Segmentation runs {version} on AMD EPYC 9R14, 2 threads"
    monkeypatch.setattr(device, "PROCESSORS", tmp_path / "nowhere")
    assert start_line(version, SegmentationSettings(), None, 1).endswith("on a CPU, 1 thread")
