//! Property tests of the front end: programs made at random from the grammar, with blanks, comments and line breaks
//! wherever they may stand, and the models with random damage.

use dslc::source::Sources;
use dslc::syntax::Reading;
use dslc::syntax::ast::Ast;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use crate::front_end::{hold, parsed};

/// A piece of a program.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// Blanks, or none.
    Blank,
    /// At least one blank.
    Space,
    /// Where lines may end inside brackets and around arrows.
    Break,
    /// What ends a statement.
    End,
    /// Behind `{` and before `}`.
    Edge,
}

type Pieces = Vec<Piece>;

fn text(text: impl Into<String>) -> Piece {
    Piece::Text(text.into())
}

/// What a gap is filled with, by a random number.
fn filling(piece: &Piece, choice: u8) -> String {
    const BREAKS: &[&str] = &["", " ", "\n", "\n\n", " # c\n", "\t\n  # own\n", "# a\n\n## b \n", "\r\n"];
    const ENDS: &[&str] = &[
        "\n",
        ";",
        " ; ",
        "\n\n",
        "\n\n\n\n",
        "# c\n",
        "  ## d\n",
        "\n## doc\n",
        "\n# x\n\n## y\n",
        ";\n;",
        "\n; ## e\n",
        ";; # \"q\n",
        "\r\n\t",
    ];
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Blank => ["", "", " ", "  ", "\t"][usize::from(choice) % 5].to_owned(),
        Piece::Space => [" ", " ", "  ", "\t", " \t "][usize::from(choice) % 5].to_owned(),
        Piece::Break => BREAKS[usize::from(choice) % BREAKS.len()].to_owned(),
        Piece::End => ENDS[usize::from(choice) % ENDS.len()].to_owned(),
        Piece::Edge => match choice % 3 {
            0 => String::new(),
            1 => " ".to_owned(),
            _ => ENDS[usize::from(choice) % ENDS.len()].to_owned(),
        },
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["conv2d", "relu", "let", "repeat", "in.channels", "x", "a_b", "same"])
            .prop_map(str::to_owned),
        "[b-z_][a-z0-9_]{0,30}",
    ]
    .prop_filter("`as` begins a name", |word| word != "as")
}

fn name() -> impl Strategy<Value = String> {
    word().prop_map(|word| word.replace('.', "_"))
}

fn joined(items: Vec<Pieces>, open: &str, close: &str, last_comma: bool) -> Pieces {
    let mut out = vec![text(open), Piece::Break];
    let n = items.len();
    for (i, item) in items.into_iter().enumerate() {
        out.extend(item);
        if i + 1 < n || last_comma {
            out.extend([Piece::Blank, text(","), Piece::Break]);
        }
    }
    if !last_comma {
        out.push(Piece::Break);
    }
    out.push(text(close));
    out
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,3}(\\.[0-9]{1,2})?(e-?[0-9])?(%|k|MB|ms|min)?",
        "[0-9]{1,3}x[0-9]{1,3}(x[0-9]{1,3})?",
        word(),
    ]
}

/// Arithmetic without its outer parentheses.
fn sum() -> impl Strategy<Value = Pieces> {
    let leaf = atom().prop_map(|atom| vec![text(atom)]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "//", "/", "%"]), inner.clone())
                .prop_map(|(a, sign, b)| [a, vec![Piece::Space, text(sign), Piece::Blank], b].concat()),
            inner
                .clone()
                .prop_map(|a| [vec![text("("), Piece::Blank], a, vec![Piece::Blank, text(")")]].concat()),
            inner.prop_map(|a| [vec![text("-("), Piece::Blank], a, vec![Piece::Blank, text(")")]].concat()),
        ]
    })
}

fn value() -> impl Strategy<Value = Pieces> {
    let leaf = prop_oneof![
        4 => atom().prop_map(|atom| vec![text(atom)]),
        1 => Just(vec![text("-3")]),
        1 => "[ -!#-~é]{0,12}".prop_map(|inside| vec![text(format!("\"{inside}\""))]),
        1 => sum().prop_map(|sum| [vec![text("("), Piece::Blank], sum, vec![Piece::Blank, text(")")]].concat()),
    ];
    leaf.prop_recursive(3, 24, 12, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..12);
        let property = (name(), inner).prop_map(|(key, value)| {
            [vec![text(key), Piece::Blank, text("="), Piece::Blank], value].concat()
        });
        prop_oneof![
            (items.clone(), any::<bool>()).prop_map(|(items, comma)| {
                let comma = comma && !items.is_empty();
                joined(items, "[", "]", comma)
            }),
            (name(), items, prop::collection::vec(property, 0..3)).prop_map(|(name, items, properties)| {
                joined([items, properties].concat(), &format!("{name}("), ")", false)
            }),
        ]
    })
}

fn argument() -> impl Strategy<Value = Pieces> {
    prop_oneof![
        4 => value(),
        2 => (name(), value()).prop_map(|(key, value)| {
            [vec![text(key), Piece::Blank, text("="), Piece::Blank], value].concat()
        }),
        1 => (prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), value())
            .prop_map(|(sign, value)| [vec![text(sign), Piece::Blank], value].concat()),
    ]
}

fn head() -> impl Strategy<Value = Pieces> {
    (word(), prop::collection::vec(argument(), 0..5)).prop_map(|(word, arguments)| {
        let mut out = vec![text(word)];
        for argument in arguments {
            out.push(Piece::Space);
            out.extend(argument);
        }
        out
    })
}

