//! The declaration of `train { … }`: its settings, and what holds where they are not written.

use std::time::Duration;

use crate::layers::initial;
use crate::spec::section::{Absent, Section, Setting, Steps, Takes};
use crate::spec::{Kind, Preset, Spec, keyword, positional};
use crate::train::{beginning, groups, losses, metrics, mixes, optimizers, schedules};

pub static TRAIN: Section = Section {
    name: "train",
    title: "Lines of `train`",
    intro: "",
    settings: &[
        &LOSS,
        &METRICS,
        &OPTIMIZER,
        &SCHEDULE,
        &MIX,
        &CLIP,
        &DECAY,
        &INIT,
        &EMA,
        &EPOCHS,
        &BATCH,
        &ACCUMULATE,
        &SEED,
        &PRECISION,
        &EARLY_STOP,
        &KEEP,
        &CHECKPOINT,
        &LOGS,
        &beginning::WEIGHTS,
    ],
    steps: Steps::Repeated(&groups::REGISTRY),
    strangers: &[],
    not_needed: &[],
    example: "train { loss cross_entropy; optimizer adam lr=1e-3 }",
};

pub static LOSS: Setting =
    Setting { spec: &LOSS_SPEC, takes: Takes::EachOf(&losses::REGISTRY), absent: Absent::Refused };
pub static METRICS: Setting =
    Setting { spec: &METRICS_SPEC, takes: Takes::Words(&metrics::REGISTRY), absent: Absent::Nothing };
pub static KEEP: Setting = Setting { spec: &KEEP_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static OPTIMIZER: Setting =
    Setting { spec: &OPTIMIZER_SPEC, takes: Takes::OneOf(&optimizers::REGISTRY), absent: Absent::Refused };
pub static SCHEDULE: Setting = Setting {
    spec: &SCHEDULE_SPEC,
    takes: Takes::OneOf(&schedules::REGISTRY),
    absent: Absent::Holds(&[Preset::Word("constant")]),
};
pub static MIX: Setting =
    Setting { spec: &MIX_SPEC, takes: Takes::OneOf(&mixes::REGISTRY), absent: Absent::Nothing };
pub static CLIP: Setting = Setting { spec: &CLIP_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static DECAY: Setting =
    Setting { spec: &DECAY_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[]) };
pub static INIT: Setting =
    Setting { spec: &INIT_SPEC, takes: Takes::OneOf(&initial::REGISTRY), absent: Absent::Nothing };
pub static EMA: Setting = Setting { spec: &EMA_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static EPOCHS: Setting =
    Setting { spec: &EPOCHS_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[Preset::Count(10)]) };
pub static BATCH: Setting =
    Setting { spec: &BATCH_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[Preset::Count(64)]) };
pub static ACCUMULATE: Setting =
    Setting { spec: &ACCUMULATE_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static SEED: Setting =
    Setting { spec: &SEED_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[Preset::Count(0)]) };
pub static PRECISION: Setting =
    Setting { spec: &PRECISION_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[Preset::Word("f32")]) };
pub static EARLY_STOP: Setting =
    Setting { spec: &EARLY_STOP_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static CHECKPOINT: Setting =
    Setting { spec: &CHECKPOINT_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[]) };

pub static LOGS: Setting = Setting { spec: &LOGS_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };

static LOSS_SPEC: Spec = Spec {
    name: "loss",
    summary: "what training minimises",
    docs: "`loss NAME` and the loss's own arguments. Several `loss` lines are added up, each multiplied by its `weight`: `loss \
           cross_entropy` and `loss dice weight=0.5`.",
    params: &[positional("name", Kind::Word, Preset::Required, "a loss, such as `cross_entropy`")],
    example: "loss cross_entropy",
    elsewhere: &["criterion", "objective", "loss_fn"],
};

static METRICS_SPEC: Spec = Spec {
    name: "metrics",
    summary: "what is measured besides the loss",
    docs: "Names of metrics, measured on the validation images after every epoch and on the test images at the end. The default \
           is `accuracy macro_f1` for classes, `map macro_f1` for labels, `mae rmse r2` for numbers, `mean_iou pixel_accuracy \
           dice` for masks and `psnr` for images. Metrics that `expect`, `early_stop` or `keep` name are measured, too.",
    params: &[positional("names", Kind::Names, Preset::Required, "metrics, such as `accuracy auc`")],
    example: "metrics accuracy auc",
    elsewhere: &["metric", "measures", "scores", "eval_metric"],
};

