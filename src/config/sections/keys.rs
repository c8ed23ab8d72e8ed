//! How long things are kept: `keys:` of issuers, `revocations:`.

use std::time::Duration;

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::Fields;
use crate::config::settings::KeyTimes;

const HOUR: Duration = Duration::from_secs(3600);

/// Reads this part of the config.
pub(crate) fn times(root: &mut Fields<'_>) -> Option<KeyTimes> {
    let default = KeyTimes::default();
    let field = root.opt("keys");
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the times of keys")?;
    let second = Duration::from_secs(1);
    let refresh = fields
        .opt("refresh")
        .duration_or(default.refresh, second..=24 * HOUR);
    let max_age = fields
        .opt("max_age")
        .duration_or(default.max_age, second..=7 * 24 * HOUR);
    // Clerk must not pay for tokens that somebody makes up: not more often than this, whatever is sent.
    let cooldown = fields
        .opt("cooldown")
        .duration_or(default.cooldown, second..=HOUR);
    let wait = fields
        .opt("wait")
        .duration_or(default.wait, Duration::ZERO..=10 * second);
    fields.finish();
    let times = KeyTimes {
        refresh: refresh?,
        max_age: max_age?,
        cooldown: cooldown?,
        wait: wait?,
    };
    if times.max_age <= times.refresh {
        let what = "`keys.max_age` is not longer than `keys.refresh`: keys would be thrown away before new ones are fetched";
        field.reject(Fault::error(Code::Contradiction, what).fix("`refresh: 1h`, `max_age: 24h`"));
        return None;
    }
    Some(times)
}
