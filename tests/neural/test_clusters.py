"""rlbook.studies on clusters: one of Dask's, of which a machine is lost in the middle, and one of Ray's."""

import os
import signal
import threading
import time

import pytest
import ray
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from ray.util.joblib import register_ray

from rlbook.neural import train_reinforce
from rlbook.studies import FailedRuns, study
from tests.experiments import SEEDS, SMALL, VARIANTS, bits, fails, slowly, started


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Two processes of this machine as a cluster."""
    folder = tmp_path_factory.mktemp("dask")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": folder}
    with LocalCluster(**options) as cluster, Client(cluster) as client, parallel_config(backend="dask"):
        yield client


@pytest.fixture(scope="module")
def on_ray():
    """A Ray of two processes, that reports to nobody how it is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
        register_ray()
        with parallel_config(backend="ray"):
            yield
        ray.shutdown()


@pytest.mark.parametrize("cluster", ["dask", "on_ray"])
def test_a_cluster_gives_the_same_results_and_keeps_them(request, alone, tmp_path, cluster):
    request.getfixturevalue(cluster)
    results = study(train_reinforce, VARIANTS, SEEDS, keep=tmp_path, **SMALL)
    assert bits(results) == alone
    with parallel_config(backend="sequential"):
        again = study(train_reinforce, VARIANTS, SEEDS, keep=tmp_path, **SMALL)
    assert bits(again) == alone
    assert len(list(tmp_path.rglob("output.pkl"))) == 6, "none was made a second time"


@pytest.mark.parametrize("cluster", ["dask", "on_ray"])
def test_a_run_that_fails_on_a_cluster_loses_no_other(request, tmp_path, cluster):
    request.getfixturevalue(cluster)
    with pytest.raises(FailedRuns, match=r"^no way at 1 \(in the run 'frail', seed 1\); 1 of 4 runs failed$") as caught:
        study(fails, {"sound": {}, "frail": {"at": (1,)}}, range(2), folder=tmp_path)
    assert caught.value.results == {"sound": [0, 1], "frail": [0, None]}


def test_a_machine_may_be_lost_in_the_middle_of_a_study(dask, tmp_path):
    """Killed as soon as it has finished a run and begun another, which then begins anew elsewhere."""
    killed = []

    def kill():
        while not killed:
            time.sleep(0.02)
            processes = [process for _, process in started(tmp_path)]
            killed.extend(process for process in processes if processes.count(process) > 1)
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    (results,) = study(slowly, {"": {}}, range(6), folder=tmp_path).values()
    thread.join()
    assert results == list(range(6))
    begun = [seed for seed, _ in started(tmp_path)]
    assert set(begun) == set(range(6))
    assert len(begun) > 6, "a run was lost with the process, and begun anew"
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