fn block(chains: Vec<Pieces>) -> Pieces {
    let mut out = vec![Piece::Blank, text("{"), Piece::Edge];
    for (i, chain) in chains.into_iter().enumerate() {
        if i > 0 {
            out.push(Piece::End);
        }
        out.extend(chain);
    }
    out.extend([Piece::Edge, text("}")]);
    out
}

fn chain() -> impl Strategy<Value = Pieces> {
    let link = |statement: Pieces, named: bool, shape: bool| {
        let mut out = statement;
        if named {
            out.extend([Piece::Space, text("as"), Piece::Space, text("skip")]);
        }
        if shape {
            out.extend([Piece::Blank, text(":"), Piece::Blank, text("8x012x1")]);
        }
        out
    };
    let chain = |links: Vec<Pieces>| {
        let mut out = Pieces::new();
        for (i, link) in links.into_iter().enumerate() {
            if i > 0 {
                out.extend([Piece::Break, text("->"), Piece::Break]);
            }
            out.extend(link);
        }
        out
    };
    let plain = (head(), any::<bool>(), any::<bool>()).prop_map(move |(head, a, b)| link(head, a, b));
    let leaf = prop::collection::vec(plain, 1..4).prop_map(chain);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let body = prop::collection::vec(inner, 0..4);
        let clause =
            (name(), prop::option::of(argument()), body.clone()).prop_map(|(name, argument, body)| {
                let argument = argument.map_or_else(Pieces::new, |a| [vec![Piece::Space], a].concat());
                [vec![Piece::Blank, text(name)], argument, block(body)].concat()
            });
        let with_block = (head(), body, prop::collection::vec(clause, 0..3), any::<bool>(), any::<bool>())
            .prop_map(move |(head, body, clauses, a, b)| {
                link([head, block(body), clauses.concat()].concat(), a, b)
            });
        let plain = (head(), any::<bool>(), any::<bool>()).prop_map(move |(head, a, b)| link(head, a, b));
        prop::collection::vec(prop_oneof![with_block, plain], 1..4).prop_map(chain)
    })
}

fn program() -> impl Strategy<Value = String> {
    let chains = prop::collection::vec(chain(), 0..6);
    (chains, prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(chains, choices)| {
        let mut pieces = vec![Piece::Edge];
        for chain in chains {
            pieces.extend(chain);
            pieces.push(Piece::End);
        }
        pieces.iter().zip(choices.iter().cycle()).map(|(piece, &choice)| filling(piece, choice)).collect()
    })
}

/// A change of a text at a random place: fewer than so many letters go and others come.
pub(crate) fn change(most_cut: usize) -> impl Strategy<Value = Change> {
    let patch = prop::sample::select(vec![
        "",
        "\n",
        "\n\n",
        " ",
        ";",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "->",
        "\"",
        ":",
        "=",
        "#",
        "##",
        " as x",
        "9",
        "x",
        "repeat 3 {",
        "in.",
        "é",
        "<",
        "%",
        "\r\n",
        ",",
        "-",
        "//",
        ": 3x3",
        " # c\n",
        "use \"",
        "add x",
        "block b(",
        "conv2d ",
        " let a = a",
    ]);
    (any::<prop::sample::Index>(), 0..most_cut, patch)
}

/// Where, how many letters go, and what comes.
pub(crate) type Change = (prop::sample::Index, usize, &'static str);

pub(crate) fn apply((at, n_cut, patch): Change, letters: &mut Vec<char>) {
    let at = at.index(letters.len() + 1);
    let end = (at + n_cut).min(letters.len());
    letters.splice(at..end, patch.chars());
}

/// A model of the project, cut and patched at random places.
fn damaged() -> impl Strategy<Value = String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let mut texts: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    texts.sort();
    (prop::sample::select(texts), prop::collection::vec(change(20), 0..6)).prop_map(|((_, text), changes)| {
        let mut letters: Vec<char> = text.chars().collect();
        changes.into_iter().for_each(|change| apply(change, &mut letters));
        letters.into_iter().collect()
    })
}

fn read(text: &str) -> (Ast, Reading) {
    let mut sources = Sources::default();
    let file = sources.add("a.net", text);
    dslc::syntax::read(&sources, file)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_of_the_grammar_are_read_and_formatted(program in program()) {
        let (_, errors) = parsed(&program);
        assert_eq!(errors, [], "{program}");
        hold(&program);
    }

    #[test]
    fn damaged_models_are_answered(text in damaged()) {
        hold(&text);
    }

    /// What comes of reading only what has changed is what comes of reading the whole.
    #[test]
    fn a_changed_text_is_read_as_any_other(
        text in prop_oneof![damaged(), program()],
        changes in prop::collection::vec(change(6), 1..8),
    ) {
        let mut letters: Vec<char> = text.chars().collect();
        let mut old = text;
        let mut before = read(&old);
        for change in changes {
            apply(change, &mut letters);
            let new: String = letters.iter().collect();
            let mut sources = Sources::default();
            let file = sources.add("a.net", new.clone());
            let again = dslc::syntax::read_again(before, &old, &sources, file);
            let (whole, errors) = parsed(&new);
            assert!(again.0 == whole, "{old:?}\n{new:?}\n{:#?}\n{whole:#?}", again.0);
            assert_eq!(again.1.diagnostics, errors, "{old:?}\n{new:?}");
            (old, before) = (new, again);
        }
    }
}
