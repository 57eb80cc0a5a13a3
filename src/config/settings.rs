//! `[settings]`: the space of the files, and what holds for the whole of it.

use toml::de::DeTable;

use super::later::Later;
use super::reader::{Field, Page, Reader};
use super::wording::shown;
use super::{SPACE_DEFAULT, policy, retention};
use crate::domain::civil::CivilTime;
use crate::domain::spec::{BACKUPS_KEPT_DEFAULT, BACKUPS_KEPT_MAX, BackupSpec, Settings};

/// A value that at most one file gives.
struct Once<T> {
    key: &'static str,
    given: Option<(T, String)>,
}

impl<T: PartialEq> Once<T> {
    fn new(key: &'static str) -> Self {
        Once { key, given: None }
    }

    /// Takes the key's value of one file; the same value again does no harm.
    fn take<'p>(&mut self, table: &Reader<'p>, read: impl Fn(&Field<'p>) -> Option<T>) {
        let Some(field) = table.take(self.key) else {
            return;
        };
        let Some(value) = read(&field) else {
            return;
        };
        match &self.given {
            Some((first, place)) if *first != value => field.problem(format!(
                "says otherwise than {} at {place}; files read together have one {}",
                shown(self.key),
                self.key
            )),
            Some(_) => {}
            None => {
                let place = format!("{}:{}", field.page.file, field.place().line);
                self.given = Some((value, place));
            }
        }
    }

    fn value(self) -> Option<T> {
        self.given.map(|(value, _)| value)
    }
}

/// The space, and the settings when any is given beyond it.
pub(super) fn read(
    pages: &[Page<'_>],
    tables: &[Option<DeTable<'_>>],
) -> (String, Option<Settings>) {
    let mut space = Once::new("space");
    let mut timezone = Once::new("timezone");
    let mut locale = Once::new("locale");
    let mut public_url = Once::new("public_url");
    let mut quiet = Once::new("quiet");
    let mut backup = Once::new("backup");
    let mut keeping = Once::new("retention");
    for (page, table) in pages.iter().zip(tables) {
        let Some(table) = table else { continue };
        let field = Reader::root(page, table).peek("settings");
        let Some(settings) = field.and_then(|field| field.table()) else {
            continue;
        };
        space.take(&settings, Field::slug);
        timezone.take(&settings, Field::zone);
        locale.take(&settings, Field::locale);
        public_url.take(&settings, public_address);
        quiet.take(&settings, policy::windows);
        backup.take(&settings, backups);
        keeping.take(&settings, retention::settings);
        settings.finish(Later::Settings, |_| None);
    }
    let (timezone, locale, public_url) = (timezone.value(), locale.value(), public_url.value());
    let (quiet, backup, keeping) = (quiet.value(), backup.value(), keeping.value());
    let given = timezone.is_some()
        || locale.is_some()
        || public_url.is_some()
        || quiet.is_some()
        || backup.is_some()
        || keeping.is_some();
    let default = Settings::default();
    let settings = given.then(|| Settings {
        timezone: timezone.unwrap_or(default.timezone),
        locale: locale.unwrap_or(default.locale),
        public_url,
        quiet,
        backup,
        retention: keeping,
    });
    (
        space.value().unwrap_or_else(|| SPACE_DEFAULT.into()),
        settings,
    )
}

/// `backup = { at = "03:30", keep = 7 }`.
fn backups(field: &Field<'_>) -> Option<BackupSpec> {
    let table = field.table()?;
    let at = table
        .need("at")
        .and_then(|field| policy::written::<CivilTime>(&field).map(|at| (field, at)));
    let keep = match table.take("keep") {
        Some(field) => field.count(1..=BACKUPS_KEPT_MAX),
        None => Some(BACKUPS_KEPT_DEFAULT),
    };
    table.finish(Later::Nothing, |_| None);
    let (field, at) = at?;
    if at == CivilTime::DAY_END {
        field.problem("is the end of a day; write `00:00`");
        return None;
    }
    Some(BackupSpec { at, keep: keep? })
}

/// Paths of the program are put behind it, so it ends before the query.
fn public_address(field: &Field<'_>) -> Option<String> {
    let address = field.address()?;
    if address.contains(['?', '#']) {
        field.problem("has a query or a fragment; give only scheme, host and path");
        return None;
    }
    Some(address)
}
