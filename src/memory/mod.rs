//! Memory that is held and not needed: of the heap, and of the binary itself.

mod allocator;
mod image;

use std::time::{Duration, Instant};

/// How often to call [`Tidying::tidy`]: seldom enough to cost nothing, often enough that a burst is
/// forgotten before anybody looks.
pub const TIDY_EVERY: Duration = Duration::from_secs(10);

/// Between two looks at the binary's pages: those in use come back at once, so this too costs nothing.
const IMAGE_EVERY: Duration = Duration::from_secs(60);

/// Gives memory back to the kernel now and then.
#[derive(Default)]
pub struct Tidying {
    image_at: Option<Instant>,
}

impl Tidying {
    /// Returns what the heap does not use, and once a minute the pages of the binary that nothing has
    /// run lately: what the start and the reading of the configuration needed, mostly.
    pub fn tidy(&mut self) {
        allocator::give_back();
        if self.image_at.is_none_or(|at| at.elapsed() >= IMAGE_EVERY) {
            self.image_at = Some(Instant::now());
            if let Err(error) = image::let_go() {
                log::debug!("the binary's pages stay in memory: {error}");
            }
        }
    }
}
