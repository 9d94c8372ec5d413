//! Trainings that break, and many trainings of one file: from the command line to the folders that they leave.

use serde_json::Value;

use crate::cli::Desk;
use crate::reliability::kills::{NET, numbers, result};

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("n.net", NET);
    desk
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Each kind of a broken training: its layers and optimizer, and what is said of it.
#[test]
fn the_first_number_that_is_none_is_found_in_its_layer() {
    let desk = Desk::new();
    let large = ["scale 1e6"; 6].join(" -> ");
    let over = format!("flatten -> {large} -> scale 1e6\n    linear 10");
    let steep = "flatten -> scale 1e6 -> scale 1e6 -> scale 1e6 -> scale 1e6\n    linear 10 init=zeros\n    \
                 scale 1e6 -> scale 1e6 -> scale 1e6";
    let near = format!("flatten -> {large} -> scale 10\n    linear 10 init=zeros");
    // Behind some good steps, and with what a step remembers of those before.
    let later = "flatten -> linear 20 -> scale 1e4 -> dropout 0.1 -> linear 10 -> scale 1e4";
    let cases: [(&str, &str, &str, &str, &[&str]); 4] = [
        (
            "forward",
            &over,
            "sgd lr=0.1",
            "scale7",
            &[
                "going forward, `scale7` gives the first number that is not finite",
                "of scale6 reaches",
                "n.net:3",
            ],
        ),
        (
            "gradient",
            steep,
            "sgd lr=0.1",
            "linear1",
            &["going backward, the gradient of `linear1`", "n.net:4"],
        ),
        (
            "update",
            &near,
            "sgd lr=1000",
            "linear1",
            &["the update of `linear1.weight` gives the first number that is not finite"],
        ),
        ("forward", later, "sgd lr=1000 momentum=0.9", "linear", &["(epoch 1)"]),
    ];
    for (number, (kind, layers, optimizer, layer, words)) in cases.into_iter().enumerate() {
        let net = format!(
            "model N {{\n    input 1x28x28\n    {layers}\n}}\ndata {{ source mnist \"data\"; validation 61 }}\n\
             train {{ loss cross_entropy; optimizer {optimizer}; epochs 2; batch 20; ema 0.9; accumulate 2 }}\n"
        );
        desk.write("n.net", net);
        let out = format!("out-{number}");
        let done = desk.run(&format!("run n.net --out {out}"));
        assert_eq!(done.code, Some(1), "{kind}: {}", done.err);
        for word in words {
            assert!(done.err.contains(word), "{kind}: no `{word}` in {}", done.err);
        }
        for word in ["the batch: image ", "failure.json", "a smaller learning rate"] {
            assert!(done.err.contains(word), "{kind}: no `{word}` in {}", done.err);
        }
        let found = json(&std::fs::read_to_string(desk.path(&format!("{out}/failure.json"))).unwrap());
        if number < 3 {
            assert_eq!(found["kind"], kind);
            assert_eq!((&found["step"], found["images"].as_array().unwrap().len()), (&Value::from(1), 20));
        }
        assert!(found["layer"].as_str().is_some_and(|own| own.starts_with(layer)), "{found}");
        assert!(!desk.path(&format!("{out}/last.safetensors")).exists());
    }
}

