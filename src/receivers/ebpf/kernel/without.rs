//! What stands in for the programs in a build without them.

use std::io;

use super::records::{DnsEvent, DropKey, FlowKey, Lost, TcpStats, Traffic};
use super::{Report, Vantage, Wanted};

/// No programs.
pub struct Programs {
    pub vantage: Vantage,
    reports: [Report; 1],
}

impl Programs {
    pub fn start(_: &Wanted) -> Self {
        let why = "this agent was built without the programs (cargo feature \"ebpf\")";
        let report = Report { program: "all", feature: "all", result: Err(why.to_owned()) };
        Self { vantage: Vantage::Nowhere, reports: [report] }
    }

    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    pub fn tells(&self, _: &str) -> bool {
        false
    }

    pub fn has_stand_in(&self, _: &str) -> bool {
        false
    }

    pub fn take_flows(&mut self, _: impl FnMut(FlowKey, Traffic)) -> io::Result<()> {
        Ok(())
    }

    pub fn pass_over_sockets(&mut self) -> io::Result<()> {
        Ok(())
    }

    pub fn take_tcp(&mut self, _: impl FnMut(FlowKey, TcpStats)) -> io::Result<()> {
        Ok(())
    }

    pub fn take_drops(&mut self, _: impl FnMut(DropKey, Traffic)) -> io::Result<()> {
        Ok(())
    }

    pub fn take_dns(&mut self, _: impl FnMut(DnsEvent<'_>)) -> io::Result<()> {
        Ok(())
    }

    pub fn take_cgroups(&mut self, _: impl FnMut(u64, &str)) -> io::Result<()> {
        Ok(())
    }

    pub fn take_lost(&mut self) -> [(Lost, Traffic); Lost::ALL.len()] {
        Lost::ALL.map(|kind| (kind, Traffic::default()))
    }

    pub fn follow_interfaces(&mut self) -> Result<(), String> {
        Ok(())
    }

    pub fn watches(&self, _: i32) -> bool {
        false
    }

    pub fn reason(&self, reason: u32) -> String {
        reason.to_string()
    }

    pub fn memory(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}
