//! Processes that a launcher has started together for one training: who is one of them, who speaks for all, and that all are
//! about to train the same. Without such a start nothing here does anything.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::table::plural;
use crate::cli::{Stop, out};
use crate::data::Dataset;
use crate::diag::{Fault, codes};
#[cfg(unix)]
use crate::kernels::cpu::local::{GiveUp, Local};
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cpu::{N_TILES, threads};
use crate::run::{self, Backend};
use crate::runs::train::machine;
use crate::tensor::device::{self, Choice};
use crate::train::trainer::Job;

/// The processes of this start.
pub struct Processes {
    peers: Arc<dyn Peers>,
    /// That of each process.
    hosts: Vec<String>,
    n_near: usize,
    /// The device of each process, where a person has said so.
    devices: Vec<Choice>,
    stage: Cell<Stage>,
}

/// How far the processes are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Each prepares, and then waits for what the others have to say.
    Preparing,
    /// All do the same, and wait for each other.
    Working,
    /// All know how it ends, such as that one of them cannot take part.
    Parted,
}

/// What all processes must have alike, under the names by which people are told.
pub type Alike = Vec<(&'static str, String)>;

/// Runs a command that trains, in all processes that were started for it, or that it starts for these devices: the first one
/// speaks for all.
pub fn together(
    devices: &[Choice],
    train: impl FnOnce(Option<&Processes>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let Some(processes) = join(devices)? else { return train(None) };
    if !processes.leads() {
        out::hold();
    }
    let done = processes.check_count().and_then(|()| train(Some(&processes)));
    processes.end(done)
}

/// Refuses to do a command's whole work in each of several processes.
pub fn refuse_several(command: &str) -> Result<(), Stop> {
    match launched(&variable) {
        None => Ok(()),
        Some(launch) => {
            let fault = Fault::new(
                codes::DEVICE,
                format!(
                    "{}, but `dslc {command}` runs in one: each process would do all the work",
                    launch.told()
                ),
            );
            Err(launch.alone(fault).into())
        }
    }
}

impl Processes {
    /// Whether this process records the training and speaks for all.
    pub fn leads(&self) -> bool {
        self.peers.rank().number == 0
    }

    /// What computes a job in all processes.
    pub fn backend(&self, job: &Job<'_>) -> Result<Box<dyn Backend>, Fault> {
        run::shared(job.device, job.train.precision, &self.peers, self.n_near)
    }

    /// The device of this process where `choice` is that of all, and the number of this process among those of its machine.
    /// Refuses a device that only one of them can have.
    pub fn device(&self, choice: Choice) -> Result<(Choice, usize), Fault> {
        let own = self.peers.rank().number;
        if let Some(&device) = self.devices.get(own) {
            return Ok((device, own));
        }
        if matches!(choice, Choice::Cuda(_)) && self.n_near > 1 {
            let message = format!("{} processes on this machine cannot share `{choice}`", self.n_near);
            let fault = Fault::new(codes::DEVICE, message);
            return Err(fault.advise("`--device cuda`, with which each process takes a GPU of its own"));
        }
        Ok((choice, self.hosts[..own].iter().filter(|other| **other == self.hosts[own]).count()))
    }

    /// What every command must find alike.
    pub fn machine() -> Result<Alike, Fault> {
        let machine = machine("cpu")?;
        Ok(vec![
            ("version of dslc", machine.dslc),
            ("kind of CPU", format!("{}, instructions {}", machine.system, machine.instructions)),
        ])
    }

    /// What a command that goes through batches must find alike.
    pub fn batches(job: &Job<'_>, dataset: &Dataset) -> Result<Alike, Fault> {
        let mut alike = Processes::machine()?;
        alike.push(("kind of device", device::kind(job.device).to_owned()));
        alike.push(("batch", job.batch.to_string()));
        alike.push(("data set", job.data.fingerprint(dataset)));
        Ok(alike)
    }

    /// `processes 4 on 2 hosts, 2 threads each`
    pub fn line(&self) -> Result<String, Fault> {
        let mut hosts = self.hosts.clone();
        hosts.sort_unstable();
        hosts.dedup();
        let hosts = plural(hosts.len() as u64, "host", "hosts");
        let threads = plural(threads::start()? as u64, "thread", "threads");
        Ok(format!("processes {} on {hosts}, {threads} each", self.peers.rank().n))
    }

    /// Waits until all are about to begin, and refuses if they would not do the same; nothing of the fault is left to say in a
    /// process that has said it.
    pub fn agree(&self, alike: &Alike) -> Result<(), Fault> {
        self.hear(&json!({ "alike": alike }))
    }

    /// The text that the first process gives.
    pub fn of_first(&self, own: &str) -> Result<String, Fault> {
        let texts = self.peers.texts(if self.leads() { own } else { "" })?;
        Ok(texts.into_iter().next().unwrap_or_default())
    }

    /// [`Peers`]' sharing of work.
    pub fn share(
        &self,
        n: usize,
        work: impl FnMut(usize) -> Result<Vec<u8>, Stop>,
        take: impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.peers.share(n, work, take)
    }

    /// From here on all know how the command ends, and none waits for another.
    pub fn part(&self) {
        self.stage.set(Stage::Parted);
    }

    fn check_count(&self) -> Result<(), Stop> {
        let n = self.peers.rank().n;
        if n <= N_TILES {
            return Ok(());
        }
        let fault = Fault::new(
            codes::DEVICE,
            format!("{n} processes were started, but a batch has only {N_TILES} parts to share"),
        );
        Err(fault.advise(format!("at most {N_TILES} processes, with several threads each")).into())
    }

    /// Exchanges what each has to say before the first step, and stops if one cannot begin or would do something else.
    fn hear(&self, own: &Value) -> Result<(), Fault> {
        let texts = self.peers.texts(&own.to_string())?;
        self.stage.set(Stage::Parted);
        let said: Vec<Value> =
            texts.iter().map(|text| serde_json::from_str(text).unwrap_or_default()).collect();
        let failed = said.iter().enumerate().find_map(|(i, said)| Some((i, said["failed"].as_str()?)));
        match failed {
            None => {}
            // It has said so itself.
            Some((0, _)) => return Err(Fault::new(codes::DEVICE, "")),
            Some((number, why)) => {
                let fault = Fault::new(codes::DEVICE, format!("{} cannot take part", self.name(number)));
                return Err(why.lines().fold(fault, Fault::note));
            }
        }
        let list = |said: &Value| serde_json::from_value::<Vec<(String, String)>>(said["alike"].clone());
        let all = said.iter().map(list).collect::<Result<Vec<_>, _>>().map_err(Fault::internal)?;
        for (number, other) in all.iter().enumerate() {
            for ((what, first), (_, own)) in all[0].iter().zip(other) {
                if first != own {
                    return Err(self.unlike(number, what, first, own));
                }
            }
        }
        self.stage.set(Stage::Working);
        Ok(())
    }

    /// The first line in which a process differs from the first one.
    fn unlike(&self, number: usize, what: &str, first: &str, own: &str) -> Fault {
        let message = format!("{} has a different {what} from {}", self.name(number), self.name(0));
        let (mut here, mut there) = (first.lines(), own.lines());
        let lines = std::iter::from_fn(|| match (here.next(), there.next()) {
            (None, None) => None,
            (here, there) => Some([here.unwrap_or("nothing"), there.unwrap_or("nothing")]),
        });
        let differ = lines.into_iter().find(|[here, there]| here != there);
        let [here, there] = differ.unwrap_or(["different line endings"; 2]);
        let fault = Fault::new(codes::DEVICE, message);
        let fault = fault
            .note(format!("process 0: {}", here.trim()))
            .note(format!("process {number}: {}", there.trim()));
        fault.advise("the same dslc, file and data for all processes")
    }

    fn name(&self, number: usize) -> String {
        format!("process {number} (on {})", self.hosts.get(number).map_or("", String::as_str))
    }

    /// How the command ends here, and with it in all processes.
    fn end(self, done: Result<(), Stop>) -> Result<(), Stop> {
        let Err(stop) = done else { return Ok(()) };
        let said = match &stop {
            // It has been said already.
            Stop::Environment(message) if !message.is_empty() => message.clone(),
            Stop::Environment(_) | Stop::Findings | Stop::Interrupted | Stop::Closed => out::held(),
        };
        match (self.stage.get(), stop) {
            (Stage::Preparing, stop) => {
                let stop = match stop {
                    // Others may still be reading their data.
                    Stop::Environment(message) if self.leads() && !message.is_empty() => {
                        out::err(&message);
                        Stop::Environment(String::new())
                    }
                    stop => stop,
                };
                // The first process tells what it hears.
                let heard = self.hear(&json!({ "failed": said }));
                Err(match heard {
                    Err(fault) if !self.leads() => fault.into(),
                    Ok(()) | Err(_) => stop,
                })
            }
            (Stage::Working, Stop::Environment(_)) => {
                out::release();
                out::err(&match self.leads() {
                    true => said,
                    false => format!("error: {} failed:\n{said}", self.name(self.peers.rank().number)),
                });
                abort(2);
                Err(Stop::Environment(String::new()))
            }
            // All come to that, each by itself, and the first one tells it.
            (Stage::Parted | Stage::Working, stop) => Err(stop),
        }
    }
}

/// Who started how many processes, and how it tells each of them.
struct Launch {
    variable: &'static str,
    n: usize,
    /// Without these a process is none of several.
    marks: Vec<&'static str>,
}

impl Launch {
    fn told(&self) -> String {
        format!("`{}` says {} processes", self.variable, self.n)
    }

    fn alone(&self, fault: Fault) -> Fault {
        let without: String = self.marks.iter().map(|mark| format!("-u {mark} ")).collect();
        fault.advise(format!("one process; or `env {without}dslc …`, if each should work on its own"))
    }
}

/// Steps of Slurm from this number on are none that `srun` has begun: a batch script, or a shell.
const PSEUDO_STEPS: u64 = 0xffff_fff0;

/// The start that this process is one of several of, as the launcher's variables tell. An allocation of Slurm in which nobody
/// has called `srun` is no start.
fn launched(variable: &dyn Fn(&str) -> Option<String>) -> Option<Launch> {
    let number = |name: &str| variable(name)?.trim().parse::<u64>().ok();
    let is_step = number("SLURM_PROCID").is_some()
        && number("SLURM_STEP_ID").or(number("SLURM_STEPID")).is_some_and(|step| step < PSEUDO_STEPS);
    let slurm =
        if number("SLURM_STEP_NUM_TASKS").is_some() { "SLURM_STEP_NUM_TASKS" } else { "SLURM_NTASKS" };
    let ways = [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", true),
        ("PMI_SIZE", "PMI_SIZE", true),
        (slurm, "SLURM_PROCID", is_step),
    ];
    let found: Vec<_> = ways
        .into_iter()
        .filter(|way| way.2)
        .filter_map(|(variable, mark, _)| Some((variable, mark, number(variable)?)))
        .collect();
    // The first that is there counts: `mpirun -n 1` within a step of Slurm starts one.
    let &(variable, _, n) = found.first()?;
    let marks = found.iter().map(|(_, mark, _)| *mark).collect();
    (n > 1).then_some(Launch { variable, n: n as usize, marks })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Joins the processes of this start, or starts some for these devices; `None` where this one is alone.
///
/// # Errors
/// A launcher that has started several that know nothing of each other: each would train the whole.
fn join(devices: &[Choice]) -> Result<Option<Processes>, Stop> {
    let launch = launched(&variable);
    let peers = match (devices, launch) {
        ([_, _, ..], Some(launch)) => {
            let message = format!("`--devices` starts processes of its own, but {}", launch.told());
            let fault = Fault::new(codes::DEVICE, message);
            return Err(fault
                .advise("`--device cuda`, with which each process takes a GPU of its own")
                .into());
        }
        ([_, _, ..], None) => started(devices)?,
        (_, None) => return Ok(None),
        (_, Some(launch)) => launched_together(&launch)?,
    };
    let host = text_of("/proc/sys/kernel/hostname").or_else(|| variable("HOSTNAME")).unwrap_or_default();
    let cores = text_of("/proc/self/status");
    let cores = cores
        .as_deref()
        .and_then(|status| status.lines().find(|line| line.starts_with("Cpus_allowed_list:")));
    let all = peers.texts(&format!("{host}\n{}", cores.unwrap_or_default()))?;
    let own = &all[peers.rank().number];
    threads::divide(all.iter().filter(|other| *other == own).count());
    let hosts: Vec<String> =
        all.iter().map(|text| text.lines().next().unwrap_or_default().to_owned()).collect();
    let n_near = hosts.iter().filter(|other| **other == hosts[peers.rank().number]).count();
    let (devices, stage) = (devices.to_vec(), Cell::new(Stage::Preparing));
    Ok(Some(Processes { peers, hosts, n_near, devices, stage }))
}

/// The processes that a launcher has started.
fn launched_together(launch: &Launch) -> Result<Arc<dyn Peers>, Stop> {
    let peers = joined(launch)?;
    let found = peers.rank().n;
    if found != launch.n {
        let fault = Fault::new(codes::DEVICE, format!("{}, but MPI connected {found}", launch.told()));
        let fault = fault
            .advise("the `mpirun` of the MPI that dslc was built with")
            .advise("with Slurm: `srun --mpi=pmix` for OpenMPI, `srun --mpi=pmi2` for MPICH");
        return Err(launch.alone(fault).into());
    }
    Ok(peers)
}

/// The processes that this one starts, or that it was started with: one for each device.
#[cfg(unix)]
fn started(devices: &[Choice]) -> Result<Arc<dyn Peers>, Stop> {
    let give_up: GiveUp = |fault| {
        out::release();
        fault.iter().for_each(|fault| out::err(&crate::cli::load::plain(fault)));
        std::process::exit(2);
    };
    if let Some(joined) = Local::join(patience(), give_up) {
        return Ok(Arc::new(joined?));
    }
    check_devices(devices)?;
    Ok(Arc::new(Local::start(devices.len(), patience(), give_up)?))
}

#[cfg(not(unix))]
fn started(devices: &[Choice]) -> Result<Arc<dyn Peers>, Stop> {
    check_devices(devices)?;
    let fault = Fault::new(codes::DEVICE, "`--devices` works on Unix systems only");
    Err(fault.advise("`mpirun`, with a build with `--features mpi`").into())
}

/// Refuses devices that are not one for each process.
fn check_devices(devices: &[Choice]) -> Result<(), Fault> {
    let fault = |message: String| Fault::new(codes::DEVICE, message);
    if devices.len() > N_TILES {
        let message = format!(
            "`--devices` names {} devices, but a batch has only {N_TILES} parts to share",
            devices.len()
        );
        return Err(fault(message).advise(format!("at most {N_TILES} devices")));
    }
    let is_cpu = |device: &Choice| *device == Choice::Cpu;
    if devices.iter().any(is_cpu) && !devices.iter().all(is_cpu) {
        return Err(fault("`--devices` mixes CPUs and GPUs".to_owned()).advise("devices of one kind"));
    }
    for (i, device) in devices.iter().enumerate() {
        match device {
            Choice::Cpu => {}
            Choice::Cuda(_) if devices[..i].contains(device) => {
                return Err(fault(format!("`--devices` names `{device}` twice"))
                    .advise("a different GPU for each process"));
            }
            Choice::Cuda(_) => {}
            Choice::OwnCuda | Choice::Metal | Choice::Auto => {
                let message = format!("`--devices` takes `cpu` and `cuda:N`, not `{device}`");
                return Err(fault(message).advise("`cuda:0,cuda:1` and so on; `dslc devices` lists them"));
            }
        }
    }
    Ok(())
}

/// What stands in one of Linux's files about the machine or this process.
fn text_of(file: &str) -> Option<String> {
    Some(std::fs::read_to_string(file).ok()?.trim_end().to_owned())
}

#[cfg(feature = "mpi")]
fn joined(_launch: &Launch) -> Result<Arc<dyn Peers>, Stop> {
    let mpi = crate::kernels::cpu::mpi::Mpi::join((patience(), late))?;
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        out::release();
        told(panic);
        abort(101);
    }));
    Ok(Arc::new(mpi))
}

