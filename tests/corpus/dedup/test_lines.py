"""Lines on most of a host's pages go, by host; code, brackets and small hosts keep theirs."""

import tracemalloc
from pathlib import Path

import numpy as np

from cygnet.corpus.dedup.lines import LineRemover, RemovedLines, page_lines, repeated_lines

MENU = "Prev  Up  Home  Next"
PAGES = [("docs.example", f"{MENU}\nPage {i} says {i}.\n    return x\n}}\n{MENU}") for i in range(40)]
BLOG = [("blog.example", f"{MENU}\nPost {i}.") for i in range(9)]


def test_menus_go_and_code_brackets_and_small_hosts_stay(tmp_path: Path) -> None:
    remover = LineRemover(repeated_lines([page_lines(PAGES), page_lines(BLOG)], tmp_path))
    assert remover.remove(*PAGES[3]) == ("Page 3 says 3.\n    return x\n}", [MENU, MENU])
    assert remover.remove(*BLOG[3]) == (BLOG[3][1], [])


def test_a_line_counts_once_a_page(tmp_path: Path) -> None:
    pages = [("h", "same\n" * 50)] * 2 + [("h", f"other {i}") for i in range(38)]
    assert len(repeated_lines([page_lines(pages)], tmp_path)) == 0


def test_both_the_share_and_the_least_number_must_be_reached(tmp_path: Path) -> None:
    pages = [("h", "common\nrare" if i < 10 else "common") for i in range(40)]
    found = page_lines(pages)
    assert len(repeated_lines([found], tmp_path, share=0.3)) == 1
    assert len(repeated_lines([found], tmp_path, share=0.25)) == 1  # more than the share, not just as much
    assert len(repeated_lines([found], tmp_path, share=0.2)) == 2
    assert len(repeated_lines([found], tmp_path, share=0.2, least=11)) == 1


def test_neither_the_split_nor_the_memory_changes_the_answer(tmp_path: Path) -> None:
    everything = PAGES + BLOG
    whole = repeated_lines([page_lines(everything)], tmp_path)
    for parts in ([everything[::3], everything[1::3], everything[2::3]], [everything[30:], [], everything[:30]]):
        assert (repeated_lines(map(page_lines, parts), tmp_path, memory=1) == whole).all()
    assert len(whole) == 1
    assert not list(tmp_path.iterdir())


def test_the_report_counts_by_host_with_samples(tmp_path: Path) -> None:
    remover = LineRemover(repeated_lines([page_lines(PAGES)], tmp_path))
    removed = RemovedLines()
    for host, text in PAGES + BLOG:
        removed.add(host, remover.remove(host, text)[1])
    told = removed.report()
    assert told == {"docs.example": {"lines": 80, "characters": 80 * len(MENU), "different": 1, "samples": {MENU: 80}}}


def test_the_lines_to_remove_are_searched_where_they_are(tmp_path: Path) -> None:
    """Every process that tags has them: no second copy, as a set would be."""
    others = np.arange(100_000, dtype=np.uint64) << np.uint64(40)
    repeated = np.sort(np.concatenate([others, repeated_lines([page_lines(PAGES)], tmp_path)]))
    tracemalloc.start()
    remover = LineRemover(repeated)
    assert remover.remove(*PAGES[3]) == ("Page 3 says 3.\n    return x\n}", [MENU, MENU])
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < repeated.nbytes / 10


def test_without_repeated_lines_every_page_stays_as_it_is() -> None:
    assert LineRemover(np.empty(0, np.uint64)).remove("h", f"{MENU}\n\n  text ") == (f"{MENU}\n\n  text ", [])
