"""The plots: each tells the middle of a story, notes the facts to be asked for, and returns the kind of its moral."""
from . import words
from .frame import DAY, interlude
from .template import expand


def one_day(s, *what):
    s.paragraph()
    if s.rng.random() < 0.5:
        s.tell(s.rng.choice(DAY))
        s.tell("{Hero} " + s.rng.choice(what) + ".")
    else:
        s.tell("[One|One {weather}] {time}[| in {season}], {hero} " + s.rng.choice(what) + ".")


def fixed(s, text):
    """A phrase that stays the same however often it is said."""
    return expand(text, s.world, s.rng)


def lost(s):
    """A treasured thing is gone; searching, asking, and a helper who can reach it."""
    w = s.world
    w["giver"] = s.rng.choice("grandmother grandfather mother father uncle aunt sister brother".split())
    s.tell("{Hero} had {thing.a}[|, a gift from {hero.his} {giver}]. [{Hero.he} loved to {thing.use}.|Every {time}, "
           "{hero.he} liked to {thing.use}."
           "|{Hero.he} took it everywhere.|{Hero.he} loved it more than anything.]")
    one_day(s, "wanted to {thing.use}, but it was [gone|not there|nowhere to be seen]",
            "saw that {thing.the} was [gone|not in its place|missing]", "could not find {thing.the} [anywhere|at home]")
    s.maybe("[{Hero.he} was very sad.|{Hero.he} began to cry.|\"Oh no!\" cried {hero.name}. \"[Where is it|Where is my "
            "{thing.bare}]?\"]")
    for i in range(s.rng.randint(1, 3)):
        start = ["First, {hero.he} looked", "Then {hero.he} looked", "{Hero.he} [also|even] looked"][i]
        s.tell(f"{start} {{spot{i + 1}.at}}, but [there was only|{{hero.he}} found nothing but|all {{hero.he}} found "
               f"was] {{junk}}.")
    interlude(s, 0.25)
    if s.rng.random() < 0.4:
        s.tell("{Hero} met {third.full} [{spot4.at}|on the way].")
        s.say("hero", "Have you seen my {thing.noun}?", "Have you seen {thing.a}?")
        s.say("third", "No, but ask {friend.full}.", "No, I am sorry.",
              "I have not seen it, but {friend.name} may know.")
        s.tell("So {hero} went on.")
    where = fixed(s, words.SKILLS[w["friend"].skill][0])
    s.tell(f"[At last|In the end|Then], {{hero.he}} saw {{thing}}. It was {where}.")
    s.say("hero", "I cannot get it.", "It is too hard for me.", "How can I get it back?", "Who can help me?")
    s.tell("[{friend.full} came by.|{friend.full} heard this and came.|Just then, {hero.he} met {friend.full}.]")
    s.rescue("{thing}", "friend")
    s.say("hero", "Thank you, {friend.name}!", "Thank you so much!", "You are a true friend!")
    s.tell("[Together, they went home to {thing.use}.|{Hero.he} was so happy that {hero.he} [danced|laughed|sang].|]")
    s.fact("What did {hero.name} lose?", "{hero.name} lost {thing.a}.", "{thing.a}.")
    s.fact("Who [helped {hero.name}|found {thing.the}]?", "{friend.full} helped {hero.name}.", "{friend.name}.")
    s.fact("What colour was the {thing.noun}?", "The {thing.noun} was {thing.adjective}.", "{thing.adjective}.")
    s.fact(f"Where was {{thing.the}}?", f"It was {where}.", f"{where}.")
    return "help"


TROUBLES = [    # what is wrong, what is needed, what the hero does with it
    ("cold", "[shivered|was very cold]", "a {colour} [scarf|blanket|coat]", "put {gift} around {third.him}"),
    ("hungry", "had not eaten [for two days|since yesterday]", "some {food}", "gave {third.him} {gift}"),
    ("wet", "was wet from head to foot", "a {colour} umbrella", "held {gift} over {third.him}"),
    ("thirsty", "[was very thirsty|wanted only a little water]", "a {colour} jug", "let {third.him} drink from {gift}"),
    ("lost", "could not find the way home", "an old map", "showed {third.him} the way on {gift}"),
    ("afraid of the dark", "did not dare to go on in the dark", "a {colour} lantern", "lit {gift} for {third.him}"),
    ("hurt", "had hurt one foot", "a {colour} cloth", "tied {gift} around the foot"),
]


