//! What was measured, as a table in Markdown for each case.

use std::fmt;
use std::time::Duration;

use super::data::Case;
use super::goal::{Goal, most_memory};
use super::roads::Road;
use super::tool::{Taken, Tool};
use crate::figures::percentile;

const MIB: f64 = (1 << 20) as f64;

/// What came of a tool in one case on one road.
pub(super) enum Outcome {
    /// Its program of that name is not on this machine.
    Absent(&'static str),
    Failed(String),
    /// At least one.
    Taken(Vec<Taken>),
}

pub(super) struct Column {
    pub(super) road: Road,
    pub(super) outcomes: Vec<(Tool, Outcome)>,
}

/// One case on all roads.
pub(super) struct Table {
    pub(super) case: Case,
    /// Bytes of the large file.
    pub(super) size: u64,
    pub(super) columns: Vec<Column>,
}

/// Text, and whether what it says is as it should be.
struct Cell(String, bool);

impl Table {
    pub(super) fn is_reached(&self) -> bool {
        self.rows().iter().all(|(_, cells)| cells.iter().all(|Cell(_, reached)| *reached))
    }

    fn rows(&self) -> Vec<(String, Vec<Cell>)> {
        let tools = self.columns.first().into_iter().flat_map(|column| &column.outcomes);
        let mut rows: Vec<_> = tools
            .map(|(tool, _)| {
                let cells = self.columns.iter().flat_map(|column| self.cells(column, *tool));
                (tool.title().to_owned(), cells.collect())
            })
            .collect();
        for (side, name) in ["sender", "receiver"].into_iter().enumerate() {
            let cells = self.columns.iter().flat_map(|column| self.memory(column, side)).collect();
            rows.push((format!("- peak memory of Hither's {name}"), cells));
        }
        rows
    }

    /// What a tool took, and how that compares with Hither.
    fn cells(&self, column: &Column, tool: Tool) -> [Cell; 2] {
        let none = || Cell(String::new(), true);
        let taken = match column.outcome(tool) {
            None => return [none(), none()],
            Some(Outcome::Absent(program)) => return [Cell(format!("skipped: no {program}"), true), none()],
            Some(Outcome::Failed(why)) => return [Cell(format!("**failed**: {why}"), false), none()],
            Some(Outcome::Taken(taken)) => taken,
        };
        let mut text = times(taken);
        if self.case == Case::Big {
            let rate = self.size as f64 / 1e6 / median(taken).as_secs_f64();
            text = format!("{text}; {rate:.0} MB/s");
        }
        let compared = match column.outcome(Tool::Hither) {
            Some(Outcome::Taken(own)) if tool != Tool::Hither => {
                let ratio = median(taken).as_secs_f64() / median(own).as_secs_f64();
                compared(ratio, Goal::of(self.case, column.road, tool))
            }
            _ => none(),
        };
        [Cell(text, true), compared]
    }

    fn memory(&self, column: &Column, side: usize) -> [Cell; 2] {
        let Some(Outcome::Taken(taken)) = column.outcome(Tool::Hither) else {
            return [Cell(String::new(), true), Cell(String::new(), true)];
        };
        let most = taken.iter().filter_map(|taken| Some(taken.used?.get(side)?.memory)).max();
        let (most, bound) = (most.unwrap_or(u64::MAX), most_memory(self.case));
        let reached = most <= bound;
        let bound = format!("at most {:.0} MiB{}", bound as f64 / MIB, short(reached));
        [Cell(format!("{:.1} MiB", most as f64 / MIB), true), Cell(bound, reached)]
    }
}

impl Column {
    fn outcome(&self, tool: Tool) -> Option<&Outcome> {
        self.outcomes.iter().find(|(of, _)| *of == tool).map(|(_, outcome)| outcome)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.case.title(self.size))?;
        for column in &self.columns {
            write!(f, " {} | time / Hither's |", column.road.title())?;
        }
        write!(f, "\n|---|{}", "---|---|".repeat(self.columns.len()))?;
        for (title, cells) in self.rows() {
            write!(f, "\n| {title} |")?;
            for Cell(text, _) in cells {
                write!(f, " {text} |")?;
            }
        }
        Ok(())
    }
}

