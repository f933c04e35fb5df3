"""What server code is, and what it must not name, receive or reach: found by reading the sources.

Server modules are those of the server's packages, and every module that they reach by an import, wherever it stands: at
the top, inside a function, under ``TYPE_CHECKING``, or as text for a lazy import. Code in a class that runs on devices
(a task, a transform, a part of an upload) is left out, wherever its file lies; its imports count all the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import fedshare

ROOT = Path(fedshare.__file__).parent

SERVER_PACKAGES = ("training", "algorithms", "unlearning", "storage")

DEVICE_BASES = {"DeviceCode", "ClientTask", "TrainingTask", "RankingTask"}
"A class that derives from one of these runs on devices."

DEVICE_MODULES = {"fedshare.federation.tasks", "fedshare.federation.uploads", "fedshare.federation.transforms"}
"Where the types of device code are defined."

PRIVATE_HOMES = (
    "fedshare.sharing.ledger",
    "fedshare.sharing.request",
    "fedshare.sharing.events",
    "fedshare.sharing.policy",
    "fedshare.sharing.device_view",
    "fedshare.sharing.order",
    "fedshare.data.interactions",
    "fedshare.data.load",
    "fedshare.data.splits",
    "fedshare.data.filters",
    "fedshare.data.readers",
    "fedshare.data.synthetic",
    "fedshare.evaluation",
    "fedshare.simulation",
    "fedshare.experiments",
    "fedshare.demo",
    "fedshare.cli",
    "fedshare.testing",
)
"Modules and packages in which private pairs, private vectors, histories or whole runs are at hand."

PRIVATE_NAMES = {
    "Ledger",
    "Interactions",
    "DeviceView",
    "DeviceRun",
    "Population",
    "Clients",
    "Run",
    "Request",
    "Cohort",
    "CohortUpdate",
    "Uploads",
    "Rows",
    "Dense",
    "HeldOut",
    "LocalWork",
    "LocalRound",
    "LocalScorer",
    "HopGradient",
    "UpdateLog",
    "device_pairs",
    "device_view",
    "private_items",
    "erased_items",
    "central_view",
    "candidate_scores",
    "histories",
    "population",
    "ledger",
    "private",
    "devices",
    "put",
    "carry_out",
    "request",
    "observer",
}
"What server code must not name, as a variable, an attribute, a parameter or an annotation."

ROUNDABOUT = {
    "vars",
    "globals",
    "locals",
    "eval",
    "exec",
    "gc",
    "inspect",
    "sys",
    "importlib",
    "import_module",
    "__import__",
    "__dict__",
    "__globals__",
    "__subclasses__",
    "__closure__",
    "gi_frame",
    "f_locals",
}
"Ways to come by what one does not name. Nothing that server code is for needs them."

ALLOWED = {"fedshare.federation.orders": {"devices", "put", "carry_out"}, "fedshare.lazy": {"import_module"}}
"Where orders and devices meet, and where modules are loaded by name: nothing else happens in these two."

BY_NAME = {"at", "attrgetter", "methodcaller", "__getattribute__", "getattr_static"}
"Functions that fetch what a text names; so does ``getattr``."

REGISTERED = {"home", "task_home", "keeps"}
"Columns of the registries that say where something stands."

OTHER_PACKAGES = {"cli", "data", "demo", "evaluation", "experiments", "simulation", "testing", "transport"}
"Packages that are not the server's: a new one belongs to one side or the other, and says which."

SHARED_PACKAGES = {"federation", "models", "sharing"}
"Packages of which server code reaches some modules; those are found by their imports."

NEVER_IN_TASKS = {"Ledger", "ledger", "Population", "population", "devices", "Run"}
"What code that runs on a device must not name either: a device is one person's."


class Fault(NamedTuple):
    """One thing that server code must not do."""

    module: str
    line: int
    what: str


def module_files() -> dict[str, Path]:
    """Every module of the library with its file."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = ("fedshare", *file.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


def server_modules(files: Mapping[str, Path]) -> dict[str, Path]:
    """The modules of the server's packages, and all that they reach."""
    packages = tuple(f"fedshare.{name}" for name in SERVER_PACKAGES)
    todo = [name for name in files if name.startswith(tuple(f"{each}." for each in packages)) or name in packages]
    reached: dict[str, Path] = {}
    while todo:
        name = todo.pop()
        if name in reached or name not in files:
            continue
        reached[name] = files[name]
        todo += imports(name, files)
    return reached