def kindness(s):
    """The hero helps a stranger; later the stranger helps the hero."""
    w, r = s.world, s.rng
    name, state, need, deed = r.choice(TROUBLES)
    w["colour"] = r.choice(words.COLOURS)
    w["need"] = fixed(s, need)
    w["gift"] = w["need"].replace("a ", "the ", 1).replace("an ", "the ", 1).replace("some ", "the ", 1)
    one_day(s, "went out with {need}", "packed {need} and went [for a walk|out]", "was on the way home with {need}")
    interlude(s, 0.4)
    s.tell("{Spot2.at}, {hero.he} [met|saw|found] {third.full}[, who|. {Third.he}] " + state + ".")
    s.say("hero", "What is wrong?", "Why are you so sad?", "Can I help you?")
    so = "so " if name in ("cold", "hungry", "wet", "thirsty") else ""
    s.say("third", f"I am {name}.", f"I am {so}{name}!")
    s.tell(f"[{{Hero}} did not think long.|{{Hero}} felt sorry for {{third.him}}.|] {{Hero.name}} {deed}.")
    s.say("third", "Thank you! I will never forget this.", "You are very kind. Thank you.", "Thank you, {hero.name}!")
    s.paragraph()
    where = words.SKILLS[w["third"].skill][0]
    s.tell("[Some days later|The next day|A week later|Not long after that], {hero} [lost {thing.a}|dropped "
           "{thing.a}|could not find {hero.his} {thing.bare}]. "
           f"It was {where}.")
    s.tell("[{Hero.he} tried and tried, but {hero.he} could not get it.|{Hero.he} did not know what to do.|{Hero.he} "
           "sat down and cried.]")
    s.tell("[But then|Then], {third.name} came [along|by|down the road].")
    s.say("third", "You helped me, so I will help you.", "Now it is my turn to help.",
          "Do you remember me? You were kind to me.")
    s.rescue("{thing}", "third")
    w["friend"] = w["third"]
    s.fact("[Who did {hero.name} help|Whom did {hero.name} help]?", "{hero.name} helped {third.full}.", "{third.full}.")
    s.fact("What was wrong with {third.name}?", f"{{third.name}} was {name}.", f"{name}.")
    s.fact("What did {hero.name} have with {hero.him}?", "{hero.name} had {need}.", "{need}.")
    s.fact("Why did {third.name} help {hero.name}?", "Because {hero.name} had been kind to {third.him}.",
           "Because {hero.name} had been kind to {third.him}.")
    return "kind"


def quarrel(s):
    """Two find one thing and fight over it."""
    s.tell("{Hero.his} [best |]friend was {friend.full}.")
    one_day(s, "and {friend.name} [played|were|sat] {spot1.at}")
    s.tell("There they [found|saw] {thing.a} {spot2.at}.")
    s.say("hero", "It is mine! I saw it first!", "I want to have it!", "Give it to me!")
    s.say("friend", "No, it is mine!", "No, I saw it first!", "But I found it!")
    s.tell("[They pulled and pulled.|They shouted at each other.|They would not stop.] "
           "[Then {thing} fell into the mud.|Then {thing} broke in two.|In the end, neither would speak to the other.]")
    s.tell("{Hero} [went home|ran away|sat down {spot3.at}] and felt [sad|angry|very bad]. [{friend.name} felt the "
           "same.|]")
    if s.rng.random() < 0.6:
        s.tell("{Elder} [had seen it all|came by|heard them].")
        s.say("elder", "What is worth more, {thing.a} or a friend?",
              "A thing is only a thing, but a friend is a friend.",
              "Can you not take turns?", "Two can play with one {thing.noun}.")
        s.fact("Who gave them good advice?", "{Elder} gave them good advice.", "{Elder}.")
    s.paragraph()
    s.tell("[The next morning|After an hour|Soon], {hero} went to {friend.name}.")
    s.say("hero", "I am sorry. You may have it.", "I was wrong. Let us share it.", "I am sorry that I was so angry.")
    s.say("friend", "I am sorry too.", "Let us share it.", "We can take turns.")
    s.tell("[So|And so|Then] they [took turns|shared it]: [one day it was {hero.name}'s turn to {thing.use}, and the "
           "next day it was {friend.name}'s"
           "|in the morning {hero.name} had it, and in the evening {friend.name} had it].")
    s.fact("What did they find?", "They found {thing.a}.", "{thing.a}.")
    s.fact("Who is {hero.name}'s friend?", "{hero.name}'s friend is {friend.full}.", "{friend.name}.")
    s.fact("Where did they find {thing.the}?", "They found it {spot2.at}.", "{spot2.at}.")
    s.fact("Why did they fight?", "They fought because both wanted {thing.the}.", "Both wanted {thing.the}.")
    return "share"


