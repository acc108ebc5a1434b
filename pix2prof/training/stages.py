"""The stages of a training: the encoder first, alone, then the decoder on it; or all as one."""

import hashlib
from dataclasses import replace
from pathlib import Path

from ..networks import build_model
from .loop import fit, print_line


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
        Changed in place, see `pix2prof.training.loop.fit`; an
        `pix2prof.model.base.EncoderNetwork` where the encoder is to be taught first.
    network : pix2prof.config.ModelConfig
        What `model` was made from.
    train_pairs, validation_pairs, config, normalisation, crop, start, checkpoint
        See `pix2prof.training.loop.fit`; the encoder's checkpoints are in a folder of their own
        in `checkpoint`.

    Returns
    -------
    pix2prof.training.loop.History
        The learning curve; ``stage`` is ``encoder`` or ``decoder``, or ``whole`` without stages.

    """
    options = {"normalisation": normalisation, "crop": crop}
    given = train_pairs, validation_pairs
    if not config.encoder_images:
        history = fit(model, *given, config, **options, start=start, checkpoint=checkpoint)
        return history.named("whole")
    aside = None if checkpoint is None else Path(checkpoint) / "encoder"
    before = teach_encoder(model, network, *given, config, **options, checkpoint=aside)
    config = replace(
        config,
        encoder_images=0,
        lr=config.decoder_lr or config.lr,
        start="the encoder as it was taught",
        hold_statistics=0.0,
    )
    model.encoder.requires_grad_(False)
    try:
        history = fit(
            model,
            *given,
            config,
            **options,
            start=_sha256(model.encoder),
            checkpoint=checkpoint,
            log=lambda line: print_line(f"decoder: {line}"),
        )
    finally:
        model.encoder.requires_grad_(True)
    return before.named("encoder").then(history.named("decoder"))


def teach_encoder(
    model, network, train_pairs, validation_pairs, config, *, normalisation, crop, checkpoint=None
):
    """Teach a network's encoder, a dense layer that writes whole profiles at once for a decoder.

    The layer is not kept. An unrolled decoder takes most of a training step, and its gradients
    disturb the encoder for as long as it cannot read it; without it a processor teaches the
    encoder several times as many images in the time.

    Parameters
    ----------
    model : pix2prof.model.base.EncoderNetwork
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
    """
    units = model.kwargs["mu_mean"], model.kwargs["mu_std"]
    alone = build_model(
        replace(network, decoder="one_shot", dropout=0.0),
        *units,
        seed=config.seed,
        bands=model.bands,
    ).to(model.device)
    history = fit(
        alone,
        train_pairs,
        validation_pairs,
        replace(
            config,
            images=config.encoder_images,
            encoder_images=0,
            decoder_lr=None,
            clip=None,
            teacher_forcing=0.0,
        ),
        normalisation=normalisation,
        crop=crop,
        checkpoint=checkpoint,
        log=lambda line: print_line(f"encoder: {line}"),
    )
    model.encoder.load_state_dict(alone.encoder.state_dict())
    return history


def _sha256(module):
    digest = hashlib.sha256()
    for values in module.state_dict().values():
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
