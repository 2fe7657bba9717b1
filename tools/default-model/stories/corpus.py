"""Documents: whole stories, and conversations about them. One number decides one document."""
import random

from . import frame, plots, words
from .story import Story
from .template import sentences

CHAT_SHARE = 0.4

BRIEF = ["Answer in a few words.", "Give short answers.", "Be brief."]
WHOLE = ["You tell short stories.", "You are a friendly storyteller.", "Answer in whole sentences.",
         "You are a helpful assistant."]
ASK = ["[T|t]ell me {what}.", "Please tell me {what}.", "[Can|Could] you tell me {what}?", "Write {what}.",
       "I would like to hear {what}.",
       "{What}, please."]
SMALL_TALK = [
    (["Hello!", "Hello", "Hi", "Hi!", "Hi there!", "Good morning!", "hello"],
     ["Hello! Shall I tell you a story?", "Hello! Ask me for a story.", "Hello! I know many stories. Would you like to "
      "hear one?"]),
    (["Who are you?", "What are you?", "What can you do?", "What is your name?", "Can you help me?"],
     ["I am a very small model. I tell short stories and answer questions about them.",
      "I am a small model that tells stories. Ask me for one!"]),
    (["How are you?", "How do you do?"],
     ["I am well, thank you. Shall I tell you a story?", "Very well, thank you! Would you like a story?"]),
    (["What is two and two?", "What is the capital of France?", "Write a program.", "What time is it?",
      "Who is the president?", "How do I cook rice?", "Why is the sky blue?", "Translate this.",
      "What is the meaning of life?", "How far is the moon?"],
     ["I do not know. I only know small stories.", "I am too small to know that. But I can tell you a story."]),
]
THANKS = (["Thank you!", "Thanks!", "That was a nice story.", "Thank you for the story."],
          ["You are welcome!", "I am glad that you liked it."])
GOODBYE = (["Goodbye!", "Bye!", "Good night!"], ["Goodbye, and come back for another story!", "Goodbye!"])


def make_story(rng, **request):
    """A whole story and the plot it follows."""
    s = Story(rng, **request)
    frame.begin(s)
    fast = s.world["hero"].skill == "run"
    plot = rng.choice([p for p in plots.PLOTS if not (fast and p is plots.race)])
    frame.end(s, plot(s))
    return s, plot


def request_for(rng):
    """What the user asks for: slots to be fixed, and a template of the story's name."""
    form = rng.choice(["any", "kind", "kind", "kind", "named", "named", "name", "place", "placed", "topic", "topic"])
    request = {}
    if form in ("kind", "named", "placed"):
        request["kind"] = rng.choice(list(words.ANIMALS) + ["girl", "boy"] * 2)
    if form in ("named", "name"):
        kind = request.get("kind")
        request["name"] = rng.choice({"girl": words.GIRLS, "boy": words.BOYS}.get(kind, words.GIRLS + words.BOYS))
    if form in ("place", "placed"):
        request["place"] = rng.choice(list(words.PLACES))
    what = {"any": "", "kind": " about a {hero.kind}", "named": " about a {hero.kind} [named|called] {hero.name}",
            "name": " about {hero.name}",
            "place": " [set |]{place.at}", "placed": " about a {hero.kind} {place.at}", "topic": " about {topic}"}[form]
    return request, f"a [short |little |]story{what}"


def questions(s, rng, brief, least, most):
    for question, whole, short in rng.sample(s.facts, min(rng.randint(least, most), len(s.facts))):
        yield "user", question
        yield "assistant", short if brief else whole


def chat(rng):
    """A list of (role, text)."""
    turns, brief = [], rng.random() < 0.25
    if brief or rng.random() < 0.3:
        turns.append(("system", rng.choice(BRIEF if brief else WHOLE)))
    kind = rng.random()
    if kind < 0.2:
        asked, answers = rng.choice(SMALL_TALK)
        turns += [("user", rng.choice(asked)), ("assistant", rng.choice(answers))]
    if kind < 0.15:
        return turns
    request, what = request_for(rng)
    s, plot = make_story(rng, **request)
    if kind > 0.85:
        first, *more = questions(s, rng, brief, 1, 4)
        turns += [("user", f"{s.text()}\n\n{first[1]}"), *more]
    else:
        s.world["topic"] = plots.TOPICS[plot]
        s.world["what"] = what
        turns += [("user", sentences(rng.choice(ASK), s.world, rng)), ("assistant", s.text())]
        turns += questions(s, rng, brief, 0, 5)
    for said, answers in (THANKS, GOODBYE):
        if rng.random() < 0.12:
            turns += [("user", rng.choice(said)), ("assistant", rng.choice(answers))]
    return turns


def document(seed):
    """(seed) -> str, a story, or list of (role, text), a conversation."""
    rng = random.Random(seed)
    return chat(rng) if rng.random() < CHAT_SHARE else make_story(rng)[0].text()
