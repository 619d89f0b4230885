"""Reports a finished run: a summary, and a page of charts and sample photos."""
