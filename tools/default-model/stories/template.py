"""The template language in which the stories are written.

    [one|another|]      one of the alternatives, by chance; they may nest and may be empty
    {hero}              a thing of the world, as text
    {hero.his}          one of its forms; a path of any length
    {Hero}              the same with a capital
"""
import re

ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")
SENTENCE_START = re.compile(r'(^|[.!?]"? |[.,] "|^")([a-z])')


def _choose(text, rng):
    """Resolve the brackets, innermost last, so that a choice not taken costs no chance."""
    out, i = [], 0
    while i < len(text):
        if text[i] != "[":
            out.append(text[i])
            i += 1
            continue
        depth, start, parts = 1, i + 1, []
        while depth:
            i += 1
            if text[i] == "[":
                depth += 1
            elif text[i] == "]":
                depth -= 1
            if depth == 0 or (depth == 1 and text[i] == "|"):
                parts.append(text[start:i])
                start = i + 1
        i += 1
        out.append(_choose(rng.choice(parts), rng))
    return "".join(out)


def _slot(path, world):
    value = world
    for part in path.split("."):
        name = part[0].lower() + part[1:]
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    text = str(value)
    return text[0].upper() + text[1:] if path[0].isupper() else text


def expand(text, world, rng):
    """One template -> one piece of text; a slot may hold a template itself."""
    while "[" in text or "{" in text:
        text = _choose(text, rng)
        text = re.sub(r"\{([A-Za-z0-9_.]+)\}", lambda m: _slot(m[1], world), text)
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r" ([.,!?])", r"\1", text)
    return ARTICLE.sub(r"\1n ", text)


def sentences(text, world, rng):
    """As expand, for whole sentences: each starts with a capital."""
    text = expand(text, world, rng)
    return text[:1].upper() + text[1:] if text[:1] != '"' else text[:1] + text[1:2].upper() + text[2:]
