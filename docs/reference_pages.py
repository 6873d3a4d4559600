"""Write what the code itself says into the documentation: `make reference`.

Two pages are written whole (reference/cli.md and reference/recipe.md). Others hold blocks between
`<!-- generated:NAME -->` and `<!-- /generated -->`, which are written anew; the rest of such a page is by hand.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclopts import App
from generated_blocks import BLOCKS, markdown_table
from pydantic import BaseModel
from rich.console import Console

from cygnet.cli.main import build_app
from cygnet.files import write_aside
from cygnet.recipe.layers import preset_names
from cygnet.recipe.load import load_recipe
from cygnet.recipe.schema import AdaptSettings, ChatConfig, Recipe

DOCS = Path(__file__).parent
NOTICE = "<!-- Written by `make reference`; do not edit. -->"

_WIDTH = 84  # what a page shows without scrolling
_BLOCK = re.compile(r"(<!-- generated:(\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page that is generated, whole or in parts, as it should read."""
    found = {DOCS / "reference/cli.md": cli_page(), DOCS / "reference/recipe.md": recipe_page()}
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if path not in found and _BLOCK.search(text):
            found[path] = _BLOCK.sub(_fill, text)
    return found


def cli_page() -> str:
    """Every verb's `--help`."""
    app = build_app()
    commands: list[tuple[str, ...]] = [()]
    for verb in _names(app):
        commands += [(verb,), *((verb, inner) for inner in _names(app[verb]))]
    parts = [_command(app, words) for words in commands]
    return "\n\n".join([NOTICE, "# The command line", _CLI_INTRO, *parts]) + "\n"


_CLI_INTRO = """\
Each verb explains itself with `--help`; this page is the same text. Settings are written `KEY=VALUE`, anywhere after
the verb; the value is TOML, or else a string. [The recipe](recipe.md) lists every key.

Exit codes: 0 done; 2 a mistake you can mend (one sentence on standard error says what, where and what to do);
130 interrupted by Ctrl-C (the same command goes on); 141 the reader of the output closed it."""


def _names(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def _command(app: App, words: tuple[str, ...]) -> str:
    console = Console(file=(text := io.StringIO()), width=_WIDTH, color_system=None, force_terminal=False)
    app.help_print(list(words), console=console)
    shown = "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())
    return f"## {' '.join(('cygnet', *words))}\n\n```text\n{shown}\n```"


def recipe_page() -> str:
    """Every key with its type, default and description; what the presets set; and settings that are no part of one."""
    sections = [name for name, field in Recipe.model_fields.items() if _is_section(field.annotation)]
    top = [name for name in Recipe.model_fields if name not in sections]
    schema = Recipe.model_json_schema()
    level = {**schema, "properties": {name: schema["properties"][name] for name in top}}
    parts = [NOTICE, "# The recipe", _RECIPE_INTRO, "## Top level", _table(level, {}, {})]
    for name in sections:
        section = _referred(schema["properties"][name], schema["$defs"])
        defaults = schema["properties"][name]["default"]
        parts += [f"## {name}", section["description"], _table(section, defaults, schema["$defs"])]
    chat = ChatConfig.model_json_schema()
    parts += ["## What the presets set", _PRESETS_INTRO, _presets()]
    parts += ["## Settings of a conversation", _CHAT_INTRO, _table(chat, {}, {})]
    adapting = AdaptSettings.model_json_schema()
    parts += ["## Settings of an adaptation", _ADAPT_INTRO, _table(adapting, {}, adapting["$defs"])]
    return "\n\n".join(parts) + "\n"


_RECIPE_INTRO = """\
A recipe is a TOML file. It needs to say only what differs from what it extends:

```toml
extends = "pocket"  # a preset's name, or the path of another recipe from here
depth = 6           # the dial: short for pretrain.depth

[rl]
iterations = 80
```

`extends` may be left out; then every key not given has the default below. Sections merge key by key; a key's value, be
it a list or a table, is replaced whole. On the command line the same keys are written with dots: `rl.iterations=80`.
A recipe is called after its file unless it says `name`. `cygnet recipe schema` prints this page for editors, as JSON
Schema; `cygnet recipe show` prints a recipe with every key resolved. Numbers must be numbers: `"3"` and `1.5` are no
integers. Every mistake in a recipe is told at once, with its file, its key and a near miss."""

_PRESETS_INTRO = "Keys that `pocket`, `smoke` or `evening` set otherwise than the defaults above; “–” is the default."

_CHAT_INTRO = "For `cygnet chat`; they are no part of a recipe."

_ADAPT_INTRO = "For `cygnet adapt`; they are no part of a recipe."


def _table(section: Mapping[str, Any], defaults: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    return markdown_table(("Key", "What it is", "Type", "Default"), list(_rows(section, defaults, known, "")))


def _rows(
    section: Mapping[str, Any], defaults: Mapping[str, Any], known: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, ...]]:
    """A row a key; the keys of a section within the section have its name before theirs."""
    for key, about in section["properties"].items():
        default = defaults.get(key, about.get("default", ...))
        if "$ref" in about:
            yield from _rows(_referred(about, known), default, known, f"{prefix}{key}.")
        else:
            yield f"`{prefix}{key}`", about["description"], _type(about), _default(default, about)


def _referred(about: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = known[about["$ref"].rpartition("/")[2]]
    return found


def _default(default: Any, about: Mapping[str, Any]) -> str:
    if default is ...:
        return "required"
    if default in (None, "", {}, []):
        return "none"
    if list(about.get("items", {}).get("enum", ())) == default:
        return "all"
    return f"`{_toml(default)}`"


def _type(about: Mapping[str, Any]) -> str:
    if "anyOf" in about:
        return " or ".join(_type(option) for option in about["anyOf"] if option.get("type") != "null")
    if "const" in about:
        return f"`{_toml(about['const'])}`"
    if "enum" in about:
        return " or ".join(f"`{_toml(value)}`" for value in about["enum"])
    if about["type"] == "array":
        return f"list of {_type(about['items']).replace(' or ', ', ')}"
    if about["type"] == "object":
        values = about["additionalProperties"]
        plain = "type" in values and "enum" not in values
        return f"table of {values['type']}s" if plain else f"table of {_type(values)}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {about[name]:,}" for name, sign in bounds.items() if name in about]
    return " ".join([about["type"], *limits[:1], *(f"and {limit}" for limit in limits[1:])])


def _presets() -> str:
    names = [name for name in ("pocket", "smoke", "evening", *preset_names()) if name in preset_names()]
    names = list(dict.fromkeys(names))
    defaults = dict(_flat(Recipe(name="defaults").model_dump(mode="json")))
    values = {name: dict(_flat(load_recipe([name]).model_dump(mode="json"))) for name in names}
    rows = []
    for key, default in defaults.items():
        set_by = [name for name in names if values[name][key] != default]
        if set_by and key not in ("name", "description"):
            shown = (f"`{_toml(values[name][key])}`" if name in set_by else "–" for name in names)
            rows.append((f"`{key}`", *shown))
    return markdown_table(("Key", *(f"`{name}`" for name in names)), rows)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and key != "proportions":
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, float) and not value.is_integer() and abs(value) < 0.01:
        return f"{value:g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return json.dumps(value, ensure_ascii=False)


def _fill(match: re.Match[str]) -> str:
    return f"{match[1]}{BLOCKS[match[2]]()}\n{match[3]}"


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


if __name__ == "__main__":
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with write_aside(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")
