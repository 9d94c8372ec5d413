//! The page that a run leaves, and what else is made of its record.

use serde_json::{Value, json};

use dslc::report::details::{Details, Layer, Look, Mistake};
use dslc::report::{State, Story, page};

use crate::cli::Desk;

/// Bytes of a page at the most.
const MOST: usize = 2_000_000;
const SECTIONS: [&str; 6] = ["curves", "classes", "mistakes", "layers", "experiment", "machine"];

/// Elements of HTML that may stay open, or that hold nothing.
const OPEN: [&str; 12] =
    ["meta", "link", "img", "td", "th", "tr", "br", "path", "rect", "circle", "polyline", "!doctype"];

/// Refuses a page whose elements do not close in order, or that asks for anything.
fn check(page: &str) {
    for address in ["http:", "https:", "//", "@import", "url(", "<script", "<iframe"] {
        assert!(!page.contains(address), "the page has {address}");
    }
    for (at, _) in page.match_indices("src=").chain(page.match_indices("href=")) {
        let target = page[at..].split('"').nth(1).unwrap();
        assert!(target.starts_with("data:") || target.starts_with('#'), "{target}");
    }
    let mut open: Vec<&str> = Vec::new();
    let body = match page.split_once("<style>") {
        Some((head, rest)) => format!("{head}{}", rest.split_once("</style>").unwrap().1),
        None => page.to_owned(),
    };
    let mut rest = body.as_str();
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, behind) = tag.split_once('>').unwrap();
        rest = behind;
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        if OPEN.contains(&name) || tag.ends_with('/') {
            continue;
        }
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "…{}", &rest[..rest.len().min(80)]),
            false => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
    for id in SECTIONS {
        assert!(page.contains(&format!("<section id={id}>")), "there is no section {id}");
    }
    assert!(page.len() < MOST, "{} bytes", page.len());
}

