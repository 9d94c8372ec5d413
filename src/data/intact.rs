//! Picture files before anything is learnt from them → the same with a checksum of what each holds, or without those that cannot
//! be read.

use std::path::PathBuf;
use std::sync::Arc;

use flate2::Crc;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::data::cache::all_good;
use crate::data::decode;
use crate::data::parts::Dataset;
use crate::data::sample::{Form, Image};
use crate::data::samples::{Images, Pictures, Targets};
use crate::data::section::{DataSection, OnError};
use crate::diag::{Fault, codes};
use crate::kernels::cpu::threads;

/// Larger data sets are told apart by names and lengths alone: reading them would take minutes. 8 GiB.
const MOST: u64 = 1 << 33;

/// Reads the file of every picture, and of every mask or picture that is a target, once: one that is cut short or damaged, as far
/// as its structure tells, is a fault now and not hours into the training.
/// With `on_error skip` every picture is decoded, and those that cannot be are left out; the section learns which.
pub fn hold(section: &mut DataSection, dataset: &mut Dataset) -> Result<(), Fault> {
    let Images::Read(pictures) = &dataset.samples.images else { return Ok(()) };
    let pictures = Arc::clone(pictures);
    let targets = match dataset.samples.targets.images() {
        Some(Images::Read(targets)) => Some(Arc::clone(targets)),
        Some(Images::Bytes { .. } | Images::Numbers { .. } | Images::Signals { .. } | Images::Kept(_))
        | None => None,
    };
    let skips = section.on_error == OnError::Skip;
    let n_bytes = pictures.n_bytes() + targets.as_ref().map_or(0, |targets| targets.n_bytes());
    if !skips && n_bytes > MOST {
        return Ok(());
    }
    threads::start()?;
    let file_sum = |own: &dyn Pictures, index: usize| {
        let bytes = own.bytes(index)?;
        if let (false, Some(bytes)) = (skips, &bytes) {
            decode::whole(bytes).map_err(|fault| Fault {
                message: format!("{}: {}", own.name(index), fault.message),
                ..fault
            })?;
        }
        let mut sum = Crc::new();
        sum.update(bytes.as_deref().unwrap_or_default());
        Ok::<u32, Fault>(sum.sum())
    };
    let sums: Vec<Result<[u32; 2], Fault>> = (0..pictures.len())
        .into_par_iter()
        .map(|index| {
            let picture = file_sum(pictures.as_ref(), index)?;
            let target = match &targets {
                Some(targets) => file_sum(targets.as_ref(), index)?,
                None => 0,
            };
            if skips {
                dataset.samples.read(index as u32)?;
            }
            Ok([picture, target])
        })
        .collect();
    let (mut indices, mut faults) = (Vec::new(), Vec::new());
    let (mut picture_sums, mut target_sums) = (Vec::new(), Vec::new());
    for (index, sums) in sums.into_iter().enumerate() {
        match sums {
            Ok([picture, target]) => {
                indices.push(index as u32);
                picture_sums.push(picture);
                target_sums.push(target);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if !skips {
        all_good(faults)?;
    } else if indices.is_empty() {
        let first = faults.into_iter().next().map(|fault| fault.message).unwrap_or_default();
        return Err(Fault::new(codes::DATA_FILE, "no picture can be read")
            .note(first)
            .advise("other pictures"));
    } else {
        section.skipped = faults.into_iter().map(|fault| fault.message).collect();
    }
    if !section.skipped.is_empty() {
        choose(dataset, &indices)?;
    }
    let intact = |pictures: Arc<dyn Pictures>, sums: Vec<u32>| {
        Images::Read(Arc::new(Intact { pictures, indices: indices.clone(), sums }))
    };
    match (&mut dataset.samples.targets, targets) {
        (Targets::Masks { masks: own, .. } | Targets::Images(own), Some(targets)) => {
            *own = intact(targets, target_sums);
        }
        (
            Targets::Classes { .. }
            | Targets::Labels { .. }
            | Targets::Numbers { .. }
            | Targets::Masks { .. }
            | Targets::Images(_),
            _,
        ) => {}
    }
    dataset.samples.images = intact(pictures, picture_sums);
    Ok(())
}

/// Leaves all samples out but these; images are left to [`hold`].
fn choose(dataset: &mut Dataset, indices: &[u32]) -> Result<(), Fault> {
    match &mut dataset.samples.targets {
        Targets::Classes { values, .. } => {
            *values = indices.iter().map(|&index| values[index as usize]).collect();
        }
        Targets::Labels { names, values } | Targets::Numbers { names, values } => {
            let n = names.len();
            let rows =
                indices.iter().flat_map(|&index| &values[index as usize * n..(index as usize + 1) * n]);
            *values = rows.copied().collect();
        }
        Targets::Masks { masks: Images::Read(_), .. } | Targets::Images(Images::Read(_)) => {}
        Targets::Masks { .. } | Targets::Images(_) => {
            return Err(Fault::internal("pictures with targets in memory"));
        }
    }
    let parts = &mut dataset.parts;
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        let places = part.iter().filter_map(|index| indices.binary_search(index).ok());
        *part = places.map(|place| place as u32).collect();
    }
    if parts.test.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "no image to test on can be read").advise("other pictures"));
    }
    Ok(())
}

