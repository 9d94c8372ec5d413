//! Images, signals or volumes, and labels, in NumPy's arrays → samples: one .npz archive, or a folder of .npy files, under the names that Keras, MedMNIST
//! or its author gave them.

use std::path::Path;

use crate::data::parts::{Dataset, Parts};
use crate::data::sample::{Form, Size, Task};
use crate::data::samples::{Images, Samples, Targets};
use crate::data::sources::array_targets::{self, targets};
use crate::data::sources::idx::fault;
use crate::data::sources::npy::{self, Array, Head, Numbers, Store};
use crate::data::sources::{Facts, Source, Wanted};
use crate::data::transforms::bounded;
use crate::diag::{Fault, codes};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Arrays;

static SPEC: Spec = Spec {
    name: "arrays",
    summary: "NumPy's arrays: an .npz archive, or a folder of .npy files",
    docs: "Recognised names are `x_train`, `y_train`, `x_test`, `y_test` (and `x_val`, `y_val`), as in Keras, and `train_images`, \
           `train_labels`, `val_images` and so on, as in MedMNIST. Give others with `images` and `labels`; they form one part, \
           which `split` divides. Images are NxHxW, NxHxWxC or NxCxHxW with 1 or 3 channels. Whole numbers are pixels from 0 to \
           255; floats reach the model as they are, divided by `scale`. Signals are NxL, Nx1xL, or with `layout=ncl` NxCxL and \
           with `layout=nlc` NxLxC; they have any number of channels, reach a model with `input CxL`, and are numbers of any \
           size, also whole ones. So do volumes, which are NxCxDxHxW, with `layout=ndhwc` NxDxHxWxC, or with `layout=ndhw` NxDxHxW. Labels are whole numbers, N or Nx1. Any byte order and \
           Fortran order are read; Python objects are not. Other targets than labels are recognised by shape and type: whole \
           numbers NxK, all 0 or 1, are several labels; whole numbers NxHxW are the classes of pixels (255 or -1 is ignored); \
           floats N or NxK are numbers; floats NxCxHxW are images.",
    params: &[
        positional(
            "path",
            Kind::Text,
            Preset::Required,
            "the archive or folder, relative to the experiment's file",
        ),
        keyword("images", Kind::Name, Preset::Absent, "the name of the images' array"),
        keyword("labels", Kind::Name, Preset::Absent, "the name of the labels' array"),
        keyword(
            "layout",
            Kind::Choice(&["nhwc", "nchw", "ncl", "nlc", "ncdhw", "ndhwc", "ndhw"]),
            Preset::Absent,
            "the order of the axes, if the shape does not show it: `ncl` and `nlc` are signals, those with a `d` volumes",
        ),
        keyword(
            "scale",
            Kind::Number { min: 1e-30, max: f64::MAX },
            Preset::Number(1.0),
            "what floats, signals and volumes are divided by",
        ),
        keyword(
            "classes",
            Kind::Count,
            Preset::Absent,
            "how many classes there are, to check the file without its arrays",
        ),
        keyword(
            "names",
            Kind::Names,
            Preset::Absent,
            "the names of classes, labels or numbers, in the order of the arrays",
        ),
        keyword(
            "task",
            Kind::Choice(Task::WORDS),
            Preset::Absent,
            "what the array of labels holds, so that the file can be checked without it",
        ),
        keyword(
            "image",
            Kind::Shape,
            Preset::Absent,
            "the shape of an image, such as 3x32x32, of a signal, such as 2x128, or of a volume, such as 1x16x64x64, to check the file without its arrays",
        ),
    ],
    example: "source arrays \"data/mnist.npz\" classes=10 image=1x28x28",
    elsewhere: &["numpy", "npz", "npy", "TensorDataset", "MedMNIST"],
};

/// Names of the arrays of images and labels of each part, of which the first pair that is there counts.
const KNOWN: [[[&str; 2]; 3]; 3] = [
    [["x_train", "y_train"], ["train_images", "train_labels"], ["X_train", "y_train"]],
    [["x_val", "y_val"], ["val_images", "val_labels"], ["X_val", "y_val"]],
    [["x_test", "y_test"], ["test_images", "test_labels"], ["X_test", "y_test"]],
];

/// Names of the arrays of images and labels of the parts that are there.
type Pairs = [Option<[String; 2]>; 3];

