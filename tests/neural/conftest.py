"""Settings of the tests with networks."""

import pytest
from joblib import parallel_config


@pytest.fixture(scope="session", autouse=True)
def _in_this_process():
    """Runs of studies stay in the process of the tests, of which there may be several, unless a test says otherwise."""
    with parallel_config(n_jobs=1):
        yield
