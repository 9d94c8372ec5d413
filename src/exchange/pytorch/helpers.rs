//! The classes that a `model.py` brings along for layers that PyTorch has no module for.

use crate::exchange::portable::Operation;

/// A class, and which operations need it.
pub struct Helper {
    pub name: &'static str,
    pub serves: fn(&Operation) -> bool,
    pub text: &'static str,
}

/// Every class, in the order in which a file has those that it needs.
pub static HELPERS: &[Helper] = &[
    Helper {
        name: "Scale",
        serves: |operation| *operation == Operation::LearnedScale,
        text: r#"

class Scale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape[0]))
        self.shape = shape

    def forward(self, x):
        return x * self.weight.view(self.shape)
"#,
    },
    Helper {
        name: "UnitLinear",
        serves: |operation| *operation == Operation::Linear { normalize: true },
        text: r#"

class UnitLinear(nn.Linear):
    """A linear layer whose weights have length 1 for each output."""

    def forward(self, x):
        return F.linear(x, F.normalize(self.weight), self.bias)
"#,
    },
    Helper {
        name: "Parameter",
        serves: |operation| *operation == Operation::Parameter,
        text: r#"

class Parameter(nn.Module):
    """Learned numbers that are the same for every image."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return self.weight.expand(x.shape[0], *self.weight.shape)
"#,
    },
    Helper {
        name: "Positions",
        serves: |operation| *operation == Operation::Positions,
        text: r#"

class Positions(nn.Module):
    """Adds numbers that encode where each place is."""

    def __init__(self, *shape, learned=True):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape), requires_grad=learned)

    def forward(self, x):
        return x + self.weight
"#,
    },
    Helper {
        name: "ClassToken",
        serves: |operation| *operation == Operation::ClassToken,
        text: r#"

class ClassToken(nn.Module):
    """Puts a learned place in front of a sequence."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        token = self.weight.view(1, -1, 1).expand(x.shape[0], -1, 1)
        return torch.cat([token, x], 2)
"#,
    },
    Helper {
        name: "Attention",
        serves: |operation| matches!(operation, Operation::Attention { .. }),
        text: r#"

class Attention(nn.Module):
    """Self-attention over all places, as nn.MultiheadAttention computes it."""

    def __init__(self, channels, heads, bias=True):
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.zeros(3 * channels, channels))
        self.bias = nn.Parameter(torch.zeros(3 * channels)) if bias else None
        self.out_weight = nn.Parameter(torch.zeros(channels, channels))
        self.out_bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x):
        shape = x.shape
        x = F.linear(x.flatten(2).transpose(1, 2), self.weight, self.bias)
        q, k, v = x.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return F.linear(x, self.out_weight, self.out_bias).transpose(1, 2).reshape(shape)
"#,
    },
    Helper {
        name: "PatchAttention",
        serves: |operation| matches!(operation, Operation::Attention { groups, .. } if groups.count() > 1),
        text: r#"

class PatchAttention(Attention):
    """Self-attention among the places at the same position of each patch of an image."""

    def __init__(self, rows, columns, channels, heads, bias=True):
        super().__init__(channels, heads, bias)
        self.patch = rows, columns

    def forward(self, x):
        (b, c, h, w), (r, s) = x.shape, self.patch
        x = x.reshape(b, c, h // r, r, w // s, s).permute(0, 3, 5, 1, 2, 4)
        x = super().forward(x.reshape(b * r * s, c, h // r, w // s))
        return x.reshape(b, r, s, c, h // r, w // s).permute(0, 3, 4, 1, 5, 2).reshape(b, c, h, w)
"#,
    },
];
