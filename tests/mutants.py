"""Mutants of the numerics, and whether their tests notice: `make mutants`.

A mutant is one small change in one line: another operator or number, a condition negated, a statement left out. A
sample of them, the same each time and spread evenly over the topics, meets the tests that run the changed line, those
first that run little else, each in a process forked from one that has collected all tests; nothing is written into
the sources. What no test notices is shown as a diff. It is killed by a test, or is equivalent:
tests/equivalent_mutants.toml says why no test could notice. The share killed of all others is to be at least ENOUGH.

Which tests run which line is found by running them all once, and kept in _build/mutants until something changes.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import gzip
import hashlib
import json
import os
import re
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "_build" / "mutants"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
ENOUGH = 0.96
MOST_TESTS, MOST_SECONDS = 150, 8.0  # that a mutant meets, in seconds of the processor with coverage measured
# To see which lines a test runs: examples of a generated one, seconds for all parameters of one that has more (the
# others are taken to run the same lines), and seconds after which a test is left out.
EXAMPLES, ENOUGH_SECONDS, LONG = 3, 30.0, 3
MEMORY = 1_400_000_000  # bytes that the tests of a mutant may take, for some mutants ask for any number

TOPICS = {
    "shared": [
        *sorted((ROOT / "rlbook" / "checks").glob("*.py")),
        ROOT / "rlbook" / "divergences.py",
        ROOT / "rlbook" / "results.py",
    ],
    **{
        topic: sorted((ROOT / "rlbook" / topic).glob("*.py"))
        for topic in ("mdp", "policy_gradient", "bellman", "natural_gradients", "occupancies", "q_prop")
    },
}

# Mutations --------------------------------------------------------------------------------------------------

OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.MatMult: ("@", "*"),
    ast.Pow: ("**", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
OPPOSITES = dict([("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("nanmin", "nanmax")])
OPPOSITES |= {other: name for name, other in OPPOSITES.items()}
# Functions whose first two arguments are not swapped: nothing would change, or all would break.
SYMMETRIC = {"max", "min", "maximum", "minimum", "array_equal", "swapaxes", "isinstance", "getattr", "hasattr"}
VECTORS = {"V", "W", "G"}  # capitals that are no matrices: .T does nothing to them


@dataclass(frozen=True)
class Mutant:
    """Bytes `start` to `end` of a file replaced by `new`; `lines` tell which tests could notice."""

    topic: str
    path: Path
    scope: str
    start: int
    end: int
    new: str
    lines: tuple[tuple[str, int], ...]  # (file, line)

    @property
    def source(self) -> bytes:
        text = read(self.path)
        return text[: self.start] + self.new.encode() + text[self.end :]

    def can_be_read(self) -> bool:
        try:
            ast.parse(self.source)
        except SyntaxError:
            return False
        return True

    @property
    def line(self) -> int:
        return read(self.path)[: self.start].count(b"\n") + 1

    @property
    def change(self) -> tuple[str, str]:
        """The lines that it changes, before and after."""
        text = read(self.path)
        first, last = text.rfind(b"\n", 0, self.start) + 1, text.find(b"\n", self.end)
        after = text[first : self.start] + self.new.encode() + text[self.end : last]
        return text[first:last].decode().strip(), after.decode().strip()

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()} {self.scope}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called wherever the line comes to stand."""
        return self.place, *self.change


@cache
def read(path) -> bytes:
    return path.read_bytes()