impl Source for Arrays {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        let form = match args.get("image") {
            None => Form { channels: None, size: Size::Unknown },
            Some(_) => match Form::of_shape(args.shape("image")?) {
                Some(form) if !form.is_picture() || matches!(form.channels, Some(1 | 3)) => form,
                _ => {
                    let message = "`image` is 1 or 3 channels x height x width, of signals channels x length, or of volumes \
                                   channels x depth x height x width";
                    return Err(Fault::new(codes::BAD_VALUE, message).at("image").set("image", "3x32x32"));
                }
            },
        };
        let classes = stated_classes(args)?;
        if args.has("images") != args.has("labels") {
            let name = if args.has("images") { "images" } else { "labels" };
            let message = "`images` and `labels` are named together";
            return Err(Fault::new(codes::BAD_VALUE, message).at(name).advise("name both or neither"));
        }
        let task = match args.has("task") {
            true => Task::named(args.word("task")?),
            false => Task::Classes,
        };
        if !form.is_picture() && task == Task::Masks {
            let message = format!("{}s have no masks: the class of each value cannot be learnt", form.one());
            return Err(Fault::new(codes::BAD_VALUE, message).at("task").advise(FOR_SIGNALS));
        }
        Ok(Facts { form, task, classes, parts: None, watched: None })
    }

    fn columns(&self, args: &Args, base: &Path) -> Vec<String> {
        let store = args.word("path").and_then(|path| Store::open(&base.join(path)));
        store.map(|store| store.names().to_vec()).unwrap_or_default()
    }

    fn scale(&self, args: &Args) -> Result<f32, Fault> {
        Ok(args.number("scale")? as f32)
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let path = base.join(args.word("path")?);
        if !path.exists() {
            return Ok(None);
        }
        let mut store = Store::open(&path)?;
        let pairs = pairs(&path, &store, args)?;
        let (mut parts, mut classes, mut form, mut task) = ([0; 3], None, None, Task::Classes);
        for (part, [images, labels]) in
            pairs.iter().enumerate().filter_map(|(i, pair)| Some((i, pair.as_ref()?)))
        {
            let head = store.head(images)?;
            let (n, layout) = layout(&path, images, &head.shape, args)?;
            (parts[part], form) = (n, Some(layout.form()));
            task = task_of(&path, labels, &store.head(labels)?, &layout, args)?;
            let own = match task {
                Task::Images => {
                    Some(self::layout(&path, labels, &store.head(labels)?.shape, args)?.1.shape.dims()[0])
                }
                Task::Classes | Task::Labels | Task::Numbers | Task::Masks => {
                    array_targets::shown(&targets(&path, labels, task, store.array(labels)?, no_images)?)
                }
            };
            classes = classes.max(own);
        }
        let stated = stated_classes(args)?;
        let form = form.unwrap_or(Form { channels: None, size: Size::Unknown });
        // A class may have no image.
        let classes = classes.map(|own| stated.map_or(own, |stated| stated.max(own)));
        Ok(Some(Facts { form, task, classes, parts: None, watched: None }.with_parts(parts)))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let path = base.join(args.word("path")?);
        let mut store = Store::open(&path)?;
        let mut pairs = pairs(&path, &store, args)?;
        if wanted == Wanted::Test && pairs[2].is_some() {
            [pairs[0], pairs[1]] = [None, None];
        }
        let (mut samples, mut ranges): (Option<Samples>, _) = (None, [const { Vec::new() }; 3]);
        for (part, [images, labels]) in
            pairs.iter().enumerate().filter_map(|(i, pair)| Some((i, pair.as_ref()?)))
        {
            let own = read(&path, &mut store, [images, labels], args)?;
            let first = samples.as_ref().map_or(0, Samples::len) as u32;
            ranges[part] = (first..first + own.len() as u32).collect();
            match &mut samples {
                None => samples = Some(own),
                Some(samples) => {
                    if samples.images.form() != own.images.form() {
                        let message = format!(
                            "`{images}` has images of {}, not {}",
                            own.images.form(),
                            samples.images.form()
                        );
                        return Err(fault(&path, &message).advise("parts of one shape"));
                    }
                    samples.append(own).map_err(|_| {
                        fault(&path, &format!("`{images}` has elements of another type than the part before"))
                            .advise("parts of one type")
                    })?;
                }
            }
        }
        let Some(mut samples) = samples else { return Err(Fault::internal("arrays without a part")) };
        let most = array_targets::shown(&samples.targets).unwrap_or(0);
        let is_counted = match &samples.targets {
            Targets::Classes { .. } | Targets::Masks { .. } => true,
            Targets::Labels { .. } | Targets::Numbers { .. } | Targets::Images(_) => false,
        };
        if let Targets::Classes { names, .. }
        | Targets::Masks { names, .. }
        | Targets::Labels { names, .. }
        | Targets::Numbers { names, .. } = &mut samples.targets
        {
            let n = stated_classes(args)?.unwrap_or(most);
            if most > n && is_counted {
                let fault = fault(&path, &format!("has the label {}, but there are {n} classes", most - 1));
                return Err(match stating(args) {
                    "names" => fault.at("names").advise(format!("{most} names")),
                    _ => fault.set("classes", most),
                });
            }
            if most != n && !is_counted {
                let what = format!("has {most} for each image, not {n}");
                return Err(fault(&path, &what).at(stating(args)).advise("one for each column of the array"));
            }
            *names = match args.has("names") {
                true => args.texts("names")?.to_vec(),
                false => (0..n).map(|class| class.to_string()).collect(),
            };
        }
        let [train, validation, test] = ranges;
        Ok(Dataset { samples, parts: Parts { train, validation, test } })
    }
}

