//! The lines `field …` of `data { … }` → fields, with every fault at its place.

use crate::data::fields::{DataField, End, Held, MAX_FIELDS, What};
use crate::data::mask::Legend;
use crate::data::section::DataSection;
use crate::data::sources::masks;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::Span;
use crate::spec::section::Lines;
use crate::spec::{Args, answers};
use crate::syntax::ast::{Argument, Value, ValueKind};

/// The data sets whose samples have columns.
const WITH_COLUMNS: [&str; 3] = ["table", "parquet", "webdataset"];

/// Refuses fields of a data set that has no such columns.
pub fn suits(section: &DataSection) -> Diagnostics {
    let source = section.source.spec().name;
    let refused = |field: &DataField| {
        let error = |message: String| Diagnostic::error(codes::BAD_VALUE, field.span, message);
        let what = match field.what {
            What::Picture(_) => "a second picture",
            What::Mask(_) => "a mask",
            What::Numbers | What::Class(_) | What::Labels(_) | What::Unread => "",
        };
        if !WITH_COLUMNS.contains(&source) {
            let d = error(format!("`field` names columns, and `source {source}` has none"))
                .label("there is no column to read");
            return Some(d.advise("a `table` that lists the pictures with these columns"));
        }
        if source == "table" || what.is_empty() {
            return None;
        }
        let d = error(format!("{what} needs a table of picture files, not `source {source}`"))
            .label("this source has no picture files to read a path from");
        Some(d.advise("`source table`"))
    };
    section.fields.iter().filter_map(refused).collect()
}

/// The fields that a section has; none stands twice.
pub fn of(lines: &Lines<'_>, diagnostics: &mut Diagnostics) -> Vec<DataField> {
    let mut fields: Vec<DataField> = Vec::new();
    for line in lines.lines.iter().filter(|line| line.spec.name == crate::data::settings::FIELD.spec.name) {
        let span = line.statement.head();
        let Some(args) = line.found.as_ref().map(|found| &found.args) else {
            // Refused already; the model may take it all the same.
            if let Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) =
                line.statement.arguments.first()
            {
                let (name, what, end) = (name.clone(), What::Unread, End::Input(0));
                fields.push(DataField { name, columns: Vec::new(), what, end, span, held: Held::Nothing });
            }
            continue;
        };
        let Ok(name) = args.word("name") else { continue };
        let (columns, what) = match kind(name, args, span) {
            Ok(found) => found,
            Err(d) => {
                diagnostics.push(*d);
                (Vec::new(), What::Unread)
            }
        };
        if let Some(first) = fields.iter().find(|field| field.name == name) {
            let d = Diagnostic::error(
                codes::REPEATED_SECTION,
                span,
                format!("the field `{name}` is given twice"),
            );
            diagnostics.push(d.label("given again here").related(first.span, "first given here"));
            continue;
        }
        if fields.len() == MAX_FIELDS {
            let message = format!("`data` has at most {MAX_FIELDS} fields");
            diagnostics
                .push(Diagnostic::error(codes::TOO_MANY_ARGUMENTS, span, message).label("one too many"));
            break;
        }
        let end = End::Input(fields.len());
        fields.push(DataField { name: name.to_owned(), columns, what, end, span, held: Held::Nothing });
    }
    fields
}

/// What a field may be, and how that is written.
const KINDS: [(&str, &str); 5] = [
    ("columns", "[age, bmi]"),
    ("image", "image=COLUMN"),
    ("label", "label=COLUMN classes=N"),
    ("labels", "labels=[COLUMN, COLUMN]"),
    ("mask", "mask=COLUMN classes=N"),
];

/// What else is written, and the kinds that it goes with.
const DETAILS: [(&str, &[&str]); 5] = [
    ("classes", &["label", "mask"]),
    ("names", &["labels", "mask"]),
    ("values", &["mask"]),
    ("ignore", &["mask"]),
    ("channels", &["image"]),
];

