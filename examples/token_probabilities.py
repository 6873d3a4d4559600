"""Ask a model something and see how sure it was of every token, and what it might have said instead.

python examples/token_probabilities.py MODEL "What is 47 + 35?"
"""

import math
import sys
from pathlib import Path

import cygnet


def main(folder: Path, question: str) -> None:
    """One answer, a token a line: the token, its probability, the likeliest alternatives."""
    model = cygnet.load(folder)
    prompt = [{"role": "user", "content": question}]
    [[answer]] = model.generate([prompt], cygnet.Sampling(temperature=0.7, max_new_tokens=64, seed=1))
    print(answer.text, end="\n\n")
    for token in model.probabilities(prompt, answer, alternatives=3):
        others = [f"{text!r} {math.exp(logprob):.0%}" for text, logprob in token["top"] if text != token["text"]]
        print(f"{token['text']!r:>16} {math.exp(token['logprob']):>5.0%}   instead: {', '.join(others)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
