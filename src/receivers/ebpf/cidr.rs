//! Ranges of addresses and the names that users give them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// A range of addresses, both families as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    network: u128,
    prefix: u8,
}

impl Range {
    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return None;
        }
        let prefix = prefix + before;
        Some(Self { network: bits(address) & mask(prefix), prefix })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & mask(self.prefix) == self.network
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(prefix: u8) -> u128 {
    if prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(prefix)) }
}

/// Named ranges; the narrowest one names an address.
#[derive(Clone, Debug, Default)]
pub struct Cidrs(Vec<(Range, Arc<str>)>);

impl Cidrs {
    pub fn name(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.0.iter().find(|(range, _)| range.contains(address)).map(|(_, name)| name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `name=10.0.0.0/8,192.168.0.0/16`: a range without a name is called by its text.
    pub fn from_list(text: &str) -> Result<Self, String> {
        let config = CidrsConfig(
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(|entry| match entry.split_once('=') {
                    Some((name, range)) => (name.trim().to_owned(), range.trim().to_owned()),
                    None => (entry.to_owned(), entry.to_owned()),
                })
                .collect(),
        );
        config.resolve()
    }
}

/// `cidrs` of the config: a map of names and ranges, or a list of ranges, each with a name or without.
#[derive(Clone, Debug, Default)]
pub struct CidrsConfig(Vec<(String, String)>);

impl CidrsConfig {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error names the text that is no range.
    pub fn resolve(&self) -> Result<Cidrs, String> {
        let mut ranges = Vec::with_capacity(self.0.len());
        for (name, text) in &self.0 {
            let range = Range::parse(text)
                .ok_or_else(|| format!("\"{text}\" is no range of addresses: write \"10.0.0.0/8\""))?;
            ranges.push((range, Arc::from(name.as_str())));
        }
        ranges.sort_by_key(|(range, _)| std::cmp::Reverse(range.prefix));
        Ok(Cidrs(ranges))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Named { name: String, cidr: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl<'de> Deserialize<'de> for CidrsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = CidrsConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of names and ranges, or a list of ranges")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CidrsConfig, A::Error> {
                let mut all = Vec::new();
                while let Some((name, ranges)) = map.next_entry::<String, OneOrMore>()? {
                    match ranges {
                        OneOrMore::One(range) => all.push((name, range)),
                        OneOrMore::More(ranges) => {
                            all.extend(ranges.into_iter().map(|range| (name.clone(), range)));
                        }
                    }
                }
                Ok(CidrsConfig(all))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<CidrsConfig, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = list.next_element()? {
                    all.push(match entry {
                        Entry::Plain(range) => (range.clone(), range),
                        Entry::Named { name, cidr } => (name, cidr),
                    });
                }
                Ok(CidrsConfig(all))
            }
            fn visit_unit<E: de::Error>(self) -> Result<CidrsConfig, E> {
                Ok(CidrsConfig::default())
            }
        }
        deserializer.deserialize_any(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    fn name(cidrs: &Cidrs, address: &str) -> Option<String> {
        cidrs.name(address.parse().unwrap()).map(ToString::to_string)
    }

    #[test]
    fn the_narrowest_range_names_an_address() {
        for text in [
            "{all: 0.0.0.0/0, lan: [10.0.0.0/8, fd00::/8], db: 10.1.2.3}",
            "[{name: all, cidr: 0.0.0.0/0}, {name: lan, cidr: 10.0.0.0/8}, {name: lan, cidr: 'fd00::/8'}, {name: db, cidr: 10.1.2.3}]",
        ] {
            let cidrs = from_yaml::<CidrsConfig>(text).unwrap().resolve().unwrap();
            assert_eq!(name(&cidrs, "10.1.2.3").as_deref(), Some("db"));
            assert_eq!(name(&cidrs, "10.1.2.4").as_deref(), Some("lan"));
            assert_eq!(name(&cidrs, "fdff::1").as_deref(), Some("lan"));
            assert_eq!(name(&cidrs, "192.0.2.1").as_deref(), Some("all"));
            assert_eq!(name(&cidrs, "2001:db8::1"), None);
        }
        let listed = Cidrs::from_list("vpn=10.8.0.0/16, 192.0.2.0/24").unwrap();
        assert_eq!(name(&listed, "10.8.9.9").as_deref(), Some("vpn"));
        assert_eq!(name(&listed, "192.0.2.9").as_deref(), Some("192.0.2.0/24"));
    }

    #[test]
    fn what_is_no_range_is_said_so() {
        for text in ["10.0.0.0/33", "fd00::/129", "x", "10.0.0/8", "10.0.0.0/-1"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        assert!(Cidrs::from_list("a=b").unwrap_err().contains("\"b\""));
    }
}
