"""Settings of the tests with networks."""

import pytest
from joblib import parallel_config

from tests.experiments import SEEDS, SMALL, VARIANTS, bits


@pytest.fixture(scope="session", autouse=True)
def _in_this_process():
    """Runs of studies stay in the process of the tests, of which there may be several, unless a test says otherwise."""
    with parallel_config(n_jobs=1):
        yield


@pytest.fixture(scope="session")
def alone():
    """The runs made one by one, and by no study."""
    from rlbook.neural import train_reinforce

    return bits({
        name: [train_reinforce(**own, seed=seed, **SMALL) for seed in SEEDS] for name, own in VARIANTS.items()
    })  # fmt: skip
