"""`cygnet run`: a whole recipe in its run folder."""

from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.recipe.graph import recipe_steps
from cygnet.recipe.lineage import Lineage
from cygnet.recipe.machine import available_cores
from cygnet.recipe.runner import run_steps
from cygnet.recipe.schema import Recipe


def run_recipe(recipe: Recipe, folder: Path, progress: bool = True) -> Lineage:
    """Carry out `recipe` in `folder`, or what is left of it to do, and return what everything was made of.

    Raises:
        UserError: when the folder belongs to another recipe or to the user, another process works in it, or a step
            can't do its work.
    """
    _claim(folder, recipe)
    return run_steps(
        recipe_steps(recipe, folder),
        folder,
        title=recipe.name,
        seed=recipe.seed,
        threads=recipe.threads or available_cores(),
        progress=progress,
    )


def _claim(folder: Path, recipe: Recipe) -> None:
    """Save the resolved recipe in its folder, unless the folder is someone else's."""
    saved = folder / "recipe.json"
    if saved.exists():
        owner = read_json(saved)
        name = owner.get("name") if isinstance(owner, dict) else None
        if name != recipe.name:
            raise UserError(
                f"{folder} holds a run of the recipe {name!r}, not of {recipe.name!r}. "
                f"Choose another --out, for example --out {folder.with_name(recipe.name)}."
            )
        if owner == recipe.to_json():
            return
    elif folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} holds files but no run (there is no recipe.json in it). Choose another --out.")
    write_json(saved, recipe.to_json())
