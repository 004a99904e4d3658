//! What serving segments costs, against nginx serving the same bytes, in one run: `name value unit` a line.
//!
//! Processor seconds a gigabyte over loopback HTTP/1.1, of the server's process alone: this program's child runs the real server,
//! router, registry and segment cache with mosaics that are already made (nothing decodes or encodes beside it); nginx sends files
//! from memory with `sendfile`. Both are asked by the same client for the same sizes, in turn.

#[path = "serve/client.rs"]
mod client;
#[path = "serve/held.rs"]
mod held;
#[path = "serve/nginx.rs"]
mod nginx;
#[path = "serve/ours.rs"]
mod ours;
#[path = "serve/process.rs"]
mod process;

use client::Target;

/// Rounds of each server and size. The middle one counts, which the first, when everything is cold, never is.
const ROUNDS: usize = 7;

/// Bytes asked for in a round: a second or two of a core, where the clock ticks in nanoseconds.
const ROUND_BYTES: u64 = 3 << 30;

/// Two seconds of 6 Mb/s and of 1.6 Mb/s.
const SIZES: [(&str, usize); 2] = [("1080p", 1_500_000), ("540p", 400_000)];

fn main() {
    if std::env::args().any(|arg| arg == ours::CHILD) {
        return ours::serve();
    }
    let ours = ours::Server::start();
    let nginx = nginx::Server::start(&ours.bodies());
    let mut ratios = Vec::new();
    for (rendition, _) in SIZES {
        let (a, b) = (ours.target(rendition), nginx.target(rendition));
        let mut costs = (Vec::new(), Vec::new());
        let mut by_round = Vec::new();
        for _ in 0..ROUNDS {
            let cost = (cost_s_per_gb(&ours.processes(), &a), cost_s_per_gb(&nginx.processes(), &b));
            costs.0.push(cost.0);
            costs.1.push(cost.1);
            by_round.push(cost.1 / cost.0);
        }
        println!("serve_{rendition}_cpu_s_per_gb {:.3} s/GB", middle(costs.0));
        println!("nginx_{rendition}_cpu_s_per_gb {:.3} s/GB", middle(costs.1));
        ratios.push(middle(by_round));
    }
    println!("serve_vs_nginx_ratio {:.3} ratio", ratios.iter().sum::<f64>() / ratios.len() as f64);
}

/// Processor seconds that `processes` take for a gigabyte (10^9 bytes) served.
fn cost_s_per_gb(processes: &[u32], target: &Target) -> f64 {
    let before = process::cpu(processes);
    let bytes = client::fetch(target, ROUND_BYTES);
    (process::cpu(processes) - before).as_secs_f64() / (bytes as f64 / 1e9)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
