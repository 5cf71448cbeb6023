//! The running operators of a receiver and the way entries take through them.

use std::sync::Arc;
use std::time::Instant;

use crate::expr::{Program, Tested};
use crate::telemetry::{Causes, Counter, Telemetry};

use super::super::entry::{Entry, FileId, Origin};
use super::expression;
use super::moves::Moves;
use super::plan::OnError;
use super::{Emitter, Field, Operator, Problem, Verdict};

/// Where entries go after the last operator.
pub trait Sink {
    fn accept(&mut self, entry: Entry);
}

impl Sink for Vec<Entry> {
    fn accept(&mut self, entry: Entry) {
        self.push(entry);
    }
}

/// One operator with what surrounds it.
pub struct Step {
    pub id: Arc<str>,
    pub operator: Box<dyn Operator>,
    /// Places of the next steps, [`Chain::END`] for the way out.
    pub outputs: Vec<usize>,
    pub routes: Vec<Vec<usize>>,
    pub on_error: OnError,
    pub condition: Option<Arc<Program>>,
    /// See [`Decoded::moves`](super::Decoded::moves).
    pub moves: Option<Box<(Field, Field)>>,
    /// This move and those after it.
    pub at_once: Option<Box<Moves>>,
    /// Where an entry goes that has nothing where the condition looks first: past all steps whose
    /// conditions begin with the same look.
    pub otherwise: Option<usize>,
    /// The problem it had last: most have the same one again and again.
    pub last_problem: Option<Problem>,
}

/// The operators of a receiver, connected.
pub struct Chain {
    steps: Vec<Step>,
    counters: Option<Counters>,
    causes: Causes<(usize, Problem)>,
}

struct Counters {
    /// Taken out on purpose: by a filter, or a router without a way.
    dropped: Counter,
    /// Dropped after an error because `on_error` says so.
    failed: Counter,
    /// Errors, whether the entry went on or not.
    errors: Counter,
}

impl Chain {
    /// Stands for the end of the chain in [`Step::outputs`].
    pub const END: usize = usize::MAX;

    pub fn new(mut steps: Vec<Step>) -> Self {
        for at in 0..steps.len() {
            steps[at].otherwise = past_same_guard(&steps, at);
            steps[at].at_once = Moves::starting_at(&steps, at).map(Box::new);
        }
        Self { steps, counters: None, causes: Causes::new() }
    }

