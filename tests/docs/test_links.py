"""Links between pages lead somewhere, to the heading too; every page can be found."""

import re
import tomllib
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = ("https://", "http://")


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(OUTSIDE):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_pages_stay_inside_the_site(page: Path, root: Path) -> None:
    if page.is_relative_to(root / "docs"):
        for target in LINK.findall(prose(page)):
            if not target.startswith((*OUTSIDE, "#")):
                assert (page.parent / target.partition("#")[0]).resolve().is_relative_to(root / "docs"), target


def test_every_page_is_in_the_navigation_and_nothing_else(root: Path) -> None:
    def listed(value: object) -> list[str]:
        if isinstance(value, str):
            return [value]
        items = value.values() if isinstance(value, dict) else value
        return [path for item in items for path in listed(item)]

    project = tomllib.loads((root / "zensical.toml").read_text())["project"]
    pages = {str(path.relative_to(root / "docs")) for path in (root / "docs").rglob("*.md")}
    assert sorted(listed(project["nav"])) == sorted(pages)
