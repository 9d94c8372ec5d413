//! Constants and the arithmetic of shapes, worked out while a graph is read: what depends on no image is a number here. An
//! extent may be a multiple of the batch, whatever that is.

use std::rc::Rc;

use crate::diag::Fault;
use crate::exchange::onnx::file::{MAX_AXES, Node};
use crate::exchange::onnx::wire::damaged;

/// The most numbers that one constant may become.
const MAX_NUMBERS: usize = 1 << 27;

/// Numbers that are known.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub dims: Vec<usize>,
    pub values: Rc<Vec<f64>>,
    /// Which of them are to be multiplied by the batch; empty where none is.
    pub of_batch: Vec<bool>,
    pub is_float: bool,
}

impl Numbers {
    pub fn new(dims: Vec<usize>, values: Vec<f64>, is_float: bool) -> Numbers {
        Numbers { dims, values: Rc::new(values), of_batch: Vec::new(), is_float }
    }

    /// The extents of a batch of such images.
    pub fn shape(dims: &[usize]) -> Numbers {
        let values: Vec<f64> = std::iter::once(1.0).chain(dims.iter().map(|&dim| dim as f64)).collect();
        let of_batch = (0..values.len()).map(|i| i == 0).collect();
        Numbers { dims: vec![values.len()], values: Rc::new(values), of_batch, is_float: false }
    }

    pub fn is_of_batch(&self, i: usize) -> bool {
        self.of_batch.get(i).copied().unwrap_or(false)
    }

    pub fn ints(&self) -> Vec<i64> {
        self.values.iter().map(|value| *value as i64).collect()
    }

    /// Its number, where it has one.
    pub fn scalar(&self) -> Option<f64> {
        (self.values.len() == 1 && !self.is_of_batch(0)).then(|| self.values[0])
    }

    fn picked(&self, dims: Vec<usize>, places: &[usize]) -> Numbers {
        let values = places.iter().map(|&i| self.values[i]).collect();
        let of_batch = match self.of_batch.is_empty() {
            true => Vec::new(),
            false => places.iter().map(|&i| self.of_batch[i]).collect(),
        };
        Numbers { dims, values: Rc::new(values), of_batch, is_float: self.is_float }
    }

    /// The same numbers under other extents.
    pub fn reshaped(&self, dims: Vec<usize>) -> Option<Numbers> {
        (count(&dims)? == self.values.len()).then(|| Numbers { dims, ..self.clone() })
    }

    /// `axes[i]` becomes axis `i`.
    pub fn transposed(&self, axes: &[usize]) -> Option<Numbers> {
        let rank = self.dims.len();
        let mut seen = vec![false; rank];
        axes.iter().for_each(|&axis| {
            if axis < rank {
                seen[axis] = true
            }
        });
        if axes.len() != rank || seen.contains(&false) {
            return None;
        }
        let strides = strides(&self.dims);
        let dims: Vec<usize> = axes.iter().map(|&axis| self.dims[axis]).collect();
        let turned: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
        Some(self.picked(dims.clone(), &places(&dims, &turned, 0)))
    }

    /// Repeated along axes of extent 1.
    pub fn expanded(&self, dims: &[usize]) -> Option<Numbers> {
        let n = count(dims)?;
        let offset = dims.len().checked_sub(self.dims.len())?;
        let own = strides(&self.dims);
        let mut steps = vec![0; dims.len()];
        for (i, &dim) in self.dims.iter().enumerate() {
            match dim {
                1 => {}
                dim if dim == dims[offset + i] => steps[offset + i] = own[i],
                _ => return None,
            }
        }
        if n == self.values.len() {
            return self.reshaped(dims.to_vec());
        }
        Some(self.picked(dims.to_vec(), &places(dims, &steps, 0)))
    }
}

/// How many numbers these extents hold; `None` where they are more than memory should hold, also of some axes alone.
fn count(dims: &[usize]) -> Option<usize> {
    let filled = dims.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim.max(1)));
    let n = filled.filter(|&n| n <= MAX_NUMBERS && dims.len() <= MAX_AXES)?;
    Some(if dims.contains(&0) { 0 } else { n })
}

fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The places of an array's elements in another, which has these steps along its axes.
fn places(dims: &[usize], steps: &[usize], first: usize) -> Vec<usize> {
    let mut places = vec![first];
    for (&dim, &step) in dims.iter().zip(steps) {
        places = places.iter().flat_map(|&at| (0..dim).map(move |i| at + i * step)).collect();
    }
    places
}

/// The extents of two arrays that stand beside each other.
fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| (i + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

/// An axis that may be counted from the end.
pub fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

/// What a node makes of numbers; `None` where it is not known here.
pub fn evaluate(node: &Node<'_>, inputs: &[Option<Numbers>]) -> Result<Option<Numbers>, Fault> {
    let first = match inputs.first() {
        Some(Some(first)) => first,
        _ => return Ok(None),
    };
    let second = inputs.get(1).and_then(Option::as_ref);
    Ok(match node.op {
        "Identity" | "Dropout" => Some(first.clone()),
        "Cast" => {
            let is_float = [1, 10, 11, 16].contains(&node.int("to", 1));
            let whole = |x: &f64| if is_float { *x } else { x.trunc() };
            let values = first.values.iter().map(whole).collect();
            Some(Numbers { values: Rc::new(values), is_float, ..first.clone() })
        }
        "Floor" => Some(unary(first, f64::floor)),
        "Ceil" => Some(unary(first, f64::ceil)),
        "Neg" => Some(unary(first, |x| -x)),
        "Sqrt" => Some(unary(first, f64::sqrt)),
        "Reciprocal" => Some(unary(first, |x| 1.0 / x)),
        "Exp" => Some(unary(first, f64::exp)),
        "Add" => second.and_then(|second| binary(first, second, |a, b| a + b, Batches::Equal)),
        "Sub" => second.and_then(|second| binary(first, second, |a, b| a - b, Batches::Equal)),
        "Mul" => second.and_then(|second| binary(first, second, |a, b| a * b, Batches::One)),
        "Div" => second.and_then(|second| {
            let whole = !first.is_float;
            binary(first, second, move |a, b| if whole { (a / b).trunc() } else { a / b }, Batches::First)
        }),
        "Mod" => {
            second.and_then(|second| binary(first, second, |a, b| a - b * (a / b).floor(), Batches::None))
        }
        "Pow" => second.and_then(|second| binary(first, second, f64::powf, Batches::None)),
        "Max" => second.and_then(|second| binary(first, second, f64::max, Batches::None)),
        "Min" => second.and_then(|second| binary(first, second, f64::min, Batches::None)),
        "Equal" => {
            second.and_then(|second| binary(first, second, |a, b| f64::from(u8::from(a == b)), Batches::None))
        }
        "Where" => match (second, inputs.get(2).and_then(Option::as_ref), first.scalar()) {
            (Some(yes), Some(no), Some(which)) => Some(if which != 0.0 { yes.clone() } else { no.clone() }),
            (Some(yes), Some(no), None) if yes.dims == first.dims && no.dims == first.dims => {
                let pick = |i: usize| if first.values[i] != 0.0 { yes } else { no };
                let values = (0..first.values.len()).map(|i| pick(i).values[i]).collect();
                let of_batch = (0..first.values.len()).map(|i| pick(i).is_of_batch(i)).collect();
                Some(Numbers {
                    dims: first.dims.clone(),
                    values: Rc::new(values),
                    of_batch,
                    is_float: yes.is_float,
                })
            }
            _ => None,
        },
        "Shape" => None,
        "Transpose" => {
            let rank = first.dims.len();
            let axes =
                node.ints("perm").map(|perm| perm.iter().filter_map(|&axis| axis_of(axis, rank)).collect());
            first.transposed(&axes.unwrap_or_else(|| (0..rank).rev().collect::<Vec<_>>()))
        }
        "Reshape" => second.and_then(|target| reshape(first, &target.ints())),
        "Flatten" => {
            let axis = axis_of(node.int("axis", 1), first.dims.len() + 1).unwrap_or(0);
            let (front, back) = first.dims.split_at(axis.min(first.dims.len()));
            first.reshaped(vec![front.iter().product(), back.iter().product()])
        }
        "Unsqueeze" => {
            let axes =
                second.map_or_else(|| node.ints("axes").map(<[i64]>::to_vec), |axes| Some(axes.ints()));
            axes.and_then(|axes| unsqueezed(&first.dims, &axes)).and_then(|dims| first.reshaped(dims))
        }
        "Squeeze" => {
            let axes =
                second.map_or_else(|| node.ints("axes").map(<[i64]>::to_vec), |axes| Some(axes.ints()));
            squeezed(&first.dims, axes.as_deref()).and_then(|dims| first.reshaped(dims))
        }
        "Concat" => concat(inputs, node.int("axis", 0)),
        "Gather" => second.and_then(|places| gather(first, places, node.int("axis", 0))),
        "Slice" => slice(node, first, inputs),
        "Expand" => second.and_then(|dims| {
            let dims: Vec<usize> = dims.ints().iter().map(|&dim| dim.max(1) as usize).collect();
            first.expanded(&common(&first.dims, &dims)?)
        }),
        "ConstantOfShape" => {
            let value = node.attribute("value").and_then(|attribute| attribute.tensor.as_ref());
            let is_float = value.is_none_or(|tensor| tensor.is_float());
            let dims: Vec<usize> = first.values.iter().map(|&dim| dim.max(0.0) as usize).collect();
            match count(&dims) {
                None => return Err(damaged("a constant would have more numbers than memory should hold")),
                Some(n) => {
                    // The value itself is one number, which only whole files of numbers beside could hide.
                    let number = value.and_then(|tensor| tensor.inline()).unwrap_or(0.0);
                    Some(Numbers::new(dims, vec![number; n], is_float))
                }
            }
        }
        "Range" => match (
            first.scalar(),
            second.and_then(Numbers::scalar),
            inputs.get(2).and_then(Option::as_ref).and_then(Numbers::scalar),
        ) {
            (Some(start), Some(end), Some(step)) if step != 0.0 && (end - start) / step < 65_536.0 => {
                let n = ((end - start) / step).ceil().max(0.0) as usize;
                Some(Numbers::new(vec![n], (0..n).map(|i| start + step * i as f64).collect(), first.is_float))
            }
            _ => None,
        },
        "ReduceProd" => {
            let n = first.values.iter().product();
            let keeps = node.int("keepdims", 1) == 1;
            first
                .of_batch
                .iter()
                .all(|of| !of)
                .then(|| Numbers::new(if keeps { vec![1] } else { vec![] }, vec![n], first.is_float))
        }
        _ => None,
    })
}

fn unary(x: &Numbers, f: impl Fn(f64) -> f64) -> Numbers {
    Numbers { values: Rc::new(x.values.iter().map(|x| f(*x)).collect()), ..x.clone() }
}

/// Of which operands a multiple of the batch may be.
#[derive(Clone, Copy, PartialEq)]
enum Batches {
    None,
    /// Of both or of none.
    Equal,
    /// Of one at most.
    One,
    First,
}

fn binary(a: &Numbers, b: &Numbers, f: impl Fn(f64, f64) -> f64, batches: Batches) -> Option<Numbers> {
    let dims = common(&a.dims, &b.dims)?;
    let (a, b) = (a.expanded(&dims)?, b.expanded(&dims)?);
    let n = a.values.len();
    let mut of_batch = Vec::new();
    if !a.of_batch.is_empty() || !b.of_batch.is_empty() {
        for i in 0..n {
            of_batch.push(match (a.is_of_batch(i), b.is_of_batch(i), batches) {
                (false, false, _) => false,
                (true, true, Batches::Equal) => true,
                (true, false, Batches::One | Batches::First) | (false, true, Batches::One) => true,
                _ => return None,
            });
        }
    }
    let values = a.values.iter().zip(b.values.iter()).map(|(a, b)| f(*a, *b)).collect();
    Some(Numbers { dims, values: Rc::new(values), of_batch, is_float: a.is_float || b.is_float })
}

fn reshape(x: &Numbers, target: &[i64]) -> Option<Numbers> {
    let known: usize = target.iter().enumerate().try_fold(1usize, |n, (i, &dim)| match dim {
        -1 => Some(n),
        0 => n.checked_mul(*x.dims.get(i)?),
        dim => n.checked_mul(usize::try_from(dim).ok()?),
    })?;
    let open = x.values.len().checked_div(known).unwrap_or(0);
    let dims = target.iter().enumerate().map(|(i, &dim)| match dim {
        -1 => Some(open),
        0 => x.dims.get(i).copied(),
        dim => usize::try_from(dim).ok(),
    });
    x.reshaped(dims.collect::<Option<Vec<usize>>>()?)
}

/// Extents with axes of extent 1 put in.
pub fn unsqueezed(dims: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let rank = dims.len().checked_add(axes.len()).filter(|&rank| rank <= MAX_AXES)?;
    let axes: Vec<usize> = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<_>>()?;
    let mut rest = dims.iter();
    (0..rank).map(|i| if axes.contains(&i) { Some(1) } else { rest.next().copied() }).collect()
}

/// Extents without these axes of extent 1, or without all of them.
pub fn squeezed(dims: &[usize], axes: Option<&[i64]>) -> Option<Vec<usize>> {
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, dims.len())).collect::<Option<_>>()?,
        None => (0..dims.len()).filter(|&i| dims[i] == 1).collect(),
    };
    axes.iter()
        .all(|&axis| dims[axis] == 1)
        .then(|| dims.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &dim)| dim).collect())
}

