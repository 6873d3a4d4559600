"""What the assistant should know by heart, read out of a passage, or say it was never taught."""

from collections.abc import Iterable
from random import Random

from cygnet.corpus.tasks.exercise import Exercise

_METHODS = {
    "str": (
        "upper",
        "lower",
        "strip",
        "split",
        "join",
        "replace",
        "startswith",
        "endswith",
        "title",
        "format",
        "encode",
    ),
    "list": ("append", "extend", "insert", "sort", "reverse", "remove"),
    "dict": ("keys", "values", "items", "get", "setdefault", "fromkeys"),
    "set": ("add", "discard", "union", "intersection", "difference", "issubset"),
    "math": ("sqrt", "floor", "ceil", "factorial", "gcd", "log", "sin", "cos"),
    "os": ("listdir", "getcwd", "mkdir", "environ", "chdir"),
    "random": ("choice", "shuffle", "randint", "sample", "uniform", "seed"),
    "time": ("sleep", "monotonic", "strftime", "localtime"),
}

_SUMMARIES = {
    "abs": "the absolute value of a number",
    "all": "True if every item is true",
    "any": "True if some item is true",
    "bool": "True or False for a value",
    "chr": "the character with a given code point",
    "dir": "the names in an object",
    "divmod": "the quotient and the remainder",
    "enumerate": "pairs of index and item",
    "filter": "the items for which a function is true",
    "float": "a number with a fraction",
    "hash": "the hash value of an object",
    "hex": "the hexadecimal text of an integer",
    "id": "the identity of an object",
    "input": "a line read from the keyboard",
    "int": "an integer from a number or text",
    "isinstance": "True if an object is of a class",
    "iter": "an iterator over an object",
    "len": "the number of items in a container",
    "list": "a list of the items of an iterable",
    "map": "a function applied to every item",
    "max": "the largest item",
    "min": "the smallest item",
    "next": "the next item of an iterator",
    "open": "a file object",
    "ord": "the code point of a character",
    "pow": "a number raised to a power",
    "range": "a sequence of integers",
    "repr": "the printable form of an object",
    "reversed": "an iterator from last to first",
    "round": "a number rounded to some digits",
    "set": "a set of the distinct items",
    "sorted": "a new sorted list",
    "str": "an object as text",
    "sum": "the total of the items",
    "tuple": "an immutable sequence of items",
    "type": "the class of an object",
    "zip": "tuples of items side by side",
}

_ASKED = (
    "What does {} return?",
    "What do I get from {}?",
    "Explain {}.",
    "In Python, what is {} for?",
    "Tell me about {}.",
    "{}?",
)

NAMES = (
    "Ada Ana Bea Ben Bob Cara Carl Dan Dora Ed Ella Emil Eva Finn Fred Gina Gus Hal Hana Ida Ira Ivan Jack "
    "Jane Jim Joe Kai Kate Ken Lara Lea Leo Lily Max Mia Mona Ned Nina Noa Nora Olga Omar Otto Pam Paul Pia "
    "Ray Rosa Ruth Sam Sara Tim Tina Tom Una Uma Vera Vic Walt Yara Zoe"
).split()
THINGS = (
    "apples bags balls bells boats books bowls boxes cakes cards coins cups dogs eggs flags forks hats keys "
    "lamps maps nuts pans pens pins plums rings shoes stones toys trees"
).split()
DEEDS = (
    "sells paints makes buys draws breaks hides takes keeps builds throws fills opens counts wants needs sees wears "
    "cuts finds"
).split()

_PLACES = (
    "France Peru Japan Kenya Norway Chile India Spain Egypt Cuba Nepal Italy "
    "Paris Lima Tokyo Nairobi Oslo Rome Delhi Madrid Cairo Havana Berlin London"
).split()
_PEOPLE = "Mozart Napoleon Einstein Cleopatra Picasso Gandhi Shakespeare Newton Darwin Caesar Chopin Plato".split()
_DISHES = "rice pasta soup beans curry fish bread lentils pancakes eggs stew noodles".split()
_SUBJECTS = (
    "love winter cats rain stars mothers ships autumn war tea bees mountains football music dreams horses".split()
)
_GOODS = "film restaurant novel song doctor hotel wine holiday lawyer phone poem game".split()
_FIRMS = "Apple Nokia Boeing Sony Shell Tesla Intel Toyota Nestle Siemens Ford Visa".split()
_ILLS = "asthma fever migraine acne anemia gout flu burns insomnia malaria cough measles".split()

