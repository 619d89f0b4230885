"""What the processor can do."""

from functools import cache
from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")


@cache
def instruction_sets() -> frozenset[str]:
    """The processor's instruction sets by Linux's names, such as `avx512_bf16`; none where Linux does not tell them."""
    try:
        lines = PROCESSORS.read_text().splitlines()
    except OSError:
        return frozenset()
    listed = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(listed.partition(":")[2].split())