fn concat(inputs: &[Option<Numbers>], axis: i64) -> Option<Numbers> {
    let parts: Vec<&Numbers> = inputs.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let rank = parts.first()?.dims.len();
    let axis = axis_of(axis, rank)?;
    let alike = |part: &&Numbers| {
        part.dims.len() == rank && (0..rank).all(|i| i == axis || part.dims[i] == parts[0].dims[i])
    };
    if !parts.iter().all(alike) {
        return None;
    }
    let mut dims = parts[0].dims.clone();
    dims[axis] = parts.iter().try_fold(0usize, |n, part| n.checked_add(part.dims[axis]))?;
    count(&dims)?;
    let outer: usize = dims[..axis].iter().product();
    let (mut values, mut of_batch) = (Vec::new(), Vec::new());
    for i in 0..outer {
        for part in &parts {
            let n: usize = part.dims[axis..].iter().product();
            values.extend_from_slice(&part.values[i * n..(i + 1) * n]);
            of_batch.extend((i * n..(i + 1) * n).map(|at| part.is_of_batch(at)));
        }
    }
    Some(Numbers {
        dims,
        values: Rc::new(values),
        of_batch,
        is_float: parts.iter().any(|part| part.is_float),
    })
}

fn gather(x: &Numbers, places: &Numbers, axis: i64) -> Option<Numbers> {
    let axis = axis_of(axis, x.dims.len())?;
    let wanted: Vec<usize> =
        places.ints().iter().map(|&at| axis_of(at, x.dims[axis])).collect::<Option<_>>()?;
    let inner: usize = x.dims[axis + 1..].iter().product();
    let outer: usize = x.dims[..axis].iter().product();
    let dims = [&x.dims[..axis], &places.dims, &x.dims[axis + 1..]].concat();
    count(&dims)?;
    let mut at = Vec::new();
    for i in 0..outer {
        for &place in &wanted {
            at.extend((0..inner).map(|j| (i * x.dims[axis] + place) * inner + j));
        }
    }
    Some(x.picked(dims, &at))
}