#[cfg(not(feature = "mpi"))]
fn joined(launch: &Launch) -> Result<Arc<dyn Peers>, Stop> {
    let message = format!(
        "{}, but this dslc was built without MPI: each process would do the whole training",
        launch.told()
    );
    let fault = Fault::new(codes::DEVICE, message).advise("a build with `--features mpi`");
    Err(launch.alone(fault).into())
}

/// How long a process waits for the others, unless `DSLC_PATIENCE` says otherwise, in seconds.
fn patience() -> std::time::Duration {
    let seconds = variable("DSLC_PATIENCE").and_then(|text| text.trim().parse().ok());
    std::time::Duration::from_secs(seconds.unwrap_or(600).max(1))
}

/// Ends all, as nobody knows whether the others are still there.
#[cfg(feature = "mpi")]
fn late() {
    out::release();
    out::err(&crate::cli::load::plain(
        &Fault::new(
            codes::DEVICE,
            format!("other processes have not answered for {} s", patience().as_secs()),
        )
        .note("one of them hangs or has ended, or the network between them is down")
        .advise("`dslc resume` with the run's folder")
        .advise("`DSLC_PATIENCE` with more seconds, if a process may take that long"),
    ));
    abort(2);
}

/// Ends all processes of this start at once.
fn abort(code: i32) {
    #[cfg(feature = "mpi")]
    crate::kernels::cpu::mpi::abort(code);
    std::process::exit(code);
}

