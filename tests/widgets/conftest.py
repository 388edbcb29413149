"""What the widgets' tests share."""

import pytest

from tests.node import Javascript


@pytest.fixture(scope="module")
def js(request):
    """The functions of the front end's modules that a file of parity tests names in MODULES."""
    functions = Javascript(*request.module.MODULES)
    yield functions
    functions.close()
