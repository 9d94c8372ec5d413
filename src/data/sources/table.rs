//! A table of picture files and their classes (CSV, TSV or JSONL) → samples.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Task};
use crate::data::samples::Samples;
use crate::data::sources::cells::{Cell, Columns, LABEL, LABELS, SEPARATOR, TARGET, flag, short};
use crate::data::sources::files::{CHANNELS, CLASSES, Files, SIZE, channels, is_picture, lengths, size};
use crate::data::sources::folder::part_called;
use crate::data::sources::idx::fault;
use crate::data::sources::listed::Listed;
use crate::data::sources::records::Records;
use crate::data::sources::{Blanks, Facts, Source, Wanted, usual};
use crate::diag::Fault;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword, positional};

pub struct Table;

static SPEC: Spec = Spec {
    name: "table",
    summary: "A table of picture files with their classes: CSV, TSV or JSONL",
    docs: "The extension decides the format: `.tsv`, `.jsonl` (one object per line, whose keys are the columns), otherwise CSV. \
           The first line of CSV and TSV names the columns. Paths are relative to the table's folder and may not leave it. The \
           classes are the distinct labels, sorted by their bytes, or numerically if all are whole numbers. With `part=`, a \
           column says which rows are `train`, `val` and `test` (or another spelling that `folder` accepts); otherwise `split` \
           sets a part aside. The order of the rows changes nothing.\n\n\
           `labels=[clouds, water]` names columns that say yes or no for each label (1 or 0, true or false; an empty cell is no); \
           `labels=tags` names one column that lists them, separated by `,`, `;`, `|` or the `separator`. `target=[x, y]` names \
           columns of numbers. In JSONL, a list of texts is several labels, and `target=corners` reads a list of numbers; give their \
           count with `classes=`, to check the file without its data. Pictures are read as `folder` reads them.",
    params: &[
        positional("path", Kind::Text, Preset::Required, "the table, relative to the experiment's file"),
        keyword("image", Kind::Name, Preset::Word("image"), "the column of the pictures' paths"),
        LABEL,
        LABELS,
        SEPARATOR,
        TARGET,
        keyword("part", Kind::Name, Preset::Absent, "the column of the parts"),
        CLASSES,
        CHANNELS,
        SIZE,
    ],
    example: "source table \"photos/labels.csv\" image=file label=kind",
    elsewhere: &["csv", "jsonl", "flow_from_dataframe", "from_csv", "ImageDataLoaders"],
};

impl Source for Table {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        let size = size(args)?;
        let columns = Columns::of(args)?;
        let classes = columns.count(args.whole_if_given("classes")?);
        let watched = if args.has("part") { None } else { Some(false) };
        Ok(Facts {
            form: Form { channels: Some(channels(args)?), size },
            task: columns.task(),
            classes,
            parts: None,
            watched,
        })
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let path = base.join(args.word("path")?);
        if !path.exists() {
            return Ok(None);
        }
        let (columns, rows) = (Columns::of(args)?, rows(&path, args)?);
        let (classes, parts) = rows.counts(args.whole_if_given("classes")?);
        let classes = match columns.task() {
            Task::Classes => classes,
            _ => columns.order(rows.places().filter_map(|(_, cell)| cell.as_ref())).len(),
        };
        let facts = Facts { classes: Some(classes), ..self.facts(args)? };
        Ok(Some(facts.with_parts(parts)))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let path = base.join(args.word("path")?);
        let form = self.facts(args)?.form;
        let (columns, rows) = (Columns::of(args)?, rows(&path, args)?);
        let names = columns.order(rows.places().filter_map(|(_, cell)| cell.as_ref()));
        let mut cells = Vec::new();
        let mut dataset = rows.dataset(wanted, args.whole_if_given("classes")?, |paths, places| {
            cells.extend(places.into_iter().filter_map(|(_, cell)| cell));
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            let lengths = lengths(&root, &paths)?;
            Ok(Arc::new(Files { root, paths, lengths, form }))
        })?;
        if let Some(targets) = columns.targets(names, cells) {
            dataset.samples.targets = targets;
        }
        Ok(dataset)
    }

    fn columns(&self, args: &Args, base: &Path) -> Vec<String> {
        let records = args.word("path").and_then(|path| Records::open(&base.join(path)));
        records.map(|records| records.columns().to_vec()).unwrap_or_default()
    }

    fn groups(&self, args: &Args, base: &Path, by: &str, samples: &Samples) -> Result<Vec<String>, Fault> {
        let path = base.join(args.word("path")?);
        let args = args.without("labels").without("target").set("label", Arg::Word(by.to_owned()));
        rows(&path, &args)?.classes_of(samples)
    }

    fn cells(
        &self,
        args: &Args,
        base: &Path,
        columns: &[String],
        blanks: Blanks,
        samples: &Samples,
    ) -> Result<Vec<Vec<String>>, Fault> {
        let path = base.join(args.word("path")?);
        let rows: HashMap<Box<Path>, Vec<String>> =
            read_columns(&path, args.word("image")?, columns, blanks)?.into_iter().collect();
        let row = |index: u32| rows.get(Path::new(&samples.key(index)));
        let own: Option<Vec<&Vec<String>>> = (0..samples.len() as u32).map(row).collect();
        let own = own.ok_or_else(|| Fault::internal("a sample that is not in its table"))?;
        Ok((0..columns.len()).map(|at| own.iter().map(|cells| cells[at].clone()).collect()).collect())
    }
}

