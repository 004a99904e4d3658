//! The meter of a session, and the reports made from its lines.

mod report;

pub use report::{GroupBy, Period, RecordPage, Reports, UsageError, UsageRecord, UsageReport, UsageRow};
