"""How stories begin and end, and what may happen in between in any of them."""

MORALS = {
    "help": ["A friend in need is a friend indeed", "Nobody has to do everything alone",
             "Even the smallest friend can be a great help",
             "It is good to ask for help", "Everyone can do something well"],
    "kind": ["Kindness always comes back", "Who gives gets more than gold", "A small good deed can change a day"],
    "share": ["Things are more fun when we share them", "A friend is worth more than any toy",
              "It is better to share than to fight"],
    "fear": ["Being brave means to go on when you are afraid", "What we know we need not fear",
             "Big fears grow small when we look at them"],
    "slow": ["Slow and steady wins the race", "Pride comes before the fall", "Who boasts too soon is sorry later"],
    "truth": ["The truth is hard for a moment, but a lie is hard for ever", "It is never too late to say sorry",
              "Friends forgive those who tell the truth"],
    "gift": ["The best gifts come from the heart", "What we make with our own hands is worth the most"],
    "enough": ["What we have is often better than what we want", "Be happy with what you have"],
    "work": ["Many hands make light work", "What one cannot do, three can", "Together we are strong"],
    "listen": ["Look closely before you are afraid", "A new friend may wait where you least expect one"],
}

HELLO = [
    "[Once upon a time|Once|Long ago|A long time ago|Many years ago], there [was|lived] a {hero.size} {hero.kind} "
    "[named|called] {hero.name}.",
    "[Once upon a time|Once|Long ago], a {hero.size} {hero.kind} [named|called] {hero.name} lived {place.at}.",
    "{hero.name} was a {hero.size} {hero.kind} who lived {place.at}.",
    "[There was once|Once there was] a {trait} {hero.kind} {place.at}. {Hero.his} name was {hero.name}.",
    "{place.at}, {spot5.at}, lived a {hero.kind} [named|called] {hero.name}.",
    "This is the story of a {trait} {hero.kind} [named|called] {hero.name}.",
    "The {hero.size} {hero.kind} {hero.name} lived [in {home} {place.at}|{place.at}].",
    "{Sky}, and a {hero.size} {hero.kind} [named|called] {hero.name} sat {spot5.at} {place.at}.",
    "{hero.full} was [very|rather|] {trait} and lived {place.at}.",
    "{hero.name} the {hero.kind} lived [in {home} {place.at}|{place.at}, in {home}].",
]
HOME = [
    "{Hero.he} lived in {home} {spot5.at}.",
    "{Hero.his} home was {home}[| {spot5.at}].",
    "{Hero.he} lived {spot5.at} with {hero.his} [mother|father|two brothers|three sisters|grandmother].",
]
TRAIT = [
    "{Hero.name} was very {trait} and {habit}.",
    "{Hero.he} was {trait}: {hero.he} {habit}.",
    "Everyone [knew that|said that] {hero.name} was {trait}[|, because {hero.he} {habit}].",
    "{Hero.he} {habit}, [and|for] {hero.he} was a [very|rather] {trait} {hero.kind}.",
]
DAY = [
    "It was a {weather} {season} {time}[.|. {Sky}.|, and {sky}.]",
    "It was a {weather} {time} in {season}[.|, and {sky}.|. {Sky}.]",
    "One {time} in {season}, {sky}.",
    "It was {season}, and {sky}.",
]

INTERLUDES = [
    "[On the way|After a while], {hero.he} [stopped|sat down] {spot5.at} to eat [some|a little] {food}.",
    "The weather was {weather}[, but {hero.name} did not mind| and {sky}].",
    "{Hero.he} hummed a little song[| as {hero.he} walked].",
    "[Far away|Somewhere], a [bird sang|bell rang|dog barked|horse neighed].",
    "{Hero.he} [thought of|missed] {hero.his} [warm|own] bed[|, but {hero.he} went on].",
    "The [grass|path|ground] was {ground} under {hero.his} feet.",
]
GROUND = {"rainy": "wet", "snowy": "white and cold", "sunny": "warm", "hot": "hot and dry", "foggy": "damp",
          "windy": "full of leaves",
          "cold": "hard and cold"}

CLOSE = [
    "[From that day on|After that|Since then], {hero.name} and {friend.name} were [best friends|good friends|always "
    "together].",
    "[In the evening|That night|When the moon rose], {hero.name} [fell asleep|went to bed] with a smile.",
    "[Then|In the end|Afterwards], [they all|they] [went home and|sat down and|] ate {food}[| together]. It "
    "[tasted|was] [very good|wonderful|better than ever].",
    "{Hero.name} [was|felt] very happy[| and went home singing].",
    "And {hero.name} never forgot that {when}.",
    "And if you go {place.to}, you [can|may] still [see|meet] {hero.name} [and {friend.name} |]there.",
]
MORAL = ["[The moral is|So remember|And that is the lesson]: {moral}.", "{moral}.",
         "So {hero.name} learned a lesson: {moral}.",
         '"{moral}," {hero.name} [thought|said].']


def begin(s):
    s.world["ground"] = GROUND[s.world["weather"]]
    hello = s.rng.choice(HELLO)
    s.tell(hello)
    if "{home}" not in hello and "spot5" not in hello:
        s.maybe(s.rng.choice(HOME), 0.6)
    if "{trait}" not in hello:
        s.maybe(s.rng.choice(TRAIT), 0.6)
    elif s.rng.random() < 0.4:
        s.tell("{Hero.he} {habit}.")
    s.fact("[Who is the story about?|Who is the hero of the story?]", "The story is about {hero.name}, a {hero.kind}.",
           "{hero.name}.")
    s.fact("What kind of animal is {hero.name}?" if s.world["hero"].skill else "Is {hero.name} a girl or a boy?",
           "{hero.name} is a {hero.kind}.", "a {hero.kind}.")


def interlude(s, chance=0.4):
    if s.rng.random() < chance:
        s.tell(s.rng.choice(INTERLUDES))


def end(s, moral):
    w, text = s.world, s.text()
    w["when"] = w["time"] if w["time"] in text else "day"
    if w["weather"] in text:
        w["when"] = f"{w['weather']} {w['when']}"
        s.fact("[What was the weather like|How was the weather]?", "It was {weather}.", "{weather}.")
    if w["place"].the in text:
        s.fact("Where does {hero.name} live?", "{hero.name} lives {place.at}.", "{place.at}.")
    s.paragraph()
    s.tell(s.rng.choice(CLOSE))
    if s.rng.random() < 0.6:
        w["moral"] = s.rng.choice(MORALS[moral])
        s.tell(s.rng.choice(MORAL))
        s.fact("[What is the moral of the story?|What does the story teach us?|What can we learn from it?]",
               "{moral}.", "{moral}.")
