"""The committed bundle is what the frontend's sources build, byte for byte."""

import json

from rlbook.widgets.base import STATIC
from tests.node import FRONTEND


def test_committed_bundle_is_what_the_sources_build(frontend):
    rebuilt = frontend.parent / "static"
    names = sorted(path.name for path in rebuilt.iterdir())
    assert names == sorted(path.name for path in STATIC.iterdir())
    stale = [name for name in names if (rebuilt / name).read_bytes() != (STATIC / name).read_bytes()]
    assert not stale, f"{', '.join(stale)}: run `npm ci && npm run build` in rlbook/widgets/frontend"


def test_lock_file_names_no_host():
    """Every package is locked by its hash, whichever registry or mirror it then comes from."""
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name
