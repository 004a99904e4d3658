//! The steps that bring a database from its first form to today's, in order. A list of our own: sqlx's macro for it would have SQLite,
//! sqlx and tokio compiled a second time, for the compiler.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A file of the folder `migrations` for each, by its name: number, what it does. Their bytes are digested into every database, so
/// a file never changes once it was released.
const STEPS: [(i64, &str, &str); 22] = [
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "ledger lines", include_str!("migrations/0002_ledger_lines.sql")),
    (3, "closed hours", include_str!("migrations/0003_closed_hours.sql")),
    (4, "hour sums", include_str!("migrations/0004_hour_sums.sql")),
    (6, "outbox", include_str!("migrations/0006_outbox.sql")),
    (7, "session meters", include_str!("migrations/0007_session_meters.sql")),
    (8, "deployment", include_str!("migrations/0008_deployment.sql")),
    (9, "cheaper guards", include_str!("migrations/0009_cheaper_guards.sql")),
    (10, "clock", include_str!("migrations/0010_clock.sql")),
    (11, "break policy", include_str!("migrations/0011_break_policy.sql")),
    (12, "game offsets", include_str!("migrations/0012_game_offsets.sql")),
    (13, "markets", include_str!("migrations/0013_markets.sql")),
    (14, "beacons", include_str!("migrations/0014_beacons.sql")),
    (15, "break fill", include_str!("migrations/0015_break_fill.sql")),
    (16, "outputs", include_str!("migrations/0016_outputs.sql")),
    (18, "api keys", include_str!("migrations/0018_api_keys.sql")),
    (19, "audit", include_str!("migrations/0019_audit.sql")),
    (20, "webhooks", include_str!("migrations/0020_webhooks.sql")),
    (22, "game rights", include_str!("migrations/0022_game_rights.sql")),
    (23, "breaks by hand", include_str!("migrations/0023_breaks_by_hand.sql")),
    (24, "lineups", include_str!("migrations/0024_lineups.sql")),
    (25, "sealed prices", include_str!("migrations/0025_sealed_prices.sql")),
];

pub(super) fn migrator() -> Migrator {
    let step = |(number, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.map(step).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_step() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        let named = STEPS.map(|(number, name, _)| format!("{number:04}_{}.sql", name.replace(' ', "_")));
        assert_eq!(files, named.map(std::ffi::OsString::from));
    }
}
