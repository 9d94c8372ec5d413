//! What convolution and pooling share: from the arguments kernel, stride, padding and dilation to windows over
//! a volume, an image or a sequence, with the refusals and warnings that belong to them.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::attrs::Attrs;
use crate::layers::Reach;
use crate::layers::arithmetic::{Arithmetic, axis_name};
use crate::shape::{Shape, Window};
use crate::spec::{Arg, Args, Padding};

/// The windows over the `N` axes behind the channels: planes, rows and columns of a volume, rows and columns of an image, or the
/// one axis of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding<const N: usize> {
    pub axes: [Window; N],
}

/// The window over an axis of one pixel, which images and sequences have beside their own.
pub(crate) const SINGLE: Window =
    Window { kernel: 1, stride: 1, before: 0, after: 0, dilation: 1, ceil: false };

/// The windows of a layer with these arguments over an input that it takes.
pub fn reach<const N: usize>(args: &Args, input: &Shape) -> Reach {
    let extents = input.dims().get(1..).and_then(|extents| <[usize; N]>::try_from(extents).ok());
    let Some(sliding) = extents.and_then(|extents| Sliding::<N>::new(args, extents).ok()) else {
        return Reach::Rescaled;
    };
    let own = |axis: usize| (axis + N).checked_sub(3).and_then(|axis| sliding.axes.get(axis).copied());
    Reach::Window(std::array::from_fn(|axis| own(axis).unwrap_or(SINGLE)))
}

impl<const N: usize> Sliding<N> {
    /// Reads the arguments; `same` padding is worked out for these extents.
    pub fn new(args: &Args, extents: [usize; N]) -> Result<Sliding<N>, Fault> {
        let (kernel, stride) = (args.extents::<N>("kernel")?, args.extents::<N>("stride")?);
        let dilation = if args.has("dilation") { args.extents("dilation")? } else { [1; N] };
        let ceil = args.has("ceil") && args.bool("ceil")?;
        let padding = args.ends::<N>("padding")?;
        let ends = |i: usize| match padding {
            Some(ends) => (ends[i][0], ends[i][1]),
            None => Window::same(extents[i], kernel[i], stride[i], dilation[i]),
        };
        let axis = |i: usize| {
            let (before, after) = ends(i);
            Window { kernel: kernel[i], stride: stride[i], before, after, dilation: dilation[i], ceil }
        };
        Ok(Sliding { axes: std::array::from_fn(axis) })
    }

    /// Channels and the output's extents, as [`Sliding::output`] gives them.
    pub fn output_shape(
        &self,
        layer: &'static str,
        channels: usize,
        extents: [usize; N],
    ) -> Result<Shape, Fault> {
        let output = self.output(layer, extents)?;
        Ok(std::iter::once(channels).chain(output).collect())
    }

    /// The output's extents; or that the window does not fit, with what would make it fit.
    pub fn output(&self, layer: &'static str, extents: [usize; N]) -> Result<[usize; N], Fault> {
        let outputs: [Option<usize>; N] = std::array::from_fn(|i| self.axes[i].output(extents[i]));
        if outputs.iter().all(Option::is_some) {
            return Ok(outputs.map(|n| n.unwrap_or(1)));
        }
        let reach = self.axes.map(|window| window.reach());
        let padded: [usize; N] =
            std::array::from_fn(|i| extents[i] + self.axes[i].before + self.axes[i].after);
        let kernel = self.axes.map(|window| window.kernel);
        let covers = match self.axes.iter().all(|window| window.dilation == 1) {
            true => String::new(),
            false => format!(" (it covers {} with its dilation)", times(reach)),
        };
        let with_padding = match padded == extents {
            true => String::new(),
            false => format!(", {} with its padding", times(padded)),
        };
        let (kernel_shown, arriving) = (times(kernel), times(extents));
        let mut fault = Fault::new(
            codes::WINDOW_TOO_LARGE,
            match N {
                1 => format!("`{layer}` slides a kernel of {kernel_shown}{covers}, but only {arriving} places arrive{with_padding}"),
                _ => format!("`{layer}` slides a {kernel_shown} kernel{covers}, but only {arriving} {} arrive{with_padding}", places::<N>()),
            },
        )
        .label(format!("{arriving} arrives, {} is needed", times(reach)));
        for (i, window) in self.axes.iter().enumerate() {
            if outputs[i].is_none() {
                fault = fault.note(format!("{}: {}", axis_name(i, N), window.arithmetic(extents[i])));
            }
        }
        let short = |i: usize| reach[i].saturating_sub(padded[i]).div_ceil(2);
        let needed: [usize; N] = std::array::from_fn(|i| self.axes[i].before + short(i));
        let convolves = layer.contains("conv");
        if convolves || (0..N).all(|i| needed[i] * 2 <= kernel[i]) {
            fault = fault.set("padding", shortest(needed));
        }
        if self.axes.iter().all(|window| window.dilation == 1) && padded.iter().all(|&extent| extent > 0) {
            let smaller: [usize; N] = std::array::from_fn(|i| kernel[i].min(padded[i]));
            if convolves || smaller.iter().any(|&extent| extent > 1) {
                fault = fault.set("kernel", shortest(smaller));
            }
        }
        if !convolves {
            fault = fault.remedy(Remedy::Remove);
        }
        Err(fault)
    }

