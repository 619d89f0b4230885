"""The tools from npm are the ones that were looked at: each by its hash, and no registry is named."""

import json

from serve.local.plan import REPOSITORY

FOLDER = REPOSITORY / "tests" / "api_tools"


def test_every_npm_package_has_its_hash() -> None:
    """SHA-512 of each; a registry that gives other bytes is refused."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert len(packages) > 200
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []


def test_the_npm_files_name_no_registry() -> None:
    """Whoever installs them has their own; npm writes addresses unless .npmrc forbids it."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for one in packages.values():
        one.pop("funding", None)  # whom one may give money to
    assert "://" not in json.dumps(packages)
    assert "omit-lockfile-registry-resolved=true" in (FOLDER / ".npmrc").read_text().split()
    assert not [name for name in (".npmrc", "package.json", "spectral.yaml") if "://" in (FOLDER / name).read_text()]
