//! From the configuration to transforms. Errors come with the key they are about.

use super::filter::{Filter, Names, Value};
use super::merge::Aggregation;
use super::operations::Operation;
use super::transform::{Action, Case, Transform};
use super::{OperationConfig, TransformConfig};
use crate::otlp::Str;
use crate::processors::pattern;
use crate::telemetry::Causes;

type Flaw = (String, String);

fn flaw<T>(key: &str, message: impl Into<String>) -> Result<T, Flaw> {
    Err((key.to_owned(), message.into()))
}

fn required(key: &str, value: &str, action: &str) -> Result<Str, Flaw> {
    match value {
        "" => flaw(key, format!("missing required field \"{key}\" while \"action\" is {action}")),
        value => Ok(value.into()),
    }
}

fn aggregation(name: &str, default: Option<Aggregation>) -> Result<Aggregation, Flaw> {
    match (name, default) {
        ("", Some(default)) => Ok(default),
        ("", None) => flaw("aggregation_type", "is required: sum, mean, min, max, count or median"),
        (name, _) => name.parse().map_err(|error| ("aggregation_type".to_owned(), error)),
    }
}

impl TransformConfig {
    /// `version` is what `{{version}}` in the value of a new label stands for.
    pub fn compile(&self, version: &str) -> Result<Transform, Flaw> {
        if self.include.is_empty() {
            return flaw("include", "missing required field \"include\"");
        }
        let filter = self.filter()?;
        let action = match self.action.as_str() {
            "insert" => {
                required("new_name", &self.new_name, "insert")?;
                Action::Insert
            }
            "update" => Action::Update,
            "combine" => {
                required("new_name", &self.new_name, "combine")?;
                Action::Combine {
                    how: aggregation(&self.aggregation_type, Some(Aggregation::Sum))?,
                    case: match self.submatch_case.as_str() {
                        "" => None,
                        "lower" => Some(Case::Lower),
                        "upper" => Some(Case::Upper),
                        other => {
                            return flaw(
                                "submatch_case",
                                format!("\"{other}\" is not known: use lower or upper"),
                            );
                        }
                    },
                    warned: Causes::new(),
                }
            }
            "group" => {
                if self.group_resource_labels.is_empty() {
                    return flaw(
                        "group_resource_labels",
                        "missing required field \"group_resource_labels\" while \"action\" is group",
                    );
                }
                let labels = self.group_resource_labels.iter();
                Action::Group(labels.map(|(key, value)| (key.into(), value.into())).collect())
            }
            "" => return flaw("action", "is required: insert, update, combine or group"),
            other => {
                return flaw(
                    "action",
                    format!("\"{other}\" is not known: use insert, update, combine or group"),
                );
            }
        };
        let operations = self.operations.iter().enumerate().map(|(index, operation)| {
            operation
                .compile(version)
                .map_err(|(key, message)| (format!("operations::{index}::{key}"), message))
        });
        Ok(Transform {
            filter,
            action,
            new_name: (!self.new_name.is_empty()).then(|| self.new_name.clone()),
            operations: operations.collect::<Result<_, _>>()?,
        })
    }

    fn filter(&self) -> Result<Filter, Flaw> {
        let labels = self.experimental_match_labels.iter();
        match self.match_type.as_str() {
            "" | "strict" => Ok(Filter {
                names: Names::Exact(self.include.clone()),
                labels: labels.map(|(key, value)| (key.into(), Value::Exact(value.clone()))).collect(),
            }),
            "regexp" => Ok(Filter {
                names: Names::Pattern(
                    pattern::compile(&self.include).map_err(|error| ("include".to_owned(), error))?,
                ),
                labels: labels
                    .map(|(key, value)| {
                        let pattern = pattern::compile(value)
                            .map_err(|error| (format!("experimental_match_labels::{key}"), error))?;
                        Ok((Str::from(key), Value::Pattern(pattern)))
                    })
                    .collect::<Result<_, Flaw>>()?,
            }),
            other => flaw("match_type", format!("\"{other}\" is not known: use strict or regexp")),
        }
    }
}

impl OperationConfig {
    fn compile(&self, version: &str) -> Result<Operation, Flaw> {
        let name = self.action.as_str();
        Ok(match name {
            "add_label" => Operation::AddLabel {
                label: required("new_label", &self.new_label, name)?,
                value: required("new_value", &self.new_value, name)?.replace("{{version}}", version).into(),
            },
            "update_label" => Operation::UpdateLabel {
                label: required("label", &self.label, name)?,
                new_label: (!self.new_label.is_empty()).then(|| self.new_label.as_str().into()),
                values: self
                    .value_actions
                    .iter()
                    .map(|action| (action.value.clone(), action.new_value.as_str().into()))
                    .collect(),
            },
            "delete_label_value" => Operation::DeleteLabelValue {
                label: required("label", &self.label, name)?,
                value: required("label_value", &self.label_value, name)?.into(),
            },
            "toggle_scalar_data_type" => Operation::ToggleScalarDataType,
            "experimental_scale_value" if self.experimental_scale == 0.0 => {
                return flaw("experimental_scale", "must be there and must not be 0");
            }
            "experimental_scale_value" => Operation::ScaleValue(self.experimental_scale),
            "aggregate_labels" => Operation::AggregateLabels {
                labels: self.label_set.iter().cloned().collect(),
                how: aggregation(&self.aggregation_type, None)?,
            },
            "aggregate_label_values" => Operation::AggregateLabelValues {
                label: required("label", &self.label, name)?,
                values: self.aggregated_values.iter().cloned().collect(),
                new_value: required("new_value", &self.new_value, name)?,
                how: aggregation(&self.aggregation_type, None)?,
            },
            "" => return flaw("action", "is required"),
            other => {
                return flaw(
                    "action",
                    format!(
                        "\"{other}\" is not known: use add_label, update_label, delete_label_value, \
                         toggle_scalar_data_type, experimental_scale_value, aggregate_labels or \
                         aggregate_label_values"
                    ),
                );
            }
        })
    }
}