/// A picture's path, and what its row has in some columns.
pub type PictureRow = (Box<Path>, Vec<String>);

/// The path of each picture of a table, and what its row has in these columns, in the order of the rows.
///
/// # Errors
/// A table that cannot be read, a column that is not there, a path that leaves the table's folder, or an empty cell where those are
/// refused.
pub fn read_columns(
    path: &Path,
    image: &str,
    columns: &[String],
    blanks: Blanks,
) -> Result<Vec<PictureRow>, Fault> {
    let mut records = Records::open(path)?;
    let picture = records.column("image", image, true)?;
    let places = columns.iter().map(|own| records.column("columns", own, true));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let (mut cells, mut rows) = (Vec::new(), Vec::new());
    while let Some(line) = records.next(&mut cells)? {
        let cell = |column: usize| cells.get(column).map(String::as_str).unwrap_or_default();
        let own = inside(cell(picture)).ok_or_else(|| outside(path, cell(picture), line))?;
        let is_blank = |&place: &usize| blanks == Blanks::Refused && cell(place).is_empty();
        if let Some(at) = places.iter().position(is_blank) {
            return Err(fault(path, &format!("has nothing in `{}` in line {line}", columns[at]))
                .advise("a value in every row"));
        }
        rows.push((own, places.iter().map(|&place| cell(place).to_owned()).collect()));
    }
    Ok(rows)
}

/// The fault of a path that does not stay in the table's folder.
fn outside(path: &Path, cell: &str, line: u64) -> Fault {
    fault(path, &format!("has the path `{}` in line {line}", short(cell)))
        .note("paths are relative to the table's folder and stay in it")
        .advise("pictures below the table's folder")
}

/// The line of a row, and what it says where that is no class.
type Place = (u64, Option<Cell>);