/// The columns of a field, and what they hold.
fn kind(name: &str, args: &Args, span: Span) -> Result<(Vec<String>, What), Box<Diagnostic>> {
    let refused = |at: Span, message: String, label: &str| {
        Diagnostic::error(codes::BAD_VALUE, at, message).label(label)
    };
    let given: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).filter(|kind| args.has(kind)).collect();
    let [kind] = given[..] else {
        let message = format!(
            "the field `{name}` must be exactly one of: columns of numbers, an `image`, a `label`, `labels` or a `mask`"
        );
        let n = given.len();
        let label = if n == 0 { "none is given".to_owned() } else { format!("{n} are given") };
        let d = refused(span, message, &label);
        let way = |d: Diagnostic, (_, way): &(&str, &str)| d.advise(format!("`field {name} {way}`"));
        return Err(Box::new(KINDS.iter().fold(d, way)));
    };
    for (detail, kinds) in DETAILS {
        let Some(at) = args.span(detail).filter(|_| !kinds.contains(&kind)) else { continue };
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}=`")).collect();
        let kinds = kinds.join(" or ");
        let message = format!("`{detail}` goes with {kinds}, which the field `{name}` does not have");
        let d = refused(at, message, "does not apply to this field");
        return Err(Box::new(d.advise(format!("remove `{detail}`, or read the column with {kinds}"))));
    }
    let placed = |fault| Box::new(answers::place(fault, span, args));
    let column = || args.word(kind).map(|column| vec![column.to_owned()]).map_err(placed);
    let missing = |what: &str, ways: &[String]| {
        let message = format!("the field `{name}` does not say {what}");
        let d = Diagnostic::error(codes::MISSING_ARGUMENT, span, message)
            .label("needed to check the file without its data");
        Box::new(ways.iter().fold(d, |d, way| d.advise(format!("`field {name} {way}`"))))
    };
    Ok(match kind {
        "columns" => (args.texts(kind).map_err(placed)?.to_vec(), What::Numbers),
        "image" => match args.whole_if_given("channels").map_err(placed)? {
            channels @ (None | Some(1 | 3)) => (column()?, What::Picture(channels)),
            Some(_) => {
                let at = args.span("channels").unwrap_or(span);
                let d = refused(at, "`channels` is 3 for colour or 1 for grey".to_owned(), "neither of them");
                return Err(Box::new(d.advise("`channels=1` or `channels=3`")));
            }
        },
        "label" => match args.whole_if_given("classes").map_err(placed)? {
            Some(classes) => (column()?, What::Class(classes)),
            None => {
                let way = format!("label={} classes=N", column()?.concat());
                return Err(missing("how many classes it has", &[way]));
            }
        },
        "labels" => {
            let columns = args.texts(kind).map_err(placed)?.to_vec();
            match (columns.as_slice(), args.has("names")) {
                ([one], false) => {
                    let ways = [format!("labels={one} names=[sun, sea]"), "labels=[sun, sea]".to_owned()];
                    return Err(missing("which labels its column lists", &ways));
                }
                ([_], true) => (columns, What::Labels(args.texts("names").map_err(placed)?.to_vec())),
                (_, false) => (columns.clone(), What::Labels(columns)),
                (_, true) => {
                    let at = args.span("names").unwrap_or(span);
                    let message = "several columns of labels have their names already".to_owned();
                    let d = refused(at, message, "these come from the columns");
                    return Err(Box::new(d.advise("remove `names`")));
                }
            }
        }
        _ => {
            if !args.has("classes") && !args.has("names") {
                let own = column()?.concat();
                let ways = [format!("mask={own} classes=N"), format!("mask={own} names=[ground, tree]")];
                return Err(missing("how many classes it has", &ways));
            }
            let names = masks::names(args).map_err(placed)?;
            let meaning = masks::meaning(args).map_err(placed)?;
            let is_explained = masks::is_explained(args);
            (column()?, What::Mask(Legend { names, meaning, is_explained }))
        }
    })
}