class Mutations(ast.NodeVisitor):
    """All mutants of a file but those of annotations, docstrings and what an error says."""

    def __init__(self, topic, path):
        self.topic, self.path, self.found, self.scopes, self.known = topic, path, {}, [], [set()]
        self.line_starts = [0]
        for line in read(path).splitlines(keepends=True):
            self.line_starts.append(self.line_starts[-1] + len(line))
        self.lines = ()  # of the statement that is being visited
        self.visit(ast.parse(read(path)))

    def at(self, node):
        return self.line_starts[node.lineno - 1] + node.col_offset

    def end(self, node):
        return self.line_starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node):
        return read(self.path)[self.at(node) : self.end(node)].decode()

    def add(self, start, end, new):
        scope = ".".join(self.scopes) or "module"
        self.found[start, end, new] = Mutant(self.topic, self.path, scope, start, end, new, self.lines)

    def replace(self, node, new):
        self.add(self.at(node), self.end(node), new)

    def operator(self, kind, left, right):
        old, new = OPERATORS.get(type(kind), ("", ""))
        between = read(self.path)[self.end(left) : self.at(right)].decode()
        found = re.search(re.escape(old).replace("\\ ", r"\s+"), between)
        if old and found:
            begin = self.end(left) + len(between[: found.start()].encode())
            self.add(begin, begin + len(found.group().encode()), new)

    def visit(self, node):
        if isinstance(node, ast.stmt):
            outer, self.lines = self.lines, self.lines_of(node)
            super().visit(node)
            self.lines = outer
        elif not isinstance(node, ast.JoinedStr):
            super().visit(node)

    def lines_of(self, node):
        """Where a statement of a function runs; for a default the function's body, for a constant where it is read."""
        name = self.path.as_posix()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return tuple((name, line) for line in range(node.body[0].lineno, node.end_lineno + 1))
        if not self.scopes:
            targets = [t.id for part in ast.walk(node) if isinstance(part, ast.Assign) for t in names(part.targets)]
            return tuple({place for target in targets for place in uses().get(target, ())})
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else node.end_lineno
        return tuple((name, line) for line in range(node.lineno, max(last, node.lineno) + 1))

    def visit_FunctionDef(self, node):
        self.scopes.append(node.name)
        arguments = node.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d)):
            self.visit(default)
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        self.known.append({argument.arg for argument in every if argument})
        for statement in node.body:
            self.visit(statement)
        self.known.pop()
        self.scopes.pop()

    def visit_ClassDef(self, node):
        self.scopes.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.scopes.pop()

    def visit_Raise(self, node):
        pass

    def visit_AnnAssign(self, node):
        if node.value:
            self.visit(node.value)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            self.replace(node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node):
        bound = {name.id for name in names(node.targets)}
        if bound == {"__repr__"}:  # which no test's lines lead to; test_results.py holds it for all named results
            return
        if self.scopes and bound <= self.known[-1]:
            self.replace(node, "pass")
        self.known[-1] |= bound
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        self.replace(node, "pass")
        self.operator(node.op, node.target, node.value)
        self.generic_visit(node)

    def visit_Continue(self, node):
        self.replace(node, "break")

    def visit_Break(self, node):
        self.replace(node, "continue")

    def visit_BinOp(self, node):
        self.operator(node.op, node.left, node.right)
        if isinstance(node.op, ast.MatMult):
            for side in (node.left, node.right):
                name = getattr(side, "attr", getattr(side, "id", "")).lstrip("_")
                if name[:1].isupper() and name not in VECTORS | {"T"}:
                    self.replace(side, f"{self.text(side)}.T")
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.operator(node.op, left, right)
        self.generic_visit(node)

    def visit_Compare(self, node):
        for left, kind, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self.operator(kind, left, right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        self.replace(node, self.text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, bool):
            self.replace(node, str(not node.value))
        elif isinstance(node.value, int):
            self.replace(node, "0" if node.value == 1 else str(node.value + 1))
        elif isinstance(node.value, float):
            self.replace(node, repr(2 * node.value or 1.0))

    def visit_Attribute(self, node):
        if node.attr == "T":
            self.replace(node, self.text(node.value))
        self.generic_visit(node)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in OPPOSITES:
            end = self.end(node.func)
            self.add(end - len(name), end, OPPOSITES[name])
        if len(node.args) > 1 and name not in SYMMETRIC:
            one, two = node.args[:2]
            plain = not isinstance(one, ast.Starred) and not isinstance(two, ast.Starred)
            if plain and ast.dump(one) != ast.dump(two):
                between = read(self.path)[self.end(one) : self.at(two)].decode()
                self.add(self.at(one), self.end(two), self.text(two) + between + self.text(one))
        self.generic_visit(node)

    def condition(self, node):
        told = isinstance(node.test, ast.UnaryOp) or (
            isinstance(node.test, ast.Compare)
            and isinstance(node.test.ops[0], (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn))
        )
        if not told:  # as the operator says it already
            self.replace(node.test, f"(not ({self.text(node.test)}))")
        self.generic_visit(node)

    visit_If = visit_While = visit_IfExp = condition


def names(targets):
    """The names that targets of an assignment bind; none for entries and attributes, which exist already."""
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from names(target.elts)
        elif isinstance(target, ast.Starred):
            yield from names([target.value])
        elif isinstance(target, ast.Name):
            yield target


@cache
def uses():
    """Where the numerics read each name: {name: {(file, line)}}."""
    found = {}
    for path in (path for paths in TOPICS.values() for path in paths):
        for node in ast.walk(ast.parse(read(path))):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if name:
                found.setdefault(name, set()).add((path.as_posix(), node.lineno))
    return found


def sample(count, seed, of):
    """Mutants, evenly over the topics; a change of the sources leaves the others in the sample."""
    every = {
        topic: [m for path in paths if of in path.as_posix() for m in Mutations(topic, path).found.values()]
        for topic, paths in TOPICS.items()
    }
    every = {topic: mutants for topic, mutants in every.items() if mutants}

    def rank(mutant):
        return hashlib.sha256("\n".join([str(seed), *mutant.key]).encode()).digest()

    chosen = []
    for i, (_, mutants) in enumerate(every.items()):
        share = count // len(every) + (i < count % len(every))
        chosen += islice(filter(Mutant.can_be_read, sorted(mutants, key=rank)), share)
    return chosen, {mutant.key for mutants in every.values() for mutant in mutants}


# One mutant -------------------------------------------------------------------------------------------------


def functions(namespace):
    """The functions of a module's or a class's namespace by their full names, those in properties and wrappers too."""
    for value in list(namespace.values()):
        if isinstance(value, type):
            if value.__module__ == namespace.get("__name__", namespace.get("__module__")):
                yield from functions(vars(value))
            continue
        for part in (value, *(getattr(value, name, None) for name in ("fget", "func", "__func__", "__wrapped__"))):
            if isinstance(part, FunctionType):
                yield part.__qualname__, part


def put_in(mutant):
    """Give the functions of the module that is loaded, and the constants of those who import them, what it changes."""
    name = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = sys.modules[name]
    scratch = {"__name__": name, "__package__": module.__package__, "__builtins__": builtins}
    exec(compile(mutant.source, str(mutant.path), "exec"), scratch)
    new = dict(functions(scratch))
    for qualname, function in functions(vars(module)):
        if qualname in new:
            if function.__code__.co_filename == str(mutant.path):
                function.__code__ = new[qualname].__code__
            function.__defaults__, function.__kwdefaults__ = new[qualname].__defaults__, new[qualname].__kwdefaults__
    plain = (bool, int, float, tuple, dict, np.ndarray)
    for constant, old in list(vars(module).items()):
        if isinstance(old, plain) and constant in scratch and not constant.startswith("__"):
            for other in [other for key, other in sys.modules.items() if key.startswith(("rlbook", "test"))]:
                if vars(other).get(constant) is old:
                    setattr(other, constant, scratch[constant])


class Watch:
    """What became of the tests that a process ran."""

    def __init__(self):
        self.failed, self.left_out = [], []

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid)
        if report.skipped and report.when == "call":
            self.left_out.append(report.nodeid)


