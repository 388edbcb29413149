"""The committed bundle is what the frontend's sources build, byte for byte."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rlbook.widgets.base import STATIC
from tests.node import FRONTEND, node, npm


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The folder of the bundle built afresh from the sources and the lock file."""
    copy = tmp_path_factory.mktemp("widgets") / "frontend"
    shutil.copytree(FRONTEND, copy, ignore=shutil.ignore_patterns("node_modules"))
    path = os.pathsep.join([str(Path(node()[0]).parent), os.environ["PATH"]])
    for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        command = [*npm(), *arguments]
        result = subprocess.run(
            command, cwd=copy, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{' '.join(arguments)} failed:\n{result.stdout}{result.stderr}"
    return copy.parent / "static"


def test_committed_bundle_is_what_the_sources_build(rebuilt):
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
