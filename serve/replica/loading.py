"""Sets up a replica's process: what the garbage collector sees, and what becomes of freed memory.

A full collection walks through every object of the process. With Ray's modules that takes 0.1 s, in which no request
goes on. The collector counts new objects, so it begins several while modules load, although modules are never garbage.
"""

import gc

from pipeline.memory import keep_freed


def freeze() -> None:
    """Has all later collections leave out the objects that exist now."""
    gc.freeze()


# Ray has loaded its modules by the time a replica imports its deployment, and ours are still to come.
freeze()
keep_freed()
