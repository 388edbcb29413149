"""Run the notebooks again when the package has changed.

jupyter-cache keys a notebook's outputs on its own code cells, so a change in rlbook/ alone would leave the
page with yesterday's numbers. This extension keeps a hash of the package and of the pinned requirements beside
the cache; when it no longer matches, it empties the cache and declares every notebook outdated. It empties no folder
that is not the build's own.

It also has the bibliography written each time, which lists what the pages cite and would not notice that one cites
more, and switches progress bars off in what it runs: on a page there is nothing left to wait for.
"""

import hashlib
import os
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

PACKAGE = ("rlbook/**/*.py", "rlbook/*.mplstyle", "rlbook/widgets/static/*", "requirements.txt")


def fingerprint(root):
    """One hash over the names and contents of all that a notebook's outputs depend on besides its cells."""
    digest = hashlib.sha256()
    for pattern in PACKAGE:
        for path in sorted(Path(root).glob(pattern)):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def forget_stale_outputs(app, env, added, changed, removed):
    build = Path(app.outdir).resolve().parent
    cache = Path(app.config.nb_execution_cache_path or build / ".jupyter_cache").resolve()
    if build not in cache.parents:
        raise ExtensionError(f"nb_execution_cache_path is {cache}: what is emptied must lie within {build}")
    stamp = cache / "rlbook.sha256"
    now = fingerprint(app.srcdir)
    if stamp.exists() and stamp.read_text() == now:
        return []
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    stamp.write_text(now)
    return [name for name in env.found_docs if str(env.doc2path(name)).endswith(".ipynb")]


def pages_to_write(app, env):
    return ["book/bibliography"] if "book/bibliography" in env.found_docs else []


def setup(app):
    os.environ["TQDM_DISABLE"] = "1"  # the kernels inherit it
    app.connect("env-get-outdated", forget_stale_outputs)
    app.connect("env-updated", pages_to_write)
    return {"version": "1", "parallel_read_safe": True}