fn rows(table: &str) -> Vec<Vec<String>> {
    table.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn a_run_leaves_a_page_and_a_table() {
    let desk = Desk::new();
    desk.json("run small.net --set train.epochs=1 --out first --json");
    let done = desk.run("resume first --set train.epochs=3");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let read = |file: &str| std::fs::read_to_string(desk.path(file)).unwrap();
    let page = read("first/report.html");
    check(&page);
    for said in [
        "finished",
        "test accuracy",
        "<td>conv1",
        "--set train.epochs=3",
        "confusion matrix",
        "source mnist &quot;",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let table = rows(&read("first/metrics.csv"));
    assert_eq!(table[0][..2], ["epoch", "step"]);
    let epochs: Vec<&str> = table[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(epochs, ["1", "2", "3"]);
    let loss = table[0].iter().position(|name| name == "validation.loss").unwrap();
    for (row, line) in table[1..].iter().zip(read("first/metrics.jsonl").lines()) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(row[loss].parse::<f64>().unwrap(), event["validation.loss"].as_f64().unwrap());
    }
    let details: Details = serde_json::from_str(&read("first/details.json")).unwrap();
    assert_eq!((details.part.as_str(), details.classes.len()), ("test", 10));
    let looked: Vec<usize> = details.looks.iter().map(|look| look.epoch).collect();
    assert_eq!(looked[0], 1);
    assert!(details.looks[0].gradients[0].unwrap() > 0.0 && details.looks[0].moves[0].unwrap() > 0.0);
    assert!(details.looks[0].dead[1].unwrap() < 1.0, "{:?}", details.looks);

    // From the record alone it becomes the same.
    std::fs::remove_file(desk.path("first/report.html")).unwrap();
    assert_eq!(desk.run("report first").out.trim(), "first/report.html");
    assert_eq!(read("first/report.html"), page);
    desk.refused("report nowhere", 2, &["nowhere does not exist", "runs/mnist-1"]);
    desk.refused("report data", 2, &["data contains no run"]);

    // The next run of the file tells what has changed.
    desk.json("run small.net --set train.epochs=1 --set train.optimizer.lr=0.001 --out second --json");
    let next = read("second/report.html");
    check(&next);
    assert!(
        ["Changes since first", "lr=0.001", "data:image/png;base64,"].iter().all(|said| next.contains(said)),
        "{next}"
    );

    lists_and_compares(&desk);
}

/// Of `first` and `second`, which differ in a rate and in their lengths, and of `bad`, which fails.
fn lists_and_compares(desk: &Desk) {
    let line = "run small.net --set train.optimizer=sgd --set train.optimizer.lr=1000 --set train.epochs=40 --out bad";
    assert_eq!(desk.run(line).code, Some(1));
    let page = std::fs::read_to_string(desk.path("bad/report.html")).unwrap();
    check(&page);
    assert!(page.contains("state failed") && page.contains("the loss became"), "{page}");

    let rows = desk.json("runs . --sort name --json");
    let of = |key: &str| rows.as_array().unwrap().iter().map(|row| row[key].clone()).collect::<Vec<Value>>();
    assert_eq!(of("state"), ["failed", "finished", "finished"]);
    assert_eq!(of("epochs")[1..], [3, 1]);
    assert_eq!(of("measurement")[1], "test.accuracy");
    assert!(of("failure")[0].as_str().unwrap().contains("the loss became"));
    let table = desk.run("runs . --sort score").out;
    let order: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(order, ["first", "second", "bad"], "{table}");
    desk.refused("runs data", 2, &["data contains no run"]);
    desk.refused("runs nowhere", 2, &["nowhere does not exist"]);

    let compared = desk.json("compare first second --html both.html --json");
    assert!(compared["files"][0].as_str().unwrap().contains("lr=0.001"), "{compared}");
    assert_eq!(compared["layers"], json!([]));
    let accuracy = compared["results"].as_array().unwrap().iter().find(|row| row["name"] == "test.accuracy");
    assert_eq!(accuracy.unwrap()["of"].as_array().unwrap().len(), 2);
    let text = desk.run("compare first second").out;
    assert!(text.contains("second, against first:") && text.contains("test.accuracy"), "{text}");
    let page = std::fs::read_to_string(desk.path("both.html")).unwrap();
    assert!(page.contains("Runs compared") && page.contains("<ins>") && !page.contains("http"), "{page}");
    desk.refused("compare first", 2, &["RUN"]);
    desk.refused("compare first data", 2, &["data contains no run"]);
}

/// A run that is stopped and goes on has each epoch once in every view.
#[test]
fn views_of_a_resumed_run_are_whole() {
    let desk = Desk::new();
    desk.write(
        "logs.net",
        std::fs::read_to_string(desk.path("small.net"))
            .unwrap()
            .replace("seed 3", "seed 3\n    logs tensorboard"),
    );
    desk.json("run logs.net --set train.epochs=3 --out whole --json");
    desk.json("run logs.net --set train.epochs=1 --out cut --json");
    desk.json("resume cut --set train.epochs=3 --json");
    let file = |run: &str| {
        let folder = std::fs::read_dir(desk.path(run).join("tensorboard")).unwrap();
        let files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        std::fs::read(&files[0]).unwrap().len()
    };
    assert_eq!(file("whole"), file("cut"));
    let table = |run: &str| {
        let table = rows(&std::fs::read_to_string(desk.path(run).join("metrics.csv")).unwrap());
        let is_time = |name: &String| ["seconds", "images_per_second"].contains(&name.as_str());
        let kept: Vec<usize> = (0..table[0].len()).filter(|&i| !is_time(&table[0][i])).collect();
        table.iter().map(|row| kept.iter().map(|&i| row[i].clone()).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(table("whole"), table("cut"));
}

/// A page of many classes with the longest of everything.
#[test]
fn the_largest_page_is_small_enough_and_names_are_text() {
    for n in [1u32, 2, 40, 100, 1000] {
        let classes: Vec<String> = (0..n).map(|i| format!("<b>class & \"{i}\"")).collect();
        let confusion = (0..u64::from(n) * 60).map(|i| [i / 60, (i * 7919) % u64::from(n), 1 + i % 9]);
        let mistake = Mistake {
            name: "a\u{1b}\"b".to_owned(),
            truth: Some(0),
            taken: Some(n),
            loss: f64::NAN,
            picture: format!("data:image/png;base64,{}", "A".repeat(12_000)),
            ..Mistake::default()
        };
        let some = || vec![Some(0.5); 200];
        let look = |epoch| Look { epoch, gradients: some(), weights: some(), moves: some(), dead: some() };
        let details = Details {
            part: "test".to_owned(),
            classes,
            confusion: confusion.collect(),
            mistakes: vec![mistake; 24],
            layers: vec![Layer { name: "block_1.conv2d".to_owned(), ..Layer::default() }; 200],
            looks: (1..40).map(look).collect(),
            ..Details::default()
        };
        let epoch = |i: u32| {
            json!({ "event": "epoch", "epoch": i, "train.loss": 1.0 / f64::from(i), "validation.loss": 1, "train.f1": i,
                    "validation.f1": null, "learning_rate": 1e-3, "best": true, "seconds": 1 })
        };
        let events: Vec<Value> = (1..2000).map(epoch).collect();
        let settings = vec!["train.x=<i>".to_owned()];
        check(&page(&Story {
            run: "runs/<x>/y",
            state: State::Running,
            file: "a&b.net",
            settings: &settings,
            source: "model <M> { # }\n",
            machine: vec![("device", "<cpu>".to_owned())],
            events: &events,
            details: &details,
        }));
    }
}

/// Before anything was measured there is a page as well.
#[test]
fn an_empty_record_has_a_page() {
    check(&page(&Story {
        run: "",
        state: State::Stopped,
        file: "",
        settings: &[],
        source: "",
        machine: Vec::new(),
        events: &[],
        details: &Details::default(),
    }));
}
