"""A quality filter learned from examples: texts known to be good against texts as a crawl brings them.

GPT-3 told Common Crawl from WebText, books and Wikipedia by logistic regression over hashed words (Brown et al. 2020,
arXiv:2005.14165, appendix A); DCLM did with pairs of words too and kept the top tenth (Li et al. 2024,
arXiv:2406.11794). This is that regression, in numpy; which texts stay is for the caller: the top share, or GPT-3's
dice, which let some bad ones through.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cygnet.corpus.quality.features import BUCKETS, Features, features
from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json

FEWEST = 20  # texts of each kind: below, the held-out tenth says nothing
KEEP = 0.1  # the share of crawl texts that stays, as DCLM has it
_FORMAT = 2
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 64, 0.5, 1e-6
_CHUNK = 1_000  # texts scored at a time, so that memory does not grow with their number

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Heldout:
    """How well texts that were not trained on are told apart.

    `accuracy` is the mean of the shares of good and of crawl texts that come out right; `auc` how often a good text
    scores above a crawl one. Of two random texts a coin gets 0.5 on both. `good_kept` and `crawl_kept` are the shares
    that reach the filter's threshold.
    """

    good: int
    crawl: int
    accuracy: float
    auc: float
    good_kept: float
    crawl_kept: float


@dataclass(frozen=True)
class QualityFilter:
    """Weights [2^18] and a bias, the score from which on a text stays, and how all that did on held-out texts."""

    weights: npt.NDArray[np.float32]
    bias: float
    threshold: float
    heldout: Heldout

    def score(self, texts: Sequence[str]) -> _Floats:
        """The probability [N] that each text is one of the good ones, were there as many of either kind."""
        chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
        return np.concatenate([np.empty(0), *(_scores(features(chunk), self.weights, self.bias) for chunk in chunks)])

    def save(self, folder: Path) -> None:
        """Write `weights.npz` and `filter.json` into a folder, which is replaced. Raises UserError if it can't be."""
        with write_aside(folder) as temporary:
            temporary.mkdir()
            np.savez(temporary / "weights.npz", weights=self.weights)
            numbers = {"format": _FORMAT, "bias": self.bias, "threshold": self.threshold}
            described = {**numbers, "heldout": vars(self.heldout)}
            write_json(temporary / "filter.json", described)

    @classmethod
    def load(cls, folder: Path) -> "QualityFilter":
        """A filter that `save` wrote. Raises UserError naming the file that is missing or damaged."""
        described = read_json(folder / "filter.json")
        path = folder / "weights.npz"
        try:
            if described["format"] != _FORMAT:
                raise UserError(f"{folder} is of format {described['format']}, this version of cygnet reads {_FORMAT}.")
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                weights = arrays["weights"]
            if weights.shape != (BUCKETS,) or not np.isfinite(weights).all():
                raise ValueError(f"weights of shape {weights.shape}")
            heldout = Heldout(**described["heldout"])
            bias, threshold = (float(described[name]) for name in ("bias", "threshold"))
            return cls(weights.astype(np.float32), bias, threshold, heldout)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise UserError(f"{folder} is not a whole quality filter: {error}. Train it again.") from error


def train_filter(good: Sequence[str], crawl: Sequence[str], seed: int, keep: float = KEEP) -> QualityFilter:
    """Learn to tell `good` texts from `crawl` ones; a tenth of either is held out to measure by.

    Both kinds weigh the same, however many there are. The threshold is what the share `keep` of the crawl texts that
    were held out reaches. The same texts and seed give the same filter.

    Raises:
        UserError: for fewer than 20 different texts of a kind, when a text is in both, or for a share that is none.
    """
    check_share(keep)
    kinds = {"crawl": list(dict.fromkeys(crawl)), "good": list(dict.fromkeys(good))}
    for name, texts in kinds.items():
        if len(texts) < FEWEST:
            raise UserError(f"a quality filter needs {FEWEST} different {name} texts or more, found {len(texts)}.")
    if both := set(kinds["good"]) & set(kinds["crawl"]):
        text = min(both)[:60]
        raise UserError(f"{len(both)} texts are both good and crawl, one begins {text!r}. Take them out of one side.")
    rng = np.random.default_rng(seed)
    rows = features(kinds["crawl"] + kinds["good"])
    labels = np.repeat([0.0, 1.0], [len(kinds["crawl"]), len(kinds["good"])])
    heldout, training = _split(labels, rng)
    weights, bias = _fit(rows.rows(training), labels[training], rng)
    scores = _scores(rows.rows(heldout), weights, bias)
    is_good = labels[heldout] == 1
    threshold = top_share_threshold(scores[~is_good], keep)
    return QualityFilter(weights, bias, threshold, _measure(scores, is_good, threshold))