/// The rows of a table with their lines; none says two things of one picture.
fn rows(path: &Path, args: &Args) -> Result<Listed<Place>, Fault> {
    let mut records = Records::open(path)?;
    let column = |name: &'static str| records.column(name, args.word(name)?, args.span(name).is_some());
    let image = column("image")?;
    let learnt = Columns::of(args)?;
    let is_written = args.span(learnt.argument()).is_some();
    let named = |own: &String| records.column(learnt.argument(), own, is_written);
    let places = learnt.names().iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let part = if args.has("part") { Some(column("part")?) } else { None };
    let mut rows = Listed::default();
    let (mut cells, mut width) = (Vec::new(), None);
    while let Some(line) = records.next(&mut cells)? {
        let wrong = |what: String| fault(path, &format!("{what} in line {line}"));
        let cell = |column: usize| cells.get(column).map(String::as_str).unwrap_or_default();
        let own = inside(cell(image)).ok_or_else(|| outside(path, cell(image), line))?;
        let own_cells: Vec<&str> = places.iter().map(|&place| cell(place)).collect();
        let said = learnt.read(&own_cells, &mut width).map_err(|[what, way]| wrong(what).advise(way))?;
        let part = match part.map(cell) {
            None => 0,
            Some(word) => part_called(word).ok_or_else(|| {
                wrong(format!("has the part `{}`", short(word))).advise("train, val or test")
            })?,
        };
        // The classes are those that come.
        let _ = match said {
            Cell::Class(class) => rows.push(part, &class, own, (line, None)),
            said => rows.push(part, "", own, (line, Some(said))),
        };
    }
    if rows.is_empty() {
        return Err(fault(path, "has no rows").advise("a line for each picture"));
    }
    if let Some((own, (first, _), (line, _))) = rows.twice() {
        return Err(fault(
            path,
            &format!("has `{}` twice: in line {first} and in line {line}", own.display()),
        )
        .advise("one line for each picture"));
    }
    Ok(rows)
}

/// What the columns of a table seem to hold.
pub struct Guess {
    pub image: Option<String>,
    pub part: Option<String>,
    /// `label`, `labels` or `target`, with the columns for it.
    pub learnt: Option<(&'static str, Vec<String>)>,
}

/// Rows that a guess looks at.
const LOOKED_AT: usize = 1000;

/// What the columns of a table hold, as far as their names and the first rows tell. A column with a usual name holds the class, or
/// numbers if not all of them are whole; without such a column, all that are left say yes or no, or all are numbers.
pub fn guess(path: &Path) -> Result<Guess, Fault> {
    let mut records = Records::open(path)?;
    let (mut cells, mut rows) = (Vec::new(), Vec::new());
    while rows.len() < LOOKED_AT && records.next(&mut cells)?.is_some() {
        rows.push(cells.clone());
    }
    let names = records.columns();
    let holds = |column: usize, what: &dyn Fn(&str) -> bool| {
        let cell = |row: &Vec<String>| row.get(column).is_some_and(|cell| what(cell));
        !rows.is_empty() && rows.iter().all(cell)
    };
    let usual = |usual: &[&str]| {
        usual.iter().find_map(|usual| names.iter().position(|own| own.eq_ignore_ascii_case(usual)))
    };
    let picture = (0..names.len()).find(|&column| holds(column, &|cell| is_picture(Path::new(cell))));
    let image = picture.or_else(|| usual(usual::IMAGE));
    let part = usual(usual::PART).filter(|&column| holds(column, &|cell| part_called(cell).is_some()));
    let is_number = |cell: &str| cell.parse::<f64>().is_ok_and(f64::is_finite);
    let is_whole = |cell: &str| cell.parse::<i64>().is_ok();
    let is_flag = |cell: &str| flag(cell).is_some();
    let is_free = |&column: &usize| Some(column) != image && Some(column) != part;
    let named = |columns: Vec<usize>| columns.into_iter().map(|column| names[column].clone()).collect();
    let all = |what: &dyn Fn(&str) -> bool| {
        let columns: Vec<usize> = (0..names.len()).filter(is_free).filter(|&own| holds(own, what)).collect();
        Some(columns).filter(|columns| !columns.is_empty())
    };
    // Beside `x`, `y` is no label.
    let is_place = |own: &usize| names[*own].eq_ignore_ascii_case("y") && usual(&["x"]).is_some();
    let learnt = match usual(usual::LABEL).filter(is_free).filter(|own| !is_place(own)) {
        Some(own) if holds(own, &is_number) && !holds(own, &is_whole) => Some(("target", named(vec![own]))),
        Some(own) if names[own].eq_ignore_ascii_case("labels") => Some(("labels", named(vec![own]))),
        Some(own) => Some(("label", named(vec![own]))),
        None => match (all(&is_flag), all(&is_number)) {
            (Some(flags), _) if flags.len() > 1 => Some(("labels", named(flags))),
            (_, Some(numbers)) => Some(("target", named(numbers))),
            (_, None) => None,
        },
    };
    let name = |column: usize| names[column].clone();
    Ok(Guess { image: image.map(name), part: part.map(name), learnt })
}

/// What is said of a table none of whose columns seems to hold what is to be learnt.
pub fn nothing_to_learn(path: &Path) -> Result<Fault, Fault> {
    let records = Records::open(path)?;
    let message = "has no column with a usual name for classes, such as `label` or `class`";
    Ok(fault(path, message)
        .note(format!("its columns are: {}", records.columns().join(", ")))
        .advise("name the column of the classes `label`"))
}

/// A path that stays below its folder, with `/` or `\` between its parts.
pub(in crate::data) fn inside(cell: &str) -> Option<Box<Path>> {
    let path: PathBuf = cell.split(['/', '\\']).collect();
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let is_absolute = cell.starts_with(['/', '\\']) || cell.contains(':') || cell.contains('\0');
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let inner: PathBuf = parts.collect();
    (stays && !is_absolute && !inner.as_os_str().is_empty()).then(|| inner.into_boxed_path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    fn table(text: &str, arguments: &str) -> Result<Dataset, Fault> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "in/c.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::new(2, 2).save(path).unwrap();
        }
        let name = match text {
            text if text.contains('\t') => "t.tsv",
            text if text.starts_with('{') => "t.jsonl",
            _ => "t.csv",
        };
        std::fs::write(folder.path().join(name), text).unwrap();
        let section =
            section(&format!("source table \"{}\" {arguments}", folder.path().join(name).display())).unwrap();
        let looked = section.source.look(&section.args, Path::new(""));
        let dataset = section.source.load(&section.args, Path::new(""), Wanted::All)?;
        (0..dataset.samples.len() as u32).for_each(|index| drop(dataset.samples.read(index).unwrap()));
        let parts = &dataset.parts;
        assert_eq!(
            looked.unwrap().unwrap().parts,
            Some([&parts.train, &parts.validation, &parts.test].map(Vec::len))
        );
        Ok(dataset)
    }

