//! A word that may be a setting's, an argument's or another tool's for one → the setting's path in a file, as `--set`
//! takes it: `epochs` is `train.epochs`, `lr` is `train.optimizer.lr`.

use crate::experiment::words::{self, lines, registry};
use crate::spec::{Param, Spec, elsewhere};

/// The sections that have settings, the one that is changed most first.
const SECTIONS: [&str; 2] = ["train", "data"];

/// The path of the setting that a name stands for; `-` counts as `_`.
pub fn setting(name: &str) -> Option<String> {
    let name = name.replace('-', "_");
    let called = |spec: &&Spec| spec.name == name || elsewhere::is_called(spec, &name);
    let all = || {
        SECTIONS
            .iter()
            .flat_map(|section| lines(section).into_iter().flatten().map(move |line| (section, line)))
    };
    if let Some((section, line)) = all().find(|(_, line)| called(line)) {
        return Some(format!("{section}.{}", line.name));
    }
    // Of a setting itself before those of what it may choose.
    let own = all().find_map(|(section, line)| {
        words::section(section)?.setting(line.name)?;
        let argument = line.params.iter().find(|param| !param.positional && param.name == name)?;
        Some(format!("{section}.{}.{}", line.name, argument.name))
    });
    let chosen = || {
        all().find_map(|(section, line)| {
            let chosen = registry(section, line.name).into_iter().flat_map(|registry| (registry.specs)());
            let argument = chosen.chain([line]).find_map(|spec| {
                let has = |param: &&Param| !param.positional && param.name == name;
                spec.params
                    .iter()
                    .find(has)
                    .map(|param| param.name)
                    .or_else(|| elsewhere::argument(spec, &name))
            });
            argument.map(|argument| format!("{section}.{}.{argument}", line.name))
        })
    };
    own.or_else(chosen)
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn a_name_leads_to_its_setting() {
        let path = |name: &str| setting(name).unwrap_or_default();
        assert_eq!(path("epochs"), "train.epochs");
        assert_eq!(path("num-epochs"), "train.epochs");
        assert_eq!(path("batch-size"), "train.batch");
        assert_eq!(path("lr"), "train.optimizer.lr");
        assert_eq!(path("learning_rate"), "train.optimizer.lr");
        assert_eq!(path("patience"), "train.early_stop.patience");
        assert_eq!(path("validation"), "data.validation");
        assert_eq!(path("colour"), "");
    }
}
