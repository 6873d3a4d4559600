"""Drills are dense in look-ups, and everything asked stands in the note, under the same tokens."""

import re
from random import Random

from cygnet.corpus.tasks.drills import drill
from cygnet.corpus.tasks.knowledge import passage


def test_every_answer_stands_in_the_note() -> None:
    asked = 0
    for seed in range(200):
        note, *rest = drill(Random(seed)).split("\n")
        for question, answer in zip(rest[::2], rest[1::2], strict=True):
            name = re.fullmatch(r"What does (\w+) do\?", question)[1]
            sentence = answer.removeprefix("Answer: ")
            assert sentence.startswith(f"{name} ")
            assert f" {sentence}" in note
            asked += 1
    assert asked > 500


def test_half_of_the_drills_only_say_facts_again() -> None:
    texts = [drill(Random(seed)) for seed in range(400)]
    plain = [text for text in texts if "?" not in text]
    assert 0.4 < len(plain) / len(texts) < 0.6
    for text in plain:
        sentences = re.findall(r"\w+ \w+ \w+\.", text)
        assert len(sentences) >= len(set(sentences)) + 10


def test_no_word_of_a_passage_appears_twice_so_that_the_word_before_says_what_follows() -> None:
    for seed in range(200):
        exercise = passage(Random(seed))
        words = re.findall(r"\w+", exercise.passage)
        assert len(set(words)) == len(words)
        assert f" {exercise.answer}" in exercise.passage