fn compared(ratio: f64, goal: Option<Goal>) -> Cell {
    match goal {
        None => Cell(format!("{ratio:.2}"), true),
        Some(goal) => {
            let reached = goal.is_reached(ratio);
            Cell(format!("{ratio:.2} ({goal}){}", short(reached)), reached)
        }
    }
}

fn short(reached: bool) -> &'static str {
    if reached { "" } else { " **falls short**" }
}

fn median(taken: &[Taken]) -> Duration {
    percentile(&sorted(taken), 50).unwrap_or_default()
}

fn sorted(taken: &[Taken]) -> Vec<Duration> {
    let mut times: Vec<_> = taken.iter().map(|taken| taken.time).collect();
    times.sort();
    times
}

/// The median and, where there are several, the shortest and the longest.
fn times(taken: &[Taken]) -> String {
    let (sorted, middle) = (sorted(taken), median(taken));
    // All in the unit of the median.
    let (factor, digits, unit) = if middle < Duration::from_secs(1) { (1e3, 1, "ms") } else { (1.0, 2, "s") };
    let number = |time: Duration| format!("{:.digits$}", time.as_secs_f64() * factor);
    match sorted.as_slice() {
        [first, .., last] => format!("{} ({} to {}) {unit}", number(middle), number(*first), number(*last)),
        _ => format!("{} {unit}", number(middle)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::hither::Used;

    fn taken(millis: &[u64], memory: Option<u64>) -> Outcome {
        let used = memory.map(|memory| [Used { processor: Duration::ZERO, memory }; 2]);
        Outcome::Taken(
            millis.iter().map(|millis| Taken { time: Duration::from_millis(*millis), used }).collect(),
        )
    }

    fn table(case: Case, own: Outcome, tool: Tool, other: Outcome) -> Table {
        let column = Column { road: Road::Loopback, outcomes: vec![(Tool::Hither, own), (tool, other)] };
        Table { case, size: 100_000_000, columns: vec![column] }
    }

    #[test]
    fn medians_are_compared_and_rates_are_told() {
        let own = taken(&[1000, 4000, 2000], Some(8 << 20));
        let shown = table(Case::Big, own, Tool::ScpAes, taken(&[5000, 6000, 4000], None));
        assert!(shown.is_reached());
        let text = shown.to_string();
        assert!(text.contains("| Hither | 2.00 (1.00 to 4.00) s; 50 MB/s |  |"), "{text}");
        assert!(text.contains("| 5.00 (4.00 to 6.00) s; 20 MB/s | 2.50 (at least 2.5) |"), "{text}");
        assert!(text.contains("sender | 8.0 MiB | at most 64 MiB |"), "{text}");
    }

    #[test]
    fn what_falls_short_is_marked() {
        let own = || taken(&[10], Some(8 << 20));
        let shown = table(Case::Tiny, own(), Tool::Sendme, taken(&[19], None));
        assert!(!shown.is_reached());
        assert!(shown.to_string().contains("| 19.0 ms | 1.90 (at least 2.0) **falls short** |"));
        // Nothing is to be reached against a copy.
        assert!(table(Case::Tiny, own(), Tool::Copy, taken(&[1], None)).is_reached());
        // Memory.
        assert!(!table(Case::Tiny, taken(&[10], Some(65 << 20)), Tool::Copy, taken(&[1], None)).is_reached());
        assert!(table(Case::Many, taken(&[10], Some(65 << 20)), Tool::Copy, taken(&[1], None)).is_reached());
    }

    #[test]
    fn an_absent_tool_is_named_and_a_failed_one_falls_short() {
        let own = || taken(&[10], Some(0));
        let absent = table(Case::Small, own(), Tool::Croc, Outcome::Absent("croc"));
        assert!(absent.is_reached());
        assert!(absent.to_string().contains("| croc | skipped: no croc |  |"));
        let failed = table(Case::Small, own(), Tool::Croc, Outcome::Failed("no".into()));
        assert!(!failed.is_reached());
        assert!(!table(Case::Small, Outcome::Failed("no".into()), Tool::Croc, own()).is_reached());
    }
}
