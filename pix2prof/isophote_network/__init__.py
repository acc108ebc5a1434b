"""Beyond the paper: isophotes, with networks that propose and judge.

calibrating
    After the training: what an image of the training set is like, and errors that hold.
familiarity
    How unlike the training set an image is, from numbers that say what it is like.
finder
    The finder: from an image, where the galaxy's centre is and which pixels are not its own.
learning
    How finder and reader learn from a batch, and how well they do.
network
    Beyond the paper: a network that proposes, isophotes that are read, a network that judges.
oddities
    What can be odd about an image: numbers that tell galaxies of the training kind from others.
profiles
    What the isophote network says of galaxies, and how it reads as a table's columns.
reader
    The reader: along the isophotes, from what the image says at each radius to the profile.
reading
    What the image says at each radius of a galaxy, as the reader takes it.
"""
