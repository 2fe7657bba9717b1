"""The description of the routes is whole: what scripts/openapi writes, with all rows of service/route.c and no others."""
import json
import re
import subprocess
import sys


def rows():
    """Of the table, as (method, path)."""
    with open("service/route.c") as f:
        found = re.findall(r'^    \{ "([A-Z]+)", "([^"]+)",', f.read(), re.M)
    return {("GET" if method == "MESSAGE" else method, path) for method, path in found}


def described(description):
    return {(method.upper(), re.sub(r"\{\w+\}", "*", path))
            for path, methods in description["paths"].items() for method in methods}


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for one in value:
            yield from references(one)


def resolves(description, reference):
    for key in reference.removeprefix("#/").split("/"):
        description = description.get(key, {})
    return bool(description)


def main():
    with open("service/openapi.json") as f:
        text = f.read()
    description = json.loads(text)
    table, paths = rows(), described(description)
    assert len(table) > 40, "the table of routes was not found"
    assert table == paths, f"not described: {sorted(table - paths)}, no routes: {sorted(paths - table)}"
    named = set(references(description))
    lost = [name for name in named if not resolves(description, name)]
    assert not lost, f"there is nothing at {lost}"
    parts = {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in description["components"][kind]}
    assert parts <= named, f"nobody names {sorted(parts - named)}"
    written = subprocess.run([sys.executable, "scripts/openapi"], capture_output=True, text=True, check=True).stdout
    assert text == written, "service/openapi.json is not what scripts/openapi writes"
    print(f"{len(table)} routes, {len(named)} parts")


main()