/// How many classes, labels or numbers the arguments say there are.
fn stated_classes(args: &Args) -> Result<Option<usize>, Fault> {
    let stated = args.whole_if_given("classes")?;
    if !args.has("names") {
        return Ok(stated);
    }
    let n = args.texts("names")?.len();
    match stated.filter(|stated| *stated != n) {
        None => Ok(Some(n)),
        Some(stated) => {
            let message = format!("`names` has {n} names, but `classes` says {stated}");
            Err(Fault::new(codes::BAD_VALUE, message).at("classes").set("classes", n))
        }
    }
}

/// The argument that [`stated_classes`] were read from.
fn stating(args: &Args) -> &'static str {
    if args.has("names") { "names" } else { "classes" }
}

/// The arrays of each part.
fn pairs(path: &Path, store: &Store, args: &Args) -> Result<Pairs, Fault> {
    let there = |name: &str| store.names().iter().any(|own| own == name);
    let list = || match store.names() {
        [] => "there are none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    if args.has("images") {
        let own = [args.word("images")?.to_owned(), args.word("labels")?.to_owned()];
        if let Some(missing) = own.iter().find(|name| !there(name)) {
            return Err(fault(path, &format!("has no array `{missing}`"))
                .note(list())
                .advise("the name of one that is there"));
        }
        return Ok([Some(own), None, None]);
    }
    let found = KNOWN.map(|pairs| {
        let pair = pairs.into_iter().find(|pair| pair.iter().all(|name| there(name)));
        pair.map(|pair| pair.map(str::to_owned))
    });
    // Of a part that is there in half, the other half is missed.
    for (part, pair) in KNOWN.iter().zip(&found) {
        let half = part.iter().flatten().find(|name| there(name)).filter(|_| pair.is_none());
        if let Some(half) = half {
            return Err(fault(path, &format!("has `{half}` without the array that belongs to it"))
                .note(list())
                .advise("images and labels of every part"));
        }
    }
    match found.iter().any(Option::is_some) {
        true if found[0].is_none() => {
            Err(fault(path, "has no arrays to train on, such as `x_train` and `y_train`")
                .note(list())
                .advise("`images=\"NAME\" labels=\"NAME\"` after the path"))
        }
        true => Ok(found),
        false => Err(fault(path, "has no arrays whose names are known, such as `x_train` and `y_train`")
            .note(list())
            .advise("`images=\"NAME\" labels=\"NAME\"` after the path")),
    }
}

/// How an image, a signal or a volume lies in its array.
struct Layout {
    /// Channels, then height and width, the length, or depth, height and width.
    shape: Shape,
    channels_last: bool,
}

impl Layout {
    fn form(&self) -> Form {
        Form::of_shape(&self.shape).unwrap_or(Form { channels: None, size: Size::Unknown })
    }
}