FEARS = [   # the fear, its lesson in three steps, the proof
    ("the dark", ["look at the stars", "listen to the crickets", "walk to the door without a light"],
     "walked home alone in the dark"),
    ("water", ["dip one foot into the pond", "splash with both feet", "float on {hero.his} back"],
     "swam across the pond"),
    ("thunder", ["count to ten after the lightning", "sing along with the rain", "look out of the window"],
     "slept through the whole storm"),
    ("high places", ["stand on a stone", "climb onto a fence", "look down from a small tree"],
     "climbed to the top of the tower"),
    ("strangers", ["wave from far away", "say good morning", "ask for a name"], "spoke to everyone at the market"),
    ("spiders", ["look at a web", "watch a small spider work", "let one walk over a leaf"],
     "carried a spider out of the house"),
]


def fear(s):
    """The hero is afraid of something and learns, step by step, not to be."""
    w, r = s.world, s.rng
    w["fear"], steps, proof = r.choice(FEARS)
    s.tell("[But there was one thing: {hero.he} was afraid of {fear}.|{Hero.he} was afraid of only one thing, and that "
           "was {fear}."
           "|{Hero.he} was [very|so] afraid of {fear}.]")
    s.maybe("[The others laughed at {hero.him}.|Nobody knew about it.|{Hero.he} never told anyone.]")
    one_day(s, "met {friend.full} {spot1.at}", "sat {spot1.at} with {friend.full}")
    s.say("friend", "Why do you look so sad?", "What are you afraid of?", "Why do you never come with us?")
    s.say("hero", "I am afraid of {fear}.", "It is because of {fear}.", "Do not laugh, but I am afraid of {fear}.")
    s.say("friend", "I was once afraid of {fear} too.", "I can teach you.",
          "That is nothing bad. Let us try together.", "Then we will go slowly.")
    for when, step in zip(("On the first day", "On the second day", "On the third day"), steps[:r.randint(2, 3)]):
        s.tell(f"{when}, {{friend.name}} [told|asked|taught] {{hero.him}} to {step}. "
               "[It was hard, but it worked.|It was not so bad.|{Hero.name}'s heart beat fast.|{Hero.name} did it.|]")
    s.paragraph()
    s.tell(f"[And then|At last|One week later|In the end], {{hero}} {proof}.")
    s.say("hero", "I did it!", "It is not so bad at all!", "Look, I am not afraid any more!")
    s.tell("{friend.name} [clapped|was proud of {hero.him}|cheered|smiled].")
    s.fact("What was {hero.name} afraid of?", "{hero.name} was afraid of {fear}.", "{fear}.")
    s.fact("Who [helped|taught] {hero.name}?", "{friend.full} helped {hero.name}.", "{friend.name}.")
    s.fact("What did {hero.name} do in the end?", f"In the end, {{hero.name}} {proof}.", f"{{Hero.he}} {proof}.")
    return "fear"


SOUNDS = [  # the sound, what it might be, what it was
    ("a [strange|soft] tapping", "a ghost", "{third.full} was knocking [two stones together|on a hollow branch]"),
    ("a sad song", "the wind", "{third.full} was singing all alone"),
    ("a tiny bell", "a fairy", "{third.full} was ringing {thing2.a}"),
    ("a loud snore", "a giant", "{third.full} was asleep [on its back|in a heap of leaves]"),
    ("a long howl", "a wolf", "{third.full} was blowing into an empty bottle"),
    ("a quiet weeping", "a ghost", "{third.full} was crying [because nobody came to visit|over {thing2.a} that was "
     "broken]"),
]


