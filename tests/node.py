"""The front end's pure functions, called from Python."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from book.tools.node import node

FRONTEND = Path(__file__).parents[1] / "rlbook" / "widgets" / "frontend"
SOURCES = FRONTEND / "src"
AT_ONCE = str(Path(__file__).parent / "widgets" / "at_once.mjs")  # a module of the tests' own

# Answers one JSON request a line: {"name", "args"} gives the value of that function, exported by one of the modules.
SERVER = """
import { createInterface } from "node:readline";
const exported = Object.assign({}, ...(await Promise.all(process.argv.slice(1).map((module) => import(module)))));
for await (const request of createInterface({ input: process.stdin })) {
  const { name, args } = JSON.parse(request);
  const typed = args.map((x) => (x && x.bytes ? Uint8Array.from(x.bytes) : x));
  const result = exported[name](...typed);
  console.log(JSON.stringify(result instanceof Uint8Array ? [...result] : result));
}
"""


class Javascript:
    """The exported functions of modules, called as methods: Javascript("shared/dice.js").uniform(...).

    Modules are named as they stand in the front end's sources; another is a whole path.
    """

    def __init__(self, *modules):
        self._process = subprocess.Popen(
            [*node(), "--input-type=module", "--eval", SERVER, *((SOURCES / module).as_uri() for module in modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)  # what Python's own protocols ask for, a test's report among them

        def call(*args):
            request = json.dumps({"name": name, "args": args})
            print(request, file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())

        return call

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()  # or a later test, in which warnings are errors, would find it open


def close_to(expected, scale=0.0):
    """Within 1e-9, relative to the value or to the largest of the terms whose sum it is."""
    return pytest.approx(np.asarray(expected).ravel().tolist(), rel=1e-9, abs=1e-9 * scale + 1e-13)
