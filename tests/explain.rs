//! The pages of the codes: each is complete, its wrong example is refused for this reason alone, its right one
//! checks; and the letter of a code is the severity of what carries it.

use std::path::{Path, PathBuf};
use std::process::Command;

use dslc::data::Wanted;
use dslc::diag::codes::{self, PAGES, Page};
use dslc::experiment::imports::Project;
use dslc::source::Sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file and those beside it.
#[derive(Debug, Default)]
struct Example {
    main: String,
    beside: Vec<(PathBuf, String)>,
}

/// The example under a heading of a page.
fn example(page: &Page, heading: &str) -> Option<Example> {
    let (_, section) = page.text.split_once(&format!("\n## {heading}\n"))?;
    let section = section.split("\n## ").next().unwrap();
    let mut example = Example::default();
    for block in section.split("\n```").skip(1).step_by(2) {
        let (info, text) = block.split_once('\n').unwrap();
        let (kind, rest) = info.split_once(' ').unwrap_or((info, ""));
        match kind {
            "net" => {
                example.main = text.to_owned();
                let filler = "\n# …".to_owned() + &" ".repeat(95);
                let missing = rest.parse().unwrap_or(0usize).saturating_sub(text.len());
                example.main.push_str(&filler.repeat(missing.div_ceil(filler.len())));
            }
            "file" => example.beside.push((PathBuf::from(rest), text.to_owned())),
            other => panic!("{}: what is a block `{other}`?", page.code),
        }
    }
    assert!(!example.main.is_empty(), "{}: no file under {heading}", page.code);
    Some(example)
}

/// The codes of all findings; `page` says whether the data set is opened too, from the folder `models`.
fn findings(example: &Example, page: &Page) -> Vec<&'static str> {
    let read = |path: &Path| {
        let file = example.beside.iter().find(|(name, _)| name == path);
        file.map(|(_, text)| text.clone()).ok_or("it does not exist".to_owned())
    };
    let project = Project { root: Path::new(""), read: &read };
    let mut sources = Sources::default();
    let checked =
        dslc::experiment::check(&mut sources, Path::new("a.net"), example.main.clone(), &[], &project);
    let mut found: Vec<&'static str> = checked.diagnostics.iter().map(|d| d.code).collect();
    if let (codes::DATA_FILE, Some(data)) = (page.code, checked.experiment.data) {
        found.extend(
            data.source.load(&data.args, &Path::new(ROOT).join("models"), Wanted::All).err().map(|f| f.code),
        );
    }
    found
}

#[test]
fn every_page_is_complete_and_its_examples_do_what_they_say() {
    for page in PAGES {
        let code = page.code;
        assert!(page.text.starts_with("# "), "{code} has no heading");
        assert!(
            !page.title().is_empty() && !page.title().ends_with('.') && page.title().len() < 72,
            "{code}"
        );
        assert!(page.meaning().len() > 80, "{code} explains nothing");
        let (wrong, right) = (example(page, "Wrong"), example(page, "Right"));
        let without = [
            codes::INTERNAL,
            codes::DEVICE,
            codes::UNWRITTEN,
            codes::RUN,
            codes::NOT_FINITE,
            codes::REPLACED,
            codes::DATA_ABSENT,
            codes::EXCHANGE_OUT,
            codes::EXCHANGE_IN,
        ];
        // What a training shows is in no file.
        if without.contains(&code) || code.starts_with("W05") {
            assert!(wrong.is_none() && right.is_none(), "{code} is of no file, so it has no example");
            continue;
        }
        let (wrong, right) = (wrong.unwrap(), right.unwrap());
        assert_eq!(findings(&wrong, page), [code], "the wrong example of {code}");
        assert_eq!(findings(&right, page), [] as [&str; 0], "the right example of {code}");
    }
}

#[test]
fn every_code_stands_once_in_the_table_and_every_page_has_a_code() {
    let mut codes: Vec<&str> = PAGES.iter().map(|page| page.code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    codes.dedup();
    let mut pages: Vec<String> = std::fs::read_dir(format!("{ROOT}/src/diag/codes"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    assert_eq!(codes, pages);
    let text = std::fs::read_to_string(format!("{ROOT}/src/diag/codes.rs")).unwrap();
    let loose = text.lines().find(|line| line.trim_start().starts_with("pub const ") && line.contains('"'));
    assert_eq!(loose, None, "a code outside the table has no page");
}

/// Every place of the source that raises a code: `E` where it raises an error, `W` where a warning.
#[test]
fn the_letter_of_a_code_is_its_severity() {
    let declared = std::fs::read_to_string(format!("{ROOT}/src/diag/codes.rs")).unwrap();
    let letter = |name: &str| {
        let line = declared.lines().find(|line| line.trim_start().starts_with(&format!("{name} = \"")));
        line.and_then(|line| line.split('"').nth(1)).and_then(|code| code.chars().next())
    };
    let mut open = vec![PathBuf::from(format!("{ROOT}/src"))];
    let mut places = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let raises = [("error(", 'E'), ("Fault::new(", 'E'), ("warning(", 'W')];
        for (call, expected) in raises {
            for (_, rest) in text.match_indices(call).map(|(at, _)| text.split_at(at + call.len())) {
                let Some(rest) = rest.trim_start().strip_prefix("codes::") else { continue };
                let name = rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap();
                assert_eq!(letter(name), Some(expected), "{}: {call}codes::{name}", path.display());
                places += 1;
            }
        }
    }
    assert!(places > 100, "{places} places");
}

fn dslc(line: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dslc")).args(line.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn explain_answers_codes_and_lists_them() {
    let (code, page, _) = dslc("explain e0306");
    assert_eq!(code, Some(0));
    assert!(page.starts_with("E0306: Branches that do not fit together\n\n"), "{page}");
    assert!(page.contains("\nWrong\n\n    model M {\n        input 3x32x32\n"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    let (code, list, _) = dslc("explain");
    assert_eq!(code, Some(0));
    assert!(PAGES.iter().all(|page| list.contains(&format!("{}  {}\n", page.code, page.title()))), "{list}");
    let (code, _, said) = dslc("explain E0399");
    assert_eq!(code, Some(2));
    assert!(
        said.contains("`E0399` is neither a code nor a word") && said.contains("`dslc explain E03"),
        "{said}"
    );
}