def sound(s):
    """A noise at night; going to look; a new friend."""
    w = s.world
    noise, guess, truth = s.rng.choice(SOUNDS)
    w["noise"], w["truth"] = fixed(s, noise), fixed(s, truth.replace("its back", "{third.his} back"))
    w["guess"] = guess
    w["time"] = "night"
    one_day(s, "heard {noise}", "woke up because of {noise}", "lay in bed and heard {noise}")
    s.say("hero", "What can that be?", "Is that {guess}?", "Who is there?")
    s.maybe("[Nobody answered.|There it was again.|It came from {spot1.the}.]")
    s.tell("{Hero} [was afraid|trembled a little|was curious], but {hero.he} [took {thing.a} and went out|got up and "
           "opened the door|wanted to know what it was].")
    if s.rng.random() < 0.5:
        s.tell("[Outside|On the way], {hero.he} met {friend.full}, who had heard it too. [Together, they went on.|They "
               "went on side by side.]")
        s.fact("Who went with {hero.name}?", "{friend.full} went with {hero.name}.", "{friend.name}.")
    for i in range(s.rng.randint(1, 2)):
        s.tell(f"{{Hero.he}} looked {{spot{i + 1}.at}}, but there was only {{junk}}.")
    s.paragraph()
    s.tell("[Then|At last], {spot3.at}, {hero.he} saw it: {truth}!")
    s.say("hero", "So it was you!", "I thought it was {guess}!", "Why are you here all alone?")
    s.say("third", "I am sorry. I did not want to frighten you.", "I have no friends here.", "I could not sleep.")
    s.tell("{Hero} [laughed|smiled] and [gave {third.him} some {food}|sat down beside {third.him}|asked {third.him} to "
           "come home for some {food}].")
    w["friend"] = w["third"]
    s.fact("What did {hero.name} hear?", "{hero.name} heard {noise}.", "{noise}.")
    s.fact("[What|Who] was it?", "It was {third.full}.", "{third.full}.")
    s.fact("Where was {third.name}?", "{third.name} was {spot3.at}.", "{spot3.at}.")
    return "listen"


def race(s):
    """The proud one is fast, the patient one wins; or stops to help and is thanked."""
    w, r = s.world, s.rng
    w.helper_with("run", "friend")
    one_day(s, "met {friend.full}, who was very proud", "heard {friend.full} boast {spot1.at}")
    s.say("friend", "I am the fastest of all!", "Nobody is as fast as I am.",
          "You are so slow! I can beat you with one eye shut.")
    s.say("hero", "Then let us race.", "Let us see. I will race you.", "Fast is not everything.")
    s.tell("[So|The next day,] they [ran|raced] from {spot1.the} to {spot2.the}. {Elder} [gave the sign|counted to "
           "three].")
    s.tell("{friend.name} was far ahead [after a short time|at once]. {Hero} [went on slowly|took one step after the "
           "other|did not give up].")
    if r.random() < 0.6:
        w["pause"] = fixed(s, "[slept|ate some {food}|looked at {friend.his} face in the water|told everyone a joke]")
        s.say("friend", "I have so much time.", "I can take a rest.", "{hero.name} will never catch me.")
        s.tell("So {friend.name} stopped {spot3.at} and {pause}. [Meanwhile, {hero.name} walked past.|But {hero.name} "
               "did not stop.]")
        s.tell("When {friend.name} [looked up|ran on], it was too late: {hero.name} was already at {spot2.the}.")
        s.fact("Why did {friend.name} lose?", "{friend.name} lost because {friend.he} stopped and {pause}.",
               "{Friend.he} stopped and {pause}.")
        s.fact("Who won the race?", "{hero.name} won the race.", "{hero.name}.")
    else:
        s.tell("But {spot3.at}, {friend.name} fell [over a root|into a hole] and could not get up.")
        s.tell("{Hero} [stopped|did not run past]. {Hero.he} helped {friend.him} to stand up.")
        s.say("friend", "Why did you stop? You could have won.", "Thank you. I was so proud, and you are so good.")
        s.tell("They came to {spot2.the} side by side.")
        s.fact("What happened to {friend.name}?", "{friend.name} fell, and {hero.name} helped {friend.him}.",
               "{Friend.he} fell.")
        s.fact("Who won the race?", "They came in side by side.", "Both.")
    s.paragraph()
    s.tell("[Everyone cheered.|{Elder} gave {hero.him} {thing.a}.|] [{friend.name} never boasted again.|{friend.name} "
           "was not so proud any more.|]")
    s.fact("Where did the race end?", "The race ended at {spot2.the}.", "At {spot2.the}.")
    s.fact("Who raced against {hero.name}?", "{friend.full} raced against {hero.name}.", "{friend.name}.")
    return "slow"