def imports(name: str, files: Mapping[str, Path]) -> list[str]:
    """The modules of the library that a module imports, the packages on the way included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(files[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"\bfedshare(?:\.\w+)+", node.value)) if _is_code(node.value) else set()
    ours = {each for each in found if each.startswith("fedshare.") and each in files}
    above = {each.rsplit(".", count)[0] for each in ours for count in range(1, each.count("."))}
    return sorted(ours | {each for each in above if each in files and each != "fedshare"})


def _is_code(text: str) -> bool:
    """Whether a string may name a module to import: prose has blanks."""
    return re.fullmatch(r"fedshare(\.\w+)+(:\w+)?", text) is not None


def _absolute(node: ast.ImportFrom, name: str) -> str:
    if not node.level:
        return node.module or ""
    return ".".join([*name.split(".")[: -node.level], *([node.module] if node.module else [])])


def faults(files: Mapping[str, Path]) -> list[Fault]:
    """Everything that server code does and must not."""
    found: list[Fault] = []
    reached = server_modules(files)
    for name in reached:
        if name.startswith(PRIVATE_HOMES):
            who = [each for each in reached if name in imports(each, files) and not each.startswith(PRIVATE_HOMES)]
            found.append(Fault(name, 0, f"is reached by server code, from {', '.join(who) or 'below'}"))
            continue
        tree = ast.parse(files[name].read_text(encoding="utf-8"))
        found += _named(name, ast.walk(tree), (NEVER_IN_TASKS | ROUNDABOUT) - ALLOWED.get(name, set()))
        if name not in DEVICE_MODULES:
            forbidden = (PRIVATE_NAMES | _device_helpers(tree)) - ALLOWED.get(name, set())
            found += _named(name, _server_nodes(tree), forbidden)
            found += _loaded(name, tree)
    return sorted(set(found))


def _named(module: str, nodes: Iterable[ast.AST], forbidden: set[str]) -> Iterator[Fault]:
    for node in nodes:
        for name in _names(node):
            if name in forbidden:
                yield Fault(module, getattr(node, "lineno", 0), f"names '{name}'")


def _loaded(module: str, tree: ast.Module) -> Iterator[Fault]:
    """Imports and attributes that cannot be read off the source, or that bring everything along."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name == "fedshare" for alias in node.names):
            yield Fault(module, node.lineno, "imports the whole package, by which everything is at hand")
        elif isinstance(node, ast.ImportFrom) and _absolute(node, module) == "fedshare":
            yield Fault(module, node.lineno, "imports from the whole package, expected the module itself")
        elif isinstance(node, ast.Call):
            if module in ALLOWED or (node.args and getattr(node.args[0], "id", "") == "self"):
                continue  # one's own options, by name
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "at" and isinstance(node.func, ast.Attribute):
                continue  # NumPy's: np.add.at
            arguments = {"getattr": node.args[1:2]}.get(called, node.args if called in BY_NAME else [])
            for each in arguments:
                if not isinstance(each, ast.Constant) and getattr(each, "attr", "") not in REGISTERED:
                    yield Fault(module, node.lineno, f"calls {called} with a name that is computed")


def _device_helpers(tree: ast.Module) -> set[str]:
    """Classes of a module that run on devices and are no tasks: nobody else makes one."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and _runs_on_devices(node, tree)
        and "DeviceCode" in {base.id for base in node.bases if isinstance(base, ast.Name)}
    }


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.arg | ast.keyword):
        yield node.arg or ""
    elif isinstance(node, ast.MatchClass):
        yield from node.kwd_attrs
    elif isinstance(node, ast.alias):
        yield from (node.name.rsplit(".", 1)[-1], node.asname or "")
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
        yield from re.findall(r"\w+", node.value)  # an annotation as text, or getattr's second argument


def _server_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes outside classes that run on devices, docstrings apart; imports of device types are left to those."""
    device = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _runs_on_devices(node, tree)}

    def visit(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef) and child.name in device:
                continue
            if isinstance(child, ast.FunctionDef) and _serves_devices(child, tree, device):
                continue
            if isinstance(child, ast.ImportFrom) and device:
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.Assign) and any(getattr(each, "id", "") == "__all__" for each in child.targets):
                continue
            yield child
            yield from visit(child)

    yield from visit(tree)


def _runs_on_devices(node: ast.ClassDef, tree: ast.Module) -> bool:
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    here = (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name in bases)
    return bool(bases & DEVICE_BASES) or any(_runs_on_devices(each, tree) for each in here)


def _serves_devices(node: ast.FunctionDef, tree: ast.Module, device: set[str]) -> bool:
    """A function of a module that only classes which run on devices call."""
    if node not in tree.body:
        return False
    callers = [
        each
        for each in tree.body
        if each is not node
        and not isinstance(each, ast.Assign)
        and any(isinstance(inner, ast.Name) and inner.id == node.name for inner in ast.walk(each))
    ]
    return bool(callers) and all(
        (isinstance(each, ast.ClassDef) and each.name in device)
        or (isinstance(each, ast.FunctionDef) and _serves_devices(each, tree, device))
        for each in callers
    )
