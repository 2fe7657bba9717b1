"""The world of one story: who is in it, where it plays and what it is about. Everything is drawn once and then stays
what it is, so that a name, a colour or a place that comes back is the same one."""
from . import words
from .template import expand

PRONOUNS = {"she": ("she", "her", "her", "herself"), "he": ("he", "him", "his", "himself")}


class Character:
    """As text: the name, now and then 'the fox'."""

    def __init__(self, rng, name, kind, she, skill=None):
        self.rng, self.name, self.kind, self.skill = rng, name, kind, skill
        self.he, self.him, self.his, self.himself = PRONOUNS["she" if she else "he"]
        self.size = rng.choice(words.SIZES)

    def __str__(self):
        return self.the if self.rng.random() < 0.15 else self.name

    @property
    def the(self):
        return f"the {self.kind}"

    @property
    def a(self):
        return f"a {self.kind}"

    @property
    def full(self):
        return f"{self.name} the {self.kind}"


class Thing:
    """As text: 'the red kite' or, shorter, 'the kite'."""

    def __init__(self, rng, noun, adjective):
        self.rng, self.noun, self.adjective = rng, noun, adjective
        self.use = words.THINGS[noun]
        self.a = f"a {adjective} {noun}"
        self.bare = f"{adjective} {noun}"

    def __str__(self):
        return f"the {self.noun}" if self.rng.random() < 0.4 else f"the {self.bare}"

    @property
    def the(self):
        return f"the {self.bare}"


class Spot:
    def __init__(self, entry):
        self.the, preposition = entry.split("/")
        self.at = f"{preposition} {self.the}"

    def __str__(self):
        return self.the


class Place:
    def __init__(self, rng, noun):
        preposition, *spots = words.PLACES[noun]
        self.noun = noun
        self.the = f"the {noun}"
        self.at = f"{preposition} the {noun}"
        self.to = f"to the {noun}"
        self.spots = [Spot(s) for s in rng.sample(spots, len(spots))]

    def __str__(self):
        return self.the


class World(dict):
    """The slots of the templates. A request such as kind="fox" or place="forest" fixes what would be drawn."""

    def __init__(self, rng, kind=None, name=None, place=None):
        super().__init__()
        self.rng = rng
        self.used = set()
        self["place"] = Place(rng, place or rng.choice(list(words.PLACES)))
        for i, spot in enumerate(self["place"].spots):
            self[f"spot{i + 1}"] = spot
        self["hero"] = self.character(kind, name)
        self["friend"] = self.character(animal=True)
        self["third"] = self.character(animal=True)
        self["fourth"] = self.character(animal=True)
        self["elder"] = self.elder()
        self["trait"] = rng.choice(list(words.TRAITS))
        self["habit"] = rng.choice(words.TRAITS[self["trait"]])
        self["home"] = rng.choice(words.HOMES)
        self["season"] = rng.choice(list(words.SEASONS))
        self["weather"] = rng.choice(words.SEASONS[self["season"]].split())
        self["sky"] = expand(rng.choice(words.WEATHERS[self["weather"]]), self, rng)
        self["time"] = rng.choice(["morning", "morning", "afternoon", "evening"])
        self["food"], self["food2"] = rng.sample(words.FOODS, 2)
        self["junk"] = f"[{words.JUNK}]"
        nouns = rng.sample(list(words.THINGS), 4)
        for slot, noun, colour in zip(("thing", "thing2", "thing3", "thing4"), nouns, rng.sample(words.COLOURS, 4)):
            self[slot] = Thing(rng, noun, colour)

    def fresh(self, options):
        """One of the options that this world has not used yet."""
        choice = self.rng.choice([o for o in options if o not in self.used])
        self.used.add(choice)
        return choice

    def fresh_animal(self):
        """One that can do what none of the others can."""
        return self.fresh([k for k, skill in words.ANIMALS.items() if skill not in self.used])

    def character(self, kind=None, name=None, animal=False):
        she = name in words.GIRLS if name else self.rng.random() < 0.5
        if not kind:
            human = not animal and self.rng.random() < 0.3
            kind = ("girl" if she else "boy") if human else self.fresh_animal()
        elif kind in ("girl", "boy") and not name:
            she = kind == "girl"
        self.used |= {kind, words.ANIMALS.get(kind)}
        name = name or self.fresh(words.GIRLS if she else words.BOYS)
        self.used.add(name)
        return Character(self.rng, name, kind, she, words.ANIMALS.get(kind))

    def elder(self):
        kind = self.rng.choice([k for k in words.ELDERS if k.split()[-1] not in self.used])
        fixed = words.ELDERS[kind]
        elder = Character(self.rng, f"the {kind}", kind, fixed == "she" if fixed else self.rng.random() < 0.5)
        return elder

    def helper_with(self, skill, slot):
        """Put a new animal that has the skill into the slot."""
        kind = self.fresh([k for k, s in words.ANIMALS.items() if s == skill])
        self[slot] = self.character(kind)
        return self[slot]
