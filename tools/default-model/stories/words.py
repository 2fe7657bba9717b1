"""The words: who there is, where, what, and which of them go together."""

GIRLS = """Anna Bella Clara Daisy Ella Fern Greta Hazel Ida Juno Kiki Lily Maya Nina Olive Pia Rosa Ruby Sally Tess
Una Vera Willa Zoe Mimi Poppy Ivy Lola Mabel Dora""".split()
BOYS = """Arlo Ben Carl Dan Emil Finn Gus Hugo Igor Jack Karl Leo Milo Ned Otto Paul Quinn Rolf Sam Tim Ugo Victor
Will Max Bruno Felix Oscar Toby Hans Theo""".split()

# Animal -> what it does well. Each skill is the way out of some trouble (SKILLS).
ANIMALS = {
    "fox": "run", "hare": "run", "deer": "run", "pony": "run",
    "squirrel": "climb", "cat": "climb", "monkey": "climb",
    "owl": "fly", "crow": "fly", "swan": "fly", "robin": "fly",
    "rabbit": "dig", "mole": "dig", "badger": "dig", "dog": "dig",
    "frog": "swim", "otter": "swim", "duck": "swim", "turtle": "swim",
    "bear": "lift", "goat": "lift", "donkey": "lift",
    "mouse": "squeeze", "hedgehog": "squeeze", "lizard": "squeeze",
}
ELDERS = {"old owl": None, "old turtle": None, "old badger": None, "old woman": "she", "old man": "he",
          "wise old goat": None, "old baker": None, "old sailor": None, "gardener": None, "miller": None}

# skill -> where a thing is out of reach, the words for it, what the helper does
SKILLS = {
    "climb": ("high up in a [tall|thin|bare] tree", "I can climb",
              "climbed up [branch by branch|quickly|without fear]"),
    "fly": ("on top of a [steep|high|sharp] rock", "I can fly",
            "[spread {helper.his} wings and flew|flew] up [into the sky|in a wide circle|to the top]"),
    "dig": ("deep under the [soft|wet|dark] ground", "I can dig",
            "dug [and dug|with both paws|a deep hole]"),
    "swim": ("at the bottom of a [deep|cold|dark] pond", "I can swim",
             "jumped into the water and swam [down|deep down]"),
    "lift": ("under a [heavy|big|huge] stone", "I am strong",
             "lifted the stone [with both arms|with a loud grunt|slowly]"),
    "squeeze": ("in a [narrow|thin|tiny] crack in the wall", "I am small",
                "squeezed into the crack [like a shadow|bit by bit|at once]"),
    "run": ("on a cart that was rolling down the road", "I can run fast",
            "ran after the cart [like the wind|as fast as {helper.he} could|down the road]"),
}

SIZES = "small little young tiny".split()
# trait -> its opposite number in the story: what such a one does every day
TRAITS = {
    "shy": ["hid when guests came", "spoke in a very soft voice", "liked to be alone"],
    "brave": ["was not afraid of the dark", "always went first", "climbed every tree"],
    "clever": ["asked many questions", "liked to solve riddles", "read a book every night"],
    "kind": ["shared {hero.his} food with everyone", "said hello to every flower", "helped the neighbours"],
    "lazy": ["slept until noon", "never cleaned the house", "yawned all day"],
    "curious": ["looked into every hole", "wanted to know everything", "followed every path"],
    "proud": ["talked about {hero.himself} all day", "never said sorry", "looked into the mirror every morning"],
    "quiet": ["listened to the wind", "counted the stars every night", "walked without a sound"],
    "cheerful": ["sang all day", "laughed at every joke", "danced in the kitchen"],
    "careless": ["often lost things", "forgot what day it was", "left the door open"],
    "patient": ["could wait for hours", "never hurried", "watched the snails for hours"],
    "greedy": ["never shared", "always wanted more", "ate three breakfasts"],
}
HOMES = ["a hollow tree", "a small stone house", "a cosy burrow", "a wooden hut", "an old mill",
         "a house with a green door", "a house with a round window", "a tent", "a little red house",
         "a boat on the water", "a barn", "a tower"]

