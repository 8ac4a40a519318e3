"""The plan of the house (who may import whom, who speaks to the database, how large things get), checked."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {"lead_crm": 0, "workflow": 1, "leads": 2, "management": 3}
ABOVE_ALL = "lead_crm.urls"
LATE = "lead_crm.gunicorn_config"  # imports inside a function, for a reason that stands there
ROOMS = {"documents": 0, "rules": 1, "store": 1, "service": 2, "api": 3}
PURE = {
    "lead_crm": "errors access diff contact",
    "workflow": "assignment documents fields values scoring policies task_kinds workflow consistency rules",
    "leads": "documents messages record gate rules tasks automation life life_messages scoring search keys ranking"
    " merging merging_messages numbering erasing personal capture enquiry_form assignment events past_messages"
    " bulk_messages bulk_actions scoring_messages",
}  # fmt: skip
IMPURE = r"(django|rest_framework|pymongo|mongomock|gunicorn|requests|socket|time|random|threading|os|subprocess)(\.|$)"
IMPURE_ROOMS = (
    r"lead_crm\.(settings|mongo|mongod|store|http|directory|stamp|idempotency|logs|audit|client|pace|attempts)"
    r"|.*\.(store|service|api)$"
)
SPEAKS_MONGO = re.compile(
    r".*\.store|lead_crm\.(mongo|store|idempotency|directory|mongod)|leads\.(board|listing|counting|placing|seats|spilled|turns|worklist|previews|records|recounts|many)"
    r"|lead_crm\.(audit|attempts)|leads\.(duplicates|views_store)|management\.(accounts|sessions|audit_log|privacy|reports|retention|worker)"
)
CLOCKS = {"now", "today", "utcnow", "time", "monotonic"}
CACHES = {".hypothesis", *(f".{tool}_cache" for tool in ("mypy", "ruff", "pytest"))}
SKIPPED = {".venv", ".git", "var", "node_modules", "__pycache__", *CACHES}


def files(*suffixes: str) -> Iterator[Path]:
    for top in ROOT.iterdir():
        for path in [] if top.name in SKIPPED else [top, *top.rglob("*")]:
            if (
                path.is_file()
                and not SKIPPED.intersection(path.relative_to(ROOT).parts)
                and (not suffixes or path.suffix in suffixes)
            ):
                yield path


PRODUCT = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(files(".py")) if path.relative_to(ROOT).parts[0] in FLOORS and path.name != "__init__.py"
}  # fmt: skip
PURE_MODULES = [f"{app}.{name}" for app, names in PURE.items() for name in names.split()]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PRODUCT[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """What it imports, by full names: `from leads import store` is `leads.store`."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in PRODUCT else node.module for name in names}
    return frozenset(found)


def project(module: str) -> frozenset[str]:
    return frozenset(name for name in imports(module) if name.partition(".")[0] in FLOORS)


def functions() -> Iterator[tuple[str, int]]:
    for module in PRODUCT:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_nobody_imports_from_a_floor_above() -> None:
    wrong = [
        (module, name) for module in PRODUCT if module not in (ABOVE_ALL, LATE) for name in project(module)
        if name == ABOVE_ALL or FLOORS[name.partition(".")[0]] > FLOORS[module.partition(".")[0]]
    ]  # fmt: skip
    assert wrong == []


def test_inside_an_app_the_way_goes_from_api_to_documents() -> None:
    """Rules and store stand beside each other: neither knows the other."""
    wrong = []
    for module in PRODUCT:
        app, _, room = module.partition(".")
        for name in project(module):
            other_app, _, other = name.partition(".")
            if app == other_app and room in ROOMS and other in ROOMS and ROOMS[other] >= ROOMS[room]:
                wrong.append((module, name))
    assert wrong == []


@pytest.mark.parametrize("module", PURE_MODULES)
def test_rules_import_nothing_that_acts(module: str) -> None:
    assert [name for name in imports(module) if re.match(IMPURE, name) or re.fullmatch(IMPURE_ROOMS, name)] == []


@pytest.mark.parametrize("module", PURE_MODULES)
def test_rules_read_no_clock(module: str) -> None:
    asked = [
        node.attr for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
        and isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date", "time")
    ]  # fmt: skip
    named = [
        alias.name for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom)
        for alias in node.names if (node.module, alias.name) == ("lead_crm.documents", "now")
    ]  # fmt: skip
    assert asked + named == []


def test_rules_can_be_read_without_a_web_framework_behind_them() -> None:
    """Also by way of others."""
    reached, unread = set(PURE_MODULES), list(PURE_MODULES)
    while unread:
        following = {name for name in project(unread.pop()) if name in PRODUCT} - reached
        reached |= following
        unread += following
    assert sorted((m, name) for m in reached for name in imports(m) if re.match(IMPURE, name)) == []


def test_mongodb_is_spoken_in_few_rooms() -> None:
    speaking = [
        module for module in PRODUCT
        if any(name.split(".")[0] in ("pymongo", "mongomock") for name in imports(module))
        or "mongo.collection(" in PRODUCT[module].read_text()
    ]  # fmt: skip
    assert [module for module in speaking if not SPEAKS_MONGO.fullmatch(module)] == []


def test_nothing_is_imported_inside_a_function() -> None:
    hidden = {
        module for module in PRODUCT for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)
    }  # fmt: skip
    assert hidden <= {LATE}


def test_files_and_functions_stay_small() -> None:
    assert [path.name for path in files(".py") if len(path.read_text().splitlines()) > 400] == []
    assert [(name, size) for name, size in functions() if size > 50] == []
    sizes = [size for _, size in functions()]
    assert median(sizes) <= 8
    assert quantiles(sizes, n=10)[-1] <= 25


def test_every_silenced_type_error_says_which() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)")
    assert [p.name for p in files(".py") if bare.search(p.read_text()) and p != Path(__file__)] == []


def spelled(*parts: str) -> str:
    """So that this file does not name what it looks for."""
    return "".join(parts)


FOREIGN = [
    spelled("pypi", r"\.org"), spelled("python", r"hosted\.org"), spelled("registry", r"\.npm"),
    spelled("npmjs", r"\.com"),
    spelled("registry", r"\.yarn"), spelled("/ro", "ot/"), spelled("/wo", "rk/"), spelled("/ho", r"me/\w"),
    spelled("/Us", r"ers/\w"), spelled("cl", "aude"), spelled("anthro", "pic"), spelled("chat", "gpt"),
    spelled("open", r"ai\b"), spelled("co", "pilot"), spelled("gem", "ini"), spelled("code", r"x\b"),
    spelled(r"\bl", r"lms?\b"),
    spelled("language", " model"), spelled(r"(?-i:\bA", r"I\b)"),
]  # fmt: skip


def test_no_file_names_where_or_with_what_it_was_made() -> None:
    """No package registry, no path of one machine, no tool."""
    pattern = re.compile("|".join(FOREIGN), re.IGNORECASE)
    named = []
    for path in files():
        text = path.read_bytes().decode("utf-8", "replace")
        named += [(str(path.relative_to(ROOT)), found[0]) for found in [pattern.search(text)] if found]
    assert named == []