static KEEP_SPEC: Spec = Spec {
    name: "keep",
    summary: "which weights of a run are tested and kept as the best",
    docs: "`keep best by=mean_iou` decides by that metric on the validation images, instead of by their loss; needs `validation` in `data`. \
           `early_stop` watches the same.",
    params: &[
        positional("which", Kind::Choice(&["best"]), Preset::Required, "the best"),
        keyword("by", Kind::Choice(metrics::NAMES), Preset::Word("loss"), "the loss or a metric"),
    ],
    example: "keep best by=accuracy",
    elsewhere: &["save_best", "save_best_only", "save_top_k"],
};

static OPTIMIZER_SPEC: Spec = Spec {
    name: "optimizer",
    summary: "how the weights are updated",
    docs: "`optimizer NAME` and the optimizer's own arguments.",
    params: &[positional("name", Kind::Word, Preset::Required, "an optimizer, such as `adam`")],
    example: "optimizer adam lr=1e-3",
    elsewhere: &["optim", "solver", "optimiser"],
};

static SCHEDULE_SPEC: Spec = Spec {
    name: "schedule",
    summary: "how the learning rate changes over the run",
    docs: "`schedule NAME` and the schedule's own arguments. Without it the learning rate stays.",
    params: &[positional("name", Kind::Word, Preset::Required, "a schedule, such as `cosine`")],
    example: "schedule cosine warmup=5%",
    elsewhere: &["scheduler", "lr_scheduler", "lr_schedule", "lr_policy", "policy"],
};

static MIX_SPEC: Spec = Spec {
    name: "mix",
    summary: "mixes the images of a training batch with each other",
    docs: "`mix NAME` and the mix's own arguments. The batch is prepared as `data` says. Then each image gets a part of the one \
           before it in the batch, and the first a part of the last. What is drawn depends on the seed, the epoch and the batch's \
           place in it.",
    params: &[positional("name", Kind::Word, Preset::Required, "a mix, such as `cutmix`")],
    example: "mix mixup alpha=0.2",
    elsewhere: &["mixing", "batch_transform", "collate_fn"],
};

static CLIP_SPEC: Spec = Spec {
    name: "clip",
    summary: "how large gradients may be",
    docs: "`value=0.5` cuts every number of the gradients to the range from -0.5 to 0.5. `norm=1` shortens all gradients together by \
           one factor, `norm / (n + 1e-6)`, where the root `n` of the sum of their squares is larger; with both, numbers are cut \
           first. As PyTorch's `clip_grad_value_` and `clip_grad_norm_`. Weight decay is not clipped.",
    params: &[
        keyword(
            "norm",
            Kind::Number { min: 1e-9, max: 1e9 },
            Preset::Absent,
            "the largest norm of all gradients together",
        ),
        keyword(
            "value",
            Kind::Number { min: 1e-9, max: 1e9 },
            Preset::Absent,
            "the largest absolute value of each number in them",
        ),
    ],
    example: "clip norm=1",
    elsewhere: &[
        "clipnorm",
        "clipvalue",
        "clip_grad",
        "clip_grad_norm",
        "gradient_clip_val",
        "max_grad_norm",
    ],
};

static DECAY_SPEC: Spec = Spec {
    name: "decay",
    summary: "what the optimizer's `weight_decay` pulls towards 0",
    docs: "`all` parameters, or the `weights` of convolutions and linear layers alone: biases, and the scales and shifts of \
           normalisation, stay free, as most recipes for image networks have it.",
    params: &[keyword(
        "on",
        Kind::Choice(&["all", "weights"]),
        Preset::Word("all"),
        "which parameters it pulls",
    )],
    example: "decay on=weights",
    elsewhere: &["no_weight_decay", "bias_decay", "norm_decay", "filter_bias_and_bn"],
};