    fn message(text: &str, arguments: &str) -> String {
        let fault = table(text, arguments).unwrap_err();
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn labels_stand_in_columns_or_in_one_and_numbers_in_columns() {
        let flags = table("image,cat,dog\na.png,1,no\nb.png,,TRUE\n", "labels=[cat, dog]").unwrap();
        assert_eq!(flags.samples.targets.task(), Task::Labels);
        assert_eq!(
            (flags.classes(), flags.samples.row(0)),
            (&["cat", "dog"].map(str::to_owned)[..], &[1.0, 0.0][..])
        );
        assert_eq!(flags.samples.row(1), [0.0, 1.0]);
        let tags = "image,tags\na.png,\"dog, cat\"\nb.png,\nin/c.png,dog\n";
        let listed = table(tags, "labels=tags").unwrap();
        assert_eq!([0, 1, 2].map(|i| listed.samples.row(i).to_vec()), [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]);
        let spaced = table("image,tags\na.png,sun sea\n", "labels=tags separator=\" \"").unwrap();
        assert_eq!(spaced.classes(), ["sea", "sun"]);
        let numbers = table("image,x,y\nb.png,-1e2,3\na.png,0.5,2\n", "target=[y, x]").unwrap();
        assert_eq!(
            (numbers.samples.targets.task(), numbers.samples.row(0)),
            (Task::Numbers, &[2.0, 0.5][..])
        );
        assert_eq!(numbers.samples.row(1), [3.0, -100.0]);
        let message = |text: &str, arguments: &str| {
            let fault = table(text, arguments).unwrap_err();
            assert!(!fault.remedies.is_empty(), "{fault}");
            fault.message
        };
        assert!(
            message("image,cat,dog\na.png,1,maybe\n", "labels=[cat, dog]")
                .ends_with("has `maybe` in `dog` in line 2")
        );
        assert!(message("image,x\na.png,NaN\n", "target=x").ends_with("has `NaN` in `x` in line 2"));
        assert!(message("image,x\na.png,1\n", "target=z").ends_with("has no column `z`"));
        let said = section("source table \"t\" label=a target=b").err().unwrap();
        assert_eq!(said, ["E0205 only one of `label`, `labels` and `target` says what is to be learnt"]);
    }

    #[test]
    fn columns_are_guessed_by_their_names_and_cells() {
        let folder = tempfile::tempdir().unwrap();
        let guessed = |text: &str| {
            let path = folder.path().join("t.csv");
            std::fs::write(&path, text).unwrap();
            let Guess { image, part, learnt } = guess(&path).unwrap();
            let learnt = learnt.map(|(name, columns)| format!("{name}={}", columns.join(",")));
            [image, part, learnt].map(|own| own.unwrap_or_default()).join(" ")
        };
        assert_eq!(guessed("file,kind,split\na.png,cat,train\nb.png,dog,test\n"), "file split label=kind");
        assert_eq!(guessed("pic,cat,dog\na.png,1,0\nb.png,,1\n"), "pic  labels=cat,dog");
        assert_eq!(guessed("pic,cat,dog\na.png,Y,n\nb.png,n,y\n"), "pic  labels=cat,dog");
        assert_eq!(guessed("image,labels\na.png,\"cat,dog\"\n"), "image  labels=labels");
        assert_eq!(guessed("image,x,note,y\na.png,0.5,hm,-1\n"), "image  target=x,y");
        assert_eq!(guessed("image,target\na.png,0.5\n"), "image  target=target");
        assert_eq!(guessed("image,label\na.png,7\n"), "image  label=label");
        assert_eq!(guessed("image,note\n"), "image  ");
    }

    #[test]
    fn rows_in_any_order_are_one_data_set() {
        let first = table("image,label\nb.png,dog\nin/c.png,cat\na.png,dog\n", "").unwrap();
        let other = table("\u{feff}label\timage\ndog\ta.png\ndog\tb.png\ncat\tin\\c.png\n", "").unwrap();
        let json = "{\"image\": \"in/c.png\", \"label\": \"cat\"}\n{\"label\": \"dog\", \"image\": \"b.png\"}\n\
                    {\"image\": \"a.png\", \"label\": \"dog\"}\n";
        let third = table(json, "").unwrap();
        for dataset in [first, other, third] {
            assert_eq!(dataset.classes(), ["cat", "dog"]);
            assert_eq!([0, 1, 2].map(|index| dataset.samples.key(index)), ["a.png", "b.png", "in/c.png"]);
            assert_eq!([0, 1, 2].map(|index| dataset.samples.class(index)), [1, 1, 0]);
        }
        let parts = table(
            "file,kind,fold\na.png,10,train\nb.png,9,Test\nin/c.png,9,train\n",
            "image=file label=kind part=\"fold\"",
        )
        .unwrap();
        assert_eq!(
            (parts.classes(), parts.parts.test.as_slice()),
            (&["9".to_owned(), "10".to_owned()][..], &[2][..])
        );
    }

    #[test]
    fn cells_that_cannot_be_meant_are_named_with_their_line() {
        assert_eq!(message("image,kind\na.png,dog\n", ""), "has no column `label`");
        for path in ["../x.png", "/etc/passwd", "C:\\x.png", "", "a/../../x.png"] {
            assert_eq!(
                message(&format!("image,label\na.png,dog\n{path},dog\n"), ""),
                format!("has the path `{path}` in line 3")
            );
        }
        assert_eq!(message("image,label\na.png,\n", ""), "has no label in line 2");
        assert_eq!(
            message("image,label\na.png,x\n./a.png,y\n", ""),
            "has `a.png` twice: in line 2 and in line 3"
        );
        assert_eq!(
            message("image,label,part\na.png,x,tryout\n", "part=part"),
            "has the part `tryout` in line 2"
        );
        assert_eq!(message("image,label\n", ""), "has no rows");
        assert!(message("image,label\na.png\n", "").starts_with("cannot be read"));
        assert!(message("image,label\nnone.png,x\n", "").starts_with("cannot be read"));
    }
}
