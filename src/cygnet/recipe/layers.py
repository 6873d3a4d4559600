"""Where a recipe's settings come from: TOML files that extend one another, then `key=value` on the command line."""

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.settings.layers import Layer, Table, parse_override
from cygnet.settings.toml import read_toml

_PRESETS = Path(str(resources.files("cygnet.recipe"))) / "presets"


def preset_names() -> list[str]:
    """The recipes that come with cygnet, by name."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def recipe_layers(recipe: str, overrides: Sequence[str] = ()) -> list[Layer]:
    """The layers of a preset's name, a `.toml` file or a run folder, what it extends first, overrides last.

    A recipe is named after its own file unless that file says `name`: names are not inherited.

    Raises:
        UserError: for a recipe that isn't there or isn't TOML, a circle of `extends`, a malformed override.
    """
    layers = _with_what_it_extends(_locate(recipe, Path()), seen=())
    own = layers[-1]
    named = {"name": Path(own.source).stem, **own.data}
    return [*layers[:-1], Layer(own.source, named), *(parse_override(text) for text in overrides)]


def _with_what_it_extends(path: Path, seen: tuple[Path, ...]) -> list[Layer]:
    if path in seen:
        circle = " → ".join(str(step) for step in (*seen[seen.index(path) :], path))
        raise UserError(f"recipes extend each other in a circle: {circle}. Remove one `extends`.")
    data = _read_table(path)
    extends = data.pop("extends", None)
    below: list[Layer] = []
    if extends is not None:
        if not isinstance(extends, str):
            raise UserError(f"{path}: extends: should be one recipe's name or path, in quotes (found {extends!r}).")
        below = _with_what_it_extends(_locate(extends, path.parent, named_in=path), (*seen, path))
    return [*below, Layer(str(path), data)]


def _locate(recipe: str, folder: Path, named_in: Path | None = None) -> Path:
    """The file of a recipe: a preset by its name, otherwise a path relative to `folder`."""
    if recipe in preset_names():
        return _PRESETS / f"{recipe}.toml"
    path = folder / recipe
    if path.is_dir():
        path = path / "recipe.json"
    if path.is_file():
        return path.resolve() if named_in else path
    where = f"{named_in}: extends: " if named_in else ""
    near = difflib.get_close_matches(recipe, preset_names(), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(
        f"{where}there is no recipe {recipe!r}.{hint} It can be one of {', '.join(preset_names())}, "
        "the path of a .toml file, or a run folder."
    )


def _read_table(path: Path) -> Table:
    if path.suffix != ".json":
        return read_toml(path)
    saved = read_json(path)
    if not isinstance(saved, dict):
        raise UserError(f"{path} is no recipe: a recipe is an object of settings.")
    return {key: value for key, value in saved.items() if key != "hash"}
