"""The stacked GRU, unrolled on its own outputs, and its gradient in one pass.

The outputs that are fed back are detached, so the gradient of a free-running sequence is that of a
teacher-forced one given the same inputs. One unroll keeps the gates, and one pass back through
time gathers the weights' gradients in a single product a layer.
"""

import torch
from torch.autograd import Function
from torch.nn import functional

N_WEIGHTS = 4
"""Tensors a layer: weight_ih (3H, I), weight_hh (3H, H), bias_ih (3H,), bias_hh (3H,)."""


def gru_step(x, h, weights):
    """One step of one GRU layer (Cho et al. 2014; gates in the order reset, update, new).

    Parameters
    ----------
    x : torch.Tensor, shape (B, I)
    h : torch.Tensor, shape (B, H)
    weights : sequence of torch.Tensor
        weight_ih, weight_hh, bias_ih, bias_hh as in `torch.nn.GRUCell`, but that bias_ih may be
        one a sequence, (B, 3H). Products are made in their dtype, sums in that of `h`.

    Returns
    -------
    h_next : torch.Tensor, shape (B, H)
    gates : torch.Tensor, shape (B, 2H)
        Reset and update gates.
    new : torch.Tensor, shape (B, H)
        The candidate state.
    recurrent : torch.Tensor, shape (B, H)
        The candidate's recurrent part before the reset gate.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    of_x = torch.addmm(bias_ih, x.to(weight_ih.dtype), weight_ih.T)  # (B, 3H)
    of_h = functional.linear(h.to(weight_hh.dtype), weight_hh, bias_hh)  # (B, 3H)
    return gru_cell(of_x.to(h.dtype), of_h.to(h.dtype), h)


def gru_cell(of_x, of_h, h):
    """What follows the products in a step of a GRU layer.

    Parameters
    ----------
    of_x, of_h : torch.Tensor, shape (B, 3H)
        The products with the input and with the state, biases included; the first is overwritten.
    h : torch.Tensor, shape (B, H)

    Returns
    -------
    h_next, gates, new, recurrent
        As of `gru_step`.
    """
    width = h.shape[1]
    gates = of_x[:, : 2 * width].add_(of_h[:, : 2 * width]).sigmoid_()  # (B, 2H)
    recurrent = of_h[:, 2 * width :]  # (B, H)
    new = of_x[:, 2 * width :].addcmul_(gates[:, :width], recurrent).tanh_()  # (B, H)
    return torch.lerp(new, h, gates[:, width:]), gates, new, recurrent


class Unroll(Function):
    """Unroll a stack of GRU layers, with a dense output fed back, and differentiate it."""

    @staticmethod
    def forward(ctx, z, targets, teacher, masks, dtype, dense_weight, dense_bias, *weights):
        """Run the stack; see `unroll` for the arguments."""
        n_layers = len(weights) // N_WEIGHTS
        layers = [
            [w.to(dtype) for w in weights[N_WEIGHTS * i : N_WEIGHTS * (i + 1)]]
            for i in range(n_layers)
        ]
        (batch, width), steps = z.shape, targets.shape[1]
        states = z.new_empty(n_layers, steps + 1, batch, width)
        states[:, 0] = z
        gates = z.new_empty(n_layers, steps, batch, 2 * width)
        news = z.new_empty(n_layers, steps, batch, width)
        recurrents = z.new_empty(n_layers, steps, batch, width)
        inputs = z.new_zeros(steps, batch, 1)
        outputs = z.new_empty(steps, batch, 1)
        for t in range(steps):
            if t > 0:
                inputs[t] = torch.where(teacher[:, None], targets[:, t - 1, None], outputs[t - 1])
            x = inputs[t]  # (B, 1)
            for i in range(n_layers):
                if i > 0 and masks is not None:
                    x = x * masks[i - 1, t]  # (B, H)
                x, gates[i, t], news[i, t], recurrents[i, t] = gru_step(x, states[i, t], layers[i])
                states[i, t + 1] = x
            outputs[t] = functional.linear(x.relu(), dense_weight, dense_bias)
        ctx.save_for_backward(
            states, gates, news, recurrents, inputs, masks, dense_weight, *weights
        )
        ctx.dtype = dtype
        return outputs.squeeze(-1).T  # (B, T)

    @staticmethod
    def backward(ctx, grad_outputs):
        """Gradients with respect to z and the weights; the inputs are constants."""
        states, gates, news, recurrents, inputs, masks, dense_weight, *weights = ctx.saved_tensors
        top = states[-1, 1:]  # (T, B, H)
        grad = grad_outputs.T[..., None].to(top.dtype)  # (T, B, 1)
        grad_dense = (grad * top.relu()).sum((0, 1))[None]  # (1, H)
        grad_x = grad * dense_weight * (top > 0)  # (T, B, H)
        grad_z = torch.zeros_like(top[0])
        grad_weights = []
        for i in reversed(range(len(states))):
            x = inputs if i == 0 else states[i - 1, 1:]
            mask = None if i == 0 or masks is None else masks[i - 1]
            if mask is not None:
                x = x * mask
            layer = [w.to(ctx.dtype) for w in weights[N_WEIGHTS * i : N_WEIGHTS * i + 2]]
            saved = (x, states[i, :-1], gates[i], news[i], recurrents[i])
            own_bias = weights[N_WEIGHTS * i + 2].ndim == 2
            grad_x, grad_h, of_layer = _layer_backward(grad_x, saved, layer, i > 0, own_bias)
            if mask is not None:
                grad_x = grad_x * mask
            grad_z += grad_h
            grad_weights = of_layer + grad_weights
        grad_bias = grad.sum((0, 1))
        return grad_z, None, None, None, None, grad_dense, grad_bias, *grad_weights


def _layer_backward(grad_out, saved, layer, needs_x, own_bias):
    """Back through time in one layer.

    Every factor that does not depend on the gradient is made for all steps at once, so that a
    step is one product of (B, 3H) with (3H, H).
    """
    x, previous, gates, new, recurrent = saved
    weight_ih, weight_hh = layer
    steps, batch, width = previous.shape
    reset, update = gates[..., :width], gates[..., width:]
    factor = previous.new_empty(steps, batch, 3, width)
    of_new = (1 - update) * (1 - new * new)  # (T, B, H)
    factor[:, :, 0] = of_new * recurrent * reset * (1 - reset)
    factor[:, :, 1] = (previous - new) * update * (1 - update)
    factor[:, :, 2] = of_new * reset
    grad_h = torch.zeros_like(previous[0])
    grad_states = torch.empty_like(previous)
    for t in reversed(range(steps)):
        torch.add(grad_h, grad_out[t], out=grad_states[t])
        grad_h = factor[t].mul_(grad_states[t][:, None]).view(batch, 3 * width).to(weight_hh.dtype)
        grad_h = torch.addcmul(
            (grad_h @ weight_hh).to(previous.dtype), grad_states[t], update[t]
        )  # (B, H)
    flat = steps * batch
    of_h = factor.view(flat, 3 * width)
    of_x = torch.cat((of_h[:, : 2 * width], (grad_states * of_new).view(flat, width)), 1)
    low_h, low_x = of_h.to(weight_hh.dtype), of_x.to(weight_hh.dtype)
    grad_ih = low_x.T @ x.reshape(flat, -1).to(low_x.dtype)  # (3H, I)
    grad_hh = low_h.T @ previous.reshape(flat, width).to(low_h.dtype)  # (3H, H)
    grad_x = (low_x @ weight_ih).to(x.dtype).view(x.shape) if needs_x else None
    grad_bias = of_x.view(steps, batch, 3 * width).sum(0) if own_bias else of_x.sum(0)
    weights = [grad_ih.to(x.dtype), grad_hh.to(x.dtype), grad_bias, of_h.sum(0)]
    return grad_x, grad_h, weights


def unroll(z, targets, teacher, masks, dense, weights, dtype=torch.float32):
    """Outputs of a stack of GRU layers that is fed its own outputs, or the targets.

    Parameters
    ----------
    z : torch.Tensor, shape (B, H)
        The initial hidden state of every layer.
    targets : torch.Tensor, shape (B, T)
        What a teacher-forced sequence is fed, one step later; its length is that of the outputs.
    teacher : torch.Tensor of bool, shape (B,)
        True: fed the targets; False: fed its own outputs, as constants.
    masks : torch.Tensor or None, shape (layers - 1, T, B, H)
        Dropout masks, already scaled by 1 / (1 - p), on what passes between layers.
    dense : torch.nn.Linear
        H -> 1, after a ReLU.
    weights : sequence of torch.Tensor
        Four a layer, in the order of `torch.nn.GRUCell`; see `gru_step`.
    dtype : torch.dtype
        Of the matrix products; everything else is in the dtype of `z`.

    Returns
    -------
    torch.Tensor, shape (B, T)
    """
    return Unroll.apply(z, targets, teacher, masks, dtype, dense.weight, dense.bias, *weights)