def top_share_threshold(scores: npt.ArrayLike, share: float) -> float:
    """The score from which on texts belong to the top share: keep those that reach it (all of several that tie).

    Raises:
        UserError: for a share that is not above 0 and at most 1, or no scores.
    """
    check_share(share)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    if not len(ordered):
        raise UserError("there are no scores to find the top share of.")
    return float(ordered[len(ordered) - max(1, round(share * len(ordered)))])


def check_share(share: float) -> None:
    """Raise UserError for a share of texts to keep that is not above 0 and at most 1."""
    if not 0 < share <= 1:
        raise UserError(f"the share of texts to keep is {share}: it must be above 0 and at most 1.")


def keep_pareto(score: float, key: str, seed: int, alpha: float = 9.0) -> bool:
    """GPT-3's dice: keep a text if a Pareto variate (`numpy.random.pareto(alpha)`) is above 1 - score.

    Good texts nearly all stay, of bad ones few, and alpha says how few (Brown et al. 2020, appendix A, where it is 9).
    The variate follows from `key` (the text's id) and the seed, so it is the same in whatever shard the text is.
    """
    digest = hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    uniform = (int.from_bytes(digest) + 0.5) / 2**64
    return bool(uniform ** (-1 / alpha) - 1 > 1 - score)


def _split(labels: _Floats, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A tenth of each kind, and the rest."""
    shuffled = [rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1)]
    cuts = [len(places) // 10 for places in shuffled]
    pairs = list(zip(shuffled, cuts, strict=True))
    return np.concatenate([part[:cut] for part, cut in pairs]), np.concatenate([part[cut:] for part, cut in pairs])


def _fit(rows: Features, labels: _Floats, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], float]:
    """Logistic regression by AdaGrad (Duchi et al. 2011) in small batches, weights decaying a little."""
    share = labels.mean()
    importance = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))
    weights, squares = np.zeros(BUCKETS), np.full(BUCKETS, 1e-8)
    bias, bias_squares = 0.0, 1e-8
    for _ in range(_EPOCHS):
        order = rng.permutation(len(rows))
        for start in range(0, len(order), _BATCH):
            which = order[start : start + _BATCH]
            batch = rows.rows(which)
            error = (_scores(batch, weights, bias) - labels[which]) * importance[which] / len(which)
            gradient = np.bincount(batch.buckets, batch.values * error[batch.owners()], BUCKETS) + _DECAY * weights
            squares += gradient**2
            weights -= _RATE * gradient / np.sqrt(squares)
            bias_squares += error.sum() ** 2
            bias -= _RATE * error.sum() / bias_squares**0.5
    return weights.astype(np.float32), float(bias)


def _scores(rows: Features, weights: npt.NDArray[np.floating], bias: float) -> _Floats:
    sums = np.bincount(rows.owners(), rows.values * weights[rows.buckets], len(rows))
    return np.asarray(0.5 * (1 + np.tanh((sums + bias) / 2)))


def _measure(scores: _Floats, good: npt.NDArray[np.bool_], threshold: float) -> Heldout:
    high, low = scores[good], np.sort(scores[~good])
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")  # ties count half
    accuracy = (np.mean(high > 0.5) + np.mean(low <= 0.5)) / 2
    kept = (float(np.mean(found >= threshold)) for found in (high, low))
    return Heldout(len(high), len(low), float(accuracy), float(below.mean() / (2 * len(low))), *kept)
