"""Network architectures, one per file, and the table of them (table.py)."""