    /// Lets every move be a step of its own.
    #[cfg(test)]
    pub fn one_by_one(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.at_once = None);
        self
    }

    /// Counts drops and errors of this receiver.
    pub fn count(&mut self, telemetry: &Telemetry, receiver: &str) {
        let dropped = |reason| {
            telemetry.counter(
                "otelcol_receiver_dropped_log_records",
                &[("receiver", receiver), ("reason", reason)],
            )
        };
        self.counters = Some(Counters {
            dropped: dropped("operator"),
            failed: dropped("operator_error"),
            errors: telemetry.counter("otelcol_receiver_operator_errors", &[("receiver", receiver)]),
        });
    }

    /// Sends one entry through all operators.
    pub fn process(&mut self, entry: Entry, now: Instant, sink: &mut dyn Sink) {
        self.run(if self.steps.is_empty() { Self::END } else { 0 }, entry, now, sink);
    }

    /// When [`Chain::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.steps.iter().filter_map(|step| step.operator.deadline()).min()
    }

    /// Lets operators hand on what they have held back for long enough.
    pub fn tick(&mut self, now: Instant, sink: &mut dyn Sink) {
        for at in 0..self.steps.len() {
            if self.steps[at].operator.deadline().is_some_and(|deadline| deadline <= now) {
                self.release(at, now, sink, |operator, out| operator.tick(out));
            }
        }
    }

    /// Hands on all that operators hold back.
    pub fn flush(&mut self, now: Instant, sink: &mut dyn Sink) {
        for at in 0..self.steps.len() {
            self.release(at, now, sink, |operator, out| operator.flush(out));
        }
    }

    /// Names the origins of all entries that are held back.
    pub fn held(&self, visit: &mut dyn FnMut(Origin)) {
        for step in &self.steps {
            step.operator.held(visit);
        }
    }

    /// See [`Operator::rewind`].
    pub fn rewind(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        for step in &mut self.steps {
            step.operator.rewind(file, others);
        }
    }

    /// See [`Operator::forget`].
    pub fn forget(&mut self, file: FileId) {
        for step in &mut self.steps {
            step.operator.forget(file);
        }
    }

    fn release(
        &mut self,
        at: usize,
        now: Instant,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut dyn Operator, &mut Emitter<'_>),
    ) {
        let mut emitted = Vec::new();
        work(&mut *self.steps[at].operator, &mut Emitter::new(&mut emitted, now));
        self.forward(at, emitted, now, sink);
    }

    /// Runs `entry` from step `at` to the end. The straight way is a loop; only copies for several
    /// outputs and entries that operators emit recurse, at most once per step of the chain.
    fn run(&mut self, mut at: usize, mut entry: Entry, now: Instant, sink: &mut dyn Sink) {
        loop {
            let Some(step) = self.steps.get_mut(at) else {
                sink.accept(entry);
                return;
            };
            if let Some(moves) = &step.at_once
                && moves.run(&mut entry.attributes)
            {
                at = moves.next;
                continue;
            }
            let tested = match step.condition.as_deref() {
                Some(condition) => condition.test_guarded(&entry),
                None => Ok(Tested::Holds),
            };
            let done = match tested {
                Ok(Tested::Holds) => {
                    let mut emitted = Vec::new();
                    let done = step.operator.process(&mut entry, &mut Emitter::new(&mut emitted, now));
                    if !emitted.is_empty() {
                        self.forward(at, emitted, now, sink);
                    }
                    done
                }
                Ok(Tested::FailsAtOnce) => match step.otherwise {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => Ok(Verdict::Pass),
                },
                Ok(Tested::Fails) => Ok(Verdict::Pass),
                Err(error) => Err(expression::problem(&error)),
            };
            let verdict = done.unwrap_or_else(|problem| self.fail(at, problem));
            let step = &self.steps[at];
            let outputs = match verdict {
                Verdict::Pass => &step.outputs,
                Verdict::Route(route) => match step.routes.get(route) {
                    Some(route) => route,
                    None => return,
                },
                Verdict::Taken => return,
                Verdict::Drop => {
                    if let Some(counters) = &self.counters {
                        counters.dropped.add(1);
                    }
                    return;
                }
            };
            let next = match outputs.as_slice() {
                [] => return,
                [next] => *next,
                [others @ .., last] => {
                    let (others, last) = (others.to_vec(), *last);
                    for other in others {
                        self.run(other, entry.clone(), now, sink);
                    }
                    last
                }
            };
            at = next;
        }
    }

    /// Sends what the operator at `at` emitted to its outputs.
    fn forward(&mut self, at: usize, emitted: Vec<Entry>, now: Instant, sink: &mut dyn Sink) {
        // No way leads back here, so that nobody misses them meanwhile.
        let outputs = std::mem::take(&mut self.steps[at].outputs);
        for entry in emitted {
            if let Some((&last, others)) = outputs.split_last() {
                for &other in others {
                    self.run(other, entry.clone(), now, sink);
                }
                self.run(last, entry, now, sink);
            }
        }
        self.steps[at].outputs = outputs;
    }

    fn fail(&mut self, at: usize, problem: Problem) -> Verdict {
        let step = &mut self.steps[at];
        if let Some(counters) = &self.counters {
            counters.errors.add(1);
        }
        if step.on_error.is_quiet() {
            log::debug!("operator \"{}\" failed to process an entry: {problem}", step.id);
        } else if step.last_problem.as_ref() != Some(&problem) {
            if self.causes.is_new((at, problem.clone())) {
                log::error!(
                    "operator \"{}\" failed to process an entry (further ones like it are counted, not logged): {problem}",
                    step.id
                );
            }
            step.last_problem = Some(problem);
        }
        if !step.on_error.drops() {
            return Verdict::Pass;
        }
        if let Some(counters) = &self.counters {
            counters.failed.add(1);
        }
        Verdict::Taken
    }
}