    /// Refuses a pool whose padding is more than half its kernel, as PyTorch does: windows could lie in the padding alone,
    /// where there is nothing to pool. `output` is what it would give.
    pub fn half_at_most(&self, layer: &str, extents: [usize; N], output: &Shape) -> Result<(), Fault> {
        let most = self.axes.map(|window| window.kernel / 2);
        let beyond = |i: &usize| self.axes[*i].before.max(self.axes[*i].after) > most[*i];
        let Some(worst) = (0..N).find(beyond) else { return Ok(()) };
        let window = self.axes[worst];
        let padded = window.before.max(window.after);
        let room = places::<N>();
        let empty = (0..N).any(|i| self.axes[i].has_empty(extents[i]));
        let why = match empty {
            true => "a window would see nothing but padding",
            false => "most of a window would lie in the padding",
        };
        let message = format!(
            "`{layer}` pads by {padded} {}, more than half its kernel of {}: {why}",
            if padded == 1 { &room[..room.len() - 1] } else { room },
            shortest(self.axes.map(|window| window.kernel)),
        );
        let mut fault = Fault::new(codes::POOL_PADDING, message)
            .at("padding")
            .label(format!("at most {}, half the kernel", shortest(most)))
            .assume(output.clone());
        // What was meant to be uneven stays so, where a window still fits.
        let cut = |i: usize| [self.axes[i].before, self.axes[i].after].map(|side| side.min(most[i]));
        let even = |i: usize| [most[i].min(padded); 2];
        let fits = |i: usize, [before, after]: [usize; 2]| {
            Window { before, after, ..self.axes[i] }.output(extents[i]).is_some()
        };
        let ends: [[usize; 2]; N] = std::array::from_fn(|i| if fits(i, cut(i)) { cut(i) } else { even(i) });
        fault = fault.set("padding", sides(ends));
        Err(match N {
            1 => fault,
            2 => fault.advise("`pad` before it, whose pixels count as the image's own"),
            _ => fault.advise("`pad` before it, whose voxels count as the volume's own"),
        })
    }

    /// The arithmetic of every axis.
    pub fn arithmetic(&self, extents: [usize; N]) -> Arithmetic {
        Arithmetic::Windows(self.axes.into_iter().zip(extents).collect())
    }

