"""Pages of the reference that are generated from the OpenAPI document."""

import collections
import re

METHODS = ("get", "put", "post", "patch", "delete")
REFERENCE = "#/components/schemas/"
# the codes of an error before their meaning: `code`: meaning, or `code`, `other`: meaning
CODES = re.compile(r"((?:`[a-z][a-z_]+`(?:, (?:or )?| or | and )?)+): ")
CODE = re.compile(r"`([a-z_]+)`")
# a code of more routes than this is listed once, at the top of the page
MAX_LISTED_ROUTES = 24


def pages(document):
    return {
        "api.md": api(document),
        "schemas.md": schemas(document),
        "problems.md": problems(document),
        "states.md": states(document),
    }


def cell(text):
    """A text as the cell of a table."""
    text = " ".join((text or "").split())
    # outside of code, `<` would begin an element
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts).replace("|", "\\|")


def first_sentence(text):
    return cell(re.split(r"\n\s*\n|(?<=\.)\s+(?=[A-Z`])", (text or "").strip())[0]).rstrip(".")


def anchor(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method], item.get("parameters", [])


def type_name(schema):
    """The type of a schema, with links to named ones."""
    if schema is None or schema is True or schema == {}:
        return "any"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f"[{name}](schemas.md#{anchor(name)})"
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_name(part) for part in schema[key]))
    if "allOf" in schema:
        return " and ".join(type_name(part) for part in schema["allOf"])
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = schema.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    names = []
    for kind in kinds:
        if kind == "array":
            names.append(f"array of {type_name(schema.get('items'))}" if "items" in schema else "array")
        elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            names.append(f"map to {type_name(schema['additionalProperties'])}")
        else:
            form = schema.get("format")
            names.append(f"{kind} ({form})" if form and kind == "string" else kind)
    return " or ".join(names)


