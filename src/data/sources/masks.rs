//! A folder of pictures and one of masks, which hold the class of each pixel → samples.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;

use crate::data::mask::{Meaning, classes, decode};
use crate::data::parts::Dataset;
use crate::data::sample::{Form, Image, Size, Task, Values};
use crate::data::samples::{Images, Pictures, Samples, Targets};
use crate::data::sources::files::{CHANNELS, Files, SIZE, channels, lengths, read, size};
use crate::data::sources::folder;
use crate::data::sources::idx::fault;
use crate::data::sources::paired::{Pairs, pairs};
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub struct Masks;

/// The argument of the classes' names,
pub const NAMES: Param =
    keyword("names", Kind::Names, Preset::Absent, "the classes' names, in the order of their numbers");

/// of their numbers,
pub const VALUES: Param = keyword(
    "values",
    Kind::Numbers,
    Preset::Absent,
    "the pixel value of each class in the masks; 0, 1, 2 and so on by default",
);

/// and of the number that counts for nothing.
pub const IGNORE: Param =
    keyword("ignore", Kind::Whole, Preset::Absent, "the pixel value to ignore; 255 by default");

static SPEC: Spec = Spec {
    name: "masks",
    summary: "A folder of pictures, and one of masks with the class of each pixel",
    docs: "A picture and its mask have the same size and, apart from the extension, the same path within their folders. A mask is \
           a PNG file, grey or with a palette: a pixel's value is its class, from 0 to `classes` - 1, and pixels with the value \
           `ignore` are left out; a palette's colours do not matter. If the masks use other values, list them: `values=[0, 255]` \
           makes 0 the first class and 255 the second. Where the top-level subfolders of both are `train`, `val` and `test` (or \
           another spelling that `folder` accepts), each is a part; otherwise `split` sets a part aside. Whatever rotates, crops \
           or scales a picture does the same to its mask, by nearest neighbour; pixels from outside the picture are ignored.",
    params: &[
        positional(
            "path",
            Kind::Text,
            Preset::Required,
            "the folder of pictures, relative to the experiment's file",
        ),
        positional("masks", Kind::Text, Preset::Required, "the folder of masks"),
        keyword("classes", Kind::Count, Preset::Absent, "how many classes there are"),
        NAMES,
        VALUES,
        IGNORE,
        CHANNELS,
        SIZE,
    ],
    example: "source masks \"images\" \"masks\" classes=3",
    elsewhere: &["VOCSegmentation", "segmentation", "Cityscapes", "OxfordIIITPet", "from_label_func"],
};

/// Masks that are looked at before any other.
const LOOKED_AT: usize = 8;

/// The most classes: one number of a byte counts for nothing.
const MOST: usize = 255;

impl Source for Masks {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        meaning(args)?;
        Ok(Facts {
            form: Form { channels: Some(channels(args)?), size: size(args)? },
            task: Task::Masks,
            classes: Some(names(args)?.len()),
            parts: None,
            watched: None,
        })
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let [images, masks] = folders(args, base)?;
        if !images.exists() && !masks.exists() {
            return Ok(None);
        }
        let Pairs { paths, parts } = pairs([&images, &masks], "mask", "masks")?;
        if !is_explained(args) {
            not_black_and_white(&masks, paths.iter().map(|[_, own]| &**own))?;
        }
        let parts = [parts.train.len(), parts.validation.len(), parts.test.len()];
        Ok(Some(self.facts(args)?.with_parts(parts)))
    }

    fn load(&self, args: &Args, base: &Path, _wanted: Wanted) -> Result<Dataset, Fault> {
        let [root, masks] = folders(args, base)?;
        let Pairs { paths, parts } = pairs([&root, &masks], "mask", "masks")?;
        if !is_explained(args) {
            not_black_and_white(&masks, paths.iter().map(|[_, own]| &**own))?;
        }
        let (own, others): (Vec<_>, Vec<_>) = paths.into_iter().map(|[own, other]| (own, other)).unzip();
        let lengths_of = [lengths(&root, &own)?, lengths(&masks, &others)?];
        let [own_lengths, other_lengths] = lengths_of;
        let form = self.facts(args)?.form;
        let meaning = meaning(args)?;
        let grey = Form { channels: Some(1), ..form };
        let pictures = Arc::new(Files { root: masks, paths: others, lengths: other_lengths, form: grey });
        let masks = MaskPictures { pictures, meaning, size: form.size };
        let targets = Targets::Masks { names: names(args)?, masks: Images::Read(Arc::new(masks)) };
        let images = Images::Read(Arc::new(Files { root, paths: own, lengths: own_lengths, form }));
        Ok(Dataset { samples: Samples::new(images, targets), parts })
    }
}

