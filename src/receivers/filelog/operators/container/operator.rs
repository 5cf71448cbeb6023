//! The operator itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::super::super::entry::{Entry, FileId, Origin};
use super::super::field::{Field, Root};
use super::super::{Emitter, Operator, Problem, Verdict};
use super::format::{self, Stream, looks_like_docker, parse_cri, parse_docker, parse_time};
use super::join::{Joiner, Unfinished};
use super::{Format, Settings, metadata};

/// Key of the attribute with the runtime's tag of a CRI line.
const TAG: &str = "logtag";
const STREAM: &str = "log.iostream";

pub struct Container {
    settings: Settings,
    joiner: Joiner,
    pods: Pods,
}

/// The resource attributes of the files seen, made once per file.
#[derive(Default)]
struct Pods {
    known: HashMap<FileId, Result<Arc<Vec<KeyValue>>, Problem>>,
    /// The one of the last entry: the next one is mostly of the same file.
    last: Option<(FileId, Arc<Vec<KeyValue>>)>,
}

impl Container {
    pub fn new(settings: Settings) -> Self {
        Self { settings, joiner: Joiner::default(), pods: Pods::default() }
    }

    fn cri(&mut self, entry: &mut Entry, body: AnyValue, out: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let bytes = bytes_of(&body).unwrap_or_default();
        let Some(line) = parse_cri(bytes, self.settings.format) else {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).into_owned();
            entry.body = body;
            log::debug!("no container runtime writes a line like {start:?}");
            return Err("the line has the format of no container runtime (docker, containerd, crio)".into());
        };
        let (stream, partial, text_at) = (line.stream, line.is_partial(), line.text_at);
        let time = parse_time(line.time);
        let tag = match line.tag {
            b"F" => Str::const_new("F"),
            b"P" => Str::const_new("P"),
            other => Str::from_utf8_lossy(other),
        };
        let key = (entry.source.lineage, stream);
        if !self.joiner.is_empty() && self.joiner.append(key, entry, &bytes[text_at..]) {
            if partial {
                self.release_excess(key, out);
                return Ok(Verdict::Taken);
            }
            if let Some(line) = self.joiner.take(key) {
                *entry = self.finish(line, Some(tag));
                return self.identify(entry, Ok(()));
            }
        }
        entry.timestamp = time.unwrap_or(entry.timestamp);
        entry.attributes.set(Str::const_new(STREAM), Str::const_new(stream.name()));
        put_below(&self.settings.parse_to, entry, TAG, tag.into());
        if partial {
            let text = bytes[text_at..].to_vec();
            self.joiner.start(key, std::mem::take(entry), text, self.settings.trim_end, out.now);
            self.release_excess(key, out);
            return Ok(Verdict::Taken);
        }
        entry.body = text_after(body, text_at, self.settings.trim_end);
        let timed = time.map(|_| ()).ok_or_else(|| Problem::from("the time of the line is no RFC 3339 time"));
        self.identify(entry, timed)
    }

    fn docker(
        &mut self,
        entry: &mut Entry,
        body: AnyValue,
        out: &mut Emitter<'_>,
    ) -> Result<Verdict, Problem> {
        let decoded = String::from_utf8_lossy(bytes_of(&body).unwrap_or_default());
        let line = match parse_docker(&decoded) {
            Ok(line) => line,
            Err(problem) => {
                drop(decoded);
                entry.body = body;
                return Err(problem);
            }
        };
        let stream = if line.stream.as_deref() == Some("stderr") { Stream::Stderr } else { Stream::Stdout };
        let key = (entry.source.lineage, stream);
        // Docker cuts lines too; only the last part has the newline.
        let partial = !line.log.ends_with('\n');
        if !self.joiner.is_empty() && self.joiner.append(key, entry, line.log.as_bytes()) {
            if partial {
                self.release_excess(key, out);
                return Ok(Verdict::Taken);
            }
            if let Some(line) = self.joiner.take(key) {
                *entry = self.finish(line, None);
                return self.identify(entry, Ok(()));
            }
        }
        let time = line.time.as_deref().and_then(|time| parse_time(time.as_bytes()));
        entry.timestamp = time.unwrap_or(entry.timestamp);
        if let Some(name) = line.stream {
            entry.attributes.set(Str::const_new(STREAM), &*name);
        }
        for other in line.others {
            put_below(&self.settings.parse_to, entry, &other.key, other.value);
        }
        if partial {
            let text = line.log.into_owned().into_bytes();
            self.joiner.start(key, std::mem::take(entry), text, false, out.now);
            self.release_excess(key, out);
            return Ok(Verdict::Taken);
        }
        entry.body = AnyValue::from(&*line.log);
        let timed = time.map(|_| ()).ok_or_else(|| Problem::from("the line has no RFC 3339 time"));
        self.identify(entry, timed)
    }

    /// Adds the pod's metadata. Reports the first problem: that of the line, or its own.
    fn identify(&mut self, entry: &mut Entry, before: Result<(), Problem>) -> Result<Verdict, Problem> {
        let identified = if self.settings.metadata { self.pods.identify(entry) } else { Ok(()) };
        before.and(identified).map(|()| Verdict::Pass)
    }

    /// Hands on the line of `key` when it has grown too long, and others when all are too many.
    fn release_excess(&mut self, key: super::join::Key, out: &mut Emitter<'_>) {
        while let Some(line) =
            self.joiner.take_over(key, self.settings.max_log_size).or_else(|| self.joiner.take_excess())
        {
            self.release(line, out);
        }
    }

    fn release(&mut self, line: Unfinished, out: &mut Emitter<'_>) {
        let mut entry = self.finish(line, None);
        // A problem with its metadata is reported with the file's whole lines.
        let _ = self.identify(&mut entry, Ok(()));
        out.emit(entry);
    }

    /// The joined entry: time and attributes of its first part, the tag of its last.
    fn finish(&self, line: Unfinished, tag: Option<Str>) -> Entry {
        let Unfinished { mut entry, body, trim, .. } = line;
        if let Some(tag) = tag {
            put_below(&self.settings.parse_to, &mut entry, TAG, tag.into());
        }
        entry.body = decode(body, trim);
        entry
    }
}

