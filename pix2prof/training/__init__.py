"""Training: batches, the loop, validation, checkpoints.

batch_norm
    Statistics of the batch normalisation: taken anew, or held.
batches
    Image-profile pairs as the network takes them.
checkpoint
    Checkpoints that survive a kill, a full disk and a damaged file.
loop
    Training: the loop, and going on after an interruption.
moves
    What training does to its images at random: shifted, turned, mirrored, enlarged, dimmed.
recalibrating
    Errors of a trained network scaled anew, on galaxies that it has not learnt from.
stages
    The encoder taught first, then the decoder on it; or all as one.
starting
    Where a training begins: at weights drawn anew, or at those of a trained network.
validation
    What is taken of a set: how well a network does on it, and its statistics.
"""
