"""Writes two short guides from the OpenAPI document: `llms.txt` for assistants, and a file of requests for editors.

`python -m tests.serve.openapi.test_guides` writes them into docs/ again.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
METHODS = ("get", "put", "post", "patch", "delete")
PHOTO = "samples/grace_hopper.jpg"


def llms_txt(document: Document) -> str:
    """The document as a page of Markdown in the form of llmstxt.org: operations, options, answer and errors."""
    info, schemas = document["info"], document["components"]["schemas"]
    codes = schemas["Problem"]["properties"]["code"]["x-extensible-enum"]
    lines = [
        f"# {info['title']} {info['version']}",
        "",
        f"> {info['description']}",
        "",
        "Send the API key as `X-API-Key`. For colours alone call `POST /v1/colors/advice`; for a photo send "
        "`POST /v1/advice` as `multipart/form-data` with the part `image` and, as JSON, the part `options`.",
        "",
        "## Operations",
        "",
        *(f"- `{method} {path}`: {one['description']}" for method, path, one in _operations(document)),
        "",
        "## Options",
        "",
        "Every option may be left out. An unknown option is refused with 422.",
        "",
        *(f"- `{name}` ({_kind(value)}): {value['description']}" for name, value in _options(schemas)),
        "",
        "## Answer",
        "",
        *(
            f"- `{name}`: {_sentence(value)}"
            for name, value in schemas["AdviceAnswer"]["properties"].items()
            if _sentence(value)
        ),
        "",
        "## Errors",
        "",
        "Errors are `application/problem+json` with `code`, `detail`, `request_id` and, for fields, `errors`. Repeat "
        f"429 and 503 after `Retry-After` seconds, and nothing else. Codes: {', '.join(codes)}.",
        "",
        "## More",
        "",
        "- [The API in examples](api.md): curl, Python and TypeScript",
        "- [Clients](clients/): packages for Python and TypeScript",
        "- `stylesync mcp`: the tools advise_photo, advise_colors and palette over the Model Context Protocol",
    ]
    return "\n".join(lines) + "\n"


def requests_http(document: Document) -> str:
    """One request for each example of the document, as editors run them: JetBrains' and VS Code's `.http` form."""
    lines = [
        f"# {document['info']['title']}. Every request of the OpenAPI document; an editor runs them one by one.",
        "@base = http://127.0.0.1:8000",
        "@key = ssk_put_your_key_here",
        "",
    ]
    for method, path, one in _operations(document):
        for title, target, body in _requests(path, one):
            lines += [f"### {title}", f"{method} {{{{base}}}}{target}"]
            lines += ["X-API-Key: {{key}}"] if one.get("security") else []
            lines += [*body, ""]
    return "\n".join(lines)


def _operations(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def _requests(path: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Title, target and the lines from the content type on, for each way to call an operation."""
    content, summary = operation.get("requestBody", {}).get("content", {}), operation["summary"]
    if not content:
        queries = [one for one in operation.get("parameters", []) if one.get("in") == "query" and one.get("required")]
        query = "&".join(f"{one['name']}={one['schema']['examples'][0]}" for one in queries)
        yield summary, f"{path}?{query}" if query else path, []
    if "multipart/form-data" in content:
        yield f"{summary}: a photo as a form", path, _form()
    for example in content.get("application/json", {}).get("examples", {}).values():
        lines = ["Content-Type: application/json", "", json.dumps(example["value"], indent=2, ensure_ascii=False)]
        yield f"{summary}: {example['summary'][0].lower()}{example['summary'][1:]}", path, lines


def _form() -> list[str]:
    part = "--photo\nContent-Disposition: form-data; name="
    image = f'{part}"image"; filename="photo.jpg"\nContent-Type: image/jpeg\n\n< {PHOTO}'
    options = f'{part}"options"\nContent-Type: application/json\n\n{{"subject": "worn"}}'
    return ["Content-Type: multipart/form-data; boundary=photo", "", image, options, "--photo--"]


def _options(schemas: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from schemas["OptionsModel"]["properties"].items()


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema's type in words: its values, its range, or its name."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return ", ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "$ref" in schema:
        return "objects of `id`, and `colors` or one `hex`, and `category`"
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}"
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return str(schema["type"])


def _sentence(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", "")).strip()
