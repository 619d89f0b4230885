"""Tests that npm installs only the tools that were reviewed: each has its hash, and no registry is named."""

import json

from serve.local.plan import REPOSITORY

FOLDER = REPOSITORY / "tests" / "api_tools"


def test_every_npm_package_has_its_hash() -> None:
    """Each package has a SHA-512, so other bytes from a registry are refused."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert len(packages) > 200
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []


def test_the_npm_files_name_no_registry() -> None:
    """Each user has a registry of their own. Without .npmrc, npm would write its address."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for one in packages.values():
        # This field holds an address for donations, which is no registry.
        one.pop("funding", None)
    assert "://" not in json.dumps(packages)
    assert "omit-lockfile-registry-resolved=true" in (FOLDER / ".npmrc").read_text().split()
    assert not [name for name in (".npmrc", "package.json", "spectral.yaml") if "://" in (FOLDER / name).read_text()]
