//! The meter of a session, the ledger that its lines make, its closed hours, what they cost, and the reports.

mod chain;
mod checking;
mod closing;
mod cursor;
mod focus;
mod formats;
mod key;
mod limit;
mod meter;
mod money;
mod period;
mod prices;
mod pricing;
mod quote;
mod records;
mod recount;
mod report;
mod reports;
mod slate;
mod standing;
mod summing;
mod tariff;
#[cfg(test)]
mod testing;
mod verify;
mod walk;

pub use checking::{Checking, Integrity, Part};
pub use closing::{ClockDoubt, Closing};
pub use formats::Format;
pub use key::{KeyError, ledger_key};
pub use limit::{Amount, CapBoard, CapReached, Month};
pub use meter::{Booking, Meter, MeterTerms, MinuteSeconds};
pub use money::Money;
pub use period::{Period, UsageError, instant};
pub use prices::PriceBook;
pub use quote::{MonthToDate, Quote, QuoteItem, QuoteLine, QuoteRequest};
pub use records::{RecordPage, UsageCorrection, UsageRecord};
pub use report::{Billed, CurrencyCost, GroupBy, MinuteRow, ReportState, UsageReport, UsageRow};
pub use reports::{Question, Reports};
pub use slate::Slate;
pub use standing::{MonthWatch, Standing, Standings};
pub use tariff::{MARKET_LABEL, OUTPUT_LABEL, Price, PriceList, Rounding, SlateTerms, Tariff, TariffError, VolumeStep};
pub use verify::{HourFault, TrustedKeys, Verified, VerifyError, verify};
