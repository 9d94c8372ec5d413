//! An image → the same turned, sheared, scaled and moved, as torchvision's `affine` does it: from each place of the new image a
//! line of equations leads to a place of the old one. What comes in from outside is black.

use crate::data::sample::{Image, Layer, Values};

/// How a pixel is made of those around its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    Nearest,
    Bilinear,
}

/// Places in the old image, from the middle of it, of places in the new one: `x = m[0] x' + m[1] y' + m[2]`, and so for y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine([f64; 6]);

/// What an image is put through, in this order: shears along its rows and columns, a scale, a turn, a move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Degrees, clockwise.
    pub angle: f64,
    /// Pixels to the right and down.
    pub translate: [f64; 2],
    pub scale: f64,
    /// Degrees along x and y.
    pub shear: [f64; 2],
    /// The place that stays, from the middle of the image.
    pub center: [f64; 2],
}

impl Change {
    pub const NONE: Change =
        Change { angle: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center: [0.0; 2] };

    /// torchvision: `_get_inverse_affine_matrix`.
    pub fn affine(self) -> Affine {
        let [angle, sx, sy] = [self.angle, self.shear[0], self.shear[1]].map(f64::to_radians);
        let a = (angle - sy).cos() / sy.cos();
        let b = -(angle - sy).cos() * sx.tan() / sy.cos() - angle.sin();
        let c = (angle - sy).sin() / sy.cos();
        let d = -(angle - sy).sin() * sx.tan() / sy.cos() + angle.cos();
        let [m0, m1, m3, m4] = [d, -b, -c, a].map(|x| x / self.scale);
        let ([cx, cy], [tx, ty]) = (self.center, self.translate);
        let m2 = m0 * (-cx - tx) + m1 * (-cy - ty) + cx;
        let m5 = m3 * (-cx - tx) + m4 * (-cy - ty) + cy;
        Affine([m0, m1, m2, m3, m4, m5])
    }
}

impl Affine {
    /// Row and column of the old image for those of the new one.
    fn place(&self, [height, width]: [usize; 2]) -> impl Fn(usize, usize) -> (f64, f64) + use<> {
        let Affine([m0, m1, m2, m3, m4, m5]) = *self;
        let (cy, cx) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
        move |y, x| {
            let (y, x) = (y as f64 - cy, x as f64 - cx);
            (m3 * x + m4 * y + m5 + cy, m0 * x + m1 * y + m2 + cx)
        }
    }
}

/// Changes an image; of a mask the nearest pixel is taken, whatever the sampling.
pub fn warp(image: &mut Image, layer: Layer, affine: &Affine, sampling: Sampling) {
    let (height, width) = (image.height, image.width);
    let place = affine.place([height, width]);
    match (layer, sampling) {
        (Layer::Mask, _) | (Layer::Picture, Sampling::Nearest) => {
            image.moved_in(height, width, layer, |y, x| {
                let (y, x) = place(y, x);
                let (y, x) = (y.round_ties_even(), x.round_ties_even());
                let inside = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
                inside.then_some(y as usize * width + x as usize)
            });
        }
        (Layer::Picture, Sampling::Bilinear) => {
            let was_bytes = matches!(image.values, Values::Bytes(_));
            image.redrawn(height, width, |plane, y, x| {
                let (y, x) = place(y, x);
                let (top, left) = (y.floor(), x.floor());
                let at = |row: f64, column: f64| {
                    let inside = row >= 0.0 && column >= 0.0 && row < height as f64 && column < width as f64;
                    if inside { plane[row as usize * width + column as usize] } else { 0.0 }
                };
                let (down, along) = ((y - top) as f32, (x - left) as f32);
                let upper = at(top, left) * (1.0 - along) + at(top, left + 1.0) * along;
                let lower = at(top + 1.0, left) * (1.0 - along) + at(top + 1.0, left + 1.0) * along;
                upper * (1.0 - down) + lower * down
            });
            if was_bytes {
                image.round();
            }
        }
    }
}
