"""Bulleted lists that resiliparse would take for navigation.

Its main content leaves out every <ul> fewer than four elements below <body>, whatever is in it. On 600 pages of
Debian's documentation that was 39 of 100 items of prose in lists, where of paragraphs it leaves out 4.
"""

from resiliparse.parse.html import ElementNode, HTMLTree, Node

_DEPTH = 4  # below <body>: deeper lists are left to what else resiliparse looks at
_LINKS = 0.5  # navigation has more of its text in links than this share


def deepen_lists(tree: HTMLTree) -> None:
    """Put shallow lists that are mostly words, not links, into empty <div>s, so deep that they count as content."""
    if tree.body is None:
        return
    # values() is a list; each place of the collection itself would be another search of the whole page
    for item in tree.body.query_selector_all("ul").values():
        if _is_shallow(item) and not _is_navigation(item):
            _deepen(tree, item)


def _deepen(tree: HTMLTree, item: ElementNode) -> None:
    outer = inner = _div(tree)
    for _ in range(_DEPTH - 2):
        deeper = _div(tree)
        inner.append_child(deeper)
        inner = deeper
    if item.parent is not None:
        item.parent.replace_child(outer, item)
        inner.append_child(item)


def _div(tree: HTMLTree) -> Node:
    made = tree.create_element("div")
    assert made is not None
    return made


def _is_shallow(item: ElementNode) -> bool:
    """Whether it is above that depth, and not in another list, which is judged as a whole."""
    above = item.parent
    for _ in range(_DEPTH - 1):
        if above is None or above.tag == "ul":
            return False
        if above.tag == "body":
            return True
        above = above.parent
    return False


def _is_navigation(item: ElementNode) -> bool:
    linked = sum(_length(link) for link in item.query_selector_all("a").values())
    return linked > _LINKS * _length(item)


def _length(node: Node) -> int:
    return len("".join((node.text or "").split()))