    /// A warning where the last rows or columns, or the last places of a sequence, reach no window.
    pub fn dropped(&self, layer: &str, extents: [usize; N]) -> Option<Fault> {
        // A stride beyond the window skips pixels everywhere, and is meant to.
        let rest = |window: &Window, extent: usize| match window.stride <= window.reach() {
            true => window.dropped(extent),
            false => 0,
        };
        let names: &[&str] = if N == 1 { &["place"] } else { &["plane", "row", "column"][3 - N..] };
        let counts = self.axes.iter().zip(extents).map(|(window, extent)| rest(window, extent));
        let dropped: Vec<String> = counts
            .zip(names)
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| match n {
                1 => format!("the last {what}"),
                n => format!("the last {n} {what}s"),
            })
            .collect();
        if dropped.is_empty() {
            return None;
        }
        let dropped = match dropped.as_slice() {
            [first, more @ .., last] if !more.is_empty() => {
                format!("{first}, {} and {last}", more.join(", "))
            }
            some => some.join(" and "),
        };
        let (arriving, things) = (times(extents), places::<N>());
        let of = if N == 1 { format!("{arriving} places") } else { format!("{arriving} input") };
        let fault =
            Fault::warning(codes::DROPPED_PIXELS, format!("`{layer}` never reads {dropped} of its {of}"));
        Some(fault.label(format!("{things} are dropped here")).note(self.arithmetic(extents).to_string()))
    }

    /// The windows over a volume.
    pub fn over_volume(&self) -> Option<[Window; 3]> {
        self.axes.first_chunk().copied()
    }

    /// The windows over an image, of which a sequence is the only row.
    fn over_image(&self) -> [Window; 2] {
        [if N == 1 { SINGLE } else { self.axes[N - 2] }, self.axes[N - 1]]
    }

    /// Stride and padding as a node's attributes, over an image.
    pub fn attrs(&self) -> Attrs {
        let [rows, columns] = self.over_image();
        let sides = [rows.before, rows.after, columns.before, columns.after];
        Attrs::new().ints("stride", [rows.stride, columns.stride]).ints("padding", sides)
    }

    /// The kernel's height and width over an image.
    pub fn kernel(&self) -> [usize; 2] {
        self.over_image().map(|window| window.kernel)
    }

    /// The dilation over an image.
    pub fn dilation(&self) -> [usize; 2] {
        self.over_image().map(|window| window.dilation)
    }

    /// The attributes of a pool over an image. What an argument says that changes nothing here is left out, so that equal
    /// pools are equal nodes.
    pub fn pool_attrs(&self, args: &Args, extents: [usize; N]) -> Result<Attrs, Fault> {
        let attrs =
            self.attrs().ints("kernel", self.kernel()).int("ceil", i64::from(self.rounds_up(extents)));
        if !args.has("count_padding") {
            return Ok(attrs);
        }
        let counts = args.bool("count_padding")? || !self.pads();
        Ok(attrs.int("count_padding", i64::from(counts)))
    }

    /// Whether rounding up gives a window more than rounding down does.
    pub fn rounds_up(&self, extents: [usize; N]) -> bool {
        let more = |window: &Window, extent: usize| {
            window.output(extent) != Window { ceil: false, ..*window }.output(extent)
        };
        self.axes.iter().zip(extents).any(|(window, extent)| more(window, extent))
    }

    /// Whether there is padding at any side.
    pub fn pads(&self) -> bool {
        self.axes.iter().any(|window| window.before + window.after > 0)
    }
}

/// What the numbers along `N` axes are called.
pub(crate) fn places<const N: usize>() -> &'static str {
    match N {
        1 => "places",
        2 => "pixels",
        _ => "voxels",
    }
}

/// The padding before and behind each axis, as it is written.
pub(crate) fn sides<const N: usize>(ends: [[usize; 2]; N]) -> String {
    let all = ends.iter().flatten();
    match ends.as_slice() {
        [[before, after]] if before != after => format!("[{before}, {after}]"),
        [[t, b], [l, r]] => Arg::Padding(Padding::Sides([*t, *b, *l, *r])).to_string(),
        [front, rows, columns] => Arg::Padding(Padding::Around([*front, *rows, *columns])).to_string(),
        _ => all.max().copied().unwrap_or(0).to_string(),
    }
}

/// `3x5`
pub(crate) fn times<const N: usize>(extents: [usize; N]) -> String {
    extents.map(|extent| extent.to_string()).join("x")
}

/// `3` where all are alike, else `3x5`.
fn shortest<const N: usize>(extents: [usize; N]) -> String {
    match extents.iter().all(|&extent| extent == extents[0]) {
        true => extents[0].to_string(),
        false => times(extents),
    }
}
