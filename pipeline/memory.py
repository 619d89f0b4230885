"""Keeps freed memory in the process, so that the next photo need not ask the kernel for it again."""

import ctypes

# Standard: malloc.h of glibc.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Taste: a photo of 1 megapixel and its float maps fit; larger blocks go back at once. Standard: the second is the
# most that glibc takes.
KEPT_BYTES, MOST_BLOCK_BYTES = 48 << 20, 32 << 20


def keep_freed(kept_bytes: int = KEPT_BYTES) -> bool:
    """Sets how much freed memory this process keeps; returns whether its C library can.

    By default glibc gives the top of the heap back to the kernel after each photo. Then every page of the next one
    begins with a page fault: 940 in the ingress, 1,000 in extraction and 1,200 in a decoder, 1 to 3 ms of CPU each.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl and macOS have none
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, kept_bytes)) and bool(mallopt(M_MMAP_THRESHOLD, MOST_BLOCK_BYTES))
