//! What bounds a shard's state, whatever the traffic (promise I6).

/// Limits, each with what happens when it is reached. All of it is counted ([`crate::publication::Evictions`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Event ids remembered. Beyond, the oldest window's go: it becomes final early, and its duplicates aren't recognised.
    pub rows: usize,
    /// Labels whose prediction hasn't come. Beyond, the one with the oldest time goes.
    pub waiting_labels: usize,
    /// Labels of one event id that wait. Beyond, the oldest goes.
    pub labels_of_one_event: usize,
    /// Windows held. Beyond, the oldest becomes final early, and what still comes for it is late.
    pub windows: usize,
    /// Versions told apart in one window. Beyond, they are the version `other`.
    pub versions: usize,
    /// Values of a segment's column told apart in one window and version. Beyond, they are the segment `COLUMN=other`.
    pub segment_values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 4_000_000,
            waiting_labels: 500_000,
            labels_of_one_event: 16,
            windows: 8_192,
            versions: 100,
            segment_values: 100,
        }
    }
}

/// Segment values longer than this are `other`; bytes.
pub(crate) const SEGMENT_VALUE_BYTES: usize = 128;
/// What versions and segment values beyond their limits are called.
pub(crate) const OTHER: &str = "other";
/// Rows gathered before profiles are updated.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Dead letters that may wait for the next publication; beyond, there is one at once.
pub(crate) const PENDING_LETTERS: usize = 256;
/// Bytes of dead letters that may wait.
pub(crate) const PENDING_LETTER_BYTES: usize = 4 << 20;
