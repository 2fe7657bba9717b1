"""One story: a world, the sentences told so far, and the facts that can be asked about afterwards."""
from . import words
from .template import sentences
from .world import World

VERBS = {".": ["said"], "?": ["asked"], "!": ["cried", "called", "said"]}
ANSWERS = ["said", "answered", "replied"]     # to a question
MOODS = ["softly", "quietly", "at once", "after a while"]


class Story:
    def __init__(self, rng, **request):
        self.rng = rng
        self.world = World(rng, **request)
        self.paragraphs = [[]]
        self.asked = False      # the last sentence was a question
        self.speaker = None     # who spoke the last sentence
        self.facts = []         # (question, whole answer, answer in a few words)

    def tell(self, *templates):
        for template in templates:
            text = sentences(template, self.world, self.rng)
            if text:
                self.asked, self.speaker = False, None
                self.paragraphs[-1].append(text)

    def maybe(self, template, chance=0.5):
        if self.rng.random() < chance:
            self.tell(template)

    def say(self, who, *lines):
        """Each line is one speech; one of them is chosen, and one of the ways to bring it in."""
        line = sentences(self.rng.choice(lines), self.world, self.rng)
        if self.speaker == who:
            return self.go_on(line)
        self.speaker = who
        mark = line[-1]
        verb = self.rng.choice(ANSWERS if self.asked and mark != "?" else VERBS[mark])
        self.asked = mark == "?"
        inner = line[:-1] + "," if mark == "." else line
        mood = " " + self.rng.choice(MOODS) if mark == "." and self.rng.random() < 0.2 else ""
        name = self.world[who].name
        first, rest = line.split(" ", 1) if " " in line else (line, "")
        forms = [f'"{inner}" {verb} {name}{mood}.', f'"{inner}" {verb} {name}{mood}.',
                 f'{name[0].upper() + name[1:]} {verb}{mood}, "{line}"']
        if first.endswith(",") and mark != "?":
            forms.append(f'"{first}" {verb} {name}{mood}, "{rest}"')
        self.paragraphs[-1].append(self.rng.choice(forms))

    def go_on(self, line):
        """Whoever has just spoken says one sentence more."""
        last = self.paragraphs[-1][-1]
        self.paragraphs[-1][-1] = f'{last[:-1]} {line}"' if last.endswith('"') else f'{last} "{line}"'
        self.asked = line.endswith("?")

    def paragraph(self):
        self.speaker = None
        if self.paragraphs[-1]:
            self.paragraphs.append([])

    def fact(self, question, answer, short):
        self.facts.append(tuple(sentences(t, self.world, self.rng) for t in (question, answer, short)))

    def rescue(self, what, helper):
        """The helper fetches `what` from where only such an animal can."""
        self.world["helper"] = self.world[helper]
        _, claim, deed = words.SKILLS[self.world[helper].skill]
        self.say(helper, f"{claim}.", f"Do not worry, {claim}.", f"Let me help you. {claim}.",
                 f"{claim}, so let me try.")
        self.tell(f"[So|Then|And so] {{helper}} {deed} and [brought {what} back|came back with {what}|gave {what} to "
                  f"{{hero}}].")

    def text(self):
        return "\n\n".join(" ".join(p) for p in self.paragraphs if p)
