//! What convolution and pooling share: from the arguments kernel, stride, padding and dilation to windows over
//! an input, with the refusals and warnings that belong to them.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::attrs::Attrs;
use crate::layers::Reach;
use crate::shape::{Shape, Window};
use crate::spec::{Args, Padding};

/// The windows over rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    pub rows: Window,
    pub columns: Window,
}

/// The windows of a layer with these arguments over an image that it takes.
pub fn reach(args: &Args, input: &Shape) -> Reach {
    let sliding = match *input.dims() {
        [_, height, width] => Sliding::new(args, [height, width]).ok(),
        _ => None,
    };
    sliding.map_or(Reach::Rescaled, Reach::Window)
}

impl Sliding {
    /// Reads the arguments; `same` padding is worked out for this input.
    pub fn new(args: &Args, [height, width]: [usize; 2]) -> Result<Sliding, Fault> {
        let (kernel, stride) = (args.pair("kernel")?, args.pair("stride")?);
        let dilation = if args.has("dilation") { args.pair("dilation")? } else { [1, 1] };
        let ceil = args.has("ceil") && args.bool("ceil")?;
        let sides = match args.padding("padding")? {
            Padding::Sides(sides) => sides,
            Padding::Same => {
                let (top, bottom) = Window::same(height, kernel[0], stride[0], dilation[0]);
                let (left, right) = Window::same(width, kernel[1], stride[1], dilation[1]);
                [top, bottom, left, right]
            }
        };
        let axis = |i: usize| Window {
            kernel: kernel[i],
            stride: stride[i],
            before: sides[2 * i],
            after: sides[2 * i + 1],
            dilation: dilation[i],
            ceil,
        };
        Ok(Sliding { rows: axis(0), columns: axis(1) })
    }

    /// Output height and width; or that the window does not fit, with what would make it fit.
    pub fn output(&self, layer: &'static str, [height, width]: [usize; 2]) -> Result<[usize; 2], Fault> {
        let (rows, columns) = (self.rows.output(height), self.columns.output(width));
        if let (Some(h), Some(w)) = (rows, columns) {
            return Ok([h, w]);
        }
        let reach = [self.rows.reach(), self.columns.reach()];
        let padded =
            [height + self.rows.before + self.rows.after, width + self.columns.before + self.columns.after];
        let kernel = format!("{}x{}", self.rows.kernel, self.columns.kernel);
        let covers = match self.rows.dilation.max(self.columns.dilation) {
            1 => String::new(),
            _ => format!(" (it covers {}x{} with its dilation)", reach[0], reach[1]),
        };
        let with_padding = match padded == [height, width] {
            true => String::new(),
            false => format!(", {}x{} with its padding", padded[0], padded[1]),
        };
        let mut fault = Fault::new(
            codes::WINDOW_TOO_LARGE,
            format!("`{layer}` slides a {kernel} kernel{covers}, but only {height}x{width} pixels arrive{with_padding}"),
        )
        .label(format!("{height}x{width} arrives, {}x{} is needed", reach[0], reach[1]));
        for (axis, window, extent) in [("height", &self.rows, height), ("width", &self.columns, width)] {
            if window.output(extent).is_none() {
                fault = fault.note(format!("{axis}: {}", window.arithmetic(extent)));
            }
        }
        let short = |i: usize| reach[i].saturating_sub(padded[i]).div_ceil(2);
        let needed = [self.rows.before + short(0), self.columns.before + short(1)];
        let half = |i: usize, window: &Window| needed[i] * 2 <= window.kernel;
        if layer.ends_with("conv2d") || (half(0, &self.rows) && half(1, &self.columns)) {
            let value = match needed {
                [a, b] if a == b => a.to_string(),
                [a, b] => format!("{a}x{b}"),
            };
            fault = fault.set("padding", value);
        }
        if self.rows.dilation == 1 && self.columns.dilation == 1 && padded.iter().all(|&extent| extent > 0) {
            let [a, b] = [self.rows.kernel.min(padded[0]), self.columns.kernel.min(padded[1])];
            if layer.ends_with("conv2d") || a * b > 1 {
                fault = fault.set("kernel", if a == b { a.to_string() } else { format!("{a}x{b}") });
            }
        }
        if !layer.ends_with("conv2d") {
            fault = fault.remedy(Remedy::Remove);
        }
        Err(fault)
    }

    /// The arithmetic of both axes, once where they are alike.
    pub fn arithmetic(&self, [height, width]: [usize; 2]) -> String {
        if self.rows == self.columns && height == width {
            return self.rows.arithmetic(height);
        }
        format!("height {}, width {}", self.rows.arithmetic(height), self.columns.arithmetic(width))
    }

    /// A warning where the last rows or columns reach no window.
    pub fn dropped(&self, layer: &str, [height, width]: [usize; 2]) -> Option<Fault> {
        // A stride beyond the window skips pixels everywhere, and is meant to.
        let rest = |window: &Window, extent: usize| match window.stride <= window.reach() {
            true => window.dropped(extent),
            false => 0,
        };
        let (rows, columns) = (rest(&self.rows, height), rest(&self.columns, width));
        let count = |n: usize, what: &str| match n {
            1 => format!("the last {what}"),
            n => format!("the last {n} {what}s"),
        };
        let dropped = match (rows, columns) {
            (0, 0) => return None,
            (r, 0) => count(r, "row"),
            (0, c) => count(c, "column"),
            (r, c) => format!("{} and {}", count(r, "row"), count(c, "column")),
        };
        let fault = Fault::warning(
            codes::DROPPED_PIXELS,
            format!("`{layer}` never reads {dropped} of its {height}x{width} input"),
        );
        Some(fault.label("pixels are dropped here").note(self.arithmetic([height, width])))
    }

    /// Stride, padding and dilation as a node's attributes.
    pub fn attrs(&self) -> Attrs {
        let sides = [self.rows.before, self.rows.after, self.columns.before, self.columns.after];
        Attrs::new().ints("stride", [self.rows.stride, self.columns.stride]).ints("padding", sides)
    }
}