def truth(s):
    """A borrowed thing breaks, is hidden, and the truth is told."""
    s.tell("{Hero.his} friend {friend.full} had {thing.a}.")
    one_day(s, "asked {friend.name} for {thing.the}", "was allowed to {thing.use}")
    s.say("friend", "You may have it, but be careful.", "Please bring it back in the evening.", "Take good care of it.")
    s.tell("But {spot1.at}, {hero} [fell|tripped over a root|jumped about], and {thing} [broke|broke in two|was "
           "broken].")
    s.say("hero", "Oh no! What will {friend.name} say?", "Nobody must know!", "What have I done?")
    s.tell("{Hero} hid it {spot2.at} and [went home|ran away|said nothing].")
    s.tell("In the evening, {friend.name} came.")
    s.say("friend", "Where is my {thing.noun}?", "Have you seen my {thing.bare}?")
    s.say("hero", "I do not know.", "It is gone. Somebody took it.", "The wind took it.")
    s.tell("{friend.name} [was very sad|cried|looked for it everywhere]. {Hero} felt [terrible|a stone in {hero.his} "
           "heart] and could not [sleep|eat].")
    s.paragraph()
    s.tell("[The next morning|At midnight|Two days later], {hero} went to {friend.name} and [told {friend.him} "
           "everything|told the truth].")
    s.say("hero", "I broke it and I lied. I am so sorry.", "It was me. I hid it {spot2.at}.",
          "I was afraid that you would be angry.")
    s.say("friend", "Thank you for telling me the truth.", "It is only a {thing.noun}. You are my friend.",
          "I am sad, but I am not angry.")
    s.tell("[Together, they mended it.|They glued it together.|{Hero} gave {friend.him} {thing2.a} instead.]")
    s.fact("What did {hero.name} break?", "{hero.name} broke {thing.the}.", "{thing.the}.")
    s.fact("Where did {hero.name} hide it?", "{hero.name} hid it {spot2.at}.", "{spot2.at}.")
    s.fact("[Whose {thing.noun} was it|Who owned {thing.the}]?", "It was {friend.name}'s {thing.noun}.",
           "{friend.name}'s.")
    return "truth"


PRESENTS = [    # the present and its three parts
    ("a crown", ["yellow flowers", "long grass", "a blue ribbon"]),
    ("a necklace", ["white shells", "a thin string", "a shiny stone"]),
    ("a little ship", ["dry bark", "a big leaf", "a straight stick"]),
    ("a cake", ["some flour", "ripe berries", "a pot of honey"]),
    ("a warm pillow", ["soft feathers", "some wool", "an old shirt"]),
    ("a picture", ["red berries", "a piece of paper", "a feather"]),
    ("a puppet", ["a pine cone", "some wool", "two buttons"]),
    ("a soup", ["three carrots", "fresh herbs", "a white onion"]),
]


def present(s):
    """A birthday without money; a present made of found things."""
    w, r = s.world, s.rng
    w["present"], parts = r.choice(PRESENTS)
    w["present_the"] = w["present"].replace("a ", "the ", 1)
    parts = r.sample(parts, 3)
    one_day(s, "heard that it was {friend.name}'s birthday", "remembered that {friend.full} had a birthday",
            "was asked to {friend.name}'s birthday party")
    s.tell("[But|Only] {hero.he} had [no money|not a single coin|nothing to give].")
    s.say("hero", "What can I give {friend.him}?", "I will make something.", "I want to make {present}.")
    for i, part in enumerate(parts[:r.randint(2, 3)]):
        s.tell(f"[{['First', 'Then', 'Last of all'][i]}, {{hero.he}} found {part} {{spot{i + 1}.at}}."
               f"|{{Spot{i + 1}.at}}, {{hero.he}} [found|picked up] {part}.]")
    if r.random() < 0.4:
        s.tell("{Third.full} [saw {hero.him}|came by] and [helped a little|lent {hero.him} {thing.a}].")
        s.fact("Who came by?", "{third.full} came by.", "{third.name}.")
    s.tell("{Hero} [worked all {time}|worked until it was dark|sat down at the table], and [then|in the end] {hero.he} "
           "had made {present}.")
    s.paragraph()
    s.tell("[At the party|In the evening], {friend.name} [opened the box|saw {present_the}] and [was quiet for a "
           "moment|smiled|jumped for joy].")
    s.say("friend", "This is the best present of all!", "Did you make this for me? Thank you!", "It is beautiful!")
    s.fact("Whose birthday was it?", "It was {friend.name}'s birthday.", "{friend.name}'s.")
    s.fact("What did {hero.name} make?", "{hero.name} made {present}.", "{present}.")
    s.fact(f"Where did {{hero.name}} find {parts[0]}?", f"{{hero.name}} found {parts[0]} {{spot1.at}}.", "{spot1.at}.")
    return "gift"