impl Operator for Container {
    fn process(&mut self, entry: &mut Entry, out: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let body =
            if self.settings.parse_from.root() == Root::Body && self.settings.parse_from.keys().is_empty() {
                std::mem::take(&mut entry.body)
            } else {
                let found = self.settings.parse_from.get(entry);
                found
                    .cloned()
                    .ok_or_else(|| Problem(format!("{} does not exist", self.settings.parse_from).into()))?
            };
        let Some(bytes) = bytes_of(&body) else {
            entry.body = body;
            return Err("the line is no text".into());
        };
        match self.settings.format {
            Format::Docker => self.docker(entry, body, out),
            Format::Auto if looks_like_docker(bytes) => self.docker(entry, body, out),
            _ => self.cri(entry, body, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.joiner.deadline()
    }

    fn tick(&mut self, out: &mut Emitter<'_>) {
        for line in self.joiner.take_due(Some(out.now)) {
            self.release(line, out);
        }
    }

    fn flush(&mut self, out: &mut Emitter<'_>) {
        for line in self.joiner.take_due(None) {
            self.release(line, out);
        }
    }

    fn held(&self, visit: &mut dyn FnMut(Origin)) {
        self.joiner.held(visit);
    }

    fn rewind(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        self.joiner.rewind(file, others);
    }

    fn forget(&mut self, file: FileId) {
        self.pods.known.remove(&file);
        self.pods.last = None;
    }
}

impl Pods {
    fn identify(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        if let Some((file, resource)) = &self.last
            && *file == entry.source.id
            && Arc::ptr_eq(&entry.resource, &entry.source.resource)
        {
            entry.resource = Arc::clone(resource);
            return Ok(());
        }
        let known = self.known.entry(entry.source.id).or_insert_with(|| {
            let path = match entry.source.path.as_str() {
                "" => entry.attributes.get_str("log.file.path").unwrap_or_default(),
                path => path,
            };
            let mut resource = Vec::clone(&entry.source.resource);
            for attribute in metadata::from_path(path)? {
                resource.set(attribute.key, attribute.value);
            }
            Ok(Arc::new(resource))
        });
        match known {
            Ok(resource) if Arc::ptr_eq(&entry.resource, &entry.source.resource) => {
                entry.resource = Arc::clone(resource);
                self.last = Some((entry.source.id, Arc::clone(resource)));
                Ok(())
            }
            // An operator before this one changed the resource: add to that.
            Ok(resource) => {
                for attribute in resource.iter().filter(|a| a.key.starts_with("k8s.")) {
                    entry.resource_mut().set(attribute.key.clone(), attribute.value.clone());
                }
                Ok(())
            }
            Err(problem) => Err(problem.clone()),
        }
    }
}

fn bytes_of(body: &AnyValue) -> Option<&[u8]> {
    match body {
        AnyValue::String(text) => Some(text.as_bytes()),
        AnyValue::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The text from `at` on, in the memory it is in.
fn text_after(body: AnyValue, at: usize, trim: bool) -> AnyValue {
    match body {
        AnyValue::String(mut text) if text.is_char_boundary(at) => {
            if trim {
                let end = text.trim_end_matches(format::BLANKS).len().max(at);
                text.truncate(end);
            }
            text.replace_range(..at, "");
            AnyValue::String(text)
        }
        AnyValue::Bytes(mut bytes) => {
            bytes.drain(..at.min(bytes.len()));
            decode(bytes, trim)
        }
        other => other,
    }
}

/// Text from bytes; what is no UTF-8 becomes U+FFFD.
fn decode(bytes: Vec<u8>, trim: bool) -> AnyValue {
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if trim {
        text.truncate(text.trim_end_matches(format::BLANKS).len());
    }
    AnyValue::from(text)
}

/// Sets a key below `parse_to`.
fn put_below(parse_to: &Field, entry: &mut Entry, key: &str, value: AnyValue) {
    if parse_to.root() == Root::Attributes && parse_to.keys().is_empty() {
        entry.attributes.set(key, value);
    } else {
        let map = AnyValue::Map(vec![KeyValue::new(key, value)]);
        // A map can be set anywhere.
        let _ = parse_to.set(entry, map);
    }
}
