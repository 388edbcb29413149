"""Run a notebook again when what it imports has changed.

jupyter-cache keys a notebook's outputs on its own code cells, so a change in rlbook/ alone would leave the page with
yesterday's numbers. This extension keeps beside the cache, for each notebook, a hash of the modules of rlbook that its
cells import, of what these import and so on, of the files that lie beside these, and of the pinned requirements. When
it no longer matches, the notebook's outputs are forgotten and it is declared outdated; no other runs. What the widgets'
front end draws is in no output. Nothing is forgotten in a folder that is not the build's own.

It also has the bibliography written each time, which lists what the pages cite and would not notice that one cites
more, and switches progress bars off in what it runs: on a page there is nothing left to wait for.
"""

import ast
import hashlib
import json
import os
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_cache import get_cache
from sphinx.errors import ExtensionError

from book._ext.imports import Sources


def read_by(notebook, sources):
    """The files of the package that a notebook's outputs depend on."""
    rooms, python = set(), TransformerManager().transform_cell  # which makes Python of %magic and !shell
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            rooms |= sources.imports("", ast.parse(python(cell.source)))
    modules = [sources.path[name] for name in sources.closure(rooms)]
    beside = {path for folder in {module.parent for module in modules} for path in folder.iterdir() if path.is_file()}
    return sorted({*modules, *(path for path in beside if path.suffix != ".py")})


def fingerprint(notebook, sources, root):
    """One hash over the names and contents of all that a notebook's outputs depend on besides its cells."""
    digest, requirements = hashlib.sha256(), Path(root) / "requirements.txt"
    for path in [*read_by(notebook, sources), *([requirements] if requirements.exists() else [])]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def forget_stale_outputs(app, env, added, changed, removed):
    build = Path(app.outdir).resolve().parent
    cache = Path(app.config.nb_execution_cache_path or build / ".jupyter_cache").resolve()
    if build not in cache.parents:
        raise ExtensionError(f"nb_execution_cache_path is {cache}: what is emptied must lie within {build}")
    paths = {name: str(env.doc2path(name)) for name in env.found_docs}
    notebooks = {name: path for name, path in paths.items() if path.endswith(".ipynb")}
    sources, stamp = Sources(app.srcdir), cache / "imported.json"
    now = {name: fingerprint(path, sources, app.srcdir) for name, path in notebooks.items()}
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    stale = {name: path for name, path in notebooks.items() if before.get(name) != now[name]}
    outputs, fresh = get_cache(cache), set(notebooks.values()) - set(stale.values())
    for record in outputs.list_cache_records():  # of earlier states of its cells too, to which it might return
        if record.uri not in fresh:
            outputs.remove_cache(record.pk)
    stamp.write_text(json.dumps(now, indent=1))
    return sorted(stale)


def pages_to_write(app, env):
    return ["book/bibliography"] if "book/bibliography" in env.found_docs else []


def setup(app):
    os.environ["TQDM_DISABLE"] = "1"  # the kernels inherit it
    app.connect("env-get-outdated", forget_stale_outputs)
    app.connect("env-updated", pages_to_write)
    return {"version": "1", "parallel_read_safe": True}
