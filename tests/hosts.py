"""Programs that show notebooks, started for the tests: JupyterLab, Notebook and marimo."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(command, address, folder, **environment):
    """A server that runs while it is used, once it answers at `address`."""
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log)
        try:
            _wait_for(address, server, folder / "log")
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)


@contextmanager
def jupyter(folder, program="lab", *, without=()):
    """JupyterLab, or Notebook, on a folder of notebooks, perhaps without some extensions; its address."""
    settings = folder / ".settings" / "@jupyterlab"
    quiet = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in quiet.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    disabled = folder / ".config" / "labconfig" / "page_config.json"
    disabled.parent.mkdir(parents=True, exist_ok=True)
    disabled.write_text(json.dumps({"disabledExtensions": dict.fromkeys(without, True)}))
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyter", program, "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *(f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token="),
        f"--ServerApp.root_dir={folder}",
    ]
    environment = {
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings.parent),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces"),
    }
    address = f"http://127.0.0.1:{port}"
    with served(command, address + "/api/status", folder, **environment):
        yield address


@contextmanager
def marimo(folder, name):
    """An app of marimo's that runs the notebook `name` in the folder; its address."""
    port = free_port()
    command = [sys.executable, "-m", "marimo", "--quiet", "run", name, "--headless", "--no-token", f"--port={port}"]
    address = f"http://127.0.0.1:{port}"
    # marimo counts its runs and asks for news elsewhere unless a settings file says that it is not to
    environment = {"XDG_CONFIG_HOME": str(folder / ".config"), "MARIMO_SKIP_UPDATE_CHECK": "1"}
    with served(command, address + "/health", folder, **environment):
        yield address


def _wait_for(url, server, log):
    for _ in range(720):  # three minutes, for a machine that has much else to do
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()[-3000:]
            time.sleep(0.25)
    raise TimeoutError(log.read_text()[-3000:])
