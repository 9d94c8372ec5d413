//! The words that the language itself gives a meaning: sections of a file, and what stands in a model beside layers.

use crate::reference::{Entry, sentence};

/// A word with its place in a file.
pub struct Statement {
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
    /// What a completion writes: stops as `${1:default}`, the last one `$0`.
    pub snippet: &'static str,
    pub docs: &'static str,
    /// A whole file, and files beside it as `file PATH` blocks.
    pub example: &'static str,
}

/// Every such word, in the order of a file.
pub static STATEMENTS: &[Statement] = &[
    Statement {
        name: "use",
        usage: "use \"PATH\"",
        summary: "imports the blocks, constants and models of another file",
        snippet: "use \"${1:parts.model}\"",
        docs: "The path is relative to the file that names it and stays inside the project's folder. A file that is \
               used by several is read once; files cannot use each other in a cycle.",
        example: "```net\nuse \"parts.model\"\n\nmodel M {\n    input 3x32x32\n    stem 16\n    global_avg_pool -> linear \
                  classes\n}\n```\n\n```file parts.model\nlet classes = 10\nblock stem(channels) { conv2d channels \
                  3x3 padding=1 -> relu }\n```",
    },
    Statement {
        name: "let",
        usage: "let NAME = VALUE",
        summary: "gives a value a name",
        snippet: "let ${1:name} = ${2:16}",
        docs: "At the top of a file it holds for the whole file, in a body for the lines below. A value is fixed: nothing is ever reassigned.",
        example: "```net\nlet width = 16\n\nmodel M {\n    input 1x28x28\n    let twice = (2 * width)\n    conv2d width \
                  3x3 -> relu -> conv2d twice 3x3\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "block",
        usage: "block NAME(PARAMETER, PARAMETER=DEFAULT) { … }",
        summary: "layers under one name, used like a layer",
        snippet: "block ${1:name}(${2:channels}) {\n    $0\n}",
        docs: "Parameters are given by place or by name; a parameter may stand for a number or for a layer's word. A \
               block sees its own names and the file's constants, and `in.channels`, `in.height` and `in.width` \
               of an image that arrives, `in.depth` as well of a volume, or `in.channels` and `in.length` of a sequence. It cannot use itself.",
        example: "```net\nblock unit(channels, stride=1, act=relu) {\n    conv2d channels 3x3 stride=stride padding=1 \
                  bias=false -> batch_norm -> act\n}\n\nmodel M {\n    input 3x32x32\n    unit 16 -> unit 32 stride=2 -> \
                  unit 32 act=silu\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "model",
        usage: "model NAME { … }, model NAME(PARAMETER=DEFAULT) { … }, model NAME(PARAMETER=VALUE)",
        summary: "the network, from its input to its output",
        snippet: "model ${1:Name} {\n    input ${2:1x28x28}\n    $0\n}",
        docs: "Layers in order: each takes the output of the line above. The first line is `input`. A file \
               that trains has one model, its own or one that it uses. Without braces, `model NAME(classes=10)` uses the \
               model of that name from an imported file, with these parameters; `input=3x64x64` gives it another input. \
               The shapes that its file asserts hold for the file's own values and are not checked then. Inside another model, \
               `NAME 10` is a layer that takes what arrives in place of its own input.",
        example: "```net\nmodel Small(classes=10) {\n    input 1x28x28\n    conv2d 8 3x3 -> relu     : 8x26x26\n    \
                  max_pool2d 2\n    flatten -> linear classes\n}\n```",
    },
    Statement {
        name: "data",
        usage: "data { source NAME \"FOLDER\"; … }",
        summary: "what the network learns from",
        snippet: "data {\n    source ${1:mnist} \"${2:data/mnist}\"\n    $0\n}",
        docs: "A data set, how its images are prepared, and how many are set aside. Preparation travels with the trained \
               model: evaluation and prediction do the same.",
        example: "```net\nmodel M { input 1x28x28; flatten -> linear 10 }\n\ndata {\n    source mnist \"data/mnist\"\n    \
                  validation 5000\n    normalize mean=0.1307 std=0.3081\n    augment { random_crop 28x28 padding=2 -> \
                  random_rotation 10 }\n}\n```",
    },
    Statement {
        name: "train",
        usage: "train { loss NAME; optimizer NAME …; … }",
        summary: "how the network learns",
        snippet: "train {\n    loss ${1:cross_entropy}\n    optimizer ${2:adam} lr=${3:1e-3}\n    $0\n}",
        docs: "Loss and optimizer are needed; without the others the learning rate is constant, there are 10 epochs in \
               batches of 64, and the seed is 0.",
        example: "```net\nmodel M { input 1x28x28; flatten -> linear 10 }\n\ndata { source mnist \"data/mnist\" }\n\ntrain \
                  {\n    loss cross_entropy\n    optimizer adam lr=1e-3\n    schedule cosine warmup=5%\n    epochs 5\n    \
                  batch 64\n    seed 42\n}\n```",
    },
    Statement {
        name: "expect",
        usage: "expect { QUANTITY < NUMBER; … }",
        summary: "what must hold",
        snippet: "expect {\n    ${1:parameters} < ${2:100k}\n}",
        docs: "Facts about the network are checked every time, measurements after the run, which exits with code 1 if one does not hold.",
        example: "```net\nmodel M { input 1x28x28; flatten -> linear 10 }\n\nexpect {\n    parameters < 10k\n    memory < \
                  10MB\n    test.accuracy > 90%\n}\n```",
    },
    Statement {
        name: "repeat",
        usage: "repeat N { … }",
        summary: "the same lines N times",
        snippet: "repeat ${1:2} {\n    $0\n}",
        docs: "Each repetition has its own parameters. Names given inside are not visible outside.",
        example: "```net\nmodel M {\n    input 1x28x28\n    conv2d 8 3x3\n    repeat 3 { conv2d 8 3x3 padding=1 -> relu }\n    \
                  flatten -> linear 10\n}\n```",
    },
    Statement {
        name: "for",
        usage: "for NAME in [VALUE, …] { … }",
        summary: "the lines once for each value of a list",
        snippet: "for ${1:channels} in [${2:32, 64}] {\n    $0\n}",
        docs: "The name has the value inside the braces.",
        example: "```net\nmodel M {\n    input 3x32x32\n    for channels in [16, 32, 64] { conv2d channels 3x3 stride=2 \
                  padding=1 -> relu }\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "if",
        usage: "if CONDITION { … } else if CONDITION { … } else { … }",
        summary: "the lines of the first condition that holds",
        snippet: "if ${1:in.channels > 32} {\n    $0\n}",
        docs: "A condition compares two values with `==`, `!=`, `<`, `<=`, `>` or `>=`; `and` binds before `or`. It is \
               decided when the file is read, never by the data.",
        example: "```net\nblock unit(channels) {\n    if in.channels == channels {\n        residual { conv2d channels 3x3 \
                  padding=1 }\n    } else {\n        conv2d channels 3x3 padding=1\n    }\n}\n\nmodel M {\n    input \
                  3x32x32\n    unit 8 -> unit 8\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "else",
        usage: "… } else { … }, … } else if CONDITION { … }",
        summary: "after the block of `if`: the lines for when its condition does not hold",
        snippet: "else {\n    $0\n}",
        docs: "It begins on the line of the `}` before it.",
        example: "```net\nmodel M {\n    input 1x28x28\n    if in.height > 64 { avg_pool2d 4 } else { identity }\n    flatten \
                  -> linear 10\n}\n```",
    },
    Statement {
        name: "residual",
        usage: "residual { … }, residual { … } shortcut { … }",
        summary: "the sum of a block and its input, or of a block and its shortcut",
        snippet: "residual {\n    $0\n}",
        docs: "Both take what arrives at the `residual`, and both must give the same shape.",
        example: "```net\nmodel M {\n    input 3x32x32\n    conv2d 16 3x3 padding=1\n    residual { conv2d 16 3x3 padding=1 -> \
                  relu -> conv2d 16 3x3 padding=1 }\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "shortcut",
        usage: "residual { … } shortcut { … }",
        summary: "after the block of `residual`: what is added instead of its input",
        snippet: "shortcut {\n    $0\n}",
        docs: "It makes shapes agree where the block changes the channels or halves the image.",
        example: "```net\nmodel M {\n    input 3x32x32\n    residual { conv2d 16 3x3 stride=2 padding=1 } shortcut { conv2d 16 \
                  1x1 stride=2 padding=0 : 16x16x16 }\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "branch",
        usage: "concat { branch { … } branch { … } }",
        summary: "one of several paths that start from the same value and are joined",
        snippet: "branch {\n    $0\n}",
        docs: "Inside `concat`, `add` or `multiply`, which say how.",
        example: "```net\nmodel M {\n    input 3x32x32\n    concat {\n        branch { conv2d 8 1x1 }\n        branch { conv2d 8 \
                  3x3 padding=1 }\n        branch { identity }\n    }\n    global_avg_pool -> linear 10\n}\n```",
    },
    Statement {
        name: "from",
        usage: "from NAME",
        summary: "the first line of braces: goes on with a named value instead of what arrives",
        snippet: "from ${1:name}",
        docs: "NAME is a further input of the model, or a value that `as` names above.",
        example: "```net\nmodel M {\n    input 3x32x32\n    input clinical 4\n    conv2d 8 3x3 -> relu -> global_avg_pool\n    \
                  concat {\n        branch { identity }\n        branch { from clinical -> linear 16 -> relu }\n    }\n    linear \
                  2\n}\n```",
    },
    Statement {
        name: "share",
        usage: "share NAME",
        summary: "the layers of a line above once more, with the same weights",
        snippet: "share ${1:name}",
        docs: "`as NAME` names that line, a layer or a block. Its layers take what arrives, which has the shape that arrived \
               there; training updates their weights with the gradients of both uses. Layers with running statistics, such as \
               `batch_norm`, cannot be shared.",
        example: "```net\nblock tower { conv2d 8 3x3 -> relu -> global_avg_pool -> linear 4 }\n\nmodel Siamese {\n    input \
                  1x28x28\n    input other 1x28x28\n    tower as own\n    add {\n        branch { identity }\n        branch { \
                  from other -> share own -> scale -1 }\n    }\n    linear 2\n}\n```",
    },
    Statement {
        name: "as",
        usage: "LAYER … as NAME",
        summary: "names a line's output, to be joined further down",
        snippet: "as ${1:name}",
        docs: "The name is visible on the lines below, inside the braces it stands in: `add NAME`, `concat NAME`, \
               `multiply NAME`.",
        example: "```net\nmodel M {\n    input 3x32x32\n    conv2d 8 3x3 padding=1 as early\n    relu -> conv2d 8 3x3 padding=1\n    \
                  concat early                : 16x32x32\n    global_avg_pool -> linear 10\n}\n```",
    },
];

pub fn entry(statement: &Statement) -> Entry {
    let text = format!(
        "{}.\n\n```text\n{}\n```\n\n{}\n\n{}\n",
        sentence(statement.summary),
        statement.usage,
        statement.docs,
        statement.example
    );
    Entry { name: statement.name.to_owned(), elsewhere: &[], text }
}
