//! The meter of a session, and the reports made from its lines.

mod meter;
mod report;
mod slate;

pub use meter::{Booking, Meter, MeterTerms, MinuteSeconds};
pub use report::{GroupBy, Period, RecordPage, Reports, UsageError, UsageRecord, UsageReport, UsageRow};
pub use slate::Slate;