#[cfg(test)]
mod tests {
    use super::{Launch, launched};

    fn launch(variables: &[(&str, &str)]) -> Option<Launch> {
        let of =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.to_string());
        launched(&of)
    }

    fn found(variables: &[(&str, &str)]) -> Option<(&'static str, usize)> {
        launch(variables).map(|launch| (launch.variable, launch.n))
    }

    #[test]
    fn only_a_start_of_several_counts() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("OMPI_COMM_WORLD_SIZE", "4")]), Some(("OMPI_COMM_WORLD_SIZE", 4)));
        assert_eq!(found(&[("PMI_SIZE", "2")]), Some(("PMI_SIZE", 2)));
        assert_eq!(found(&[("OMPI_COMM_WORLD_SIZE", "1"), ("PMI_SIZE", "4")]), None);
        // An allocation, a batch script in it, a shell in it, and what `srun` starts.
        assert_eq!(found(&[("SLURM_NTASKS", "4")]), None);
        assert_eq!(found(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]), None);
        let shell = [("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0"), ("SLURM_STEP_ID", "4294967290")];
        assert_eq!(found(&shell), None);
        let step = [("SLURM_NTASKS", "4"), ("SLURM_PROCID", "1"), ("SLURM_STEP_ID", "0")];
        assert_eq!(found(&step), Some(("SLURM_NTASKS", 4)));
        let one = [step.as_slice(), &[("SLURM_STEP_NUM_TASKS", "1")]].concat();
        assert_eq!(found(&one), None);
        let within = [step.as_slice(), &[("OMPI_COMM_WORLD_SIZE", "1")]].concat();
        assert_eq!(found(&within), None);
    }

    #[test]
    fn nothing_is_left_of_a_start_without_its_marks() {
        let step = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1"), ("SLURM_STEP_ID", "0")];
        for library in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
            let both = [step.as_slice(), &[(library, "2")]].concat();
            let marks = launch(&both).unwrap().marks;
            assert_eq!(marks, [library, "SLURM_PROCID"]);
            let left: Vec<_> = both.into_iter().filter(|(name, _)| !marks.contains(name)).collect();
            assert_eq!(found(&left), None);
        }
    }
}
