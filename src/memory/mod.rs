//! Memory that is held and not needed: of the heap, and of the binary itself.

mod allocator;
#[cfg(target_arch = "x86_64")]
mod bytes;
mod image;

use std::time::{Duration, Instant};

use self::image::Image;

/// How often to call [`Tidying::tidy`]: often enough that what a burst took is gone soon after it.
pub const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Between two times that all free memory of the heap is given back, used lately or not.
const HEAP_EVERY: Duration = Duration::from_secs(10);

/// Between two times that the binary's pages are let go: those in use come back at once, so this too
/// costs nothing. The second time is sooner: connecting and the first lists are over by then.
const IMAGE_EVERY: Duration = Duration::from_secs(60);
const IMAGE_SOON: Duration = Duration::from_secs(10);

/// Gives memory back to the kernel now and then.
pub struct Tidying {
    image: Option<Image>,
    heap_due: Instant,
    image_due: Instant,
    image_pause: Duration,
}

impl Tidying {
    /// To be called before the start of all that is to be small.
    pub fn begin() -> Self {
        let image = Image::find().inspect_err(told);
        if let Ok(image) = &image {
            _ = image.cut().inspect_err(told);
        }
        let now = Instant::now();
        Self { image: image.ok(), heap_due: now, image_due: now, image_pause: IMAGE_SOON }
    }

    /// Returns what the heap does not use, and once a minute the pages of the binary that nothing has
    /// run lately: at first what the start and the reading of the configuration needed.
    pub fn tidy(&mut self) {
        let now = Instant::now();
        if now < self.heap_due {
            allocator::decay();
        } else {
            self.heap_due = now + HEAP_EVERY;
            allocator::give_back();
        }
        if now >= self.image_due {
            self.image_due = now + self.image_pause;
            self.image_pause = IMAGE_EVERY;
            if let Some(image) = &self.image {
                _ = image.let_go().inspect_err(told);
            }
        }
    }
}

fn told(error: &std::io::Error) {
    log::debug!("more of the binary's pages stay in memory than need be: {error}");
}