/// Some of the pictures of another reader, each with a checksum of its file.
#[derive(Debug)]
struct Intact {
    pictures: Arc<dyn Pictures>,
    indices: Vec<u32>,
    sums: Vec<u32>,
}

impl Intact {
    fn inner(&self, index: usize) -> usize {
        self.indices[index] as usize
    }
}

impl Pictures for Intact {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn form(&self) -> Form {
        self.pictures.form()
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        self.pictures.read(self.inner(index))
    }

    fn name(&self, index: usize) -> String {
        self.pictures.name(self.inner(index))
    }

    fn path(&self, index: usize) -> PathBuf {
        self.pictures.path(self.inner(index))
    }

    fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.pictures.bytes(self.inner(index))
    }

    fn n_bytes(&self) -> u64 {
        self.pictures.n_bytes()
    }

    fn stamp(&self, index: usize) -> u64 {
        self.pictures.stamp(self.inner(index))
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        self.pictures.digest(self.inner(index), sum);
        sum.update(&self.sums[index].to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use crate::data::testing::section;
    use crate::data::{Wanted, open};
    use crate::diag::Fault;

    fn opened(folder: &Path, lines: &str) -> Result<(usize, [usize; 3], Vec<String>, String), Fault> {
        let mut section = section(&format!(
            "source folder \"{}\"\nsplit test=25%\ncache none\nresize 4x4\n{lines}",
            folder.display()
        ))
        .unwrap();
        let dataset = open(&mut section, Path::new(""), 1, Wanted::All)?;
        let parts = [&dataset.parts.train, &dataset.parts.validation, &dataset.parts.test].map(Vec::len);
        for index in 0..dataset.samples.len() as u32 {
            dataset.samples.read(index)?;
        }
        Ok((dataset.samples.len(), parts, section.skipped, dataset.fingerprint()))
    }

    #[test]
    fn damaged_pictures_are_named_before_training_or_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..16u8 {
            // Pictures of this kind are equally long.
            let ending = if i < 4 { "bmp" } else { "png" };
            let path = folder.path().join(["a", "b"][usize::from(i) % 2]).join(format!("{i:02}.{ending}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(6, 5, Rgb([i * 9, 3, 5])).save(path).unwrap();
        }
        let whole = opened(folder.path(), "").unwrap();
        assert_eq!((whole.0, whole.1), (16, [12, 0, 4]));
        // Copied elsewhere it is the same; a picture that changed without another length is not.
        let [path, cut, elsewhere] =
            ["a/00.bmp", "a/04.png", "b/01.bmp"].map(|name| folder.path().join(name));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(opened(folder.path(), "").unwrap(), whole);
        let other = std::fs::read(folder.path().join("a/02.bmp")).unwrap();
        assert_eq!(other.len(), bytes.len());
        std::fs::write(&path, &other).unwrap();
        assert_ne!(opened(folder.path(), "").unwrap().3, whole.3);
        let bytes = std::fs::read(&cut).unwrap();
        std::fs::write(&cut, &bytes[..bytes.len() - 5]).unwrap();
        std::fs::write(&elsewhere, "no picture").unwrap();
        let fault = opened(folder.path(), "").unwrap_err();
        assert!(fault.message.contains("b/01.bmp") && fault.notes[1].contains("a/04.png"), "{fault}");
        let skipped = opened(folder.path(), "on_error skip").unwrap();
        assert_eq!((skipped.0, skipped.1.iter().sum::<usize>()), (14, 14));
        assert!(skipped.2[0].contains("b/01.bmp") && skipped.2[1].contains("a/04.png"), "{:?}", skipped.2);
    }

    #[test]
    fn pictures_that_are_targets_are_held_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let draw = |name: &str, blue: u8| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(6, 5, Rgb([9, 3, blue])).save(path).unwrap();
        };
        for name in ["in/train/a.bmp", "in/test/b.bmp", "out/train/a.bmp", "out/test/b.bmp"] {
            draw(name, 5);
        }
        let fingerprint = |line: &str| {
            let lines = format!("source pairs \"in\" \"out\"\nresize 5x6\n{line}");
            let mut section = section(&lines).unwrap();
            let dataset = open(&mut section, folder.path(), 1, Wanted::All)?;
            Ok::<_, Fault>((section.fingerprint(&dataset), section.skipped.len()))
        };
        let whole = fingerprint("").unwrap();
        assert_eq!(fingerprint("on_error skip").unwrap(), whole);
        draw("out/test/b.bmp", 6);
        assert_ne!(fingerprint("").unwrap(), whole);
        draw("out/train/c.bmp", 5);
        draw("in/train/c.bmp", 5);
        std::fs::write(folder.path().join("out/train/c.bmp"), "no picture").unwrap();
        let fault = fingerprint("").unwrap_err();
        assert!(fault.message.contains("train/c.bmp"), "{fault}");
        assert_eq!(fingerprint("on_error skip").unwrap().1, 1);
    }
}
