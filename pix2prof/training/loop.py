"""Training: the loop, and going on after an interruption."""

import hashlib
import math
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import nn

from ..memory import keep_memory
from ..model.precision import choose_dtype
from .batch_norm import hold_statistics
from .batches import batches_for
from .checkpoint import check_same, load_checkpoint, save_checkpoint
from .validation import observe, validate


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


def print_line(line):
    """Print a line at once, also into a file or a notebook."""
    print(line, flush=True)


@dataclass
class History:
    """The learning curve.

    Parameters
    ----------
    rows : list of dict
        One an epoch: ``epoch``; ``images`` seen; ``train_loss`` and ``validation_loss``, mean
        squared [mag^2 arcsec^-4]; ``validation_deviation``, the median over profiles of the
        median deviation [mag arcsec^-2]; ``lr``; ``seconds`` since the start, and
        ``data_seconds``, the part of them spent on reading and augmenting; both go on counting
        over a resume; ``stage``, for `pix2prof.training.stages`.
    best_epoch : int
        Of the lowest ``validation_loss``, whose weights are kept.
    """

    rows: list = field(default_factory=list)
    best_epoch: int = 0

    @property
    def images(self):
        """Training images seen."""
        return self.rows[-1]["images"] if self.rows else 0

    @property
    def seconds(self):
        """Time spent."""
        return self.rows[-1]["seconds"] if self.rows else 0.0

    def named(self, stage):
        """Give every row its ``stage``."""
        return History([row | {"stage": stage} for row in self.rows], self.best_epoch)

    def then(self, other):
        """Join the curve of a training that went on from this one, with counts that go on.

        The best epoch is that of the other.
        """
        counts = "epoch", "images", "seconds", "data_seconds"
        before = {name: self.rows[-1][name] if self.rows else 0 for name in counts}
        rows = [row | {name: before[name] + row[name] for name in counts} for row in other.rows]
        return History(self.rows + rows, before["epoch"] + other.best_epoch)


def fit(
    model,
    train_pairs,
    validation_pairs,
    config,
    *,
    normalisation,
    crop,
    start=None,
    checkpoint=None,
    epoch_images=None,
    log=print_line,
):
    """Train a network (section 2.2.5) and leave it with its best weights.

    Adam on the mean squared error over all nodes of a batch, with gradients whose norm exceeds
    ``config.clip`` shortened to it (Pascanu et al. 2013). Each image is teacher-forced with
    probability ``config.teacher_forcing``, else the network is fed its own outputs. After every
    epoch the statistics of the batch normalisation are taken anew over some of its images, the
    validation set is run without augmentation or teacher, and the weights of the lowest loss are
    kept. Epochs that begin after the share ``config.hold_statistics`` of the images train on
    these statistics instead of those of each batch, as the network will be used; a network that
    was trained before (``config.start``) has statistics to begin with. Everything drawn in an
    epoch is a function of the seed and the epoch.

    Parameters
    ----------
    model : pix2prof.model.paper.Pix2Prof
        Changed in place, but for weights that take no gradient; on return in evaluation mode with
        the best weights.
    train_pairs, validation_pairs
        See `pix2prof.dataset.stored.Pairs`.
    config : pix2prof.config.TrainConfig
    normalisation : pix2prof.dataset.normalisation.Normalisation
    crop : int
        Side of the network's images [px].
    start : str, optional
        SHA-256 of the weights that `model` begins with, if ``config.start`` names some; a run is
        not resumed on others.
    checkpoint : path-like, optional
        Folder of checkpoints, written after every epoch; a run that finds its own there goes on
        from it, to the same result.
    epoch_images : int, optional
        Images an epoch, at most the training set, which is the default.
    log : callable
        Takes one line an epoch.

    Returns
    -------
    History

    Raises
    ------
    DivergedError
        If the loss is not finite; the message names epoch and batch.
    pix2prof.training.checkpoint.ResumeError
        If the checkpoints are of a run under other parameters or on other data.
    """
    keep_memory(one_arena=True)
    dtype = choose_dtype(config.precision, model.device)
    size = min(epoch_images or len(train_pairs), len(train_pairs))
    n_epochs = math.ceil(config.images / size)
    train = batches_for(model, train_pairs, normalisation, crop)
    validation = batches_for(model, validation_pairs, normalisation, crop)
    weights = [x for x in model.parameters() if x.requires_grad]
    optimiser = torch.optim.Adam(weights, lr=config.lr, fused=True)
    history, best = History(), None
    if checkpoint is not None:
        parameters = {
            "model": model.kwargs,
            "train": asdict(config) | {"start": start},
            "normalisation": asdict(normalisation),
            "data": {"crop": crop, "epoch_images": size, "dtype": str(dtype)}
            | {"train": digest(train_pairs), "validation": digest(validation_pairs)},
        }
        stored = load_checkpoint(checkpoint, log)
        if stored is not None:
            check_same(stored["parameters"], parameters, checkpoint)
            model.load_state_dict(stored["model"])
            optimiser.load_state_dict(stored["optimiser"])
            history, best = History(**stored["history"]), stored["best"]
            log(f"resumed from {checkpoint} after epoch {len(history.rows)} of {n_epochs}")
    resumed_at, start = len(history.rows), time.perf_counter() - history.seconds
    for epoch in range(resumed_at + 1, n_epochs + 1):
        n = min(size, config.images - history.images)
        loss, data_seconds = train_epoch(
            model, optimiser, train, config, epoch, n, history.images, dtype
        )
        if not holds_statistics(config, history.images):
            observe(model, train, config, epoch, dtype)
        val_loss, deviation = validate(model, validation, dtype)
        if math.isnan(val_loss):
            raise DivergedError(
                f"epoch {epoch}: the validation loss is {val_loss}; lower the learning rate, "
                f"{config.lr}"
            )
        if history.rows:
            data_seconds += history.rows[-1]["data_seconds"]
        row = {
            "epoch": epoch,
            "images": history.images + n,
            "train_loss": loss,
            "validation_loss": val_loss,
            "validation_deviation": deviation,
            "lr": optimiser.param_groups[0]["lr"],
            "seconds": time.perf_counter() - start,
            "data_seconds": data_seconds,
        }
        history.rows.append(row)
        if best is None or val_loss < history.rows[history.best_epoch - 1]["validation_loss"]:
            history.best_epoch, best = epoch, _copy(model)
        if checkpoint is not None:
            content = {
                "parameters": parameters,
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "history": asdict(history),
                "best": best,
            }
            try:
                save_checkpoint(checkpoint, epoch, content)
            except OSError as error:
                log(f"{checkpoint}: no checkpoint of epoch {epoch}, training goes on ({error})")
        log(_progress(row, n_epochs, config.images))
    model.load_state_dict(best)
    model.eval()
    model.calibrate(train, validation, dtype)
    return history


