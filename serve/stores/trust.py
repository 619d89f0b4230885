"""Whom the clients of stores trust: public certificate authorities, and a private one that the environment names."""

import ssl
from pathlib import Path

import certifi


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """A TLS context that trusts public authorities, and those of a PEM file. Raises ValueError for another file."""
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                f"The file of certificates {str(ca_file)!r} (STYLESYNC_CA_FILE or SSL_CERT_FILE) has no PEM "
                "certificate that can be read."
            ) from error
    return context