def run(session, item):
    session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def fork(work):
    """The number of a process that does `work()`, which gives its exit code; it says nothing."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    code = 2
    try:
        os.setpgid(0, 0)
        if not os.environ.get("MUTANTS_SPEAK"):
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
        code = work()
    finally:
        os._exit(code)


def side_by_side(jobs, done, workers):
    """Each job is (what it is called, its work, seconds it may take); done(called, status) as each ends."""
    waiting, running = list(reversed(jobs)), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                called, work, limit = waiting.pop()
                running[fork(work)] = called, time.monotonic() + limit
            for number, (called, until) in list(running.items()):
                ended, status = os.waitpid(number, os.WNOHANG)
                if ended:
                    del running[number]
                    done(called, status)
                elif time.monotonic() > until:
                    os.killpg(number, signal.SIGKILL)
            time.sleep(0.01)
    finally:
        for number in running:
            os.killpg(number, signal.SIGKILL)


# The tests of a line ----------------------------------------------------------------------------------------


def digest(paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def too_long(*_):
    pytest.skip("it takes too long for a mutant")


def function_of(item):
    return getattr(item, "originalname", item.name)


def coverage_of(session, path, items, watch):
    """Run a file's tests with coverage and keep which lines each runs, and how long it takes."""
    from coverage import Coverage
    from hypothesis import settings

    settings.register_profile("few", settings.get_profile("book"), max_examples=EXAMPLES)
    settings.load_profile("few")
    measured = Coverage(data_file=None, include=[str(p) for paths in TOPICS.values() for p in paths], config_file=False)
    seconds, spent = {}, {}
    signal.signal(signal.SIGVTALRM, too_long)
    measured.start()
    for item in items:
        if spent.setdefault(function_of(item), 0.0) < ENOUGH_SECONDS:
            measured.switch_context(item.nodeid)
            started = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, LONG)
            run(session, item)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            seconds[item.nodeid] = time.process_time() - started
            spent[function_of(item)] += seconds[item.nodeid]
    measured.stop()
    if watch.left_out:  # what was broken off may have left behind what others trip over: an import half done
        watch.left_out, watch.failed = watch.left_out + watch.failed, []
    data = measured.get_data()
    lines = {name: data.contexts_by_lineno(name) for name in data.measured_files()}
    with gzip.open(kept_at(path), "wt") as file:
        json.dump({"digest": state(path), "seconds": seconds, "lines": lines, **vars(watch)}, file)
    return 0


