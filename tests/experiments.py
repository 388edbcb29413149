"""Runs of studies, for other processes to import: each says where or how often it was made."""

import os
import signal
import time

import numpy as np
from threadpoolctl import threadpool_info

VARIANTS = {"to-go": {"variant": "to-go"}, "baseline": {"variant": "baseline"}}
SMALL = {"batches": 2, "episodes": 3}
SEEDS = (3, 1, 4)


def bits(results):
    """All numbers of trainings and all parameters of their policies."""
    return {
        name: [
            b"".join(x.tobytes() for x in (run.mean_returns, run.steps, *(p.detach().numpy() for p in policy)))
            for run in runs
            for policy in [list(run.policy.parameters())]
        ]
        for name, runs in results.items()
    }


def threads(*, seed):
    """Where this is, and how many threads everything there would use."""
    import torch

    time.sleep(0.3)
    return os.getpid(), torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info()}


def once(*, seed, folder, last=False):
    """Writes down that it was made. With seed 2 it takes its process down the first time; `last` waits for others."""
    made = folder / f"{last}-{seed}-{time.time_ns()}"
    if seed == 2 and not list(folder.glob("died")):
        while len(list(folder.glob("False-*"))) < 2:
            time.sleep(0.05)
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    made.touch()
    return np.random.default_rng(seed).normal(size=3)


def made(folder):
    return sorted(file.name.rsplit("-", 1)[0] for file in folder.glob("*-*"))


class Unsendable(Exception):
    """An error that no process can send to another: it is made of two, and pickled as one."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


def fails(*, seed, folder, at=()):
    (folder / f"{len(at)}-{seed}-{time.time_ns()}").touch()
    if seed in at:
        raise Unsendable("no way", seed)
    return seed


def slowly(*, seed, folder):
    """Takes a while, and writes down first that it has begun, and in which process."""
    (folder / f"begun {seed} {os.getpid()} {time.time_ns()}").touch()
    time.sleep(0.3)
    return seed


def started(folder):
    """Seed and process of every run that `slowly` has begun, in order."""
    names = sorted((file.name.split() for file in folder.glob("begun *")), key=lambda name: int(name[3]))
    return [(int(seed), int(process)) for _, seed, process, _ in names]