/// Starts, ends, axes and steps of a `Slice`, from its inputs or, before opset 10, its attributes.
pub fn ranges(node: &Node<'_>, inputs: &[Option<Numbers>]) -> Option<Vec<[i64; 4]>> {
    let given = |i: usize, name: &str| match inputs.get(i) {
        Some(Some(numbers)) => Some(numbers.ints()),
        Some(None) | None => node.ints(name).map(<[i64]>::to_vec),
    };
    let (starts, ends) = (given(1, "starts")?, given(2, "ends")?);
    let axes = given(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = given(4, "steps").unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() > MAX_AXES || [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return None;
    }
    Some((0..starts.len()).map(|i| [axes[i], starts[i], ends[i], steps[i]]).collect())
}

/// The first place and the one behind the last of a range that may be counted from the end, along an axis of this extent.
pub fn bounds(start: i64, end: i64, extent: usize) -> [usize; 2] {
    let extent = extent as i64;
    let at = |i: i64| (if i < 0 { i.saturating_add(extent) } else { i }).clamp(0, extent) as usize;
    [at(start), at(end)]
}

/// The places of a range that may go backwards.
fn stepped(start: i64, end: i64, step: i64, extent: usize) -> Option<Vec<usize>> {
    let width = usize::try_from(step.unsigned_abs()).ok().filter(|&width| width > 0)?;
    if step > 0 {
        let [start, end] = bounds(start, end, extent);
        return Some((start..end).step_by(width).collect());
    }
    // From the last place to the one behind the end, seen from behind.
    let turn = |i: i64| i64::try_from(extent).ok().map(|n| if i < 0 { i.saturating_add(n) } else { i });
    let (first, end) = (turn(start)?.min(extent as i64 - 1), turn(end)?.max(-1));
    let n = usize::try_from(first.saturating_sub(end)).unwrap_or(0);
    (0..n).step_by(width).map(|back| usize::try_from(first - back as i64).ok()).collect()
}

fn slice(node: &Node<'_>, x: &Numbers, inputs: &[Option<Numbers>]) -> Option<Numbers> {
    let mut x = x.clone();
    for [axis, start, end, step] in ranges(node, inputs)? {
        let axis = axis_of(axis, x.dims.len())?;
        let wanted: Vec<f64> = stepped(start, end, step, x.dims[axis])?.iter().map(|&i| i as f64).collect();
        let places = Numbers::new(vec![wanted.len()], wanted, false);
        x = gather(&x, &places, axis as i64)?;
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Numbers {
        Numbers::new(vec![values.len()], values.to_vec(), false)
    }

    #[test]
    fn shapes_are_worked_out_with_the_batch_left_open() {
        let shape = Numbers::shape(&[8, 3, 3]);
        let node = |op| Node { op, ..Node::default() };
        let batch = evaluate(&node("Gather"), &[Some(shape), Some(Numbers::new(vec![], vec![0.0], false))])
            .unwrap()
            .unwrap();
        assert!(batch.is_of_batch(0) && batch.dims.is_empty());
        let one = numbers(&[0.0]);
        let row = evaluate(&node("Unsqueeze"), &[Some(batch.clone()), Some(one)]).unwrap().unwrap();
        let target = evaluate(&node("Concat"), &[Some(row), Some(numbers(&[-1.0]))]).unwrap().unwrap();
        assert_eq!((target.ints(), target.of_batch), (vec![1, -1], vec![true, false]));
        // No sum of a batch and a number is known.
        assert!(evaluate(&node("Add"), &[Some(batch), Some(numbers(&[1.0]))]).unwrap().is_none());
    }

    #[test]
    fn arrays_are_turned_and_cut() {
        let x = Numbers::new(vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], true);
        assert_eq!(*x.transposed(&[1, 0]).unwrap().values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert!(x.transposed(&[0, 0]).is_none());
        let picked = gather(&x, &numbers(&[-1.0]), 1).unwrap();
        assert_eq!((picked.dims.clone(), (*picked.values).clone()), (vec![2, 1], vec![2.0, 5.0]));
        assert_eq!(bounds(-2, i64::MAX, 3), [1, 3]);
        assert_eq!(stepped(-1, i64::MIN, -1, 3), Some(vec![2, 1, 0]));
        assert_eq!(stepped(5, 0, -2, 4), Some(vec![3, 1]));
        assert_eq!((stepped(0, 3, 0, 3), stepped(-1, i64::MIN, -1, 0)), (None, Some(vec![])));
        assert_eq!(stepped(i64::MIN, i64::MAX, -1, 3), Some(vec![]));
        assert!(x.reshaped(vec![0, 1 << 40, 1 << 40]).is_none());
        assert_eq!(*numbers(&[1.0, 2.0]).expanded(&[2, 2]).unwrap().values, [1.0, 2.0, 1.0, 2.0]);
    }
}