def train_epoch(model, optimiser, batches, config, epoch, n_images, seen, dtype):
    """Train on `n_images` of the pairs, each at most once, in an order drawn from the epoch.

    Parameters
    ----------
    model : pix2prof.model.paper.Pix2Prof
    optimiser : torch.optim.Optimizer
    batches
        See `pix2prof.training.batches.batches_for`.
    config : pix2prof.config.TrainConfig
    epoch : int
        From 1.
    n_images, seen : int
        Images of this epoch, and before it.
    dtype : torch.dtype

    Returns
    -------
    loss : float
        Mean squared error [mag^2 arcsec^-4] over the epoch, as the network trains (the paper's:
        teacher-forced images included).
    data_seconds : float
        Time spent on reading and augmenting.

    Raises
    ------
    DivergedError
        If the loss of a batch is not finite; that batch is not learnt from.
    """
    generator = np.random.default_rng([config.seed, epoch])
    of_dropout = torch.Generator().manual_seed(int(generator.integers(2**63)))
    order = generator.permutation(len(batches.pairs))[:n_images]
    parts = np.array_split(order, math.ceil(n_images / config.batch_size))
    total, count, data_seconds = 0.0, 0, 0.0
    model.train()
    if holds_statistics(config, seen):
        hold_statistics(model)
    model.begin_epoch()
    for number, indices in enumerate(parts, 1):
        start = time.perf_counter()
        batch = batches.load(indices, config, generator)
        batch = [x.to(model.device) for x in batch]
        data_seconds += time.perf_counter() - start
        loss, squares, n_nodes = model.loss(batch, config, generator, of_dropout, dtype)
        value = loss.item()
        if not math.isfinite(value):
            raise DivergedError(
                f"epoch {epoch}, batch {number} of {len(parts)}: the loss is {value} (pairs "
                f"{indices[:3].tolist()}...); lower the learning rate, {config.lr}, and start "
                "again from the last checkpoint or anew"
            )
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, seen)
        optimiser.zero_grad()
        loss.backward()
        if config.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        seen += len(indices)
        total += squares
        count += n_nodes
    return total / count, data_seconds


def holds_statistics(config, seen):
    """Whether an epoch that begins after `seen` images trains on held statistics."""
    known = seen > 0 or config.start is not None
    return known and seen >= config.hold_statistics * config.images


def learning_rate(config, seen):
    """Learning rate of the batch after `seen` of ``config.images``.

    Constant, or half a cosine down to 0; times a ramp from 0 to 1 over the share
    ``config.warm_up`` of the images.
    """
    rate = config.lr
    if config.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * seen / config.images))
    rising = config.warm_up * config.images
    return rate * min(1.0, (seen + config.batch_size) / rising) if rising else rate


def _progress(row, n_epochs, images):
    rate = row["images"] / row["seconds"]
    left = round((images - row["images"]) / rate)
    return (
        f"epoch {row['epoch']}/{n_epochs}: {row['images']} of {images} images, "
        f"loss {row['train_loss']:.4f}, validation {row['validation_loss']:.4f} mag^2 "
        f"(median deviation {row['validation_deviation']:.3f} mag), {rate:.1f} images/s, "
        f"{left // 60} min {left % 60:02d} s left"
    )


def _copy(model):
    return {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}


def digest(pairs):
    """Say which pairs they are: how many, and the start of a SHA-256 of their profiles."""
    mu = np.ascontiguousarray(pairs.mu(np.arange(len(pairs))))
    return f"{len(pairs)} pairs, {hashlib.sha256(mu.tobytes()).hexdigest()[:16]}"
