"""The paper's network and its parts, and the transformer in place of its GRU.

base
    What the networks with the paper's encoder share: their set-up, and which bands they take.
calibration
    Errors that hold: scaled on the validation set, by where on the profile they are.
decoders
    The decoders: from the latent vector to a sequence in model units.
growth
    From a profile and its isophotes' shapes to the light: intensity, and the curve of growth.
gru
    The stacked GRU, unrolled on its own outputs, and its gradient in one pass.
nodes
    The decoders' own grids and units, and the way there and back.
packing
    Weights laid out once for the processor's kernels, with what follows them folded in.
paper
    The paper's network: an image in, a surface-brightness profile out.
precision
    The arithmetic that a device is good at.
queries
    The transformer decoder: radii as queries over the encoder's maps, all answered at once.
resnet
    The image encoder: ResNet-18, of images in one band or in several.
transformer
    A transformer in place of the GRU: every radius at once, with errors, shapes and an end.
"""
