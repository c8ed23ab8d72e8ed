//! `keys:`: when the keys of issuers are fetched.

use std::time::Duration;

use crate::config::reader::{Code, Fault, Fields, Reading};
use crate::config::settings::KeyTimes;

const HOUR: Duration = Duration::from_secs(3600);

/// Reads this part of the config.
pub(crate) fn times(root: &mut Fields<'_>) -> Reading<KeyTimes> {
    let default = KeyTimes::default();
    let field = root.opt("keys");
    if !field.is_present() {
        return Ok(default);
    }
    let mut fields = field.fields("the times of keys")?;
    let second = Duration::from_secs(1);
    let refresh = fields.duration_or("refresh", default.refresh, second..=24 * HOUR);
    let max_age = fields.duration_or("max_age", default.max_age, second..=7 * 24 * HOUR);
    // Made-up tokens must not cost Clerk requests: there are none more often than this, whatever clients send.
    let cooldown = fields.duration_or("cooldown", default.cooldown, second..=HOUR);
    let wait = fields.duration_or("wait", default.wait, Duration::ZERO..=10 * second);
    fields.finish();
    let times = KeyTimes {
        refresh: refresh?,
        max_age: max_age?,
        cooldown: cooldown?,
        wait: wait?,
    };
    if times.max_age <= times.refresh {
        let what = "`keys.max_age` is not longer than `keys.refresh`: keys would be thrown away before new ones are fetched";
        let fault = Fault::error(Code::Contradiction, what).fix("`refresh: 1h`, `max_age: 24h`");
        return Err(field.reject(fault));
    }
    Ok(times)
}