# place -> how one is there, and its corners
PLACES = {
    "forest": ("in", "the old oak/under", "the mossy stone/behind", "the stream/by", "the tall ferns/between",
               "the fallen tree/under"),
    "meadow": ("in", "the high grass/in", "the apple tree/under", "the fence/behind", "the pond/by",
               "the yellow flowers/between"),
    "village": ("in", "the well/behind", "the bakery/in front of", "the old wall/behind", "the bridge/under",
                "the market/at"),
    "valley": ("in", "the waterfall/by", "the mill/behind", "the big rock/under", "the river/by",
               "the pine trees/between"),
    "garden": ("in", "the rose bush/under", "the shed/behind", "the bench/under", "the beans/between", "the gate/at"),
    "farm": ("on", "the barn/behind", "the hay/in", "the cart/under", "the pigs/between", "the well/by"),
    "beach": ("on", "the old boat/under", "the rocks/between", "the lighthouse/behind", "the waves/by",
              "the dry sand/in"),
    "island": ("on", "the palm tree/under", "the cave/in", "the cliff/on", "the lagoon/by", "the harbour/in"),
    "hill": ("on", "the windmill/behind", "the lone pine/under", "the sheep/between", "the ruins/in", "the path/by"),
    "town": ("in", "the clock tower/under", "the school/behind", "the fountain/by", "the park/in",
             "the baker's shop/in front of"),
    "mountain": ("on", "the cave/in", "the icy lake/by", "the cabin/behind", "the rocks/between",
                 "the lonely tree/under"),
    "swamp": ("in", "the reeds/between", "the willow/under", "the muddy pool/by", "the old raft/under",
              "the bridge/on"),
}

COLOURS = "red blue green yellow white black golden silver brown purple".split()
# thing -> what one does with it
THINGS = {
    "kite": "fly the kite", "ball": "play with the ball", "bell": "ring the bell", "drum": "beat the drum",
    "flute": "play the flute", "scarf": "wear the scarf", "hat": "wear the hat", "book": "read the book",
    "lantern": "light the lantern", "key": "polish the key", "cup": "drink from the cup", "ring": "wear the ring",
    "boat": "sail the boat", "map": "study the map", "coin": "spin the coin", "shell": "listen to the shell",
    "basket": "carry the basket", "button": "polish the button", "feather": "draw with the feather",
    "mirror": "look into the mirror", "whistle": "blow the whistle", "clock": "wind the clock",
}
JUNK = ("a [wet|dry|yellow] leaf|a [rusty|bent] nail|a [slow|sleepy|fat] snail|an empty nutshell|a [grey|round] stone|"
        "a puddle|a [green|tiny] beetle|an old shoe|a spider's web")
FOODS = ["apple pie", "warm bread", "carrot soup", "honey cake", "nut bread", "pea soup", "plum jam", "cheese",
         "pancakes", "berry pie", "mushroom soup", "sweet pears", "roasted nuts", "corn bread", "cherry cake"]

# weather -> sentences that fit it
WEATHERS = {
    "sunny": ["the sun was [warm|bright|high]", "the sky was [blue|clear|blue and clear]",
              "there was not a cloud in the sky"],
    "rainy": ["rain [fell|dripped] from the leaves", "the sky was [grey|dark grey]",
              "the paths were [wet|full of puddles]"],
    "windy": ["the wind [shook|bent] the trees", "the wind blew [from the north|hard|over the fields]",
              "leaves flew through the air"],
    "snowy": ["snow [covered|lay on] the ground", "[soft|white] snow fell [slowly|without a sound]",
              "everything was white"],
    "foggy": ["fog lay over the [fields|water|roofs]", "the fog was as thick as milk", "one could not see far"],
    "cold": ["there was ice on the puddles", "the air was [clear and cold|sharp]", "breath turned into little clouds"],
    "hot": ["the air was [hot|still|hot and still]", "the grass was dry", "even the bees were [tired|slow]"],
}
SEASONS = {"spring": "sunny rainy windy", "summer": "sunny hot rainy", "autumn": "windy rainy foggy sunny",
           "winter": "snowy cold foggy"}
