"""Run the notebooks that have to run side by side, on all cores, before the pages are read.

myst-nb would run each as it reads its page, one after another. This extension runs them first and leaves the outputs
in the cache where myst-nb then finds them; what lies there already does not run. Each says when it has run and how
long it took. One that fails is named with its cell, and fails the build once the others have ended, whose outputs
stay in the cache.

The numerical libraries get one thread a notebook, which is what the tests give them too: so the cores are never asked
for more than they have, and what a page says does not depend on what else ran. A notebook that runs by itself may
use the other cores for the processes that it starts.
"""

import multiprocessing
import os
import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbclient
import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from sphinx.errors import ExtensionError
from sphinx.util import logging
from traitlets.config import Config

logger = logging.getLogger(__name__)
COLOURS = re.compile(r"\x1b\[[\d;]*m")


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def set_up(processes):
    """What the kernels inherit; and a build that is killed leaves nobody behind, for a kernel ends with its parent."""
    os.environ.update(OMP_NUM_THREADS="1", LOKY_MAX_CPU_COUNT=str(max(1, cores() // processes)))

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def own_sockets():
    """The settings with which a notebook talks to its kernel through files, where the system has such.

    Ports that were free when a kernel was promised them may not be when it takes them.
    """
    with TemporaryDirectory() as folder:
        own = {"transport": "ipc", "ip": str(Path(folder) / "kernel")} if os.name == "posix" else {}
        yield Config(KernelManager=own)


def run(path, timeout):
    """Run a notebook in its folder: (it with its outputs, the seconds that it took, what went wrong or "")."""
    notebook, begun = nbformat.read(path, as_version=4), time.monotonic()
    reached, wrong = -1, ""

    def note(cell, cell_index):
        nonlocal reached
        reached = cell_index

    try:
        with own_sockets() as config:
            nbclient.execute(
                notebook,
                cwd=str(path.parent),
                timeout=timeout,
                on_cell_execute=note,
                record_timing=False,  # the cache would take it for a part of the cells, and another notebook
                config=config,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],  # each kernel warns that it listens to this machine
            )
    except Exception as error:  # a cell's, its time being up, a kernel's death: the reader wants to know where
        number = sum(cell.cell_type == "code" for cell in notebook.cells[: reached + 1])
        said = COLOURS.sub("", str(error)).strip()
        wrong = f"code cell {number}: {said.splitlines()[-1] if said else type(error).__name__}\n{said}"
    # A kernel sends what is printed in pieces, cut by the clock; what myst-nb joins it would give a new line each.
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    return notebook, time.monotonic() - begun, wrong


def run_all(paths, timeout, processes):
    """Run notebooks, so many at a time, in the order given: as each ends, its (path, *what `run` gives)."""
    context = multiprocessing.get_context("spawn")  # each with an event loop of its own, ended by Ctrl-C by itself
    with ProcessPoolExecutor(processes, context, set_up, (processes,)) as pool:
        asked = {pool.submit(run, path, timeout): path for path in paths}
        try:
            for done in as_completed(asked):
                try:
                    yield asked[done], *done.result()
                except BrokenProcessPool as error:
                    yield asked[done], None, 0.0, f"this or another notebook ended the process that ran it: {error}"
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C no other begins


def fill_cache(app, env, docnames):
    """Before pages are read: run those of the notebooks to be read whose outputs the cache does not have."""
    config = env.mystnb_config
    if config.execution_mode != "cache":
        return
    cache, waiting = get_cache(config.execution_cache_path), []
    first = app.config.notebooks_first
    for name in sorted(docnames, key=lambda name: first.index(name) if name in first else len(first)):
        path = Path(env.doc2path(name))
        if path.suffix == ".ipynb":
            try:
                cache.match_cache_notebook(nbformat.read(path, as_version=4))
            except KeyError:
                waiting.append(path)
    if not waiting:
        return
    processes, failures = min(len(waiting), cores()), []
    logger.info(f"{len(waiting)} of the notebooks have to run, {processes} at a time")
    for path, notebook, seconds, wrong in run_all(waiting, config.execution_timeout, processes):
        name = path.relative_to(app.srcdir).as_posix()
        if wrong:
            failures.append(f"{name}, {wrong}")
            logger.info(f"{name}: failed after {seconds:.0f} s in {wrong.splitlines()[0]}")
        else:
            bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            logger.info(f"{name}: ran in {seconds:.0f} s")
    if failures:
        raise ExtensionError("\n\n".join(failures))


def setup(app):
    # The longest ones, which are begun first, so that no core waits for one that began last.
    app.add_config_value("notebooks_first", [], "", [list])
    app.connect("env-before-read-docs", fill_cache)
    return {"version": "1", "parallel_read_safe": True}
