"""What Linux tells of the processor."""

from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")


def name() -> str:
    """The processor's name, such as `AMD EPYC`; `a CPU` where Linux does not tell it."""
    return _first("model name") or "a CPU"


def instruction_sets() -> frozenset[str]:
    """The processor's instruction sets by Linux's names, such as `avx512_bf16`; none where Linux does not tell them."""
    return frozenset(_first("flags").split())


def _first(field: str) -> str:
    """The first processor's value of a field; empty without one."""
    try:
        lines = PROCESSORS.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in fields if key.strip() == field), "")
