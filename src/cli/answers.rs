//! Files → what a model makes of each, reported in their order: as lines, CSV or JSON, and as PNGs in a folder. Several processes
//! share the files, and the first one prints and writes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::listing::Row;
use crate::cli::out::{err, out};
use crate::cli::processes::Processes;
use crate::cli::{Stop, further, load};
use crate::data::sources::{arrays, files};
use crate::diag::{Fault, codes};
use crate::predict::{Answer, Predictor};
use crate::train::checkpoint::write_atomically;

/// Files to ask a model about, and how to tell what it makes of them.
pub struct Asking<'a> {
    pub rows: &'a [Row],
    /// Where the picture of each file is written, if any are.
    pub places: &'a [PathBuf],
    pub form: Form,
    /// How many classes of a further output are told.
    pub top: usize,
    pub processes: Option<&'a Processes>,
}

/// How answers are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
    Csv,
}

/// What an answer is about.
pub struct Asked {
    /// The place of its file among those that were named.
    pub file: usize,
    /// What it is called: the file's path, and behind it the place in an array of several signals.
    pub shown: String,
}

/// What is reported of an answer.
#[derive(Default, Deserialize, Serialize)]
pub struct Told {
    /// A row of the table printed after all answers, for people; empty where there is none.
    pub row: Vec<String>,
    /// For people; may be empty.
    pub line: String,
    pub object: Value,
    /// Of CSV, after the image's.
    pub cells: Vec<String>,
    /// PNGs that are written, and where.
    #[serde(skip)]
    pub pictures: Vec<(PathBuf, Vec<u8>)>,
}

/// What is reported of a picture or signal; as text, so that the first process can print it for another.
#[derive(Deserialize, Serialize)]
struct Report {
    shown: String,
    remarks: Vec<String>,
    told: Result<Told, Failed>,
    /// Where each of its pictures is written, and how many bytes it has.
    drawn: Vec<(PathBuf, usize)>,
}

#[derive(Deserialize, Serialize)]
struct Failed {
    code: String,
    message: String,
    /// With notes and remedies.
    plain: String,
}

impl Failed {
    fn of(fault: &Fault) -> Failed {
        Failed { code: fault.code.to_owned(), message: fault.message.clone(), plain: load::plain(fault) }
    }
}

impl Asking<'_> {
    /// Asks about each file, in their order; one bad file does not lose the answers for the others. `head` names the cells of
    /// CSV, and `table` shows the rows behind all.
    ///
    /// As JSON everything that is to be said of an image is in its object; otherwise remarks and faults go to standard error.
    pub fn tell(
        &self,
        predictor: &mut Predictor,
        head: &[String],
        tell: &mut dyn FnMut(&Asked, &Answer) -> Result<Told, Fault>,
        table: &dyn Fn(Vec<Vec<String>>) -> String,
    ) -> Result<(), Stop> {
        if self.form == Form::Csv {
            let further = further::head(predictor);
            out(&record(&[&["image".to_owned()], head, &further].concat())?)?;
        }
        let mut ending = Ending::default();
        let mut reports = |file: usize| -> Vec<Report> {
            let answers = answers(predictor, file, &self.rows[file]);
            answers.into_iter().map(|(asked, answer)| self.report(asked, answer, tell)).collect()
        };
        match self.processes {
            None => {
                for file in 0..self.rows.len() {
                    reports(file).into_iter().try_for_each(|report| self.say(report, &mut ending))?;
                }
            }
            Some(processes) => {
                let take = |bytes: &[u8]| {
                    unpacked(bytes)?.into_iter().try_for_each(|report| self.say(report, &mut ending))
                };
                processes.share(self.rows.len(), |file| packed(reports(file)), take)?;
                processes.part();
            }
        }
        if self.form == Form::Text && !ending.rows.is_empty() {
            out(&table(ending.rows))?;
        }
        ending.stop.map_or(Ok(()), Err)
    }

    fn report(
        &self,
        asked: Asked,
        answer: Result<Answer, Fault>,
        tell: &mut dyn FnMut(&Asked, &Answer) -> Result<Told, Fault>,
    ) -> Report {
        let mut remarks = Vec::new();
        let told = answer.and_then(|answer| {
            remarks.extend(answer.remarks.iter().map(ToString::to_string));
            let mut told = tell(&asked, &answer)?;
            let place = self.places.get(asked.file);
            if let Some(place) = place {
                told.pictures.extend(further::drawn(&answer, place)?);
            }
            further::add(&answer, self.top, place, &mut told.object, &mut told.cells);
            Ok(told)
        });
        let told = told.map_err(|fault| Failed::of(&fault));
        Report { shown: asked.shown, remarks, drawn: drawn(&told), told }
    }

    /// Writes what there is of a picture, and says the rest.
    fn say(&self, report: Report, ending: &mut Ending) -> Result<(), Stop> {
        let Report { shown, remarks, told, .. } = report;
        let told = told.and_then(|told| {
            if self.processes.is_none_or(Processes::leads) {
                let written = told.pictures.iter().try_for_each(|(place, png)| write_atomically(place, png));
                written.map_err(|fault| Failed::of(&fault))?;
            }
            Ok(told)
        });
        match (told, self.form) {
            (Ok(Told { mut object, .. }), Form::Json) => {
                object["remarks"] = json!(remarks);
                object["image"] = json!(shown);
                out(&object.to_string())?;
            }
            (Ok(told), Form::Text | Form::Csv) => {
                remarks.iter().for_each(|remark| err(&format!("{shown}: {remark}")));
                if self.form == Form::Csv {
                    out(&record(&[&[shown], told.cells.as_slice()].concat())?)?;
                } else if !told.line.is_empty() {
                    out(&told.line)?;
                }
                ending.rows.extend(Some(told.row).filter(|row| !row.is_empty()));
            }
            (Err(failed), _) => {
                // A network that gives no numbers is at fault itself, any other fault lies around it.
                match (&ending.stop, failed.code == codes::NOT_FINITE) {
                    (None, true) => ending.stop = Some(Stop::Findings),
                    (Some(_), true) => {}
                    (_, false) => ending.stop = Some(Stop::Environment(String::new())),
                }
                if self.form == Form::Json {
                    let object = json!({ "error": failed.message, "code": failed.code, "image": shown });
                    out(&object.to_string())?;
                } else {
                    err(&failed.plain);
                }
            }
        }
        Ok(())
    }
}

