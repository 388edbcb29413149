"""A JupyterLab with the chapters."""

import shutil

import pytest

from tests.hosts import jupyter
from tests.sources import NOTEBOOKS


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab in a folder with copies of the chapters; its address."""
    folder = tmp_path_factory.mktemp("lab")
    for path in NOTEBOOKS:
        shutil.copy(path, folder)
    with jupyter(folder) as address:
        yield address, folder
