//! The sources, one file each.

mod activity;
mod audit;
mod devices;
mod exchange;
mod search;
mod sharepoint;
mod signins;
mod teams;

use arrow::datatypes::{DataType, TimeUnit};

use super::source::Spec;

/// A large office service.
pub(crate) static OFFICE: [Spec; 7] =
    [sharepoint::SPEC, teams::SPEC, search::SPEC, exchange::SPEC, signins::SPEC, devices::SPEC, audit::SPEC];

/// The benchmarks' one table, in either form.
pub(crate) static ACTIVITY: [Spec; 2] = [activity::COLUMNS, activity::LINES];

fn utc_ms() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}
