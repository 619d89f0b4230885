"""Sets up a replica's process: what the garbage collector sees, and what becomes of freed memory.

A full collection walks through every object of the process. With Ray's modules that takes 0.1 s, in which no request
goes on. The collector counts new objects, so it begins several while modules load, although modules are never garbage.
"""

import gc

from pipeline.memory import keep_freed

# Taste: an ingress replica holds a photo's pixels and no float maps. With this much a photo costs it 19 page faults,
# with what the phases keep 4, and by glibc's default 940.
INGRESS_KEPT_BYTES = 8 << 20


def freeze() -> None:
    """Has all later collections leave out the objects that exist now."""
    gc.freeze()


def keep_little() -> None:
    """Has an ingress replica give more of its freed memory back than the replicas of phases do."""
    keep_freed(INGRESS_KEPT_BYTES)


# Ray has loaded its modules by the time a replica imports its deployment, and ours are still to come.
freeze()
keep_freed()
