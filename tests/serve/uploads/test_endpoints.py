"""Tests where the object store is: endpoints below a path, and private certificate authorities."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serve.settings import Environment, S3Environment
from serve.stores.trust import trusting
from serve.uploads.object_store import ObjectStore, UploadTerms
from tests.serve.application import NOWHERE


@pytest.mark.parametrize("endpoint", ["https://x.supabase.co/storage/v1/s3", "https://x.supabase.co/storage/v1/s3/"])
async def test_addresses_are_below_the_path_when_an_endpoint_has_one(endpoint: str) -> None:
    """Stores such as Supabase have their S3 below a path, which every address keeps."""
    config = NOWHERE.model_copy(update={"endpoint_url": endpoint})
    assert S3Environment(bucket="uploads", endpoint_url=endpoint).url == endpoint
    terms = UploadTerms("uploads/t/k", "image/png", 5, None, datetime.now(UTC) + timedelta(minutes=5))
    for addressing, start in (
        ("path", "https://x.supabase.co/storage/v1/s3/uploads"),
        ("virtual", "https://uploads.x.supabase.co/storage/v1/s3"),
    ):
        store = ObjectStore(config.model_copy(update={"addressing": addressing}), timeout_s=1)
        assert (await store.post_policy(terms))[0] == start
        assert (await store.put_url(terms))[0].startswith(f"{start}/uploads/t/k?")
        await store.close()


def test_a_private_authority_is_trusted_beside_the_public_ones(tmp_path: Path) -> None:
    """SSL_CERT_FILE and STYLESYNC_CA_FILE name its certificates; a file without one is refused at the start."""
    assert Environment(ssl_cert_file=tmp_path / "a", stylesync_ca_file=tmp_path / "b").ca_file == tmp_path / "b"
    assert Environment(ssl_cert_file=tmp_path / "a").ca_file == tmp_path / "a"
    public = trusting(None).get_ca_certs(binary_form=True)
    (tmp_path / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(public[0]))
    assert len(trusting(tmp_path / "ca.pem").get_ca_certs()) == len(public) > 50
    (tmp_path / "none.pem").write_text("no certificate")
    for name in ("none.pem", "gone.pem"):
        with pytest.raises(ValueError, match=f"{name}.*STYLESYNC_CA_FILE or SSL_CERT_FILE"):
            ObjectStore(NOWHERE, timeout_s=1, ca_file=tmp_path / name)