def kept_at(path):
    return KEPT / f"{path.stem}.json.gz"


@cache
def state(path):
    sources = [p for paths in TOPICS.values() for p in paths]
    shared = sorted(path for path in (ROOT / "tests").glob("*.py") if path != Path(__file__))
    return digest([path, *sources, *shared])


def kept(path):
    """What is kept of a file of tests, if it is as it was."""
    try:
        with gzip.open(kept_at(path), "rt") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return None
    return known if known["digest"] == state(path) and not known["failed"] else None


class Mutating:
    """Takes pytest's place once all tests are collected."""

    def __init__(self, options):
        self.options, self.watch, self.share = options, Watch(), 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            raise SystemExit("tests/numerics cannot be collected")
        session.config.pluginmanager.register(self.watch)
        self.items = {item.nodeid: item for item in session.items}
        self.files = sorted({item.path for item in session.items})
        self.alike = {}  # the tests that differ from one in their parameters only
        for item in session.items:
            self.alike.setdefault((item.path, function_of(item)), []).append(item.nodeid)
        self.map(session)
        self.mutate(session)
        return True

    def map(self, session):
        KEPT.mkdir(parents=True, exist_ok=True)
        jobs = []
        for path in self.files:
            if kept(path) is None:
                items = [item for item in session.items if item.path == path]
                jobs.append((path, lambda path=path, items=items: coverage_of(session, path, items, self.watch), 7200))
        if jobs:
            print(f"Finding which tests run which line: {len(jobs)} files of tests.", flush=True)

        def done(path, status):
            if status or kept(path) is None:
                raise SystemExit(f"{path.relative_to(ROOT)} fails without any mutant")
            print(f"  {path.relative_to(ROOT)}: {sum(kept(path)['seconds'].values()):.0f} s", flush=True)

        side_by_side(jobs, done, self.options.workers)
        self.seconds, self.tests, self.measured = {}, {}, set()
        for path in self.files:
            known = kept(path)
            self.measured |= known["seconds"].keys()
            self.seconds |= {test: spent for test, spent in known["seconds"].items() if test not in known["left_out"]}
            for name, lines in known["lines"].items():
                for line, tests in lines.items():
                    self.tests.setdefault((name, int(line)), set()).update(tests)
        self.rank = {test: i for alike in self.alike.values() for i, test in enumerate(alike, start=1)}
        heirs = {}  # of the first of those that are alike: the others, which run the same lines
        for alike in self.alike.values():
            first, others = alike[0], [test for test in alike if test not in self.measured]
            if first in self.seconds:
                heirs[first] = others
                self.seconds |= dict.fromkeys(others, self.seconds[first])
        self.breadth = Counter(test for tests in self.tests.values() for test in tests)  # lines that each runs
        for first, others in heirs.items():
            self.breadth |= dict.fromkeys(others, self.breadth[first])
        for tests in self.tests.values():
            tests.update([heir for test in tests for heir in heirs.get(test, ())])

    def meets(self, mutant):
        """The tests that run what it changes. First come those that run little else, for what is changed is what they
        are about, and quickly; of those that are alike not all at once."""
        tests = set().union(*(self.tests.get(place, ()) for place in mutant.lines)) & self.seconds.keys()
        chosen, spent = [], 0.0
        for test in sorted(
            tests, key=lambda test: (self.rank[test] * (self.breadth[test] + 300 * self.seconds[test]), test)
        ):
            spent += self.seconds[test]
            if chosen and (spent > MOST_SECONDS or len(chosen) >= MOST_TESTS):
                break
            chosen.append(test)
        return chosen

    def trial(self, session, mutant, tests):
        def work():
            seconds = 10 + 4 * sum(self.seconds[test] for test in tests)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            try:
                put_in(mutant)
            except Exception:
                return 1  # the module could not be imported
            for test in tests:
                run(session, self.items[test])
                if self.watch.failed:
                    return 1
            return 0

        return work

    def mutate(self, session):
        options = self.options
        chosen, every = sample(options.count, options.seed, options.of)
        equivalent = {
            (entry["place"], entry["line"], entry["mutant"]): entry["reason"]
            for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
        }
        if not options.of:
            for key in equivalent.keys() - every:
                raise SystemExit(f"{EQUIVALENT.name} lists what is no mutant any more: {' | '.join(key)}")
        last = KEPT / "survivors.json"
        if options.again:
            before = {tuple(key) for key in json.loads(last.read_text(encoding="utf-8"))}
            chosen = [mutant for mutant in chosen if mutant.key in before]
        outcome = {mutant: "equivalent" for mutant in chosen if mutant.key in equivalent}
        asked = [mutant for mutant in chosen if mutant not in outcome]
        print(f"{len(asked)} mutants, and {len(outcome)} that are equivalent.", flush=True)

        def done(mutant, status):
            outcome[mutant] = "killed" if status else "survived"
            if not status:
                met = len(self.meets(mutant))
                print(f"\n{mutant.path.relative_to(ROOT)}:{mutant.line} in {mutant.scope}, of {met} tests", flush=True)
                old, new = mutant.change
                print(
                    "\n".join([*(f"- {x}" for x in old.split("\n")), *(f"+ {x}" for x in new.split("\n"))]), flush=True
                )

        jobs = []
        for mutant in asked:
            tests = self.meets(mutant)
            jobs.append((mutant, self.trial(session, mutant, tests), 900))
        side_by_side(jobs, done, self.options.workers)
        survivors = [mutant.key for mutant in chosen if outcome[mutant] == "survived"]
        last.write_text(json.dumps(survivors), encoding="utf-8")
        print(f"\n{'':20}{'killed':>10}{'survived':>10}{'equivalent':>12}")
        total = {}
        for topic in [topic for topic in TOPICS if any(mutant.topic == topic for mutant in chosen)]:
            ends = [outcome[mutant] for mutant in chosen if mutant.topic == topic]
            row = [ends.count(end) for end in ("killed", "survived", "equivalent")]
            total = [a + b for a, b in zip(total or (0, 0, 0), row, strict=True)]
            print(f"{topic:20}{row[0]:10}{row[1]:10}{row[2]:12}")
        killed, survived, _ = total or (0, 0, 0)
        self.share = killed / max(1, killed + survived)
        print(f"{'all':20}{killed:10}{survived:10}{total[2]:12}\n{100 * self.share:.1f} % killed", flush=True)


def main():
    parser = argparse.ArgumentParser(description="One line of the numerics changed at a time: do tests notice?")
    parser.add_argument("--count", type=int, default=300, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--of", default="", help="only files whose path has this in it, such as bellman/large")
    parser.add_argument("--tests", nargs="+", default=["tests/numerics"], help="files of tests, or a folder of them")
    parser.add_argument("--workers", type=int, default=2, help="mutants that are tried at the same time")
    parser.add_argument("--again", action="store_true", help="only those that survived last time")
    mutating = Mutating(options := parser.parse_args())
    os.chdir(ROOT)
    code = pytest.main(
        ["-o", "addopts=", "-s", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist", *options.tests],
        plugins=[mutating],
    )
    if code:
        sys.exit(int(code))
    if mutating.share < ENOUGH:
        sys.exit(f"less than {100 * ENOUGH:.0f} % of the mutants are killed")


if __name__ == "__main__":
    main()
