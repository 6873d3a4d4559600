"""`cygnet recipe`: look at recipes without running them."""

import json

from cyclopts import App

app = App(name="recipe", help="Look at recipes: list, show, diff, schema.", sort_key=99)


@app.command(name="list", usage="Usage: cygnet recipe list", help_epilogue="Example: cygnet recipe list")
def list_() -> None:
    """List the recipes that come with cygnet."""
    from cygnet.recipe.layers import preset_names
    from cygnet.recipe.load import load_recipe

    for name in preset_names():
        print(f"{name:10} {load_recipe([name]).description}")


@app.command(
    usage="Usage: cygnet recipe show [RECIPE] [KEY=VALUE ...]",
    help_epilogue="Example: cygnet recipe show pocket depth=6 > mine.toml",
)
def show(*arguments: str) -> None:
    """Print a recipe with every setting resolved, as a recipe file. Its name is left out: the file's name becomes it.

    Parameters
    ----------
    arguments:
        A preset's name, a .toml file or a run folder (pocket if none is given), and KEY=VALUE settings.
    """
    from cygnet.recipe.load import load_recipe
    from cygnet.settings.toml import to_toml

    print(to_toml(load_recipe(arguments).model_dump(mode="json", exclude={"name"})), end="")


@app.command(
    usage="Usage: cygnet recipe diff FIRST SECOND",
    help_epilogue="Example: cygnet recipe diff pocket runs/mine",
)
def diff(first: str, second: str, /) -> None:
    """Print the settings in which two recipes differ.

    Parameters
    ----------
    first:
        A preset's name, a .toml file or a run folder.
    second:
        Another.
    """
    from cygnet.recipe.load import differences, load_recipe

    for key, one, other in differences(load_recipe([first]), load_recipe([second])):
        print(f"{key}: {json.dumps(one, ensure_ascii=False)} → {json.dumps(other, ensure_ascii=False)}")


@app.command(usage="Usage: cygnet recipe schema", help_epilogue="Example: cygnet recipe schema > recipe.schema.json")
def schema() -> None:
    """Print the JSON Schema of recipe files, for editors."""
    from cygnet.recipe.load import recipe_schema

    print(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))