/// The number of images, signals or volumes in an array of this shape, and how each lies in it.
fn layout(path: &Path, name: &str, shape: &[usize], args: &Args) -> Result<(usize, Layout), Fault> {
    let is_count = |extent: usize| extent == 1 || extent == 3;
    let shown = Shape::new(shape);
    let image = |extents: [usize; 3], channels_last| Layout { shape: extents.into(), channels_last };
    let signal = |extents: [usize; 2], channels_last| Layout { shape: extents.into(), channels_last };
    let volume = |extents: [usize; 4], channels_last| Layout { shape: extents.into(), channels_last };
    let asked = if args.has("layout") { Some(args.word("layout")?) } else { None };
    let stated = if args.has("image") { args.shape("image")?.dims().to_vec() } else { Vec::new() };
    let (n, layout) = match (shape, asked) {
        (&[n, l], None | Some("ncl" | "nlc")) => (n, signal([1, l], false)),
        (&[n, c, l], Some("ncl")) | (&[n, c @ 1, l], None) => (n, signal([c, l], false)),
        (&[n, l, c], Some("nlc")) => (n, signal([c, l], true)),
        (&[n, a, b], None) if stated == [a, b] => (n, signal([a, b], false)),
        (&[n, a, b], None) if stated == [b, a] => (n, signal([b, a], true)),
        (&[n, d, h, w], Some("ndhw")) => (n, volume([1, d, h, w], false)),
        (&[n, d, h, w], None) if stated == [1, d, h, w] => (n, volume([1, d, h, w], false)),
        (&[n, d, h, w, c], Some("ndhwc")) => (n, volume([c, d, h, w], true)),
        (&[n, d, h, w, c], None) if stated == [c, d, h, w] && stated != [d, h, w, c] => {
            (n, volume([c, d, h, w], true))
        }
        (&[n, c, d, h, w], None | Some("ncdhw")) => (n, volume([c, d, h, w], false)),
        (&[n, h, w], None | Some("nhwc" | "nchw")) => (n, image([1, h, w], false)),
        (&[n, a, b, c], None | Some("nhwc" | "nchw")) => {
            let last = match (asked, is_count(a), is_count(c)) {
                (Some(layout), _, _) => layout == "nhwc",
                (None, false, true) => true,
                (None, true, false) => false,
                (None, _, _) => {
                    let what =
                        format!("`{name}` has the shape {shown}, in which either axis could be the channels");
                    return Err(fault(path, &what)
                        .advise("`layout=nhwc` or `layout=nchw`; `layout=ndhw` for volumes"));
                }
            };
            (n, if last { image([c, a, b], true) } else { image([a, b, c], false) })
        }
        (_, Some(layout)) => {
            let what = format!("`{name}` has the shape {shown}, which does not go with `layout={layout}`");
            return Err(fault(path, &what)
                .at("layout")
                .advise("images have 3 or 4 axes, signals 2 or 3, volumes 4 or 5"));
        }
        (_, None) => {
            let what = format!(
                "`{name}` has the shape {shown}; images are NxHxW, NxHxWxC or NxCxHxW, signals NxL or NxCxL, volumes NxCxDxHxW"
            );
            return Err(fault(path, &what).advise("an array of images, signals or volumes"));
        }
    };
    let has_channels = !layout.form().is_picture() || is_count(layout.shape.dims()[0]);
    if n == 0 || layout.shape.dims().contains(&0) || !has_channels || u32::try_from(n).is_err() {
        return Err(fault(
            path,
            &format!("`{name}` has the shape {shown}, which is not that of images with 1 or 3 channels"),
        )
        .advise("an array of images; for signals `layout=ncl`, for volumes `layout=ndhw`"));
    }
    bounded(layout.form())?;
    Ok((n, layout))
}

/// What signals and volumes can have as targets.
const FOR_SIGNALS: &str = "classes N, labels NxK, or numbers N or NxK";

/// What the array of labels beside one of this layout holds. That of a whole number for each value of a signal or a volume is refused, unless
/// the arguments say that they are labels.
fn task_of(path: &Path, name: &str, head: &Head, layout: &Layout, args: &Args) -> Result<Task, Fault> {
    let task = array_targets::task(path, name, head)?;
    let is_of_each = match task {
        Task::Masks => true,
        Task::Labels => {
            layout.shape.rank() == 2 && head.shape.last() == layout.shape.dims().last() && !args.has("task")
        }
        Task::Classes | Task::Numbers | Task::Images => false,
    };
    if layout.form().is_picture() || !is_of_each {
        return Ok(task);
    }
    let one = layout.form().one();
    let what = format!("`{name}` has a whole number for each value of a {one}, but {one}s have no masks");
    let fault = fault(path, &what).advise(FOR_SIGNALS);
    Err(if task == Task::Labels {
        fault.advise("`task=labels`, if they are labels, yes or no")
    } else {
        fault
    })
}

