//! What is at work, as it is drawn: pipelines and the components in them.

/// The pipelines of the configuration in force, and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub pipelines: Vec<PipelineLayout>,
    /// YAML, secrets masked.
    pub configuration: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineLayout {
    pub id: String,
    /// `logs`, `metrics`, `traces`.
    pub signal: &'static str,
    /// What an item of it is called in metric names: `log_records`.
    pub items: &'static str,
    pub receivers: Vec<Placed>,
    /// In their order.
    pub processors: Vec<Placed>,
    pub exporters: Vec<Placed>,
}

/// A component in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// As the user wrote it.
    pub id: String,
    /// Its name on the status board.
    pub component: String,
    /// The name of the tap behind it.
    pub tap: String,
}