static INIT_SPEC: Spec = Spec {
    name: "init",
    summary: "how weights are initialised",
    docs: "`init NAME` and the initialiser's own arguments, for every convolution and linear layer without an `init=` of its own; \
           their biases then start at 0. By default each layer starts as its own documentation says. A run that starts from other \
           weights uses those.",
    params: &[positional("name", Kind::Word, Preset::Required, "an initialiser, such as `kaiming_normal`")],
    example: "init kaiming_normal zero_residual=true",
    elsewhere: &["initializer", "kernel_initializer", "weight_init", "weight_filler", "initialization"],
};

static EMA_SPEC: Spec = Spec {
    name: "ema",
    summary: "evaluates with running means of the weights",
    docs: "After each update `mean = decay mean + (1 - decay) weight`, for every weight and for the statistics of `batch_norm`. \
           Validation, test and prediction see the means; training goes on with the weights. The means start as the weights after \
           the first update. The best weights on disk, `best.safetensors`, are the means; the state to resume from, \
           `last.safetensors`, has both, the means under the weights' names with `.ema` appended.\n\n\
           With `warmup=true` the decay is at most `1 - t^(-2/3)` in update `t`, as in timm's ModelEmaV3 with its warm-up, so \
           that the means soon forget the initial weights, even in short runs. With `false` it is the same as PyTorch's \
           AveragedModel with `use_buffers`.",
    params: &[
        positional(
            "decay",
            Kind::Number { min: 0.0, max: 0.999_999 },
            Preset::Required,
            "how much of the mean each update keeps",
        ),
        keyword("warmup", Kind::Bool, Preset::Bool(true), "whether the first means forget faster"),
    ],
    example: "ema 0.999",
    elsewhere: &["ModelEMA", "model_ema", "use_ema", "ema_decay", "AveragedModel", "SwapEMAWeights"],
};

static EPOCHS_SPEC: Spec = Spec {
    name: "epochs",
    summary: "how many times every training image is seen",
    docs: "In each epoch the images come in a new order, drawn by the seed.",
    params: &[positional("count", Kind::Count, Preset::Required, "a whole number")],
    example: "epochs 5",
    elsewhere: &["epoch", "num_epochs", "n_epochs", "max_epochs"],
};

static BATCH_SPEC: Spec = Spec {
    name: "batch",
    summary: "how many images one step sees",
    docs: "The last batch of an epoch may be smaller.\n\n\
           `batch auto 2GB` takes the most images whose plans fit 2 GB: weights, what the optimizer keeps of them and \
           the values of a step, as planned for training and evaluation before anything runs, and without the data \
           set itself; never more than the training images. \
           Without a memory size it is half of the machine's, or of what its container may have, and the batch has at most a hundredth \
           of the training images, so that an epoch keeps a hundred steps to learn by; but 16 are never too many, and \
           512 the most. Plans need memory for each thread, so the number that fits is this machine's; a run records \
           it in its resolved file. With `--device` of another kind than `cpu` the memory is the device's, and what is counted \
           are the states and the values that live together, without what an operation takes for itself.",
    params: &[
        positional("size", Kind::CountOrAuto, Preset::Required, "how many images"),
        positional("memory", Kind::Bytes, Preset::Absent, "what `auto` may take"),
    ],
    example: "batch 64",
    elsewhere: &["batch_size", "batchsize", "batches"],
};

static ACCUMULATE_SPEC: Spec = Spec {
    name: "accumulate",
    summary: "how many batches make one update",
    docs: "The gradients of this many batches are added up before the optimizer changes the weights: the update of one large \
           batch, in the memory of a small one. Every image counts the same, even in a smaller last batch, and an epoch ends with \
           an update for the batches that are left. Clipping applies to the sum. The sums run in a different order than in one \
           large batch, so the weights agree up to rounding; the same file still gives the same bits. `batch_norm` looks at each \
           batch separately.\n\n\
           Schedules, `ema` and the steps that a run reports count updates.",
    params: &[positional("batches", Kind::Count, Preset::Required, "a whole number")],
    example: "accumulate 4",
    elsewhere: &[
        "accumulate_grad_batches",
        "gradient_accumulation_steps",
        "grad_accumulation",
        "subdivisions",
        "iter_size",
    ],
};