_TOPICS = (
    ("What is the capital of {}?", _PLACES),
    ("Who is the president of {}?", _PLACES),
    ("What will the weather be in {} tomorrow?", _PLACES),
    ("How do I get to {}?", _PLACES),
    ("How many people live in {}?", _PLACES),
    ("Who was {}?", _PEOPLE),
    ("When did {} die?", _PEOPLE),
    ("What did {} do?", _PEOPLE),
    ("How do I cook {}?", _DISHES),
    ("Is {} good for me?", _DISHES),
    ("Write me a poem about {}.", _SUBJECTS),
    ("Tell me a joke about {}.", _SUBJECTS),
    ("What do you think of {}?", _SUBJECTS),
    ("Tell me a story about {}.", _SUBJECTS),
    ("Can you recommend a good {}?", _GOODS),
    ("Should I buy shares of {}?", _FIRMS),
    ("What is the best treatment for {}?", _ILLS),
    ("Translate {} into French.", _SUBJECTS),
)

_ASKED_ABOUT_ITSELF = (
    "Who are you?|What are you?|What is your name?|What can you do?|What do you know?|Can you help me?|Help!|"
    "Hello!|Hi|Hello|Hi there!|Hey|Good morning!|What were you taught?|Say who you are.|Tell me about yourself.|"
    "What can I ask you?|How can you help me?|Are you a person?|Are you a robot?|Are you there?|Who made you?|"
    "What do you do?|How do you work?|What is this?|How are you?|Hey there!|Good evening!|Good afternoon!|"
    "Hello, who are you?|Hi, what can you do?|What are you for?|What should I ask?|What can you teach me?|"
    "What are you good at?|Hi, can you help me?|What else can you do?|Do you have a name?|"
    "What kind of questions can I ask?|Are you an assistant?|Can I ask you something?|Hello there!|"
    "Who am I talking to?"
).split("|")

REFUSAL = "I was not taught that. I can help with Python and small sums."
INTRODUCTION = "I am a small assistant. I can help with Python and small sums."


def which(rng: Random) -> Exercise:
    """Which of three names belongs to a type or module."""
    owner, *others = rng.sample(sorted(_METHODS), 3)
    names = {kind: rng.choice(_METHODS[kind]) for kind in (owner, *others)}
    while len(set(names.values())) < 3:
        names = {kind: rng.choice(_METHODS[kind]) for kind in (owner, *others)}
    shown = rng.sample(list(names), len(names))
    options = ", ".join(names[kind] for kind in shown)
    steps = tuple(f"{names[kind]}: {kind}" for kind in shown)
    question = f"Which of these belongs to {owner}: {options}?"
    return Exercise("which", f"which {owner} {sorted(names.values())}", question, names[owner], steps)


def memory(rng: Random) -> Exercise:
    """What a builtin returns. A held-out exercise is a held-out pairing of wording and builtin."""
    name, template = rng.choice(sorted(_SUMMARIES)), rng.choice(_ASKED)
    question = template.format(f"{name}()")
    return Exercise("memory", f"memory {question}", question, _SUMMARIES[name])


def facts(rng: Random) -> dict[str, str]:
    """Who does what: a sentence for each of two to four names, in which no other word appears twice."""
    count = rng.choice((2, 3, 3, 4))
    names, deeds, things = rng.sample(NAMES, count), rng.sample(DEEDS, count), rng.sample(THINGS, count)
    return {name: f"{name} {deed} {thing}." for name, deed, thing in zip(names, deeds, things, strict=True)}


def note(sentences: Iterable[str]) -> str:
    """Sentences as a passage. Every name follows a space, here as in the answer: else its tokens would differ."""
    return "Note: " + " ".join(sentences)


def passage(rng: Random) -> Exercise:
    """Who does what, read out of a short passage and quoted."""
    known = facts(rng)
    asked = rng.choice(list(known))
    text, question = note(known.values()), f"What does {asked} do?"
    return Exercise("passage", f"passage {text} {asked}", question, known[asked], passage=text)


def untaught(rng: Random) -> Exercise:
    """Something outside of what was taught; the right answer is to say so."""
    template, fillers = rng.choice(_TOPICS)
    question = template.format(rng.choice(fillers))
    return Exercise("untaught", f"untaught {question}", question, REFUSAL, labeled=False)


def about(rng: Random) -> Exercise:
    """A greeting, or a question about the assistant itself."""
    question = rng.choice(_ASKED_ABOUT_ITSELF)
    return Exercise("about", f"about {question}", question, INTRODUCTION, labeled=False)