fn read(path: &Path, store: &mut Store, [images, labels]: [&str; 2], args: &Args) -> Result<Samples, Fault> {
    let array = store.array(images)?;
    let (n, layout) = layout(path, images, &array.shape, args)?;
    let task = task_of(path, labels, &store.head(labels)?, &layout, args)?;
    let as_images = |array: Array| {
        let (_, own) = self::layout(path, labels, &array.shape, args)?;
        images_of(path, labels, array.values, &own, 1.0)
    };
    let targets = targets(path, labels, task, store.array(labels)?, as_images)?;
    let scale = Arrays.scale(args)?;
    let images_ = images_of(path, images, array.values, &layout, scale)?;
    let samples = Samples::new(images_, targets);
    if samples.len() != n {
        let what = format!("`{images}` has {n} rows, but `{labels}` has {}", samples.len());
        return Err(fault(path, &what).advise("arrays that belong together"));
    }
    Ok(samples)
}

fn images_of(path: &Path, name: &str, values: Numbers, layout: &Layout, scale: f32) -> Result<Images, Fault> {
    let &[channels, height, width] = layout.shape.dims() else {
        let values = planar(scaled(path, name, floats(values), layout, scale)?, layout);
        return Ok(Images::Signals { shape: layout.shape.clone(), values });
    };
    let shape = [channels, height, width];
    Ok(match values {
        Numbers::Bytes(bytes) => Images::Bytes { shape, values: planar(bytes, layout) },
        Numbers::Whole(numbers) => {
            let bytes = numbers.iter().map(|&number| u8::try_from(number)).collect::<Result<Vec<u8>, _>>();
            let bytes = bytes.map_err(|_| {
                fault(path, &format!("`{name}` has whole numbers outside of 0 to 255"))
                    .advise("pixels from 0 to 255, or floats")
            })?;
            Images::Bytes { shape, values: planar(bytes, layout) }
        }
        Numbers::Floats(numbers) => {
            let values = planar(scaled(path, name, numbers, layout, scale)?, layout);
            Images::Numbers { shape, values }
        }
    })
}

fn floats(values: Numbers) -> Vec<f32> {
    match values {
        Numbers::Bytes(bytes) => bytes.into_iter().map(f32::from).collect(),
        Numbers::Whole(numbers) => numbers.into_iter().map(|number| number as f32).collect(),
        Numbers::Floats(numbers) => numbers,
    }
}

/// Finite numbers, divided.
fn scaled(
    path: &Path,
    name: &str,
    mut numbers: Vec<f32>,
    layout: &Layout,
    scale: f32,
) -> Result<Vec<f32>, Fault> {
    numbers.iter_mut().for_each(|number| *number /= scale);
    if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
        let one = if layout.form().is_picture() { "image" } else { layout.form().one() };
        let own = at / layout.shape.elements().max(1);
        return Err(fault(path, &format!("`{name}` has a number that is not finite in {one} {own}"))
            .advise("numbers without NaN and infinity"));
    }
    Ok(numbers)
}

/// The signals or volumes in an .npy file, each of this shape (channels first), as they are stored: one or several, also with
/// the channels last, or without them where there is one.
pub fn signals(path: &Path, shape: &Shape) -> Result<Vec<Vec<f32>>, Fault> {
    let array = npy::file(path)?;
    let (channels, extents) = shape.dims().split_first().unwrap_or((&1, &[]));
    let ends_with = |own: &[usize]| {
        let stored = array.shape.as_slice();
        stored.len() <= own.len() + 1 && stored.ends_with(own)
    };
    let last: Vec<usize> = extents.iter().chain([channels]).copied().collect();
    let channels_last = match ends_with(shape.dims()) || *channels == 1 && ends_with(extents) {
        true => false,
        false if ends_with(&last) => true,
        false => {
            let one = Form::of_shape(shape).map_or("signal", Form::one);
            let stored = Shape::new(&array.shape);
            let what = format!("has the shape {stored}, but the model takes {one}s of {shape}");
            return Err(fault(path, &what).advise(format!("an array of {shape}, or of several, Nx{shape}")));
        }
    };
    let layout = Layout { shape: shape.clone(), channels_last };
    let values = planar(floats(array.values), &layout);
    Ok(values.chunks_exact(shape.elements().max(1)).map(<[f32]>::to_vec).collect())
}

/// Where images cannot be meant.
fn no_images(_: Array) -> Result<Images, Fault> {
    Err(Fault::internal("images where there are none"))
}

/// Channels one behind another, image by image.
fn planar<T: Copy>(values: Vec<T>, layout: &Layout) -> Vec<T> {
    let channels = layout.shape.dims()[0];
    if !layout.channels_last || channels == 1 {
        return values;
    }
    let mut out = Vec::with_capacity(values.len());
    for image in values.chunks_exact(layout.shape.elements().max(1)) {
        (0..channels).for_each(|channel| out.extend(image.iter().skip(channel).step_by(channels)));
    }
    out
}

#[cfg(test)]
mod tests;