/// Where the straight way from `at` leads past the conditions that look first where its own does.
fn past_same_guard(steps: &[Step], at: usize) -> Option<usize> {
    let guard = steps[at].condition.as_deref()?;
    let mut next = at;
    loop {
        let step = &steps[next];
        let same = step.condition.as_deref().is_some_and(|other| guard.looks_first_where(other));
        let [output] = step.outputs[..] else { return (next != at).then_some(next) };
        if !same {
            return (next != at).then_some(next);
        }
        next = output;
        if next == Chain::END {
            return Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{AnyValue, Attributes, KeyValue};
    use std::time::Duration;

    /// Does what it is told; remembers nothing but what it holds.
    enum Fake {
        Mark(&'static str),
        Fails,
        Drops,
        RoutesTo(usize),
        /// Holds one entry back until the next comes or a second has passed.
        Holds(Option<Box<(Entry, Instant)>>),
    }

    impl Operator for Fake {
        fn process(&mut self, entry: &mut Entry, out: &mut Emitter<'_>) -> Result<Verdict, Problem> {
            match self {
                Self::Mark(mark) => {
                    let text = entry.body.as_str().unwrap_or_default().to_owned() + mark;
                    entry.body = AnyValue::from(text);
                    Ok(Verdict::Pass)
                }
                Self::Fails => Err("it fails".into()),
                Self::Drops => Ok(Verdict::Drop),
                Self::RoutesTo(route) => Ok(Verdict::Route(*route)),
                Self::Holds(held) => {
                    let new = Box::new((std::mem::take(entry), out.now + Duration::from_secs(1)));
                    if let Some(before) = held.replace(new) {
                        out.emit(before.0);
                    }
                    Ok(Verdict::Taken)
                }
            }
        }
        fn deadline(&self) -> Option<Instant> {
            if let Self::Holds(Some(held)) = self { Some(held.1) } else { None }
        }
        fn tick(&mut self, out: &mut Emitter<'_>) {
            self.flush(out);
        }
        fn flush(&mut self, out: &mut Emitter<'_>) {
            if let Self::Holds(held) = self
                && let Some(held) = held.take()
            {
                out.emit(held.0);
            }
        }
        fn held(&self, visit: &mut dyn FnMut(Origin)) {
            if let Self::Holds(Some(held)) = self {
                held.0.origins().for_each(visit);
            }
        }
    }

    fn step(operator: Fake, outputs: &[usize]) -> Step {
        Step {
            id: "x".into(),
            operator: Box::new(operator),
            outputs: outputs.to_vec(),
            routes: Vec::new(),
            on_error: OnError::Send,
            condition: None,
            moves: None,
            at_once: None,
            otherwise: None,
            last_problem: None,
        }
    }

    fn send(chain: &mut Chain, bodies: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        for body in bodies {
            let entry = Entry { body: AnyValue::from(*body), ..Entry::default() };
            chain.process(entry, Instant::now(), &mut out);
        }
        texts(&out)
    }

    fn texts(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|entry| entry.body.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn entries_go_from_step_to_step_and_are_copied_for_several_outputs() {
        let mut chain = Chain::new(Vec::new());
        assert_eq!(send(&mut chain, &["a"]), ["a"]);
        let mut chain = Chain::new(vec![
            step(Fake::Mark("0"), &[1, 2]),
            step(Fake::Mark("1"), &[Chain::END]),
            step(Fake::Mark("2"), &[Chain::END]),
        ]);
        assert_eq!(send(&mut chain, &["a", "b"]), ["a01", "a02", "b01", "b02"]);
    }

    #[test]
    fn routes_lead_where_they_say_and_drops_are_counted() {
        let telemetry = Telemetry::new();
        let mut router = step(Fake::RoutesTo(1), &[Chain::END]);
        router.routes = vec![vec![Chain::END], vec![1, 2]];
        let mut chain =
            Chain::new(vec![router, step(Fake::Mark("1"), &[Chain::END]), step(Fake::Drops, &[])]);
        chain.count(&telemetry, "filelog");
        assert_eq!(send(&mut chain, &["a"]), ["a1"]);
        assert_eq!(telemetry.total("otelcol_receiver_dropped_log_records"), 1);
    }

    #[test]
    fn an_error_sends_or_drops_and_is_counted() {
        for (on_error, want) in [
            (OnError::Send, &["a!"][..]),
            (OnError::SendQuiet, &["a!"]),
            (OnError::Drop, &[]),
            (OnError::DropQuiet, &[]),
        ] {
            let telemetry = Telemetry::new();
            let failing = Step { on_error, ..step(Fake::Fails, &[1]) };
            let mut chain = Chain::new(vec![failing, step(Fake::Mark("!"), &[Chain::END])]);
            chain.count(&telemetry, "filelog");
            assert_eq!(send(&mut chain, &["a"]), want);
            assert_eq!(telemetry.total("otelcol_receiver_operator_errors"), 1);
            assert_eq!(telemetry.total("otelcol_receiver_dropped_log_records"), u64::from(on_error.drops()));
        }
    }

    #[test]
    fn a_condition_passes_others_by_and_its_errors_are_those_of_the_operator() {
        let mut conditional = step(Fake::Mark("!"), &[Chain::END]);
        // Looking into what is not there is an error of expressions.
        let source = r#"body == "odd" ? attributes.none.deep == 1 : body == "a""#;
        conditional.condition = Some(Arc::new(Program::condition(source).unwrap()));
        conditional.on_error = OnError::Drop;
        let mut chain = Chain::new(vec![conditional]);
        assert_eq!(send(&mut chain, &["a", "b", "odd"]), ["a!", "b"]);
    }

    #[test]
    fn conditions_with_the_same_beginning_are_passed_by_together() {
        let step = |mark, condition: &str, outputs: &[usize]| Step {
            condition: Some(Arc::new(Program::condition(condition).unwrap())),
            ..step(Fake::Mark(mark), outputs)
        };
        let mut chain = Chain::new(vec![
            step("0", "attributes.a != nil and attributes.a.x != nil", &[1]),
            step("1", "attributes.a != nil", &[2]),
            step("2", "attributes.a != nil and body != \"\"", &[3]),
            step("3", "attributes.b == nil", &[4]),
            step("4", "attributes.a != nil and attributes.a.y == 1", &[Chain::END]),
        ]);
        let ways: Vec<_> = chain.steps.iter().map(|step| step.otherwise).collect();
        assert_eq!(ways, [Some(3), Some(3), Some(3), None, Some(Chain::END)]);
        let mut out = Vec::new();
        let inner = |keys: &[&str]| {
            AnyValue::Map(keys.iter().map(|key| KeyValue::new(*key, 1_i64)).collect::<Vec<_>>())
        };
        for a in [None, Some(inner(&[])), Some(inner(&["x"])), Some(inner(&["x", "y"])), Some(7.into())] {
            let mut entry = Entry { body: "".into(), ..Entry::default() };
            if let Some(a) = a {
                entry.attributes.set("a", a);
            }
            chain.process(entry, Instant::now(), &mut out);
        }
        // A number has no fields: that is an error, and the entry goes on.
        assert_eq!(texts(&out), ["3", "123", "0123", "01234", "123"]);
    }

    #[test]
    fn what_is_held_back_goes_on_before_the_next_after_a_while_or_at_the_end() {
        let mut chain = Chain::new(vec![step(Fake::Holds(None), &[1]), step(Fake::Mark("!"), &[Chain::END])]);
        assert_eq!(send(&mut chain, &["a", "b"]), ["a!"]);
        let mut held = 0;
        chain.held(&mut |_| held += 1);
        assert_eq!(held, 1);
        let mut out = Vec::new();
        chain.tick(Instant::now(), &mut out);
        assert!(out.is_empty());
        chain.tick(chain.deadline().unwrap(), &mut out);
        assert_eq!(texts(&out), ["b!"]);
        assert_eq!(chain.deadline(), None);
        send(&mut chain, &["c"]);
        chain.flush(Instant::now(), &mut out);
        assert_eq!(texts(&out), ["b!", "c!"]);
    }
}