def limits(schema):
    """The range and the default of a value, as a phrase."""
    if not isinstance(schema, dict):
        return ""
    found = []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        found.append(f"{low if low is not None else '…'} to {high if high is not None else '…'}")
    low, high = schema.get("minLength"), schema.get("maxLength")
    if low is not None or high is not None:
        found.append(f"{low or 0} to {high if high is not None else '…'} characters")
    if "default" in schema:
        value = schema["default"]
        found.append("default " + ("null" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"))
    return "; ".join(found)


def role(operation):
    """The role that the security requirement names."""
    roles = {scope for requirement in operation.get("security", []) for scopes in requirement.values() for scope in scopes}
    if not operation.get("security"):
        return "no key needed"
    return "role " + ", ".join(sorted(roles)) if roles else "any key"


def problems_of(response):
    """The codes that the description of an error names, each with its meaning."""
    parts = CODES.split(response.get("description", ""))
    for codes, meaning in zip(parts[1::2], parts[2::2]):
        for code in CODE.findall(codes):
            yield code, meaning.strip().rstrip(";.,")


def routes_by_code(document):
    """Every code that a description of a response names, with its statuses, meanings and routes."""
    found = collections.defaultdict(lambda: {"statuses": set(), "meanings": collections.Counter(), "routes": {}})
    for title, operation, _ in operations(document):
        for status, response in operation["responses"].items():
            for code, meaning in problems_of(response) if status >= "400" else ():
                found[code]["statuses"].add(status)
                found[code]["meanings"][meaning] += 1
                found[code]["routes"][title] = True
    return found


def body(content):
    return "; ".join(f"`{media}`: {type_name(entry.get('schema'))}" for media, entry in content.items())


def api(document):
    lines = ["# Routes\n", cell(document["info"].get("description")) + "\n", "Explanations, with examples: [HTTP API](../API.md).\n"]
    common = {code for code, entry in routes_by_code(document).items() if len(entry["routes"]) > MAX_LISTED_ROUTES}
    links = ", ".join(f"[`{code}`](problems.md#{code})" for code in sorted(common))
    lines.append(f"Many routes can answer with these errors, which are not repeated: {links}.\n")
    by_tag = collections.defaultdict(list)
    for title, operation, shared in operations(document):
        by_tag[(operation.get("tags") or ["other"])[0]].append((title, operation, shared))
    for tag in sorted(by_tag, key=str.lower):
        lines.append(f"## {tag[:1].upper()}{tag[1:]}\n")
        for title, operation, shared in by_tag[tag]:
            lines += describe(title, operation, shared, common)
    return "\n".join(lines)


def describe(title, operation, shared, common):
    lines = [f"### `{title}`\n"]
    summary = cell(operation.get("summary")).rstrip(".")
    lines.append(f"{summary}: {role(operation)}.\n" if summary else f"{role(operation)}\n".capitalize())
    if operation.get("description"):
        lines.append(cell(operation["description"]) + "\n")
    parameters = [*shared, *operation.get("parameters", [])]
    parameters = [entry for entry in parameters if entry["name"].lower() not in ("x-csrf-token", "traceparent")]
    if parameters:
        lines += ["| parameter | in | type | description |", "| --- | --- | --- | --- |"]
        for entry in parameters:
            schema = entry.get("schema", {})
            about = "; ".join(filter(None, [cell(entry.get("description")), limits(schema), "required" if entry.get("required") and entry["in"] != "path" else ""]))
            lines.append(f"| `{entry['name']}` | {entry['in']} | {type_name(schema)} | {about} |")
        lines.append("")
    if "requestBody" in operation:
        optional = "" if operation["requestBody"].get("required") else ", optional"
        lines.append(f"Body{optional}: {body(operation['requestBody']['content'])}\n")
    errors = []
    for status, response in operation["responses"].items():
        if status >= "400":
            codes = list(dict.fromkeys(code for code, _ in problems_of(response)))
            listed = ", ".join(f"[`{code}`](problems.md#{code})" for code in codes if code not in common)
            if listed or not codes:
                errors.append(f"{status} " + (listed or f"({cell(response['description'])})"))
        else:
            content = body(response.get("content", {}))
            headers = ", ".join(f"`{name}`" for name in response.get("headers", {}))
            text = "; ".join(filter(None, [cell(response.get("description")), content, f"headers {headers}" if headers else ""]))
            lines.append(f"**{status}**: {text}\n")
    if errors:
        lines.append("Errors: " + "; ".join(errors) + "\n")
    return lines


def schemas(document):
    lines = ["# Schemas\n", "The objects of the [routes](api.md). A property without *required* may be missing.\n"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines.append(f"## {name}\n")
        if schema.get("description"):
            lines.append(cell(schema["description"]) + "\n")
        properties = schema.get("properties", {})
        if properties:
            lines += ["| property | type | description |", "| --- | --- | --- |"]
            needed = set(schema.get("required", []))
            for key, value in properties.items():
                about = "; ".join(filter(None, [cell(value.get("description")) if isinstance(value, dict) else "", limits(value), "required" if key in needed else ""]))
                lines.append(f"| `{key}` | {type_name(value)} | {about} |")
            lines.append("")
        elif "oneOf" in schema or "anyOf" in schema:
            for part in schema.get("oneOf", schema.get("anyOf")):
                lines.append(f"- {variant(part)}")
            lines.append("")
        else:
            lines.append(type_name(schema) + (f"; {limits(schema)}" if limits(schema) else "") + "\n")
    return "\n".join(lines)


def variant(schema):
    """One alternative of a schema: its name, or its properties."""
    about = f": {cell(schema['description'])}" if schema.get("description") else ""
    if schema.get("properties") and "$ref" not in schema:
        return "{ " + ", ".join(f"`{key}`: {type_name(value)}" for key, value in schema["properties"].items()) + " }" + about
    return type_name(schema) + about


def problems(document):
    found = routes_by_code(document)
    total = sum(1 for _ in operations(document))
    lines = [
        "# Problem codes\n",
        "Errors are `application/problem+json` with a stable `code`. These are the codes that the descriptions of the routes name; "
        "[all codes by status](../API.md#errors) has also those of the files that a route reads. Why a *run* failed is another list: "
        "[failure codes](../STATES.md#failure-codes).\n",
    ]
    for code in sorted(found):
        entry = found[code]
        meanings = [cell(text) for text, _ in entry["meanings"].most_common()]
        lines.append(f"## {code}\n")
        lines.append(f"Status {', '.join(sorted(entry['statuses']))}. " + "; ".join(meanings[:4]) + ("; …" if len(meanings) > 4 else "") + ".\n")
        routes = list(entry["routes"])
        if len(routes) > MAX_LISTED_ROUTES:
            lines.append(f"{len(routes)} of {total} routes.\n")
        else:
            lines.append(", ".join(f"[`{title}`](api.md#{anchor(title)})" for title in routes) + "\n")
    return "\n".join(lines)


# the page begins with what people look for first
FIRST_STATES = ("RunStatus", "RunPhase", "AttemptStatus", "EventKind", "RunKind", "ImportStatus", "WorkerState", "ReviewStatus", "Role")


def states(document):
    every = {name: schema for name, schema in document["components"]["schemas"].items() if "enum" in schema or one_of_constants(schema)}
    lines = ["# States, events and other fixed values\n", "Transitions and who makes them: [states](../STATES.md). Events of a run: [events](../API.md#events).\n"]
    for name in [*FIRST_STATES, *sorted(every.keys() - set(FIRST_STATES))]:
        schema = every[name]
        lines.append(f"## {name}\n")
        if schema.get("description"):
            lines.append(cell(schema["description"]) + "\n")
        if "enum" in schema:
            lines.append(", ".join(f"`{value}`" for value in schema["enum"]) + "\n")
        else:
            for part in schema["oneOf"]:
                lines.append(f"- {variant(part)}")
            lines.append("")
    return "\n".join(lines)


def one_of_constants(schema):
    parts = schema.get("oneOf", [])
    return bool(parts) and all("enum" in part or "const" in part for part in parts)
