//! The meter of a session, the ledger that its lines make, its closed hours, and the reports.

mod chain;
mod closing;
mod meter;
mod report;
mod slate;
mod standing;
mod verify;

pub use closing::Closing;
pub use meter::{Booking, Meter, MeterTerms, MinuteSeconds};
pub use report::{
    GroupBy, Period, RecordPage, Reports, UsageCorrection, UsageError, UsageRecord, UsageReport, UsageRow,
};
pub use slate::Slate;
pub use standing::{Standing, Standings};
pub use verify::{HourFault, TrustedKeys, Verified, VerifyError, verify};
