"""What pyproject.toml asks for is what is used, and its lower bounds can be installed."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import NEEDED
from tests.lowest import PROJECT, lowest
from tests.sources import NOTEBOOKS, ROOT

DECLARED = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
EXTRAS = DECLARED["optional-dependencies"]
PACKAGES = packages_distributions()


def required(*extras):
    """The names of what the package and some of its extras ask for."""
    return {canonicalize_name(pin.partition("==")[0]) for pin in lowest(DECLARED, extras)}


def imported(source):
    """The names, as in pyproject.toml, of what a program imports that is neither Python's nor the book's own."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    own = {"rlbook", "book", "tests", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    foreign = modules - own - sys.stdlib_module_names
    return {canonicalize_name(PACKAGES.get(module, [module])[0]) for module in foreign}


MODULES = sorted(path for path in (ROOT / "rlbook").rglob("*.py") if "node_modules" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_declares_what_it_imports(path):
    extras = ["neural"] if "neural" in path.parts else []
    assert imported(path.read_text(encoding="utf-8")) <= required(*extras)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_extra_for_notebooks_has_what_they_import(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert imported("".join(cell["source"])) <= required("notebooks")


def test_the_extra_for_tests_can_run_them():
    """Each file of tests imports what [test] brings, or is among those that are left out without another extra."""
    shared = sorted((ROOT / "book" / "tools").glob("*.py"))
    for path in [*sorted((ROOT / "tests").rglob("*.py")), *shared]:
        extras = [extra for extra, (_, files) in NEEDED.items() if any(map(path.match, files))]
        if "book" not in extras:  # which brings Sphinx and much else that it does not name
            tree = ast.parse(path.read_text(encoding="utf-8"))
            tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            assert imported(ast.unparse(tree)) <= required("test", *extras), path.name


def bounds(lines):
    """{name: (Requirement, its lower bound)} of requirements other than the package's own extras."""
    found = [line for line in map(Requirement, lines) if line.name != DECLARED["name"]]
    return {canonicalize_name(line.name): (line, Version(re.search(r">=([^,]+)", str(line))[1])) for line in found}


def test_pins_are_within_their_ranges_and_the_untested_bounds_are_the_pins():
    """`make lowest` tests the lower bounds of all but "book" and "style"."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    pins = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    for part, lines in {"the package": DECLARED["dependencies"], **EXTRAS}.items():
        for name, (requirement, bound) in bounds(lines).items():
            assert pins[name] in requirement.specifier, part
            if part in ("book", "style"):
                assert bound == pins[name], f"{part}: {name}"


# The constraints that `make lowest` installs by --------------------------------------------------------------------


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_requirement_has_one_lower_bound(extra):
    pins = lowest(DECLARED, [extra])
    assert len({canonicalize_name(pin.partition("==")[0]) for pin in pins}) == len(pins)


def test_constraints_are_the_bounds_of_what_is_named():
    project = {
        "name": "tiny",
        "dependencies": ["numpy>=2.0", "jupyter-book>=1.0.4,<2"],
        "optional-dependencies": {"neural": ["torch>=2.13"], "all": ["tiny[neural]", "x_y>=1"], "loose": ["z"]},
    }
    assert lowest(project, []) == ["numpy==2.0", "jupyter-book==1.0.4"]
    assert lowest(project, ["all"]) == ["numpy==2.0", "jupyter-book==1.0.4", "torch==2.13", "x_y==1"]
    with pytest.raises(ValueError, match="'z' has no lower bound"):
        lowest(project, ["loose"])


def test_book_and_benchmarks_import_nothing_from_the_tests():
    """What they share lives in book/tools."""
    folders = (ROOT / "book", ROOT / "benchmarks", ROOT / "rlbook")
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if "node_modules" not in path.parts]
    assert {"pdf.py", "page.py", "browser.py"} <= {path.name for path in files}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.partition(".")[0] == "tests"], path