def trade(s):
    """A chain of trades that leads home again."""
    w, r = s.world, s.rng
    s.tell("{Hero} had {thing.a}, but {hero.he} [wanted something better|was not happy with it|was tired of it].")
    one_day(s, "took {thing.the} and went [into the world|to find something better]")
    n = r.randint(2, 3)
    who = ["friend", "third", "fourth"]
    for i in range(n):
        mine, theirs = ("thing", "thing2", "thing3", "thing4")[i:i + 2]
        s.tell(f"[{{Spot{i + 1}.at}}, {{hero.he}} met {{{who[i]}.full}} with {{{theirs}.a}}.|{{Hero.he}} met "
               f"{{{who[i]}.full}}, who had {{{theirs}.a}}.]")
        s.say("hero", f"Will you take {{{mine}.the}} for it?",
              f"I will give you {{{mine}.the}} for your {{{theirs}.noun}}.", f"Let us trade. You get {{{mine}.the}}.")
        s.maybe(f'"{["Good", "Yes", "Gladly"][i]}," said {{{who[i]}.name}}.')
        s.tell(f"So {{hero.name}} gave away {{{mine}.the}} and got {{{theirs}.the}}.")
    last = ("thing", "thing2", "thing3", "thing4")[n]
    s.paragraph()
    s.tell(f"[At home|In the evening], {{hero}} looked at {{{last}.the}} and [thought of|missed] {{thing.the}}.")
    s.say("hero", "I was happier before.", "Why did I give it away?", "I liked my {thing.noun} best.")
    s.tell("[The next day|In the morning], {friend.name} [knocked at the door|came to visit] and [gave {thing.the} "
           "back|brought {thing.the} back].")
    s.say("friend", "I think this is yours.", "I saw that you missed it.", "It likes you better than me.")
    s.fact("What did {hero.name} have first?", "First, {hero.name} had {thing.a}.", "{thing.a}.")
    s.fact("What did {friend.name} give {hero.name} for {thing.the}?", "{friend.name} gave {hero.him} {thing2.a}.",
           "{thing2.a}.")
    s.fact("Who got {thing.the}?", "{friend.full} got {thing.the}.", "{friend.name}.")
    s.fact("Who had {thing3.the}?", "{third.full} had {thing3.the}.", "{third.name}.")
    return "enough"


JOBS = {"dig": "dug a deep hole for the posts", "lift": "carried the heavy [stones|beams]",
        "climb": "climbed up and laid the [roof|tiles]",
        "fly": "flew up and fixed the chimney", "swim": "brought wet clay from the pond",
        "squeeze": "closed the small cracks",
        "run": "ran to town for nails"}