/// The step that broke saw images that were drawn by class and mixed; it sees the same again.
#[test]
fn the_batch_that_broke_is_drawn_and_mixed_again() {
    let desk = Desk::new();
    desk.write(
        "n.net",
        "model N { input 1x28x28; flatten -> linear 20 -> scale 1e4 -> linear 10 -> scale 1e4 }
data { source mnist \"data\"; sample balanced }
train { loss cross_entropy; mix mixup; optimizer sgd lr=1000 momentum=0.9; epochs 2; batch 20 }
",
    );
    let done = desk.run("run n.net --out out");
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(!done.err.contains("was not found"), "{}", done.err);
    let found = json(&std::fs::read_to_string(desk.path("out/failure.json")).unwrap());
    assert_eq!(found["images"].as_array().unwrap().len(), 20, "{found}");
}

/// The second epoch breaks; the state of the first stays, and the run goes on from it with other settings.
#[test]
fn the_last_good_state_stays_and_can_be_gone_on_with() {
    let desk = Desk::new();
    let net = "model N { input 1x28x28; flatten -> linear 10 -> scale 10 }
data { source mnist \"data\" }
train { loss cross_entropy; optimizer sgd lr=1; schedule by_epoch [1e-3, 1e38]; epochs 3; batch 40 }
";
    desk.write("n.net", net);
    let done = desk.run("run n.net --out out");
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("the weights of epoch 1 are kept") && done.err.contains("(epoch 2)"),
        "{}",
        done.err
    );
    let settings = "--set train.schedule.factors=[0.001,0.001]";
    let done = desk.run(&format!("resume out {settings}"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(desk.run(&format!("run n.net --out whole {settings}")).code, Some(0));
    assert!(numbers(&result(&desk, "out")) == numbers(&result(&desk, "whole")));
}

#[test]
fn a_sweep_leaves_trials_that_are_runs_and_goes_on_where_it_was_stopped() {
    let desk = desk();
    desk.write("n.net", NET.replace("model N {", "model N(width=6) {").replace("conv2d 6", "conv2d width"));
    let sweep = "sweep n.net --try train.optimizer.lr=1e-4,3e-3 --try model.width=4,6 --set train.epochs=2 --out s --json";
    let done = desk.run(sweep);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let whole = json(&done.out);
    assert_eq!((whole["method"].as_str(), whole["trials"].as_array().unwrap().len()), (Some("grid"), 4));
    let set = "--set train.epochs=2 --set train.optimizer.lr=3e-3 --set model.width=4";
    assert_eq!(desk.run(&format!("run n.net --out alone {set}")).code, Some(0));
    assert!(numbers(&result(&desk, "alone")) == numbers(&result(&desk, "s/trial-003")));
    // As if it had been stopped in front of the third trial, and in the middle of the fourth.
    let mut cut = whole.clone();
    for number in [2, 3] {
        let fresh = serde_json::json!({
            "settings": cut["trials"][number]["settings"], "state": "waiting", "epochs": [], "test": null,
            "seconds": 0.0, "failure": null,
        });
        cut["trials"][number] = fresh;
    }
    desk.write("s/sweep.json", cut.to_string());
    std::fs::remove_dir_all(desk.path("s/trial-003")).unwrap();
    let text = std::fs::read_to_string(desk.path("n.net")).unwrap();
    desk.write("n.net", text.replace("dropout 0.3", "dropout 0.4"));
    desk.refused(
        "sweep s",
        2,
        &["n.net has changed since the sweep began", "undo the change, or start a new sweep"],
    );
    desk.write("n.net", text + "# only a comment\n");
    let done = desk.run("sweep s");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("best: trial") && done.out.contains("--set model.width="), "{}", done.out);
    let again = json(&std::fs::read_to_string(desk.path("s/sweep.json")).unwrap());
    for number in 0..4 {
        for key in ["settings", "state", "epochs", "test"] {
            assert_eq!(again["trials"][number][key], whole["trials"][number][key], "{key} of {number}");
        }
    }
    let page = std::fs::read_to_string(desk.path("s/sweep.html")).unwrap();
    for said in
        ["finished", "href=\"trial-004/report.html\"", "model.width", "<circle", "validation accuracy"]
    {
        assert!(page.contains(said), "no {said} in {page}");
    }
    assert!(!page.contains("http") && !page.contains("<script"));
    let fold = dslc::runs::folder::Lock::take(&desk.path("s"), "", "").unwrap();
    desk.refused("sweep s", 2, &["another process is using s", "wait until it ends"]);
    drop(fold);
    desk.refused(sweep, 2, &["it already contains a sweep", "`dslc sweep s` continues it"]);
    desk.refused("sweep n.net --out t", 2, &["needs a setting to try"]);
    desk.refused("sweep n.net --try train.batch=8,x --out t", 2, &["with train.batch=x"]);
    desk.refused("sweep n.net --try a --out t", 2, &["the values come after `=`"]);
    let net = NET.replace("    validation 61\n", "").replace("    early_stop patience=15\n", "");
    desk.write("no.net", net);
    desk.refused("sweep no.net --try train.batch=8 --out t", 2, &["compares trials on validation images"]);
}

#[test]
fn trials_of_a_sweep_have_the_same_data() {
    let desk = desk();
    let sweep = "sweep n.net --try train.optimizer.lr=1e-4,3e-3 --set train.epochs=1 --out s --json";
    let done = desk.run(sweep);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let mut cut = json(&done.out);
    cut["trials"][1]["state"] = "waiting".into();
    desk.write("s/sweep.json", cut.to_string());
    std::fs::remove_dir_all(desk.path("s/trial-002")).unwrap();
    let labels = desk.path("data/t10k-labels-idx1-ubyte");
    let right = std::fs::read(&labels).unwrap();
    let mut bytes = right.clone();
    bytes[8] = (bytes[8] + 1) % 10;
    std::fs::write(&labels, bytes).unwrap();
    desk.refused("sweep s", 2, &["the data have changed between trial 1 and trial 2", "a new sweep"]);
    // With the right data again, the trial on the others does not count.
    std::fs::write(&labels, right).unwrap();
    let again = desk.run("sweep s --json");
    assert_eq!(again.code, Some(0), "{}", again.err);
    let (again, whole) = (json(&again.out), json(&done.out));
    for key in ["state", "epochs", "test"] {
        assert_eq!(again["trials"][1][key], whole["trials"][1][key], "{key}");
    }
}

#[test]
fn halving_trains_the_best_to_the_end_as_if_nothing_had_stopped_them() {
    let desk = desk();
    let done = desk.run(
        "sweep n.net --try train.optimizer.lr=1e-5..1e-2 --runs 3 --method halving --set train.epochs=3 --out s --json",
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let record = json(&done.out);
    let trials = record["trials"].as_array().unwrap();
    let epochs: Vec<usize> = trials.iter().map(|trial| trial["epochs"].as_array().unwrap().len()).collect();
    let mut sorted = epochs.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 1, 3]);
    let best = epochs.iter().position(|&n| n == 3).unwrap();
    let accuracy = |number: usize| trials[number]["epochs"][0]["accuracy"].as_f64().unwrap();
    assert!((0..3).all(|number| accuracy(number) <= accuracy(best)));
    let settings = trials[best]["settings"][0].as_str().unwrap();
    assert_eq!(
        desk.run(&format!("run n.net --out alone --set train.epochs=3 --set {settings}")).code,
        Some(0)
    );
    assert!(numbers(&result(&desk, "alone")) == numbers(&result(&desk, &format!("s/trial-00{}", best + 1))));
}

#[test]
fn folds_measure_every_training_image_once() {
    let desk = desk();
    let done = desk.run("run n.net --folds 3 --set train.epochs=2 --json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let found = json(&done.out);
    let folds = found["folds"].as_array().unwrap();
    let n = |fold: &Value, key: &str| fold[key].as_u64().unwrap();
    let all = n(&folds[0], "train_images") + n(&folds[0], "images");
    assert_eq!(folds.iter().map(|fold| n(fold, "images")).sum::<u64>(), all);
    let mean = folds.iter().map(|fold| fold["accuracy"].as_f64().unwrap()).sum::<f64>() / 3.0;
    assert!((found["accuracy"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    let done = desk.run("run n.net --folds 2 --set train.epochs=1");
    assert!(done.out.contains("mean and standard deviation over the folds"), "{}", done.out);
    assert!(desk.path("folds/n-1/folds.html").exists() && desk.path("folds/n-2/fold-2/report.html").exists());
}

/// Killed in its second fold, and stopped by a signal in the third.
#[cfg(unix)]
#[test]
fn folds_go_on_where_they_were_stopped() {
    use crate::reliability::kills::{signal, start};
    let desk = desk();
    let settings = "--set train.epochs=5 --set train.early_stop.patience=5";
    let command = |out: &str| format!("run n.net --folds 3 {settings} --out {out} --json");
    let told = |out: &str| {
        let mut found = json(out);
        found["folds"].as_array_mut().unwrap().iter_mut().for_each(|fold| fold["seconds"] = Value::Null);
        found
    };
    let whole = desk.run(&command("whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.err);
    for (name, fold) in [("KILL", "fold-2"), ("INT", "fold-3")] {
        let mut process = start(&desk, &command("cut"), 1);
        while !desk.path("cut").join(fold).join("metrics.jsonl").exists() {
            assert_eq!(process.try_wait().unwrap(), None);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        signal(name, process.id());
        assert_eq!(process.wait().unwrap().code(), (name == "INT").then_some(130));
    }
    let done = desk.run("resume cut --json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(told(&done.out), told(&whole.out));
    for fold in ["fold-1", "fold-2", "fold-3"] {
        let of = |out: &str| result(&desk, &format!("{out}/{fold}"));
        assert!(numbers(&of("cut")) == numbers(&of("whole")), "{fold}");
    }
    let page = std::fs::read_to_string(desk.path("cut/folds.html")).unwrap();
    assert!(page.contains("3 of 3 folds") && page.contains("href=\"fold-3/report.html\""), "{page}");
    desk.refused(&format!("run n.net --folds 2 {settings} --out whole"), 2, &["it already contains folds"]);
    desk.refused("resume whole --set train.epochs=70", 2, &["folds that continue keep their settings"]);
    let record = std::fs::read_to_string(desk.path("cut/fold-1/run.json")).unwrap();
    assert!(record.contains("\"data\": \""), "{record}");
    desk.write("cut/fold-1/run.json", record.replace("\"data\": \"", "\"data\": \"other "));
    desk.refused("resume cut", 2, &["the data have changed"]);
}

#[cfg(unix)]
#[test]
fn a_sweep_ends_where_a_signal_stops_it() {
    use crate::reliability::kills::{signal, start};
    let desk = desk();
    let line = "sweep n.net --try train.optimizer.lr=1e-4,1e-3 --set train.epochs=100000 --set train.early_stop.patience=100000 --out s";
    let mut process = start(&desk, line, 1);
    while !desk.path("s/trial-001/metrics.jsonl").exists() {
        assert_eq!(process.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    desk.refused("sweep s", 2, &["another process is using s"]);
    signal("INT", process.id());
    assert_eq!(process.wait().unwrap().code(), Some(130));
    let record = json(&std::fs::read_to_string(desk.path("s/sweep.json")).unwrap());
    assert_eq!(
        (&record["trials"][0]["state"], &record["trials"][1]["state"]),
        (&Value::from("stopped"), &Value::from("waiting"))
    );
    assert!(std::fs::read_to_string(desk.path("s/sweep.html")).unwrap().contains("not finished"));
}

#[test]
fn rates_are_tried_and_schedules_drawn() {
    let desk = desk();
    let done = desk.run("lr n.net --steps 40 --from 1e-5 --to 1 --json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let found = json(&done.out);
    let rates: Vec<f64> = found["lr"].as_array().unwrap().iter().map(|lr| lr.as_f64().unwrap()).collect();
    assert!(rates.len() > 10 && rates.len() <= 40 && rates.is_sorted());
    assert!((rates[0] - 1e-5).abs() < 1e-12);
    let done = desk.run("lr n.net --steps 20");
    assert!(done.out.contains("loss, smoothed, at rising learning rates"), "{}", done.out);
    desk.refused("lr n.net --from 1 --to 0.1", 2, &["--from must be below --to"]);
    let done = desk.run("show --schedule n.net");
    assert!(
        done.out.contains("learning rate, `schedule cosine`") && done.out.contains("epoch 40"),
        "{}",
        done.out
    );
    // Rates are tried with the momentum that the optimizer has, whatever the schedule does with it.
    desk.write("c.net", NET.replace("schedule cosine warmup=5%", "schedule one_cycle cycle_momentum=true"));
    let losses = |file: &str| -> Vec<f64> {
        let done = desk.run(&format!("lr {file} --steps 12 --from 1e-3 --to 1e-2 --json"));
        json(&done.out)["loss"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect()
    };
    let (own, cycled) = (losses("n.net"), losses("c.net"));
    assert_eq!(own.len(), cycled.len());
    assert!(own.iter().zip(&cycled).all(|(a, b)| (a - b).abs() < 1e-3 * a), "{own:?} {cycled:?}");
    let cycle = "--set train.schedule=one_cycle --set train.schedule.cycle_momentum=true";
    let done = desk.run(&format!("show --schedule n.net {cycle}"));
    assert!(done.out.contains("\nmomentum\n"), "{}{}", done.out, done.err);
}
