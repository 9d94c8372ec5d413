//! What `dslc check` prints for machines: workflow commands and SARIF, of several files, of files without findings and
//! of files that cannot be read.

use std::process::Command;

use serde_json::Value;

const WRONG: &str = "model M {\n    input 1x28x28\n    covn2d 8 3x3\n    flatten -> linear 10 in=5408\n}\n";
const PAIR: &str = "use \"parts/a, b.model\"\nmodel M(n=10) {\n    input 1x28x28\n    conv2d 8 3x3 -> relu as x\n    \
                    pair 16\n    flatten -> linear n\n}\n";
const PART: &str = "block pair(c) { conv2d c 3x3 in=7 -> relu }\n";

/// What `dslc check` says to `arguments` in a folder of some files, and its exit code.
fn check(arguments: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    let fine = "model M { input 1x2x2; flatten -> linear 2 }\n";
    for (name, text) in
        [("wrong.net", WRONG), ("pair.net", PAIR), ("parts/a, b.model", PART), ("ok.net", fine)]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_dslc"));
    let output = command.arg("check").args(arguments).current_dir(folder.path()).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/formats");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn github_shows_findings_beside_the_lines() {
    let (text, code) = check(&["wrong.net", "pair.net", "ok.net", "--message-format", "github"]);
    assert_eq!(code, Some(1));
    assert!(
        text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")),
        "{text}"
    );
    snapshot("github", &text);
}

#[test]
fn sarif_is_one_document() {
    let (text, code) =
        check(&["wrong.net", "pair.net", "--set", "train.epochs=0", "--message-format", "sarif"]);
    assert_eq!(code, Some(1));
    let mut log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let driver = &mut log["runs"][0]["tool"]["driver"];
    let rules: Vec<String> = driver["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    for rule in driver["rules"].as_array().unwrap() {
        for key in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[key]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        }
    }
    driver["rules"] = Value::from(rules.len());
    driver["version"] = Value::from("VERSION");
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let at = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(result["ruleId"].as_str(), Some(rules[at].as_str()));
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()), "{result}");
    }
    snapshot("sarif", &format!("{log:#}"));
}

#[test]
fn sarif_is_whole_without_findings_and_with_files_that_cannot_be_read() {
    let run = |arguments: &[&str], code| {
        let (text, found) = check(arguments);
        assert_eq!(found, Some(code), "{text}");
        let log: Value = serde_json::from_str(&text).unwrap();
        log["runs"][0].clone()
    };
    let fine = run(&["ok.net", "--message-format", "sarif"], 0);
    assert_eq!(fine["results"], Value::Array(Vec::new()));
    assert_eq!(fine["invocations"][0]["executionSuccessful"], true);
    let absent = run(&["absent.net", "ok.net", "--message-format=sarif"], 2);
    let said = &absent["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(said.as_str().unwrap().contains("absent.net does not exist"), "{said}");
}
