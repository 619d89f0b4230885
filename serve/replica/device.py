"""What a replica of `Segmentation` was promised, what it found, and the line that says so when it starts."""

import ctypes
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.settings import SegmentationSettings

GIB = 1024**3
# The driver's own library; NVIDIA's container runtime puts it into the container.
DRIVER_LIBRARY = "libcuda.so.1"
DRIVER_VERSION = Path("/proc/driver/nvidia/version")
PROCESSORS = Path("/proc/cpuinfo")
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
NAME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU that this process sees. cuda: the newest CUDA that its driver speaks, such as `13.0`."""

    name: str
    memory_bytes: int
    driver: str
    cuda: str


def require_device(settings: SegmentationSettings) -> Gpu | None:
    """The GPU of a replica that was promised one; None on a CPU.

    Raises ValueError when there is none, or torch.compile is wanted without a compiler, with the reason and the way
    out. Nothing was loaded yet then, so a replica says so at once.
    """
    if settings.compile_mode != "off" and not compiler_of(settings.device):
        language, program, variable = ("C", "gcc", "CC") if settings.device == "cuda" else ("C++", "g++", "CXX")
        raise ValueError(
            f"SEGMENTATION_COMPILE_MODE is {settings.compile_mode!r}, but there is no {language} compiler here, which "
            f"torch.compile needs when a replica starts; set it to 'off', or add {program} to the image (or name a "
            f"compiler in {variable})."
        )
    if settings.device != "cuda":
        return None
    found = first_gpu()
    if isinstance(found, str):
        seen = ", ".join(f"{name}={os.environ.get(name)!r}" for name in GPU_VARIABLES)
        raise ValueError(
            f"SEGMENTATION_DEVICE is 'cuda', but this replica finds no GPU: {found} ({seen}). Give Segmentation "
            "num_gpus, and the container the GPU: docker's --gpus all, or nvidia.com/gpu on Kubernetes; or set the "
            "device to 'cpu'."
        )
    return found


def compiler_of(device: str) -> str | None:
    """The compiler that torch.compile would call: Triton a C compiler for a GPU, Inductor a C++ compiler for a CPU."""
    variable, programs = ("CC", ("gcc", "clang")) if device == "cuda" else ("CXX", ("g++", "clang++"))
    named = os.environ.get(variable)
    return shutil.which(named) if named else next(filter(None, map(shutil.which, programs)), None)


def first_gpu(library: str = DRIVER_LIBRARY) -> Gpu | str:
    """The first GPU as the driver describes it, or why there is none. torch need not be installed."""
    try:
        cuda: Any = ctypes.CDLL(library)
    except OSError:
        return f"{library}, the library of NVIDIA's driver, is not here"
    if error := cuda.cuInit(0):
        return f"NVIDIA's driver refuses to start with error {error}"
    count, device, number = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if cuda.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "NVIDIA's driver shows no device"
    name, memory = ctypes.create_string_buffer(NAME_BYTES), ctypes.c_size_t()
    if (
        cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDeviceGetName(name, NAME_BYTES, device)
        or cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        or cuda.cuDriverGetVersion(ctypes.byref(number))
    ):
        return "NVIDIA's driver does not describe its first device"
    version = f"{number.value // 1000}.{number.value % 1000 // 10}"
    return Gpu(name.value.decode(errors="replace"), memory.value, _driver(), version)


def give_way(nice: int) -> None:
    """Lowers the priority of this process's threads, and so of those that they start, as `nice` counts."""
    if nice:
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)


def start_line(version: str, settings: SegmentationSettings, gpu: Gpu | None, threads: int) -> str:
    """What runs, and on what. version: the segmenter's, `id:weights-hash:dtype:device[-engine]`. threads: on a CPU."""
    if gpu is not None:
        compiled = "" if settings.compile_mode == "off" else f", compiled ({settings.compile_mode})"
        return (
            f"Segmentation runs {version} on {gpu.name}, {gpu.memory_bytes / GIB:.1f} GiB, "
            f"driver {gpu.driver}, CUDA {gpu.cuda}{compiled}"
        )
    return f"Segmentation runs {version} on {_processor()}, {threads} thread{'s' * (threads > 1)}"


def _driver() -> str:
    return _first(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", DRIVER_VERSION) or "of an unknown version"


def _processor() -> str:
    return _first(r"^model name\s*:\s*(.+)$", PROCESSORS) or "a CPU"


def _first(pattern: str, path: Path) -> str:
    try:
        found = re.search(pattern, path.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
