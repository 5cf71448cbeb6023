//! Texts that are written once and seldom read, compressed in blocks.

/// Texts by number, in the order they came.
#[derive(Debug, Default)]
pub struct Archive {
    /// Full blocks, each of [`BLOCK`] texts.
    blocks: Vec<Box<[u8]>>,
    /// The block that is being filled: texts, each with a line's end.
    open: String,
    in_open: usize,
    forgotten: usize,
}

/// Texts of a block.
const BLOCK: usize = 256;
/// The text of a block is not larger than this: the longest lines times their number.
const LARGEST: usize = BLOCK << 20;
const LEVEL: i32 = 1;
/// Below this many texts it is not worth to write an archive anew.
const SMALL: usize = 1024;

impl Archive {
    /// Adds a text that has no line's end in it; its number.
    pub fn add(&mut self, text: &str) -> u32 {
        let number = self.len();
        self.open.push_str(text);
        self.open.push('\n');
        self.in_open += 1;
        if self.in_open == BLOCK {
            // It cannot fail for lack of room, and for nothing else.
            let packed = zstd::bulk::compress(self.open.as_bytes(), LEVEL).unwrap_or_default();
            self.blocks.push(packed.into_boxed_slice());
            self.open = String::new();
            self.in_open = 0;
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Tells `each` the texts of these numbers, which are in ascending order.
    pub fn read(&self, numbers: &[u32], each: &mut dyn FnMut(&str)) {
        for wanted in numbers.chunk_by(|a, b| *a as usize / BLOCK == *b as usize / BLOCK) {
            let block = wanted[0] as usize / BLOCK;
            let unpacked;
            let text = match self.blocks.get(block) {
                Some(packed) => {
                    unpacked = unpack(packed);
                    &unpacked
                }
                None => &self.open,
            };
            let mut wanted = wanted.iter().map(|number| *number as usize % BLOCK).peekable();
            for (n, line) in text.lines().enumerate() {
                if wanted.next_if_eq(&n).is_some() {
                    each(line);
                }
            }
        }
    }

    /// So many of the texts are of no use any more.
    pub fn forget(&mut self, texts: usize) {
        self.forgotten += texts;
    }

    /// Whether most of it is of no use.
    pub fn is_wasteful(&self) -> bool {
        self.len() > SMALL && self.forgotten * 2 > self.len()
    }

    /// Memory it takes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.len() + size_of::<Box<[u8]>>()).sum::<usize>()
            + self.open.capacity()
    }

    fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.in_open
    }
}

fn unpack(packed: &[u8]) -> String {
    let bytes = zstd::bulk::decompress(packed, LARGEST.min(upper_bound(packed))).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// The size that the frame itself names: we wrote it.
fn upper_bound(packed: &[u8]) -> usize {
    zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(LARGEST)
}
