#!/usr/bin/env python3
# Writes src/emulator/model.json from the service models that botocore ships.
#
# botocore is Copyright Amazon.com, Inc. or its affiliates and licensed under the Apache License 2.0;
# the file written here is a reduced copy of its data/ivs and data/ivs-realtime models (documentation
# removed, shapes that no operation reaches removed) and stays under that licence.
#
#   pip download botocore==1.44.5 --no-deps && unzip botocore-*.whl
#   python generate_model.py botocore/data            write the file
#   python generate_model.py botocore/data --check    fail if the committed file differs
"""Reduce botocore's IVS models to what the emulator needs."""

import gzip
import json
import pathlib
import sys

TARGET = pathlib.Path(__file__).resolve().parents[2] / "src" / "emulator" / "model.json"
SERVICES = ("ivs", "ivs-realtime")
VERSION = "2020-07-14"


def member(reference):
    """A member of a structure, or of a list or map: its shape and where it travels."""
    out = {"shape": reference["shape"]}
    if "location" in reference:
        out["location"] = reference["location"]
        out["locationName"] = reference["locationName"]
    return out


def shape(model):
    """One shape without its prose."""
    out = {"type": model["type"]}
    for key in ("min", "max", "pattern", "enum", "required", "sensitive"):
        if key in model:
            out[key] = model[key]
    if "members" in model:
        # A list, because the order of members is the order in which they are answered.
        out["members"] = [{"name": name, **member(m)} for name, m in model["members"].items()]
    if model["type"] == "list":
        out["member"] = model["member"]["shape"]
    if model["type"] == "map":
        out["key"] = model["key"]["shape"]
        out["value"] = model["value"]["shape"]
    if model.get("exception"):
        out["errorStatus"] = model["error"]["httpStatusCode"]
    return out


def neighbours(model):
    """The shapes that a shape names."""
    for m in model.get("members", {}).values():
        yield m["shape"]
    for key in ("member", "key", "value"):
        if key in model:
            yield model[key]["shape"]


def service(folder, name):
    """One service: its operations and the shapes they reach."""
    path = folder / name / VERSION / "service-2.json.gz"
    with gzip.open(path) as file:
        model = json.load(file)
    operations, reached = [], []
    for operation in sorted(model["operations"]):
        source = model["operations"][operation]
        out = {
            "name": operation,
            "method": source["http"]["method"],
            "uri": source["http"]["requestUri"],
            "status": source["http"].get("responseCode", 200),
        }
        for key in ("input", "output"):
            if key in source:
                out[key] = source[key]["shape"]
                reached.append(out[key])
        out["errors"] = [error["shape"] for error in source.get("errors", [])]
        reached.extend(out["errors"])
        operations.append(out)
    shapes = {}
    while reached:
        current = reached.pop()
        if current not in shapes:
            shapes[current] = shape(model["shapes"][current])
            reached.extend(neighbours(model["shapes"][current]))
    return {"operations": operations, "shapes": dict(sorted(shapes.items()))}


def render(folder):
    """The whole file: one line an operation and a shape, so that changes can be read."""
    lines = ["{"]
    source = (
        "botocore 1.44.5, data/ivs and data/ivs-realtime 2020-07-14, Apache-2.0; "
        "reduced by tests/conformance/generate_model.py"
    )
    lines.append(f' "source": {json.dumps(source)},')
    lines.append(' "services": {')
    for index, name in enumerate(SERVICES):
        content = service(folder, name)
        lines.append(f'  "{name}": {{')
        lines.append('   "operations": [')
        rows = [json.dumps(o, separators=(",", ":")) for o in content["operations"]]
        lines.append(",\n".join(f"    {row}" for row in rows))
        lines.append("   ],")
        lines.append('   "shapes": {')
        rows = [
            f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}"
            for k, v in content["shapes"].items()
        ]
        lines.append(",\n".join(f"    {row}" for row in rows))
        lines.append("   }")
        lines.append("  }" + ("," if index + 1 < len(SERVICES) else ""))
    lines.append(" }")
    lines.append("}")
    return "\n".join(lines) + "\n"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 1:
        sys.exit(f"usage: {sys.argv[0]} BOTOCORE_DATA_FOLDER [--check]")
    text = render(pathlib.Path(arguments[0]))
    if "--check" in sys.argv:
        if TARGET.read_text(encoding="utf-8") != text:
            sys.exit(f"{TARGET} differs from the models in {arguments[0]}")
        print(f"{TARGET} is up to date")
    else:
        TARGET.write_text(text, encoding="utf-8")
        print(f"wrote {TARGET}: {len(text)} bytes")


if __name__ == "__main__":
    main()
