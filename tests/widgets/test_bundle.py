"""The front end's sources have the types that they say and keep the linter's rules; the bundle is what they build."""

import json
import shutil

import pytest

from book.tools.node import run_npm
from rlbook.widgets.base import STATIC
from tests.node import FRONTEND
from tests.sources import ROOT


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


def check(frontend):
    """What `npm run check` says, None if it has no complaint."""
    result = run_npm(frontend, "run", "check")
    return result.stdout + result.stderr if result.returncode else None


def test_types_and_linter_have_no_complaint(frontend):
    assert check(frontend) is None


def test_nor_have_they_of_the_pages_script(frontend, tmp_path):
    copy = tmp_path / "frontend"
    shutil.copytree(frontend, copy, ignore=shutil.ignore_patterns("node_modules", "src"))
    (copy / "node_modules").symlink_to(frontend / "node_modules")
    (copy / "src").mkdir()
    for name in ("derivations.js", "derivations.css"):
        shutil.copy(ROOT / "book" / "_static" / name, copy / "src")
    assert check(copy) is None


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('/** @type {number} */\nexport const two = "2";\n', "TS2322"),
        ("export const two = (x) => {\n  x == 2;\n};\n", "noDoubleEquals"),
        ("export const  two = 2;\n", "would have printed"),
    ],
)
def test_types_rules_and_format_are_looked_at(frontend, tmp_path, source, complaint):
    copy = tmp_path / "frontend"  # another process may look at the one that is shared
    shutil.copytree(frontend, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(frontend / "node_modules")
    (copy / "src" / "shared" / "odd.js").write_text(source, encoding="utf-8")
    assert complaint in check(copy)
