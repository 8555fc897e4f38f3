//! A swarm in several processes: each takes every n-th seed. A process has one world at a time,
//! since embassy's mock clock is one for all.

use std::env::current_exe;
use std::process::{Child, Command};

use super::options::Options;

/// Runs the swarm in `options.jobs` processes.
///
/// # Errors
/// What keeps a process from starting.
pub(super) fn swarm(options: &Options) -> Result<bool, String> {
    let first = options.seed_or_any();
    let count = options.count.ok_or("swarm needs --count")?;
    let jobs = options.jobs.min(count.max(1));
    let mut children = Vec::new();
    for job in 0..jobs {
        // The first ones take one more if it does not come out even.
        let share = |all: usize| (all / jobs + usize::from(job < all % jobs)).to_string();
        let mut command = Command::new(current_exe().map_err(|error| error.to_string())?);
        command.args(["swarm", "--seed", &(first + job as u64).to_string()]);
        command.args(["--step", &jobs.to_string(), "--count", &share(count)]);
        command.args(["--twice", &share(options.twice)]);
        command.args(["--failures", &options.most_failures.to_string()]);
        command.args(["--shrink-secs", &options.shrink_secs.to_string()]);
        if let Some(scenario) = &options.scenario {
            command.args(["--scenario", scenario]);
        }
        if let Some(out) = &options.out {
            command.arg("--out").arg(out);
        }
        if options.shrinks {
            command.arg("--shrink");
        }
        command.args(["--node", options.node_word()]);
        children.push(command.spawn().map_err(|error| error.to_string())?);
    }
    let ended: Vec<bool> = children.iter_mut().map(has_passed).collect();
    Ok(ended.into_iter().all(|passed| passed))
}

fn has_passed(child: &mut Child) -> bool {
    child.wait().is_ok_and(|status| status.success())
}