def build(s):
    """A storm breaks the house; each friend does what he or she does best."""
    w, r = s.world, s.rng
    w["damage"] = r.choice(["a storm broke the roof of {hero.his} house",
                            "the river rose and washed {hero.his} house away",
                            "a big tree fell on {hero.his} house", "lightning struck {hero.his} house"])
    s.paragraph()
    s.tell("[One night|One {time}|In {season}], {damage}.")
    s.say("hero", "Where shall I live now?", "I cannot build a house alone.", "My poor house!", "What shall I do?")
    s.tell("[{Hero.his} friends heard of it.|But {hero.he} had friends.|{Elder} told the others about it.] [The next "
           "day, they came.|Soon, they all came to help.|]")
    helpers = ["friend", "third", "fourth"][:r.randint(2, 3)]
    for slot in helpers:
        job = fixed(s, JOBS[w[slot].skill])
        s.tell(f"{{{slot}.full}} {job}.")
        if r.random() < 0.35:
            s.say(slot, "That is easy for me.", "I can do this best.", "Many hands make light work.", "I like to help.")
        s.fact(f"What did {{{slot}.name}} do?", f"{{{slot}.name}} {job}.", f"{{{slot}.he}} {job}.")
    w["colour"] = r.choice(words.COLOURS)
    s.tell("And {hero.name} [cooked {food} for all|painted the door {colour}|swept the floor].")
    s.paragraph()
    s.tell("[After three days|Before winter came|When the moon rose|A week later], the [new |]house stood {spot5.at}[, "
           "and it was better than before|].")
    s.say("hero", "Thank you, all of you!", "I have the best friends in the world!", "You are always welcome here.")
    s.fact("What happened to the house?", "{Damage}.", "{Damage}.")
    also = ", and also {fourth.name}," if "fourth" in helpers else ""
    s.fact("Who helped {hero.name}?", "{friend.name} and {third.name}" + also + " helped {hero.name}.",
           "{hero.his} friends.")
    return "work"


WISHES = {  # skill -> wishes that come true only with it
    "climb": "pick the [reddest|biggest] apple of the tree",
    "fly": "have a [white|golden] feather from the top of the rock",
    "dig": "find the box that was buried {spot2.at}",
    "swim": "have the pearl from the bottom of the pond",
    "lift": "see what was under the big stone {spot2.at}",
    "squeeze": "know what was in the tiny cave {spot2.at}",
    "run": "send a letter to {hero.his} sister before the evening",
}


def wish(s):
    """A wish, tries that fail, and one who can do it."""
    w, r = s.world, s.rng
    w["wish"] = fixed(s, WISHES[w["friend"].skill])
    s.tell("{Hero} had [one|only one|a great] wish: {hero.he} wanted to {wish}.")
    one_day(s, "[got up early|went out] to {wish}", "decided to try it")
    for i, how in enumerate(r.sample(["with a long stick", "with a rope", "with {thing.a}", "with a ladder",
                                      "with both hands", "with a song"], r.randint(1, 3))):
        s.tell(f"[{['First', 'Then', 'Last'][i]}, {{hero.he}} tried it|{{Hero.he}} tried it] {how}, but [it did not "
               f"work|that did not help|nothing happened].")
    s.maybe("{Hero} asked {third.full}, but {third.name} could not [do it|help].")
    s.tell("[{Hero.he} was ready to give up.|{Hero.he} sat down {spot3.at} and sighed.|] [Then|Just then], "
           "{friend.full} came by.")
    s.say("friend", "What do you want to do?", "Why do you sigh?", "Can I help you?")
    s.say("hero", "I want to {wish}.", "I wish to {wish}, but I cannot do it.")
    claim = words.SKILLS[w["friend"].skill][1]
    s.say("friend", f"{claim}.", f"That is easy. {claim}.", f"Wait here. {claim}.")
    done = {"run": "took the letter and ran down the road", "lift": "lifted the stone. There lay {thing2.a}",
            "dig": "dug until the box came out. In it lay {thing2.a}",
            "squeeze": "squeezed into the cave and came back with {thing2.a}",
            "climb": "climbed up and threw the apple down",
            "fly": "flew up and came back with the feather",
            "swim": "jumped into the pond and came up with the pearl"}
    s.tell("[So|And] {friend.name} " + done[w["friend"].skill] + ".")
    s.say("hero", "Thank you, {friend.name}!", "My wish came true!", "I could never have done it alone.")
    s.fact("What did {hero.name} want?", "{hero.name} wanted to {wish}.", "to {wish}.")
    s.fact("Who helped {hero.name}?", "{friend.full} helped {hero.name}.", "{friend.name}.")
    return "help"


# plot -> what it is about, as one would ask for it
TOPICS = {
    lost: "a lost {thing.noun}", kindness: "[kindness|a good deed]", quarrel: "[a quarrel|sharing]",
    fear: "someone who is afraid of {fear}", sound: "[a strange noise|a sound in the night]", race: "[a race|pride]",
    truth: "[a lie|the truth]", present: "[a birthday|a present]", trade: "[a trade|trading]",
    build: "[a broken house|building a house]", wish: "[a wish|a great wish]",
}
PLOTS = list(TOPICS)
