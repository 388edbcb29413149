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
from rlbook.studies import study
from tests.experiments import SEEDS, SMALL, VARIANTS, bits, fails, slowly, started, threads


@pytest.fixture(scope="module")
def dask_of_two(tmp_path_factory):
    """Two processes of this machine as a cluster."""
    folder = tmp_path_factory.mktemp("dask")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": folder}
    with LocalCluster(**options) as cluster, Client(cluster):
        yield


@pytest.fixture(scope="module")
def ray_of_two():
    """A Ray of two processes, that reports to nobody how it is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # which would leave a key in the home folder
        for more in (2, 1, 0):  # it gives itself 30 s to start, which a machine with other work may not have
            try:
                ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
                break
            except Exception:
                ray.shutdown()
                if not more:
                    raise
        register_ray()
        yield
        ray.shutdown()


@pytest.fixture(params=["dask", "ray"])
def cluster(request):
    """Studies go to one of them."""
    request.getfixturevalue(f"{request.param}_of_two")
    with parallel_config(backend=request.param, n_jobs=None):  # as where no number of processes is set
        yield


def test_a_cluster_gives_the_same_results_and_keeps_them(cluster, alone, tmp_path):
    results = study(train_reinforce, VARIANTS, SEEDS, keep=tmp_path, **SMALL)
    assert bits(results) == alone
    with parallel_config(backend="sequential"):
        again = study(train_reinforce, VARIANTS, SEEDS, keep=tmp_path, **SMALL)
    assert bits(again) == alone
    assert len(list(tmp_path.rglob("output.pkl"))) == 6, "none was made a second time"


def test_the_runs_are_made_on_the_cluster_with_one_thread_each(cluster):
    (made,) = study(threads, {"": {}}, range(4)).values()
    assert os.getpid() not in {process for process, *_ in made}
    assert {(n, *pools) for _, n, pools in made} == {(1, 1)}


def test_a_run_that_fails_on_a_cluster_loses_no_other(cluster, tmp_path):
    with pytest.raises(Exception, match="no way at 1") as caught:  # as it was, if the cluster can send it
        study(fails, {"sound": {}, "frail": {"at": (1,)}}, range(2), folder=tmp_path)
    assert caught.value.results == {"sound": [0, 1], "frail": [0, None]}


def test_a_machine_may_be_lost_in_the_middle_of_a_study(dask_of_two, tmp_path):
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
    with parallel_config(backend="dask"):
        (results,) = study(slowly, {"": {}}, range(6), folder=tmp_path).values()
    thread.join()
    assert results == list(range(6))
    begun = [seed for seed, _ in started(tmp_path)]
    assert set(begun) == set(range(6))
    assert len(begun) > 6, "a run was lost with the process, and begun anew"
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
