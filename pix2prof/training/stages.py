"""The stages of a training: the encoder first, alone, then the decoder on it; or all as one."""

from dataclasses import replace
from pathlib import Path

from ..model.decoders import DECODERS
from ..networks import build_model
from .loop import fit


def train_network(
    model,
    network,
    train_pairs,
    validation_pairs,
    config,
    *,
    normalisation,
    crop,
    start=None,
    checkpoint=None,
):
    """Train a network, its encoder first where ``config.encoder_images`` asks for it.

    The decoder then learns at ``config.decoder_lr``, where one is given.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place, see `pix2prof.training.loop.fit`.
    network : pix2prof.config.ModelConfig
        What `model` was made from.
    train_pairs, validation_pairs, config, normalisation, crop, start, checkpoint
        See `pix2prof.training.loop.fit`; the encoder's checkpoints are in a folder of their own
        in `checkpoint`.

    Returns
    -------
    pix2prof.training.loop.History
        The learning curve of all stages.

    Raises
    ------
    ValueError
        If the network is of a kind whose encoder is not taught alone.
    """
    options = {"normalisation": normalisation, "crop": crop}
    given = train_pairs, validation_pairs
    if not config.encoder_images:
        return fit(model, *given, config, **options, start=start, checkpoint=checkpoint)
    aside = None if checkpoint is None else Path(checkpoint) / "encoder"
    before = teach_encoder(model, network, *given, config, **options, checkpoint=aside)
    config = replace(config, lr=config.decoder_lr or config.lr)
    model.encoder.requires_grad_(False)
    try:
        history = fit(model, *given, config, **options, checkpoint=checkpoint)
    finally:
        model.encoder.requires_grad_(True)
    return before.then(history)


def teach_encoder(
    model, network, train_pairs, validation_pairs, config, *, normalisation, crop, checkpoint=None
):
    """Teach a network's encoder under one dense layer that writes whole profiles at once.

    The layer is not kept. An unrolled decoder takes most of a training step, and its gradients
    disturb the encoder for as long as it cannot read it; without it a processor teaches the
    encoder several times as many images in the time.

    Parameters
    ----------
    model : pix2prof.model.paper.Pix2Prof
        Gets the encoder's weights, in place.
    network : pix2prof.config.ModelConfig
        What `model` was made from.
    train_pairs, validation_pairs
        See `pix2prof.dataset.stored.Pairs`.
    config : pix2prof.config.TrainConfig
        The encoder sees ``encoder_images``; the rest is as for the training that follows, but that
        no gradient is clipped.
    normalisation : pix2prof.dataset.normalisation.Normalisation
    crop : int
        Side of the network's images [px].
    checkpoint : path-like, optional
        Folder of checkpoints of its own, see `pix2prof.training.loop.fit`.

    Returns
    -------
    pix2prof.training.loop.History
        Its learning curve.

    Raises
    ------
    ValueError
        If the network is of another kind.
    """
    if network.decoder not in DECODERS:
        raise ValueError(
            f"train.encoder_images is {config.encoder_images}, but only the encoder of the "
            f"decoders {', '.join(DECODERS)} is taught alone; set it to 0 for {network.decoder}"
        )
    units = model.kwargs["mu_mean"], model.kwargs["mu_std"]
    alone = replace(network, decoder="one_shot")
    reader = build_model(alone, *units, seed=config.seed, bands=model.bands)
    history = fit(
        reader,
        train_pairs,
        validation_pairs,
        replace(config, images=config.encoder_images, encoder_images=0, clip=None),
        normalisation=normalisation,
        crop=crop,
        checkpoint=checkpoint,
    )
    model.encoder.load_state_dict(reader.encoder.state_dict())
    return history