static SEED_SPEC: Spec = Spec {
    name: "seed",
    summary: "from which every random number of the run follows",
    docs: "Initial weights, shuffling, dropout and augmentation. The same seed gives the same bits.",
    params: &[positional("number", Kind::Whole, Preset::Required, "a whole number")],
    example: "seed 42",
    elsewhere: &["random_seed", "manual_seed"],
};

static PRECISION_SPEC: Spec = Spec {
    name: "precision",
    summary: "how exactly a CUDA device computes",
    docs: "With `tf32` a device with tensor cores for it (8.0 or newer) rounds the factors of matrix products and \
           convolutions to 10 bits after the binary point, in return for speed; sums, weights and everything else stay f32. \
           It affects cuBLAS and cuDNN only: dslc's own kernels multiply in f32 either way.\n\n\
           With `bf16` what follows from the images is stored in 16 bits, 7 of them after the binary point, which halves \
           its memory and the time to move it: what convolutions and matrix products give and everything between \
           them, forward and backward. cuBLAS and cuDNN multiply bf16 by bf16, for which weights are rounded once a \
           step; every sum is f32. These stay f32: the learned weights, the optimizer's state, gradients of the weights (those of filters are rounded on the way out of cuDNN), the statistics of `batch_norm`, `softmax`, the loss, the measurements and the network's output. bf16 has the range of f32, so that losses need no scaling. \
           A device older than 8.0 is refused.\n\n\
           Convolutions, products, `softmax` and losses are as with PyTorch's autocast. It also stores as f32 what \
           sums, powers, exponentials, `layer_norm` and `group_norm` give; here they compute in f32 and store bf16 if \
           they read that. The CPU and Metal compute in f32 whatever the file asks for, and a run says so.\n\n\
           With both, cuDNN's convolutions and what follows from them have channels last in memory. Files and shapes \
           do not show it; some sums are made in another order.\n\n\
           `docs/gpu.md` says what has run on which GPU.",
    params: &[positional("kind", Kind::Choice(&["f32", "tf32", "bf16"]), Preset::Required, "how exactly")],
    example: "precision tf32",
    elsewhere: &["dtype", "amp", "mixed_precision"],
};

static EARLY_STOP_SPEC: Spec = Spec {
    name: "early_stop",
    summary: "ends the run when it no longer improves",
    docs: "Watches the loss or a metric on the validation images after each epoch; needs `validation` in `data`.",
    params: &[
        keyword("patience", Kind::Count, Preset::Required, "epochs without a new best before the run ends"),
        keyword(
            "monitor",
            Kind::Choice(metrics::MONITORS),
            Preset::Word("validation.loss"),
            "what is watched",
        ),
    ],
    example: "early_stop patience=3",
    elsewhere: &["early_stopping", "EarlyStopping"],
};

static CHECKPOINT_SPEC: Spec = Spec {
    name: "checkpoint",
    summary: "how often a run is saved inside an epoch, and how many saves are kept",
    docs: "An interrupted run continues from its last checkpoint (`dslc resume`). One is written at the end of every epoch, when \
           a signal ends the run, and inside an epoch every `every`; it never changes what is learned. The newest `keep` are \
           kept: if the last one is damaged, dslc uses the one before it.",
    params: &[
        keyword(
            "every",
            Kind::Time { min: Duration::from_secs(1) },
            Preset::Time(Duration::from_secs(10 * 60)),
            "the time between two checkpoints inside an epoch",
        ),
        keyword("keep", Kind::Count, Preset::Count(2), "how many checkpoints are kept"),
    ],
    example: "checkpoint every=30min keep=3",
    elsewhere: &["checkpoints", "ModelCheckpoint", "save_every", "checkpoint_interval"],
};

static LOGS_SPEC: Spec = Spec {
    name: "logs",
    summary: "another tool's format for the measurements",
    docs: "`tensorboard` writes an event file into the folder `tensorboard` of the run: each measurement of each epoch as a scalar. \
           `tensorboard --logdir runs` shows all runs. Without this line, a run has its measurements in `metrics.jsonl`, \
           `metrics.csv` and `report.html`.",
    params: &[positional("tool", Kind::Choice(&["tensorboard"]), Preset::Required, "the tool")],
    example: "logs tensorboard",
    elsewhere: &["log", "logger", "TensorBoard", "tensorboard", "SummaryWriter", "CSVLogger"],
};