fn folders(args: &Args, base: &Path) -> Result<[PathBuf; 2], Fault> {
    Ok([base.join(args.word("path")?), base.join(args.word("masks")?)])
}

/// The names of the classes.
pub fn names(args: &Args) -> Result<Vec<String>, Fault> {
    let wrong = |message: String, at: &'static str| Fault::new(codes::BAD_VALUE, message).at(at);
    let classes = args.whole_if_given("classes")?;
    if let Some(n) = classes.filter(|n| *n > MOST) {
        return Err(wrong(format!("masks have at most {MOST} classes, not {n}"), "classes"));
    }
    match (classes, args.has("names")) {
        (Some(n), false) => Ok((0..n).map(|class| class.to_string()).collect()),
        (stated, true) => {
            let names = args.texts("names")?.to_vec();
            match stated {
                Some(n) if n != names.len() => {
                    let message = format!("`names` has {} names, but `classes` says {n}", names.len());
                    Err(wrong(message, "classes").set("classes", names.len()))
                }
                Some(_) | None => Ok(names),
            }
        }
        (None, false) => Err(Fault::new(codes::MISSING_ARGUMENT, "masks need the number of their classes")
            .advise("`classes=3`, or their names: `names=[ground, tree, house]`")),
    }
}

/// What the numbers of the masks stand for.
pub fn meaning(args: &Args) -> Result<Meaning, Fault> {
    let n = names(args)?.len();
    let byte =
        |number: f64| (number.fract() == 0.0 && (0.0..=255.0).contains(&number)).then_some(number as u8);
    let ignore = match args.whole_if_given("ignore")? {
        None => Some(255),
        Some(number) => Some(u8::try_from(number).map_err(|_| {
            Fault::new(codes::BAD_VALUE, "`ignore` is a number from 0 to 255").at("ignore").set("ignore", 255)
        })?),
    };
    if !args.has("values") {
        return Ok(Meaning::counted(n, ignore));
    }
    let values: Option<Vec<u8>> = args.numbers("values")?.iter().map(|&number| byte(number)).collect();
    let values = values.filter(|values| values.len() == n).ok_or_else(|| {
        Fault::new(
            codes::BAD_VALUE,
            format!("`values` is a number from 0 to 255 for each of the {n} classes"),
        )
        .at("values")
        .advise(format!("a list of {n} different numbers"))
    })?;
    if let Some((_, twice)) = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)) {
        let message = format!("`values` has {twice} for two classes");
        return Err(Fault::new(codes::BAD_VALUE, message).at("values"));
    }
    Ok(Meaning::listed(&values, ignore))
}

/// The arguments that fit masks in a folder, as far as some of them tell: how many classes there are.
pub fn arguments(root: &Path) -> Result<String, Fault> {
    let paths = folder::below(root)?;
    let step = paths.len().div_ceil(LOOKED_AT).max(1);
    let mut seen = [false; 256];
    for path in paths.iter().step_by(step) {
        if let Values::Bytes(numbers) = decode(&read(path)?)?.values {
            numbers.iter().for_each(|&number| seen[usize::from(number)] = true);
        }
    }
    let most = seen[..255].iter().rposition(|seen| *seen).unwrap_or(0);
    Ok(match (most, seen[255]) {
        (0, true) => "classes=2 values=[0, 255]".to_owned(),
        (most, _) => format!("classes={}", (most + 1).max(2)),
    })
}

