"""Experiments over seeds and settings: on all cores of this machine, on a Dask or a Ray cluster, and kept.

A study is one run for every variant and seed. Its runs go through joblib, so where they go is said around the study
and nowhere in it:

    study(...)                                       on all cores of this machine
    with parallel_config(n_jobs=1): study(...)       one after another, in this process
    with parallel_config(backend="dask"): ...        on the cluster of the `dask.distributed.Client` that is there
    with parallel_config(backend="ray"): ...         on a Ray cluster, after `ray.util.joblib.register_ray()`

A run takes its randomness from its seed and has one thread, so the results are the same, bit by bit, wherever and in
whatever order the runs are made.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import traceback
from functools import partial
from importlib import metadata
from pathlib import Path

from rlbook import checks


def study(function, variants, seeds, *, keep=None, **settings) -> dict[str, list]:
    """What `function(**settings, seed=seed)` returns for every variant and seed: {name: [one a seed, …], …}.

    `variants` maps names to settings of their own, which come before the common `settings`. All that `function` takes
    and returns must be picklable; where it is defined in a notebook joblib sends its code along. A bar shows the
    progress, unless `TQDM_DISABLE` is set.

    `keep` names a folder that finished runs are kept in (by `joblib.Memory`), so that a study that was interrupted goes
    on where it stopped; on a cluster it must be one that all machines see. A run is found there again by function,
    settings and seed, and only while the code of the function and of `rlbook`, and the versions of what they compute
    with, are what they were.

    A run that fails ends no other. When all are made, the first error is raised, as it was, with notes that name every
    run that failed, by variant and seed, and why; its `results` are what else would be returned, with None for these
    runs. A run that takes its process down with it is made anew by Dask; on one machine it ends the study, and what was
    kept until then remains.
    """
    from joblib import Memory, delayed  # here, as below, so that who makes no study does not wait for what it needs
    from threadpoolctl import threadpool_limits
    from tqdm.auto import tqdm

    checks.function("function", function)
    checks.variants(variants)
    runs = [(name, int(seed)) for name in variants for seed in checks.seeds(seeds)]
    make, code = _run, None
    if keep is not None:
        make, code = Memory(checks.path("keep", keep), verbose=0).cache(_run), _code(function)
    quiet = "TQDM_DISABLE" in os.environ  # set where pages are built; tqdm's notebook bar does not heed it itself
    with threadpool_limits(1), tqdm(total=len(runs), leave=False, disable=quiet) as bar:
        made = _parallel(bar)(
            delayed(_attempt)(make, function, settings | variants[name], seed, code) for name, seed in runs
        )
    outcomes = dict(zip(runs, made, strict=True))
    results = {name: [outcomes[name, int(seed)][0] for seed in seeds] for name in variants}
    failures = {run: error for run, (_, error) in outcomes.items() if error is not None}
    if failures:
        error, said = next(iter(failures.values())), f"{len(failures)} of {len(outcomes)} runs failed:"
        for (name, seed), other in failures.items():
            said += f"\n  {name!r} with seed {seed}: {type(other).__name__}: {other}"
        error.add_note(said)
        error.results = results
        raise error
    return results


def _parallel(bar):
    """A `joblib.Parallel` on all cores, unless another number is set, that moves the bar on after each run."""
    from joblib import Parallel
    from joblib.parallel import get_active_backend

    class Shown(Parallel):
        def print_progress(self):  # what every backend calls after every run
            bar.n = self.n_completed_tasks
            bar.refresh()

    _, n_jobs = get_active_backend()
    return Shown(n_jobs=-1 if n_jobs is None else n_jobs, batch_size=1)


def _attempt(make, *run):
    """The result of a run and None, or None and the error that it ended with, which would end the other runs too."""
    try:
        return make(*run), None
    except Exception as error:
        error.add_note("".join(traceback.format_tb(error.__traceback__)))  # which is not sent along
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return None, RuntimeError(f"{type(error).__name__}: {error}")
        return None, error


def _run(function, settings, seed, code):
    """One run, on one thread; `code` is there to be a part of what it is kept by."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)  # for good, in a process that is there for runs; in the study's own, until the study ends
    return function(seed=seed, **settings)


def _code(function):
    """A digest of all that a run rests on: the function, `rlbook`, and the versions of what they compute with."""
    while isinstance(function, partial):
        function = function.func
    digest = hashlib.sha256(inspect.getsource(function).encode())
    package = Path(__file__).parent
    for file in sorted(set(package.rglob("*.py")) - set(package.rglob("widgets/**/*.py"))):
        digest.update(file.read_bytes())
    for name in ("numpy", "scipy", "gymnasium", "torch"):
        for there in metadata.distributions(name=name):
            digest.update(f"{name} {there.version}".encode())
    return digest.hexdigest()