/// Where the pictures of an answer go, and how many bytes they have.
fn drawn(told: &Result<Told, Failed>) -> Vec<(PathBuf, usize)> {
    let pictures = told.iter().flat_map(|told| &told.pictures);
    pictures.map(|(place, png)| (place.clone(), png.len())).collect()
}

/// What is left to do after all answers.
#[derive(Default)]
struct Ending {
    rows: Vec<Vec<String>>,
    stop: Option<Stop>,
}

/// A line of JSON, and behind it the pictures.
fn packed(mut reports: Vec<Report>) -> Result<Vec<u8>, Stop> {
    let told = reports.iter_mut().filter_map(|report| report.told.as_mut().ok());
    let pictures: Vec<Vec<u8>> =
        told.flat_map(|told| std::mem::take(&mut told.pictures)).map(|(_, png)| png).collect();
    let mut bytes = serde_json::to_vec(&reports).map_err(Fault::internal)?;
    bytes.push(b'\n');
    pictures.into_iter().for_each(|picture| bytes.extend(picture));
    Ok(bytes)
}

fn unpacked(bytes: &[u8]) -> Result<Vec<Report>, Stop> {
    let cut = || Fault::internal("an answer was cut off on its way");
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or_else(cut)?;
    let mut reports: Vec<Report> = serde_json::from_slice(&bytes[..end]).map_err(Fault::internal)?;
    let mut rest = &bytes[end + 1..];
    for report in &mut reports {
        let Ok(told) = &mut report.told else { continue };
        for (place, len) in &report.drawn {
            let (picture, behind) = rest.split_at_checked(*len).ok_or_else(cut)?;
            told.pictures.push((place.clone(), picture.to_vec()));
            rest = behind;
        }
    }
    Ok(reports)
}

/// A line of CSV.
fn record(cells: &[String]) -> Result<String, Stop> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(cells).map_err(|e| Fault::internal(&e))?;
    let bytes = writer.into_inner().map_err(|e| Fault::internal(&e))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// What the model makes of a file: of a picture, or of each signal or volume in an array.
fn answers(predictor: &mut Predictor, file: usize, row: &Row) -> Vec<(Asked, Result<Answer, Fault>)> {
    let Row { path, given } = row;
    let shown = path.display().to_string();
    let named = |fault: Fault| Fault { message: format!("{shown}: {}", fault.message), ..fault };
    let Some(shape) = predictor.signals().cloned() else {
        let given = given.iter().map(|cell| cell.read()).collect::<Result<Vec<_>, _>>();
        let answer = given.and_then(|given| {
            files::read(path).and_then(|bytes| predictor.picture_with(&bytes, &given).map_err(named))
        });
        return vec![(Asked { file, shown }, answer)];
    };
    let signals = match arrays::signals(path, &shape) {
        Ok(signals) => signals,
        Err(fault) => return vec![(Asked { file, shown }, Err(fault))],
    };
    let name = |at: usize| if signals.len() == 1 { shown.clone() } else { format!("{shown}[{at}]") };
    let each = signals.iter().enumerate();
    each.map(|(at, signal)| {
        let shown = name(at);
        let named = |fault: Fault| Fault { message: format!("{shown}: {}", fault.message), ..fault };
        let answer = predictor.signal(signal).map_err(named);
        (Asked { file, shown }, answer)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_go_from_one_process_to_another_as_they_are() {
        let report = |told: Result<Told, Failed>| Report {
            shown: "a\nb.png".to_owned(),
            remarks: vec!["dark".to_owned()],
            drawn: drawn(&told),
            told,
        };
        let all = || {
            let object = json!({ "area": 0.1 + 0.2, "f32": 0.1f32 });
            let named = |(place, bytes): &(&str, &[u8])| (PathBuf::from(place), bytes.to_vec());
            let pictures =
                |all: &[(&str, &[u8])]| Told { pictures: all.iter().map(named).collect(), ..Told::default() };
            vec![
                report(Ok(pictures(&[("a.png", b"\n\0x"), ("a.mask.png", b"m")]))),
                report(Err(Failed { code: "E1".to_owned(), message: String::new(), plain: "no".to_owned() })),
                report(Ok(Told { object, line: "b.png".to_owned(), ..Told::default() })),
                report(Ok(pictures(&[("b.png", b"yz")]))),
            ]
        };
        let there = unpacked(&packed(all()).ok().unwrap()).ok().unwrap();
        let text = |reports: &[Report]| serde_json::to_string(reports).unwrap();
        assert_eq!(text(&there), text(&all()));
        let pictures = |report: &Report| report.told.as_ref().ok().map(|told| told.pictures.clone());
        assert!(there.iter().map(pictures).eq(all().iter().map(pictures)));
        assert!(unpacked(b"[]").is_err());
    }
}