/// Whether the numbers of the classes, or the one to ignore, are written.
pub fn is_explained(args: &Args) -> bool {
    args.has("values") || args.has("ignore")
}

/// Refuses masks of black and white whose white would count for nothing, as nobody means it.
pub fn not_black_and_white<'p>(
    root: &Path,
    paths: impl ExactSizeIterator<Item = &'p Path>,
) -> Result<(), Fault> {
    let step = paths.len().div_ceil(LOOKED_AT).max(1);
    let (mut seen, mut others) = ([false; 2], false);
    for path in paths.step_by(step) {
        // One that cannot be read is told of where it is used.
        let Ok(Image { values: Values::Bytes(numbers), .. }) =
            read(&root.join(path)).and_then(|bytes| decode(&bytes))
        else {
            continue;
        };
        for number in numbers {
            match number {
                0 => seen[0] = true,
                255 => seen[1] = true,
                _ => others = true,
            }
        }
    }
    if seen != [true, true] || others {
        return Ok(());
    }
    Err(fault(root, "has masks of 0 and 255 only, and 255 is ignored: only class 0 would be learnt")
        .at("masks")
        .advise("`classes=2 values=[0, 255]`, if 255 is the second class")
        .advise("`ignore=255`, if that is what you mean"))
}

/// Masks in picture files, each of its own size or all of one.
#[derive(Debug)]
pub struct MaskPictures {
    pub pictures: Arc<dyn Pictures>,
    pub meaning: Meaning,
    pub size: Size,
}

impl Pictures for MaskPictures {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn form(&self) -> Form {
        Form { channels: Some(1), size: self.size }
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        let named = |fault: Fault| {
            let path = self.pictures.path(index);
            Fault { message: format!("{}: {}", path.display(), fault.message), ..fault }
        };
        let bytes = self.pictures.bytes(index)?.unwrap_or_default();
        decode(&bytes).and_then(|numbers| classes(numbers, &self.meaning)).map_err(named)
    }

    fn name(&self, index: usize) -> String {
        self.pictures.name(index)
    }

    fn path(&self, index: usize) -> PathBuf {
        self.pictures.path(index)
    }

    fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.pictures.bytes(index)
    }

    fn n_bytes(&self) -> u64 {
        self.pictures.n_bytes()
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        self.pictures.digest(index, sum);
    }

    fn stamp(&self, index: usize) -> u64 {
        self.pictures.stamp(index)
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;
    use crate::data::loader::{Loader, Mode};
    use crate::data::open;
    use crate::data::sample::{IGNORED, Target};
    use crate::data::testing::section;

    /// Pictures whose pixels are ten times their masks' numbers: 4 x 6, the number of a pixel its column modulo 3.
    fn folders(numbers: impl Fn(u32, u32) -> u8) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for part in ["train", "test"] {
            for (kind, factor, ending) in [("images", 10, "bmp"), ("masks", 1, "png")] {
                let own = folder.path().join(kind).join(part);
                std::fs::create_dir_all(&own).unwrap();
                for name in ["a", "b"] {
                    let picture =
                        GrayImage::from_fn(6, 4, |x, y| Luma([numbers(x, y).saturating_mul(factor)]));
                    picture.save(own.join(format!("{name}.{ending}"))).unwrap();
                }
            }
        }
        folder
    }

    fn load(
        folder: &Path,
        arguments: &str,
        lines: &str,
    ) -> Result<(crate::data::section::DataSection, Dataset), Fault> {
        let mut section =
            section(&format!("source masks \"images\" \"masks\" {arguments} channels=1\n{lines}"))
                .map_err(|said| Fault::internal(said.concat()))?;
        section.source.look(&section.args, folder)?;
        let dataset = open(&mut section, folder, 1, Wanted::All)?;
        Ok((section, dataset))
    }

    #[test]
    fn masks_belong_to_their_pictures_and_turn_with_them() {
        let folder = folders(|x, y| ((x + y) % 3) as u8);
        let lines = "resize 8x12\ncenter_crop 6x6\naugment { random_resized_crop 6x6 scale=[0.5, 1] filter=nearest -> random_flip }";
        let (section, dataset) = load(folder.path(), "names=[ground, tree, house]", lines).unwrap();
        assert_eq!((dataset.parts.train.len(), dataset.parts.test.len()), (2, 2));
        assert_eq!(dataset.classes(), ["ground", "tree", "house"]);
        let loader = Loader::new(&section, &dataset.samples).unwrap();
        assert_eq!(loader.fields()[1].shape, crate::shape::Shape::from([6, 6]));
        let lines = "resize 6x8 filter=nearest\naugment { random_crop 6x8 padding=2 -> random_flip }";
        let (section, dataset) = load(folder.path(), "classes=3", lines).unwrap();
        let loader = Loader::new(&section, &dataset.samples).unwrap();
        for epoch in 0..20 {
            let (mut images, mut others) = (vec![0.0; 2 * 48], vec![Vec::new()]);
            loader.fill(&[0, 3], epoch, Mode::Train, 7, &mut images, &mut others).unwrap();
            for (pixel, &class) in images.iter().zip(&others[0]) {
                let expected = if class == f32::from(IGNORED) { 0.0 } else { class * 10.0 / 255.0 };
                assert!((pixel - expected).abs() < 1e-6, "{pixel} {class}");
            }
        }
        // What comes in from outside counts for nothing, and a turned mask has classes alone.
        let (section, _) =
            load(folder.path(), "classes=3", "resize 6x8\naugment { random_rotation 90 }").unwrap();
        let mut sample = dataset.samples.read(0).unwrap();
        let step = &section.augment[0];
        step.transform
            .apply(&step.args, &mut sample, &mut crate::tensor::random::Random::new(3, "turn", 0))
            .unwrap();
        let Target::Mask(Image { values: Values::Bytes(classes), .. }) = sample.target else {
            panic!("a mask")
        };
        assert!(classes.contains(&IGNORED) && classes.iter().all(|&class| class < 3 || class == IGNORED));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let folder = folders(|x, y| ((x + y) % 3) as u8);
        let message = |arguments: &str| {
            let fault = load(folder.path(), arguments, "resize 4x6").and_then(|(section, dataset)| {
                let loader = Loader::new(&section, &dataset.samples)?;
                loader.fill(&[0], 0, Mode::Eval, 0, &mut [0.0; 24], &mut [Vec::new()])
            });
            fault.unwrap_err().message
        };
        assert!(
            message("classes=2").ends_with("a.png: it has 2 in row 0, column 2, which is none of 2 classes")
        );
        assert!(message("").contains("masks need the number of their classes"));
        assert!(message("names=[a, b] classes=3").contains("`names` has 2 names, but `classes` says 3"));
        assert!(
            message("classes=2 values=[0, 300]").contains("a number from 0 to 255 for each of the 2 classes")
        );
        let white = folders(|x, _| if x > 2 { 255 } else { 0 });
        let fault = load(white.path(), "classes=2", "").err().unwrap();
        assert!(fault.message.contains("has masks of 0 and 255 only"), "{fault}");
        assert!(load(white.path(), "classes=2 values=[0, 255]", "resize 4x6").is_ok());
        std::fs::remove_file(folder.path().join("masks/test/b.png")).unwrap();
        assert!(message("classes=3").contains("images/test/b.bmp has no mask in"));
        GrayImage::new(6, 5).save(folder.path().join("masks/test/b.png")).unwrap();
        let fault = load(folder.path(), "classes=3", "resize 4x6").err().unwrap();
        assert!(fault.message.ends_with("is 4x6 (height x width), but its mask 5x6"), "{fault}");
        // A mask that is damaged is found before the first step.
        let path = folder.path().join("masks/test/b.png");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let fault = load(folder.path(), "classes=3", "resize 4x6").err().unwrap();
        assert!(fault.message.contains("test/b.png"), "{fault}");
    }
}
