"""Who imports whom in the package, read from its source: for the notebooks' keys, the drawing of the house, the tests.

A room is a module that defines something. A package's `__init__` that defines no function and no class is a face: it
only hands on what its rooms define, so a name imported from it counts as imported from the room that defines it, and
the face itself, imported as a module, counts as all that it hands on.
"""

import ast
from pathlib import Path


class Sources:
    """The modules of a package in a folder: `path`, `tree` and `imports(module)`, by their dotted names."""

    def __init__(self, root, package="rlbook"):
        self.path = {}
        for path in sorted(Path(root, package).rglob("*.py")):
            if "node_modules" not in path.parts:
                parts = path.relative_to(root).with_suffix("").parts
                self.path[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.tree = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.path.items()}

    def is_face(self, module):
        defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return self.is_package(module) and not any(isinstance(node, defines) for node in self.tree[module].body)

    def is_package(self, module):
        return module in self.path and self.path[module].name == "__init__.py"

    def rooms(self):
        return [module for module in self.path if not self.is_face(module)]

    def named_in(self, tree, module=""):
        """What a program imports: (module, name or None, the name it gets), anywhere in it, in functions too."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, None, alias.asname or alias.name.partition(".")[0]
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    parts = module.split(".") if self.is_package(module) else module.split(".")[:-1]
                    source = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [source])])
                for alias in node.names:
                    yield source, alias.name, alias.asname or alias.name

    def home(self, module, name):
        """Where something lives that is imported by `from module import name`; the module's name if it is one."""
        if self.is_package(module):
            for source, given, alias in self.named_in(self.tree[module], module):
                if alias == name and given and source in self.path and (source, given) != (module, name):
                    return self.home(source, given)
                if given == "*" and source in self.path:
                    found = self.home(source, name)
                    if found != source or name in self.defined(source):
                        return found
        inner = f"{module}.{name}"
        return inner if inner in self.path else module

    def defined(self, module):
        """The names that a module of the package binds at its top."""
        names = set()
        for node in self.tree[module].body if module in self.tree else ():
            if isinstance(node, ast.Assign):
                names |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
            elif hasattr(node, "name"):
                names.add(node.name)
        return names

    def imports(self, module, tree=None):
        """The rooms that a module imports; or another program, given its syntax tree."""
        tree = tree or self.tree[module]
        found = {self.home(source, name) if name else source for source, name, _ in self.named_in(tree, module)}
        return set().union(*(self.behind(name) for name in found if name in self.path)) - {module}

    def behind(self, module):
        """The rooms behind a module: itself, or all that a face hands on."""
        return self.imports(module) if self.is_face(module) else {module}

    def closure(self, rooms):
        """Some rooms with all that they import, and what these import, and so on."""
        known, waiting = set(), set(rooms)
        while waiting:
            known |= waiting
            waiting = set().union(*map(self.imports, waiting)) - known
        return known
