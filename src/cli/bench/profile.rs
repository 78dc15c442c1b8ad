//! Where the time goes, operator by operator.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tapseg::machine::Peak;
use tapseg::model::NodeTime;

use super::super::output;

/// How many nodes are told by name.
const COSTLIEST: usize = 20;
/// How much is told in a line of what operators say about themselves.
const TOLD: usize = 70;

/// What the operators and nodes of both networks take, the costliest first.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    peak: Peak,
    operators: Vec<Cost>,
    nodes: Vec<Cost>,
}

/// What an operator or a node takes in one run of its network.
#[derive(Clone, Serialize, Deserialize)]
struct Cost {
    network: String,
    operator: String,
    /// How many nodes there are of it.
    count: usize,
    /// Where it is one node.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    node: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    info: String,
    ms: f64,
    float_macs: u64,
    integer_macs: u64,
    /// How much of the peak it reaches.
    of_peak: f64,
}

impl Profile {
    pub fn new(recorded: &[NodeTime], peak: Peak) -> Self {
        let mut nodes: Vec<Cost> = recorded.iter().map(Cost::of).collect();
        let mut operators: Vec<Cost> = vec![];
        for node in &nodes {
            let same = |cost: &&mut Cost| {
                (&cost.network, &cost.operator) == (&node.network, &node.operator)
            };
            match operators.iter_mut().find(same) {
                None => operators.push(Cost { node: None, info: String::new(), ..node.clone() }),
                Some(sum) => {
                    sum.count += 1;
                    sum.ms += node.ms;
                    sum.float_macs += node.float_macs;
                    sum.integer_macs += node.integer_macs;
                }
            }
        }
        for costs in [&mut nodes, &mut operators] {
            for cost in &mut *costs {
                let best_ms = 1e3 * peak.seconds(cost.float_macs, cost.integer_macs);
                cost.of_peak = if cost.ms > 0.0 { best_ms / cost.ms } else { 0.0 };
            }
            costs.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        }
        Self { peak, operators, nodes }
    }

    pub fn print(&self, threads: usize) -> Result<()> {
        output::line(format_args!(
            "\nthe most that threads {threads} multiply: {:.1} · 10⁹ a second in f32, {:.1} in int8",
            self.peak.float_gmacs, self.peak.integer_gmacs
        ))?;
        for network in ["encoder", "decoder of the image", "decoder", "decoder of masks"] {
            let of_network = |cost: &&Cost| cost.network == network;
            let total: f64 = self.operators.iter().filter(of_network).map(|cost| cost.ms).sum();
            output::line(format_args!("\n{:<40} {HEAD}", format!("{network}, {total:.1} ms")))?;
            let (told, small): (Vec<_>, Vec<_>) =
                self.operators.iter().filter(of_network).partition(|cost| cost.ms >= total / 200.0);
            for cost in told {
                cost.print(&format!("{} ({})", cost.operator, cost.count), total)?;
            }
            let rest: f64 = small.iter().map(|cost| cost.ms).sum();
            let count: usize = small.iter().map(|cost| cost.count).sum();
            output::line(format_args!("{:<40} {rest:>8.2}", format!("others ({count})")))?;
        }
        output::line(format_args!("\n{:<40} {HEAD}", "the costliest nodes"))?;
        for cost in self.nodes.iter().take(COSTLIEST) {
            let of_network = |other: &&Cost| other.network == cost.network;
            let total: f64 = self.operators.iter().filter(of_network).map(|cost| cost.ms).sum();
            cost.print(cost.node.as_deref().unwrap_or_default(), total)?;
        }
        Ok(())
    }
}

/// Above what [`Cost::print`] prints.
const HEAD: &str = "      ms      %    MMACs   int8  of peak";

impl Cost {
    fn of(node: &NodeTime) -> Self {
        Self {
            network: node.network.to_owned(),
            operator: node.operator.clone(),
            count: 1,
            node: Some(node.node.clone()),
            info: node.info.clone(),
            ms: 1e3 * node.time.as_secs_f64() / f64::from(node.runs.max(1)),
            float_macs: node.float_macs,
            integer_macs: node.integer_macs,
            of_peak: 0.0,
        }
    }

    fn print(&self, name: &str, total: f64) -> Result<()> {
        let macs = self.float_macs + self.integer_macs;
        let percent = |part: f64, whole: f64| match whole > 0.0 && part > 0.0 {
            true => format!("{:.0} %", 100.0 * part / whole),
            false => "-".into(),
        };
        // In JSON both are whole.
        let name: String = name.chars().take(40).collect();
        let told = self.node.as_ref().map(|_| format!("  {}: {}", self.operator, self.info));
        let told: String = told.unwrap_or_default().chars().take(TOLD).collect();
        output::line(format_args!(
            "{name:<40} {:>8.2} {:>6} {:>8.1} {:>6} {:>8}{told}",
            self.ms,
            percent(self.ms, total),
            macs as f64 / 1e6,
            percent(self.integer_macs as f64, macs as f64),
            percent(self.of_peak, 1.0),
        ))
    }
}
