"""The book can be built wherever it lies and whatever the folder for temporary files is called."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from sphinx.errors import ExtensionError

from book._ext import kernel_free
from tests.sources import ROOT

# Sets up the extension as a build does, and has a formula typeset with each folder for temporary files.
TYPESET = """
import sys, tempfile
from types import SimpleNamespace
root, *folders = sys.argv[1:]
sys.path.insert(0, root)
from book._ext import kernel_free
from sphinxcontrib import katex
nothing = lambda *args, **options: None
kernel_free.setup(SimpleNamespace(add_directive=nothing, connect=nothing))
for tempfile.tempdir in folders:
    print(katex.render_latex("x^2"))
    katex.KaTeXServer.katex_server.terminate()
    katex.KaTeXServer.katex_server = None
"""


def test_formulas_are_typeset_whatever_the_folder_for_temporary_files_is_called(tmp_path):
    folders = [tmp_path / name for name in ("t" * 113, "with a space", "naïve-価値")]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", TYPESET, ROOT, *folders]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count('<span class="katex">') == len(folders)


def test_another_version_of_the_katex_extension_stops_the_build(monkeypatch):
    """One of its methods is replaced, and another version's may do something else."""
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert pins["sphinxcontrib-katex"] == kernel_free.KATEX
    monkeypatch.setattr(kernel_free, "version", lambda name: "0.9.12")
    with pytest.raises(ExtensionError, match=f"katex {kernel_free.KATEX}, and 0.9.12 is here"):
        kernel_free.setup(None)


@pytest.mark.parametrize("name", ["a b", "it's (mine) & 'yours' $x", "価値"])
def test_the_makefile_runs_in_a_folder_of_any_name(tmp_path, name):
    """`make book` with stand-ins for the programs that it runs: this folder's are, and the address is one."""
    folder = tmp_path / name
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for file in ("Makefile", "_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    for sources in ("book/_ext", "rlbook", "tests"):
        (folder / sources).mkdir(parents=True)
        (folder / sources / "source.py").touch()
    shutil.copy(ROOT / "book" / "jupyter_nbconvert_config.json", folder / "book")
    (programs / "jupyter-book").write_text('#!/bin/sh\nmkdir -p _build/html\necho "$PATH" > path\n')
    (programs / "python").write_text(f'#!/bin/sh\n[ "$1" != -c ] || exec {sys.executable} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(["make", "book"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (folder / "path").read_text().startswith(f"{programs}{os.pathsep}")
    assert result.stdout.rstrip().endswith(f"Open {(folder / '_build/html/index.html').as_uri()}")
