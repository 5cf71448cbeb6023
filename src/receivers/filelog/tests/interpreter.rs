//! Whatever happens to the files of a container, in whatever order: every line arrives.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::rig::{Backend, Rig};

#[derive(Clone, Debug)]
enum Action {
    Write(usize),
    /// Half a line; the next write ends it.
    WriteHalf,
    Poll,
    Scan,
    Turn,
    Rename,
    CopyTruncate,
    /// Truncates when everything has arrived: nobody has what is lost then.
    Truncate,
    /// Deletes the oldest rotated file, if the agent has it open.
    DeleteOldest,
    Backend(Backend),
    Restart {
        save: bool,
    },
    Pass(u64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (1_usize..40).prop_map(Action::Write),
        1 => Just(Action::WriteHalf),
        4 => Just(Action::Poll),
        1 => Just(Action::Scan),
        2 => Just(Action::Turn),
        3 => Just(Action::Rename),
        1 => Just(Action::CopyTruncate),
        1 => Just(Action::Truncate),
        1 => Just(Action::DeleteOldest),
        2 => prop_oneof![
            2 => Just(Backend::Delivers),
            1 => Just(Backend::Refuses),
            1 => Just(Backend::Silent)
        ]
        .prop_map(Action::Backend),
        1 => any::<bool>().prop_map(|save| Action::Restart { save }),
        1 => (1_u64..10_000).prop_map(Action::Pass),
    ]
}

struct World {
    rig: Rig,
    written: usize,
    arrived: BTreeSet<usize>,
    rotated: Vec<String>,
    rotations: usize,
    /// The agent has looked since the last rotation and since it was started.
    looked: bool,
}

impl World {
    fn new() -> Self {
        let rig = Rig::new("force_flush_period: 0s");
        Self { rig, written: 0, arrived: BTreeSet::new(), rotated: Vec::new(), rotations: 0, looked: false }
    }

    fn collect(&mut self) {
        let numbers = self.rig.lines().into_iter().map(|line| line[5..].parse::<usize>().unwrap());
        self.arrived.extend(numbers);
    }

    fn settle(&mut self) {
        self.rig.backend = Backend::Delivers;
        for _ in 0..8 {
            self.rig.pass(std::time::Duration::from_mins(1)).poll();
        }
        self.looked = true;
        self.collect();
    }

    fn end_line(&mut self) {
        let half = std::fs::read(self.rig.path("0.log"))
            .is_ok_and(|text| !text.is_empty() && !text.ends_with(b"\n"));
        if half {
            self.rig.append("0.log", "\n");
        }
    }

    fn write(&mut self, lines: usize) {
        self.end_line();
        let text: String = (self.written..self.written + lines).map(|n| format!("line {n}\n")).collect();
        self.rig.append("0.log", text);
        self.written += lines;
    }

    fn rotated_name(&mut self) -> String {
        self.end_line();
        self.rotations += 1;
        let name = format!("0.log.{:04}", self.rotations);
        self.rotated.push(name.clone());
        name
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Write(lines) => self.write(lines),
            Action::WriteHalf => {
                self.end_line();
                self.rig.append("0.log", format!("line {}", self.written));
                self.written += 1;
            }
            Action::Poll => {
                self.rig.poll();
                self.looked = true;
            }
            Action::Scan => {
                self.rig.scan();
                self.looked = true;
            }
            Action::Turn => {
                self.rig.turn();
            }
            Action::Rename if self.rig.path("0.log").exists() => {
                let name = self.rotated_name();
                self.rig.rename("0.log", &name);
                self.looked = false;
            }
            Action::CopyTruncate if self.rig.path("0.log").exists() => {
                // A copy that is itself rotated before anybody looked is beyond this agent.
                self.rig.scan();
                self.rig.read();
                let name = self.rotated_name();
                std::fs::copy(self.rig.path("0.log"), self.rig.path(&name)).unwrap();
                self.rig.truncate("0.log").poll();
                // Nobody could tell the copy of an unknown text from an old generation.
                self.rig.save();
                self.looked = true;
            }
            Action::Truncate if self.rig.path("0.log").exists() => {
                self.end_line();
                self.settle();
                self.rig.truncate("0.log");
            }
            Action::DeleteOldest if self.looked && self.rotated.len() > 1 => {
                let name = self.rotated.remove(0);
                self.rig.remove(&name);
                // Killed now it would not have the file any more.
                self.settle();
            }
            Action::Backend(backend) => {
                self.rig.backend = backend;
                self.rig.answer();
            }
            Action::Restart { save } => {
                self.collect();
                self.rig.restart(save);
                self.looked = false;
            }
            Action::Pass(millis) => {
                self.rig.pass(std::time::Duration::from_millis(millis));
            }
            _ => {}
        }
        self.collect();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn every_line_arrives_at_least_once(actions in prop::collection::vec(action(), 1..50)) {
        let mut world = World::new();
        // Offsets are saved from the start: otherwise a restart makes a new agent, which does not
        // know generations that were rotated before.
        world.write(1);
        world.settle();
        world.rig.save();
        for action in actions {
            world.act(action);
        }
        world.end_line();
        world.settle();
        let missing: Vec<usize> = (0..world.written).filter(|n| !world.arrived.contains(n)).collect();
        prop_assert!(missing.is_empty(), "missing {missing:?}");
    }
}
