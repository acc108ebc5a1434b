"""The decoders: from the latent vector to a sequence in model units."""

import torch
from torch import nn

from .gru import gru_cell, unroll
from .packing import pack_linear, packed

BIAS_IH = 2


class GRUDecoder(nn.Module):
    """The paper's decoder (section 2.2.4): stacked GRU, ReLU, one dense output, fed back.

    The initial hidden state of every layer is z. The start token is zero, and the next input is
    the output before it.

    Parameters
    ----------
    latent : int
        Length of z and of the hidden states.
    layers : int
        GRU layers.
    dropout : float
        Rate of dropout between layers, in [0, 1).
    """

    def __init__(self, latent=512, layers=3, dropout=0.2):
        super().__init__()
        self.dropout = dropout
        self.cells = nn.ModuleList(nn.GRUCell(latent if i else 1, latent) for i in range(layers))
        self.dense = nn.Linear(latent, 1)

    def weights(self, z):
        """List the GRU's weights for latent vectors z, four a layer, as `gru_step` takes them."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(cell, name) for cell in self.cells for name in names]

    def draw_masks(self, steps, batch, generator=None):
        """Dropout masks of a training unroll.

        Parameters
        ----------
        steps, batch : int
        generator : torch.Generator, optional
            On the processor, so that every device draws the same.

        Returns
        -------
        torch.Tensor or None, shape (layers - 1, steps, batch, latent)
            Zero or 1 / (1 - dropout); None where nothing is dropped.
        """
        if not (self.training and self.dropout > 0 and len(self.cells) > 1):
            return None
        shape = (len(self.cells) - 1, steps, batch, self.dense.in_features)
        kept = torch.rand(shape, generator=generator) >= self.dropout
        return kept.to(self.dense.weight.device, torch.float32).div_(1 - self.dropout)

    def forward(self, z, targets, teacher, generator=None, dtype=torch.float32):
        """Unroll for as many steps as there are targets, for training.

        Parameters
        ----------
        z : torch.Tensor, shape (B, latent)
        targets : torch.Tensor, shape (B, T)
            Model units; finite everywhere.
        teacher : torch.Tensor of bool, shape (B,)
            Where True, the next input is the target in place of the output.
        generator : torch.Generator, optional
            Of the dropout.
        dtype : torch.dtype
            Of the matrix products.

        Returns
        -------
        torch.Tensor, shape (B, T)
            Outputs. Those fed back count as constants in the gradient.
        """
        masks = self.draw_masks(targets.shape[1], len(z), generator)
        return unroll(z, targets, teacher, masks, self.dense, self.weights(z), dtype)

    @torch.no_grad()
    def generate(self, z, max_steps, window, std, dtype=torch.float32):
        """Unroll each sequence until it halts (section 2.2.4).

        A sequence halts once its last `window` outputs have a standard deviation of at most
        `std`; it then leaves the batch.

        Parameters
        ----------
        z : torch.Tensor, shape (B, latent)
        max_steps, window : int
        std : float
            In model units.
        dtype : torch.dtype
            Of the matrix products.

        Returns
        -------
        outputs : torch.Tensor, shape (B, max_steps)
            NaN after the halting step.
        n_outputs : torch.Tensor of int, shape (B,)
            Outputs made, the halting one included.
        halted : torch.Tensor of bool, shape (B,)
            False where `max_steps` came first.
        """
        (*products, dense), of_bias = packed(self, dtype, _pack_layers), self.weights(z)[BIAS_IH]
        width, row = z.shape[1], self.cells[0].weight_ih[:, 0]  # (3H,)
        outputs = z.new_full((len(z), max_steps), torch.nan)
        n_outputs = torch.full((len(z),), max_steps, device=z.device)
        halted = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        active = torch.arange(len(z), device=z.device)
        states = [z] * len(products)
        of_h = [product(z)[:, -3 * width :] for product in products]  # (b, 3H) each
        written = outputs.clone()  # (b, max_steps), the active rows
        x = z.new_zeros(len(z), 1)
        for t in range(max_steps):
            of_x = torch.addcmul(of_bias, x, row)  # (b, 3H)
            for i, product in enumerate(products):
                states[i] = gru_cell(of_x, of_h[i], states[i])[0]  # (b, latent)
                of_x, of_h[i] = product(states[i]).tensor_split((-3 * width,), 1)
            x = dense(states[-1].relu())  # (b, 1)
            written[:, t] = x[:, 0]
            if t + 1 < window:
                continue
            stop = written[:, t + 1 - window : t + 1].std(1, correction=0) <= std  # (b,)
            if stop.any():
                outputs[active[stop]] = written[stop]
                n_outputs[active[stop]] = t + 1
                halted[active[stop]] = True
                active, written, x = active[~stop], written[~stop], x[~stop]
                states, of_h = ([rows[~stop] for rows in kind] for kind in (states, of_h))
                if of_bias.ndim == 2:
                    of_bias = of_bias[~stop]
            if len(active) == 0:
                break
        outputs[active] = written
        return outputs, n_outputs, halted


def _pack_layers(decoder, dtype):
    """List one product a layer, of all that its new state goes into, and the dense output's.

    The former is the layer's own part of the next step, (3H,), after the next layer's part of
    this one, (3H,), where there is one.
    """
    cells, products = [*decoder.cells], []
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        weights, biases = [cell.weight_hh], [cell.bias_hh]
        if after is not None:
            weights, biases = [after.weight_ih, *weights], [after.bias_ih, *biases]
        products.append(pack_linear(torch.cat(weights), torch.cat(biases), dtype))
    dense = decoder.dense.weight, decoder.dense.bias
    return [*products, pack_linear(*dense, decoder.dense.weight.dtype)]


class ReinjectingGRUDecoder(GRUDecoder):
    """The paper's decoder with z given to it again at every step (Jia et al. 2015; section 2.4).

    z goes into the first layer beside the fed-back output, through weights of its own.

    Parameters
    ----------
    latent, layers, dropout
        As for `GRUDecoder`.
    """

    def __init__(self, latent=512, layers=3, dropout=0.2):
        super().__init__(latent, layers, dropout)
        self.reinject = nn.Linear(latent, 3 * latent, bias=False)

    def weights(self, z):
        """List the GRU's weights; the first layer's bias_ih holds what z says, (B, 3H)."""
        weights = super().weights(z)
        weights[BIAS_IH] = weights[BIAS_IH] + self.reinject(z)
        return weights


class OneShotDecoder(nn.Module):
    """One dense layer from z to all outputs: what the encoder alone can say.

    It teaches an encoder without the cost of a recurrent decoder, see
    `pix2prof.training.stages`.

    Parameters
    ----------
    latent : int
        Length of z.
    count : int
        Outputs of a whole profile.
    """

    def __init__(self, latent, count):
        super().__init__()
        self.dense = nn.Linear(latent, count)

    def forward(self, z, targets, teacher=None, generator=None, dtype=torch.float32):
        """Write as many outputs as there are targets; the rest is as for `GRUDecoder.forward`.

        Parameters
        ----------
        z : torch.Tensor, shape (B, latent)
        targets : torch.Tensor, shape (B, T)
            T is at most ``count``; their values are not used.
        teacher, generator, dtype
            Not used: nothing is fed back, nothing is drawn, and the layer is in float32.

        Returns
        -------
        torch.Tensor, shape (B, T)
        """
        return self.dense(z)[:, : targets.shape[1]]

    @torch.no_grad()
    def generate(self, z, max_steps, window, std, dtype=torch.float32):
        """Write profiles until they halt; see `GRUDecoder.generate`."""
        outputs = self.dense(z)[:, :max_steps]
        halted = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        n_outputs = torch.full((len(z),), max_steps, device=z.device)
        if window <= max_steps:
            quiet = outputs.unfold(1, window, 1).std(2, correction=0) <= std  # (B, T + 1 - window)
            halted = quiet.any(1)
            n_outputs = n_outputs.where(~halted, quiet.int().argmax(1) + window)
        after = torch.arange(max_steps, device=z.device) >= n_outputs[:, None]
        return outputs.masked_fill(after, torch.nan), n_outputs, halted


GRUS = {"gru": GRUDecoder, "gru_reinject": ReinjectingGRUDecoder}
DECODERS = (*GRUS, "one_shot")
"""What ``model.decoder`` may be with this network."""


def make_decoder(name, count, latent=512, layers=3, dropout=0.2):
    """Make a decoder.

    Parameters
    ----------
    name : str
        One of `DECODERS`.
    count : int
        Outputs of a whole profile.
    latent, layers, dropout
        See `GRUDecoder`; of no use to ``one_shot`` but for the first.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If there is no such decoder.
    """
    if name not in DECODERS:
        raise ValueError(f"model.decoder is {name!r}: it must be one of {', '.join(DECODERS)}")
    if name == "one_shot":
        return OneShotDecoder(latent, count)
    return GRUS[name](latent, layers, dropout)
