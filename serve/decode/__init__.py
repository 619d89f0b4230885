"""Photos decoded in worker processes that can be killed."""
